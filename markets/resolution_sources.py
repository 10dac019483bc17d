"""Ask how markets ended: the cheap source about all, three others where it matters."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import structlog

from config.kernel.units import ConditionId
from markets import unknown
from markets.adapters import chain, clob_data, data_api, gamma, http
from markets.adapters.chain import Chain
from markets.adapters.clob_data import ClobData
from markets.adapters.data_api import DataApi
from markets.adapters.gamma import Gamma
from markets.core import wire_resolution as wire
from markets.core.wire import NotUnderstood
from markets.core.wire_data import OracleState
from markets.core.wire_resolution import Evidence, Ours
from markets.models import Market, Protocol

log = structlog.get_logger()
GIVE_UP_AFTER = 3
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Who is asked; None = not to be asked about these markets."""

    catalogue: Gamma
    engine: ClobData | None = None
    data: DataApi | None = None
    chain: Chain | None = None


def connect() -> Sources:
    """The sources we are configured for; the real ones never speak about simulated markets."""
    catalogue, ledger, data = gamma.connect(), chain.connect(), data_api.connect()
    return Sources(
        catalogue=catalogue,
        engine=clob_data.connect(),
        data=data if data.simulated == catalogue.simulated else None,
        chain=ledger if ledger.simulated == catalogue.simulated else None,
    )


def first_words(
    markets: Sequence[Market], sources: Sources, *, as_of: datetime
) -> dict[int, Evidence]:
    """The catalogue's word on each market, by id, fifty a request.

    One market that the venue cannot show is found by halving and left out; it hides no other.
    Raises `http.VenueUnreachable` where the first three requests all fail: that is an outage.
    """
    found = {m.pk: _one(m, sources, as_of=as_of) for m in markets if not m.condition_id}
    listed = [m for m in markets if m.condition_id]
    queue = deque(_batches(listed, gamma.CONDITIONS_PER_CALL))
    failures = 0
    while queue:
        batch = queue.popleft()
        try:
            found |= _batch(batch, sources, as_of=as_of)
        except http.VenueUnreachable as failure:
            failures += 1
            log.warning("resolution.unreachable", markets=len(batch), error=str(failure))
            if failures >= GIVE_UP_AFTER and len(found) < failures:
                raise
            half = len(batch) // 2
            queue.extend(part for part in (batch[:half], batch[half:]) if half)
            if not half:
                found[batch[0].pk] = wire.silent(wire.GAMMA, "the catalogue cannot show it")
    return found


def _batch(batch: Sequence[Market], sources: Sources, *, as_of: datetime) -> dict[int, Evidence]:
    page = sources.catalogue.results([ConditionId(m.condition_id or "") for m in batch])
    unreadable = {wrong.body for wrong in page.refused}
    for wrong in page.refused:
        unknown.refused(wrong, as_of=as_of)
    rows = {(row.condition_id or "").lower(): row for row in page.markets}
    words = {}
    for market in batch:
        row = rows.get((market.condition_id or "").lower())
        if row is not None:
            words[market.pk] = wire.from_catalogue(row, ours=ours(market))
        elif any(market.condition_id in body for body in unreadable if market.condition_id):
            words[market.pk] = wire.silent(wire.GAMMA, "its row cannot be read")
        else:
            words[market.pk] = wire.not_listed(wire.GAMMA)
    return words


def _one(market: Market, sources: Sources, *, as_of: datetime) -> Evidence:
    """The catalogue's word on one market, open or closed."""
    try:
        row = sources.catalogue.market(market.venue_key)
    except NotUnderstood as wrong:
        unknown.refused(wrong, as_of=as_of)
        return wire.silent(wire.GAMMA, "its row cannot be read")
    except http.VenueRefused:
        return wire.not_there(wire.GAMMA)
    except http.VenueUnreachable:
        return wire.silent(wire.GAMMA, "no answer")
    return wire.from_catalogue(row, ours=ours(market))


