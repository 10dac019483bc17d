"""How a market ended: what each source says of it, and strict inference from all of them.

A result is booked only where it is stated; prices near 1 and 0 state nothing, and what some source
calls disputed is never booked. Whatever remains unclear is for a person.
"""

import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum

from config.kernel.units import ONE, ZERO
from markets.core.wire_clob import MarketState
from markets.core.wire_data import OracleState
from markets.core.wire_gamma import MarketRow

HALF = Decimal("0.5")
BOOKABLE = (ZERO, HALF, ONE)
GAMMA, CLOB, DATA, CHAIN = "gamma", "clob", "data", "chain"
NAMES = {GAMMA: "catalogue", CLOB: "matching engine", DATA: "oracle", CHAIN: "ledger"}
"""What people call the sources."""
LONGEST_WORD = 300
# Words of the oracle's life: under discussion, only on its way, and done; others are unknown.
DISPUTED = frozenset({"disputed", "challenged", "arbitration"})
PENDING = frozenset({"proposed", "requested", "reproposed", "posed", "active", "initialized"})
RESOLVED = "resolved"
SETTLED = frozenset({RESOLVED, "settled"})


class Said(StrEnum):
    """What a source can say; UNSTATED: over, without a word on how, which leaves it to others."""

    RESULT = "RESULT"
    NOT_YET = "NOT_YET"
    DISPUTED = "DISPUTED"
    UNCLEAR = "UNCLEAR"
    UNSTATED = "UNSTATED"
    NOT_THERE = "NOT_THERE"
    SILENT = "SILENT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One source's word; `payout` is what a share of outcome 0 pays, set with a RESULT only.

    `unplaced` results do not say which of the outcomes that we know is the first: they count only
    beside one that does.
    """

    source: str
    said: Said
    detail: str
    payout: Decimal | None = None
    resolved_at: datetime | None = None
    unplaced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """The market that we ask about; `asset_ids` are those we know, outcome 0 first."""

    key: str
    condition_id: str | None
    asset_ids: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a share of outcome 0 pays, who said so, and when it was decided (None = not said)."""

    payout: Decimal
    source: str
    resolved_at: datetime | None


