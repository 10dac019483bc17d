"""What an answer of the venue proves about an order: a table of words, not of hopes.

Only what proves that the order was not taken ends it. A word that is not listed, a failing server
and silence prove nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Proof(StrEnum):
    """What follows from an answer."""

    ACCEPTED = "accepted: an earlier attempt arrived"
    KILLED = "accepted and killed: nothing could be filled"
    REFUSED = "refused"
    UNAUTHORISED = "refused: who we are, or where"
    RESTRICTED = "refused while the venue is restricted"
    NONE = "no proof either way"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A refusing answer: HTTP status (200 where the body refuses), its text, what it asks for."""

    status: int
    text: str
    restriction: str = ""
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What an answer proves; `restriction` is one of `VenueState.Restriction`."""

    proof: Proof
    restriction: str = ""


RESTRICTIONS: Final[Mapping[str, str]] = {
    "restarting": "RESTARTING",
    "post_only": "POST_ONLY",
    "cancel_only": "CANCEL_ONLY",
}
"""The official client's words → ours."""

RETRY_AFTER_S: Final[Mapping[str, float]] = {
    "RESTARTING": 2.0,
    "POST_ONLY": 120.0,
    "CANCEL_ONLY": 30.0,
    "DISABLED": 30.0,
    "RATE_LIMITED": 1.0,
}
"""How long to wait where the venue names no time: its documentation's own figures."""

DUPLICATE: Final = "duplicated"
KILLED: Final = (
    "fok orders are fully filled or killed",
    "no orders found to match with fak order",
    "there are no matching orders",
)
RESTRICTED: Final = (
    ("post-only mode", "POST_ONLY"),
    ("cancel-only", "CANCEL_ONLY"),
    ("trading is currently disabled", "DISABLED"),
    ("service not ready", "RESTARTING"),
)
NO_PROOF: Final = (
    "could not run the execution",
    "order timed out",
    "insert_order_error",
    "execution_error",
    "delaying_order_error",
)
REFUSED: Final = (
    "minimum tick size",
    "lower than the minimum",
    "not enough balance",
    "invalid expiration",
    "invalid nonce",
    "invalid post-only order",
    "market is not yet ready",
    "maker address not allowed",
    "invalid signature",
    "order_version_mismatch",
)
UNAUTHORISED: Final = (
    "address banned",
    "closed only mode",
    "signer address has to be the address of the api key",
)
REFUSING_STATUSES: Final = (400, 404, 422)
CREDENTIAL_STATUSES: Final = (401, 403)


def judge(answer: Answer) -> Judgement:
    """What an answer other than an acceptance proves.

    >>> judge(Answer(status=400, text="order 0xab is invalid. Duplicated.")).proof.name
    'ACCEPTED'
    >>> judge(Answer(status=500, text="could not run the execution")).proof.name
    'NONE'
    """
    text = answer.text.lower()
    if answer.status in CREDENTIAL_STATUSES or any(word in text for word in UNAUTHORISED):
        return Judgement(proof=Proof.UNAUTHORISED)
    if answer.status == 429:
        return Judgement(proof=Proof.RESTRICTED, restriction="RATE_LIMITED")
    if restriction := _restriction(answer, text):
        return Judgement(proof=Proof.RESTRICTED, restriction=restriction)
    if answer.status >= 500 or any(word in text for word in NO_PROOF):
        return Judgement(proof=Proof.NONE)
    if DUPLICATE in text:
        return Judgement(proof=Proof.ACCEPTED)
    if any(word in text for word in KILLED):
        return Judgement(proof=Proof.KILLED)
    listed = any(word in text for word in REFUSED)
    if answer.status in REFUSING_STATUSES or (answer.status == 200 and listed):
        return Judgement(proof=Proof.REFUSED)
    return Judgement(proof=Proof.NONE)


SENTENCES: Final = (
    ("the orderbook", "the market takes no orders any more: its book at the venue is closed"),
    ("not yet ready", "the market takes no orders at the moment"),
    ("not enough balance", "the wallet has too little, or the exchange may not take so much of it"),
    ("lower than the minimum", "it is smaller than the venue's minimum for an order"),
    ("minimum tick size", "its price is off the grid of the market"),
    ("invalid expiration", "its date is past or too near: the market ends"),
    ("invalid post-only order", "it would have taken what is there, and was to wait"),
    *(
        (words, "nothing was there at its price any more, so the venue ended it")
        for words in KILLED
    ),
)
"""What the venue says → what it means, for people."""

QUOTED = 200
"""Characters of the venue's own words that are kept beside the sentence."""


def in_words(answer: Answer) -> str:
    """A refusal as a sentence, with the venue's own words behind it.

    >>> in_words(Answer(status=400, text="invalid tick: minimum tick size is 0.01"))
    'its price is off the grid of the market (HTTP 400: invalid tick: minimum tick size is 0.01)'
    """
    said = f"HTTP {answer.status}: {answer.text[:QUOTED]}"
    text = answer.text.lower()
    meaning = next((sentence for words, sentence in SENTENCES if words in text), "")
    return f"{meaning} ({said})" if meaning else f"the venue refused it ({said})"


def _restriction(answer: Answer, text: str) -> str:
    if answer.status == 425:
        return "RESTARTING"
    if answer.restriction:
        return RESTRICTIONS.get(answer.restriction, "DISABLED")
    if answer.status in (200, 400, 503):
        return next((name for word, name in RESTRICTED if word in text), "")
    return ""