def more_words(
    markets: Sequence[Market],
    first: dict[int, Evidence],
    sources: Sources,
    *,
    as_of: datetime,
) -> dict[int, list[Evidence]]:
    """The words of all sources on each market, the catalogue's exact one first, by market id."""
    words = {m.pk: [first[m.pk]] for m in markets}
    for market in markets:
        if first[market.pk] == wire.not_listed(wire.GAMMA):
            words[market.pk] = [_one(market, sources, as_of=as_of)]
    known = [m for m in markets if m.condition_id]
    for said in (
        _of_engine(known, sources.engine, as_of=as_of),
        _of_oracle(known, sources.data, as_of=as_of),
        _of_chain(known, sources.chain, as_of=as_of),
    ):
        for pk, word in said:
            words[pk].append(word)
    return words


def _of_engine(
    markets: Sequence[Market], engine: ClobData | None, *, as_of: datetime
) -> Iterator[tuple[int, Evidence]]:
    failures = 0
    for market in markets if engine is not None else ():
        assert engine is not None  # noqa: S101 - narrows the type
        if failures >= GIVE_UP_AFTER:
            yield market.pk, wire.silent(wire.CLOB, "the engine does not answer")
            continue
        try:
            state = engine.market(ConditionId(market.condition_id or ""))
        except NotUnderstood as wrong:
            unknown.refused(wrong, as_of=as_of)
            yield market.pk, wire.silent(wire.CLOB, "its row cannot be read")
        except http.VenueRefused:
            yield market.pk, wire.not_there(wire.CLOB)
        except http.VenueUnreachable:
            failures += 1
            yield market.pk, wire.silent(wire.CLOB, "the engine does not answer")
        else:
            yield market.pk, wire.from_engine(state, asset_ids=assets(market))


def _of_oracle(
    markets: Sequence[Market], data: DataApi | None, *, as_of: datetime
) -> Iterator[tuple[int, Evidence]]:
    if data is None or not markets:
        return
    states: dict[str, list[OracleState]] = {}
    unreadable: list[str] = []
    try:
        for page in data.resolutions(ConditionId(m.condition_id or "") for m in markets):
            for wrong in page.refused:
                unknown.refused(wrong, as_of=as_of)
                unreadable.append(wrong.body.lower())
            for state in page.rows:
                states.setdefault(state.condition_id.lower(), []).append(state)
    except (http.VenueUnreachable, http.VenueRefused, NotUnderstood) as trouble:
        log.warning("resolution.source_silent", source=wire.DATA, error=str(trouble))
        yield from (
            (m.pk, wire.silent(wire.DATA, "the data service does not answer")) for m in markets
        )
        return
    for market in markets:
        condition = (market.condition_id or "").lower()
        found = states.get(condition, [])
        if any(condition in body for body in unreadable):
            yield market.pk, wire.silent(wire.DATA, "a row of it cannot be read")
        else:
            yield market.pk, wire.from_oracle(found, neg_risk=bool(market.neg_risk))


def _of_chain(
    markets: Sequence[Market], ledger: Chain | None, *, as_of: datetime
) -> Iterator[tuple[int, Evidence]]:
    wanted = [m for m in markets if m.protocol == Protocol.V1]
    if ledger is None or not wanted:
        return
    try:
        found = ledger.payouts([ConditionId(m.condition_id or "") for m in wanted])
    except (http.VenueUnreachable, http.VenueRefused) as trouble:
        log.warning("resolution.source_silent", source=wire.CHAIN, error=str(trouble))
        found = {}
    except NotUnderstood as wrong:
        unknown.refused(wrong, as_of=as_of)
        found = {}
    for market in wanted:
        paid = found.get(ConditionId(market.condition_id or ""))
        if paid is None:
            yield market.pk, wire.silent(wire.CHAIN, "the ledger's node does not answer")
        else:
            yield market.pk, wire.from_chain(paid.denominator, paid.numerators)


def ours(market: Market) -> Ours:
    """What the catalogue's answer must be about."""
    return Ours(
        key=market.venue_key, condition_id=market.condition_id or None, asset_ids=assets(market)
    )


def assets(market: Market) -> list[str]:
    """The token ids that we know, outcome 0 first; empty unless both are known."""
    ids = [o.asset_id or "" for o in sorted(market.outcomes.all(), key=lambda o: o.index)]
    return ids if len(ids) == 2 and all(ids) else []


def _batches(rows: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))