@dataclass(frozen=True, slots=True)
class NotYet:
    """Nothing to book now, and nothing for a person to decide either."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unclear:
    """The sources do not settle it: a person decides."""

    reason: str


Verdict = Result | NotYet | Unclear


def decide(evidence: Sequence[Evidence], *, needed: int, overdue: bool) -> Verdict:
    """What follows from the evidence of all sources that were asked.

    `needed` sources must name the same result, unless the chain does, which pays by it. While some
    source is behind, silent or calls it disputed, we wait; `overdue` ends the waiting. One unclear
    word beside results is enough for a person to look: it may be the one that pays.
    """
    by_word = {word: [e for e in evidence if e.said == word] for word in Said}
    results = by_word[Said.RESULT]
    if len({e.payout for e in results}) > 1:
        return Unclear(f"the sources contradict each other: {in_words(results)}")
    if by_word[Said.DISPUTED]:
        return _disputed(by_word[Said.DISPUTED], results, overdue=overdue)
    behind = by_word[Said.NOT_YET] + by_word[Said.SILENT]
    if results:
        return _named(results, by_word, needed=needed, overdue=overdue)
    if unclear := by_word[Said.UNCLEAR] + by_word[Said.UNSTATED]:
        if behind and not overdue:
            return NotYet(in_words(unclear + behind))
        return Unclear(in_words(unclear))
    if overdue and by_word[Said.NOT_THERE] and not behind:
        return Unclear("it is past its end and no source knows it any more")
    return NotYet(in_words(behind or by_word[Said.NOT_THERE]))


def _disputed(disputed: list[Evidence], results: list[Evidence], *, overdue: bool) -> Verdict:
    if overdue and results:
        return Unclear(f"{in_words(results)}, while {in_words(disputed)}")
    return NotYet(in_words(disputed))


def _named(
    results: list[Evidence],
    by_word: Mapping[Said, list[Evidence]],
    *,
    needed: int,
    overdue: bool,
) -> Verdict:
    if unclear := by_word[Said.UNCLEAR]:
        return Unclear(f"{in_words(unclear)}, while {in_words(results)}")
    if all(e.unplaced for e in results):
        behind = by_word[Said.NOT_YET] + by_word[Said.SILENT]
        reason = in_words(results + behind)
        return NotYet(reason) if behind and not overdue else Unclear(reason)
    return _agreed(results, by_word[Said.NOT_YET], needed=needed, overdue=overdue)


def _agreed(
    results: list[Evidence], open_still: list[Evidence], *, needed: int, overdue: bool
) -> Verdict:
    by_chain = next((e for e in results if e.source == CHAIN), None)
    if by_chain is None and open_still:
        reason = f"{in_words(results)}, while {in_words(open_still)}"
        return Unclear(reason) if overdue else NotYet(reason)
    if by_chain is None and len(results) < needed:
        reason = f"{in_words(results)}; money needs {needed} sources that agree"
        return Unclear(reason) if overdue else NotYet(reason)
    payout = results[0].payout
    assert payout is not None  # noqa: S101 - a RESULT has one
    dated = (e.resolved_at for e in results if e.resolved_at is not None)
    sources = "+".join(e.source for e in results)
    return Result(payout=payout, source=sources, resolved_at=next(dated, None))


def is_plain(first: Evidence) -> bool:
    """Whether the first, cheap source alone leaves no question: a stated result, or still open."""
    return first.said in (Said.RESULT, Said.NOT_YET, Said.DISPUTED) and not first.unplaced


def contradicts(
    booked: Decimal, evidence: Iterable[Evidence], *, by_hand: bool = False
) -> list[Evidence]:
    """Those words that do not go with a result booked before.

    Unclear words were what made a person decide: beside a result booked `by_hand` they are no news.
    """
    against = {Said.DISPUTED} if by_hand else {Said.DISPUTED, Said.UNCLEAR}
    return [
        e for e in evidence if e.said in against or (e.said == Said.RESULT and e.payout != booked)
    ]


def from_catalogue(row: MarketRow, *, ours: Ours) -> Evidence:
    """What the catalogue's row says of our market, if it is about it.

    Whether orders are accepted is not asked: the flag stays on for some markets that ended.
    """
    if foreign := _not_ours(row, ours):
        return _word(GAMMA, Said.UNCLEAR, foreign)
    status = status_word(row.uma_resolution_status)
    shown = ", ".join(map(str, row.outcome_prices)) or "none"
    if status in DISPUTED:
        return _word(GAMMA, Said.DISPUTED, f"the result is {status}")
    if row.closed is not True:
        return _word(GAMMA, Said.NOT_YET, f"not closed, prices {shown}")
    detail = f"closed with the prices {shown}, status {status or 'none'}"
    if status in PENDING:
        return _word(GAMMA, Said.NOT_YET, detail)
    if status and status not in SETTLED:
        return _word(GAMMA, Said.UNCLEAR, f"{detail}, a status that we do not know")
    return _of_closed(row, detail, ours)


def _of_closed(row: MarketRow, detail: str, ours: Ours) -> Evidence:
    """What the prices of a closed row state; its status speaks against nothing."""
    if row.asset_ids and ours.asset_ids and tuple(row.asset_ids) != tuple(ours.asset_ids):
        return _word(GAMMA, Said.UNCLEAR, "the outcomes are not in the order in which we know them")
    if not any(row.outcome_prices):
        return _word(GAMMA, Said.UNSTATED, detail)
    unplaced = bool(ours.asset_ids) and not row.asset_ids
    detail = f"{detail}, no ids of its outcomes" if unplaced else detail
    stated = status_word(row.uma_resolution_status) in SETTLED and not row.neg_risk
    halves = row.outcome_prices == (HALF, HALF) and stated
    if sorted(row.outcome_prices) == [ZERO, ONE] or halves:
        return _result(GAMMA, row.outcome_prices[0], detail, at=row.closed_time, unplaced=unplaced)
    return _word(GAMMA, Said.UNCLEAR, detail)


def _not_ours(row: MarketRow, ours: Ours) -> str:
    """Why the row is about another market; empty where it is ours."""
    if row.id != ours.key:
        return f"answers about market {row.id}, asked about {ours.key}"
    said, known = row.condition_id, ours.condition_id
    if said and known and said.lower() != known.lower():
        return f"answers about condition {said}, asked about {known}"
    return ""


def status_word(status: str | None) -> str:
    """The oracle's word as we compare it; empty = nothing said."""
    return clean(status or "", longest=60).lower()


def from_engine(state: MarketState, *, asset_ids: Sequence[str]) -> Evidence:
    """What the matching engine says."""
    if not state.closed:
        return _word(CLOB, Said.NOT_YET, "has not closed it")
    if not asset_ids:
        return _word(CLOB, Said.UNSTATED, "we know no ids to place its tokens by")
    by_id = {token.token_id: token for token in state.tokens}
    if set(by_id) != set(asset_ids) or len(asset_ids) != 2:
        return _word(CLOB, Said.UNCLEAR, "its tokens are not those we know")
    first, second = (by_id[asset] for asset in asset_ids)
    if first.winner != second.winner:
        won = first if first.winner else second
        return _result(CLOB, ONE if first.winner else ZERO, f"names {won.outcome}")
    halves = first.price == second.price == HALF
    if state.is_50_50_outcome and halves and not first.winner and not state.neg_risk:
        return _result(CLOB, HALF, "splits it 50/50")
    return _word(CLOB, Said.UNCLEAR, f"names {'two winners' if first.winner else 'no winner'}")


