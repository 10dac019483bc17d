"""Look at a wallet with its key at hand: everything is read, nothing is changed."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import httpx

from markets.adapters.http import VenueRefused, VenueUnreachable
from markets.core.wire import NotUnderstood
from trading.adapters import geoblock
from trading.adapters.clob import Clob
from trading.adapters.signer import Signer
from trading.core import readiness
from trading.core.readiness import Fact, ReadinessConfig, State
from trading.core.signing import NEG_RISK, STANDARD, V3, SignatureType
from trading.venue import OutcomeUnknown, Rejected, Restricted, Unsent

SPENDERS: Final = {
    STANDARD.address.lower(): "standard exchange",
    NEG_RISK.address.lower(): "neg-risk exchange",
    V3.address.lower(): "V3 exchange",
}
KINDS: Final = {
    SignatureType.EOA: "type 0 (plain account)",
    SignatureType.PROXY: "type 1 (e-mail wallet)",
    SignatureType.SAFE: "type 2 (Safe)",
    SignatureType.DEPOSIT: "type 3 (deposit wallet)",
}
RELAYER_TYPES: Final = {
    SignatureType.PROXY: "PROXY",
    SignatureType.SAFE: "SAFE",
    SignatureType.DEPOSIT: "WALLET",
}
FAILURES: Final = (
    *(Unsent, Rejected, OutcomeUnknown, Restricted, geoblock.Unclear),
    *(VenueUnreachable, VenueRefused, NotUnderstood),
)


def look(
    venue: Clob,
    *,
    geoblock_url: str,
    needed: Decimal,
    config: ReadinessConfig,
    clock: Callable[[], datetime],
) -> tuple[Fact, ...]:
    """Every fact about the wallet; one that cannot be learned is unknown, and stops no other.

    `needed` is what each exchange has to be allowed to take, in dollars.
    """
    as_of, signer = clock(), venue.signer

    def offset() -> Fact:
        before = clock()
        theirs = venue.server_time()
        ours = before + (clock() - before) / 2
        return readiness.clock_fact((ours - theirs).total_seconds(), config=config, as_of=as_of)

    def place() -> Fact:
        found = geoblock.ask(geoblock_url)
        return _fact("place", not found.blocked, str(found), as_of=as_of)

    def closed_only() -> Fact:
        closed = venue.closed_only()
        said = "it may only close what it holds" if closed else "no restriction"
        return _fact("closed_only", not closed, said, as_of=as_of)

    def wallet() -> Fact:
        return readiness.wallet_fact(
            KINDS[signer.signature_type], signer.wallet, session_key=signer.is_session_key,
            deployed=_deployed(signer, venue.hosts.relayer), as_of=as_of,
        )  # fmt: skip

    def allowances() -> Fact:
        return readiness.allowances_fact(
            venue.allowances(), spenders=SPENDERS, needed=needed, as_of=as_of
        )

    def balance() -> Fact:
        return readiness.balance_fact(venue.cash(), config=config, as_of=as_of)

    checks = (offset, place, closed_only, wallet, allowances, balance)
    names = ("clock", "place", "closed_only", "wallet", "allowances", "balance")
    # The venue answered a request under these credentials, or nothing below would have come back.
    found = [_guarded(name, check, as_of=as_of) for name, check in zip(names, checks, strict=True)]
    answered = any(fact.name == "balance" and fact.state is not State.UNKNOWN for fact in found)
    said = "it answered an authenticated request" if answered else "no authenticated request passed"
    return (_fact("credentials", answered, said, as_of=as_of), *found)


def _guarded(name: str, check: Callable[[], Fact], *, as_of: datetime) -> Fact:
    try:
        return check()
    except FAILURES as failure:
        return Fact(
            name=name, state=State.UNKNOWN, detail=f"{type(failure).__name__}: {failure}"[:300],
            checked_at=as_of,
        )  # fmt: skip


def _deployed(signer: Signer, relayer_url: str) -> bool | None:
    """Whether the wallet exists; a plain account always does, None where the relayer is silent."""
    kind = RELAYER_TYPES.get(signer.signature_type)
    if kind is None:
        return True
    query = {"address": signer.wallet, "type": kind}
    try:
        reply = httpx.get(f"{relayer_url}/deployed", params=query, timeout=5.0)
        body: Any = reply.raise_for_status().json()
        found = body["deployed"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, bool) else None


def _fact(name: str, good: bool, detail: str, *, as_of: datetime) -> Fact:  # noqa: FBT001 - read by its name
    return Fact(
        name=name, state=State.MET if good else State.UNMET, detail=detail, checked_at=as_of
    )