def from_oracle(states: Sequence[OracleState], *, neg_risk: bool) -> Evidence:
    """What the oracle's record says; a question asked again has several rows, the newest counts."""
    if not states:
        return _word(DATA, Said.NOT_THERE, "no record")
    newest = max(states, key=lambda state: state.updated_at)
    status = status_word(newest.status)
    detail = f"status {status}"
    if status in DISPUTED:
        return _word(DATA, Said.DISPUTED, detail)
    if status in PENDING:
        return _word(DATA, Said.NOT_YET, detail)
    if status not in SETTLED:
        return _word(DATA, Said.UNCLEAR, f"{detail}, a status that we do not know")
    said: set[Decimal | None] = {newest.price} if newest.price in BOOKABLE else set()
    if newest.payouts:
        said.add(_share(newest.payouts))
    detail = f"{detail}, price {newest.price}, payouts {list(newest.payouts)}"
    split = HALF in said and neg_risk
    if len(said) != 1 or None in said or split:
        return _word(DATA, Said.UNCLEAR, detail)
    return _result(DATA, said.pop(), detail, at=newest.resolved_at)


def from_chain(denominator: int, numerators: Sequence[int]) -> Evidence:
    """What the ledger pays: shares of the denominator; a denominator of 0 = not reported yet.

    A scalar, which pays both sides unequal parts, is no end of a binary question: unclear.
    """
    if denominator == 0:
        return _word(CHAIN, Said.NOT_YET, "no payout yet")
    detail = f"pays {list(numerators)} of {denominator}"
    share = _share(numerators) if sum(numerators) == denominator else None
    if share is None:
        return _word(CHAIN, Said.UNCLEAR, detail)
    return _result(CHAIN, share, detail)


def silent(source: str, why: str) -> Evidence:
    """The source gave no answer that can be used; asking again may help."""
    return _word(source, Said.SILENT, why)


def not_there(source: str) -> Evidence:
    """The source knows no such market."""
    return _word(source, Said.NOT_THERE, "it knows no such market")


def not_listed(source: str) -> Evidence:
    """The source does not list it among the closed."""
    return _word(source, Said.NOT_YET, "not listed as closed")


def as_json(evidence: Iterable[Evidence], *, as_of: datetime) -> str:
    """The evidence as canonical JSON: one object a source, with the second it was asked."""
    rows = [
        {
            "source": e.source,
            "said": str(e.said),
            "payout": None if e.payout is None else str(e.payout),
            "detail": e.detail,
            "resolved_at": e.resolved_at and e.resolved_at.astimezone(UTC).isoformat(),
            "asked_at": as_of.astimezone(UTC).isoformat(timespec="seconds"),
        }
        for e in evidence
    ]
    return json.dumps(rows, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _share(payouts: Sequence[int]) -> Decimal | None:
    """What outcome 0 gets of two payouts; None unless that is nothing, half or all."""
    if len(payouts) != 2 or min(payouts) < 0 or sum(payouts) <= 0:
        return None
    share = Decimal(payouts[0]) / sum(payouts)
    return next((known for known in BOOKABLE if share == known), None)


def clean(text: str, *, longest: int = LONGEST_WORD) -> str:
    r"""A stranger's words as one line that can be kept and shown: no control, no hidden character.

    >>> clean("dis\x00puted\n by\u200b all")
    'disputed by all'
    """
    line = " ".join(text.split())
    return "".join(c for c in line if unicodedata.category(c)[0] != "C").strip()[:longest]


def _word(source: str, said: Said, detail: str) -> Evidence:
    return Evidence(source=source, said=said, detail=clean(detail))


def _result(
    source: str,
    payout: Decimal | None,
    detail: str,
    at: datetime | None = None,
    *,
    unplaced: bool = False,
) -> Evidence:
    return Evidence(
        source=source,
        said=Said.RESULT,
        detail=clean(detail),
        payout=payout,
        resolved_at=at,
        unplaced=unplaced,
    )


def in_words(evidence: Iterable[Evidence]) -> str:
    """Who says what, for a reason."""
    return "; ".join(f"{NAMES.get(e.source, e.source)}: {e.detail}" for e in evidence)
