"""File what a listing said: events, markets, outcomes, fees, and a version of what changed.

Everything travels in bulk, so that a page costs a fixed number of statements. A market that the
database refuses is taken out of its batch and kept raw: it never costs the others their news.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

import polars as pl
import structlog
from django.db import DatabaseError, DataError, IntegrityError, transaction

from config.kernel import vendor
from config.kernel.copy_format import Schema
from markets import fees, listing_events, listing_outcomes, notices, versions
from markets.core import wire, wire_catalog
from markets.core.wire import NotUnderstood
from markets.core.wire_gamma import EventRow, FeeTerms
from markets.listing_events import Row
from markets.models import Market, Notice, Origin

log = structlog.get_logger()
VENUES = {Origin.VENUE: "polymarket", Origin.SANDBOX: "sandbox"}
CHUNK = 2000
TIME = pl.Datetime("us", "UTC")
LISTED: Schema = {
    "condition_id": pl.String,
    "slug": pl.String,
    "question": pl.String,
    "description": pl.String,
    "category": pl.String,
    "protocol": pl.String,
    "opens_at": TIME,
    "scheduled_end_at": TIME,
    "closed_at": TIME,
    "accepting_orders": pl.Boolean,
    "tick_size": pl.String,
    "min_shares": pl.String,
    "neg_risk": pl.Boolean,
    "neg_risk_other": pl.Boolean,
    "placeholder": pl.Boolean,
    "asset": pl.String,
    "window_s": pl.Int32,
    "epoch_start_at": TIME,
    "reference_price": pl.Float64,
    "twap_s": pl.Int32,
    "oracle_status": pl.String,
    "resolution_source": pl.String,
    "volume": pl.Float64,
    "liquidity": pl.Float64,
    "event_id": pl.Int64,
    "fees_id": pl.Int64,
    "origin": pl.String,
}
"""The columns that a listing decides. Decimals travel as text, exactly."""
EXACT = ("tick_size", "min_shares")
SAID = tuple(said.name for said in fields(wire_catalog.Listed))
TERMS = ("rate", "exponent", "taker_only", "rebate_rate")
Values = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Filed:
    """What one batch of events brought; `seen` are the ids of its markets."""

    markets: int = 0
    added: int = 0
    changed: int = 0
    refused: list[NotUnderstood] = field(default_factory=list)
    seen: set[int] = field(default_factory=set, repr=False)

    def __iadd__(self, other: "Filed") -> "Filed":
        self.markets += other.markets
        self.added += other.added
        self.changed += other.changed
        self.refused += other.refused
        self.seen |= other.seen
        return self


def store(events: Iterable[EventRow], *, simulated: bool, as_of: datetime) -> Filed:
    """File events with their markets, in transactions of a few thousand markets each."""
    by_venue: dict[str, dict[str, Row]] = {}
    for event in events:
        for market in event.markets:
            origin = Origin.SANDBOX if simulated or market.simulated else Origin.VENUE
            row = Row(event=event, market=market, venue=VENUES[origin], origin=origin)
            by_venue.setdefault(row.venue, {})[market.id] = row
    filed = Filed()
    for rows in by_venue.values():
        many = list(rows.values())
        filed.markets += len(many)
        for start in range(0, len(many), CHUNK):
            filed += _settle(many[start : start + CHUNK], as_of=as_of)
    return filed


def _settle(rows: Sequence[Row], *, as_of: datetime) -> Filed:
    """File the rows; those that the database refuses are found by halving."""
    try:
        return _file(rows, as_of=as_of)
    except (DataError, IntegrityError) as trouble:
        if len(rows) > 1:
            half = len(rows) // 2
            filed = _settle(rows[:half], as_of=as_of)
            filed += _settle(rows[half:], as_of=as_of)
            return filed
        return Filed(refused=[_refused(rows[0], f"the database refused it: {_first(trouble)}")])


@transaction.atomic
def _file(rows: Sequence[Row], *, as_of: datetime) -> Filed:
    venue = rows[0].venue
    rows, refused = listing_outcomes.without_strangers_ids(rows, _refused)
    if not rows:
        return Filed(refused=refused)
    events = listing_events.store(venue, rows, as_of=as_of)
    known = _known(venue, rows)
    wanted = {
        row.market.id: _wanted(row, events[row.event.id], known.get(row.market.id), as_of=as_of)
        for row in rows
    }
    refused += _set_fees(rows, wanted, known, as_of=as_of)
    touched = [key for key, values in wanted.items() if _differs(values, known.get(key))]
    ids = _write(venue, {key: wanted[key] for key in touched}, known, as_of=as_of)
    refused += listing_outcomes.store(rows, ids, _refused, as_of=as_of)
    versions.keep([ids[key] for key in touched], as_of=as_of)
    _note_changed_rules({key: wanted[key] for key in touched if key in known}, known, as_of=as_of)
    added = sum(key not in known for key in touched)
    return Filed(added=added, changed=len(touched) - added, refused=refused, seen=set(ids.values()))


def _known(venue: str, rows: Sequence[Row]) -> dict[str, Values]:
    keys = [row.market.id for row in rows]
    terms = [f"fees__{name}" for name in TERMS]
    found = Market.objects.filter(venue=venue, venue_key__in=keys)
    return {
        values["venue_key"]: values
        for values in found.values("id", "venue_key", "tracked", *LISTED, *terms)
    }


def _wanted(row: Row, event_id: int, known: Values | None, *, as_of: datetime) -> Values:
    """The values that the market should have; what the listing left out keeps its last."""
    told = wire_catalog.listed(row.event, row.market, as_of=as_of)
    values: Values = {name: getattr(told, name) for name in SAID}
    values |= {"event_id": event_id, "origin": str(row.origin)}
    if known is None:
        blank = {name: "" for name, value in values.items() if value is None and name in TEXTS}
        return values | blank | {"fees_id": None}
    # Silence is not news; a market that is open again has no closing time, though.
    silent = [name for name, value in values.items() if value in (None, "")]
    values |= {name: known[name] for name in silent if name != "closed_at"}
    if row.market.closed and row.market.closed_time is None:
        values["closed_at"] = known["closed_at"] or values["closed_at"]
    if not row.event.tags and known["category"]:
        values["category"] = known["category"]
    return values | {"fees_id": known["fees_id"]}


TEXTS = ("description", "oracle_status", "resolution_source")


def _differs(values: Values, known: Values | None) -> bool:
    return known is None or any(values[name] != known[name] for name in LISTED)


def _set_fees(
    rows: Sequence[Row],
    wanted: Mapping[str, Values],
    known: Mapping[str, Values],
    *,
    as_of: datetime,
) -> list[NotUnderstood]:
    """Give each market the schedule that was told; terms that cannot be are refused: no fee."""
    fresh: dict[str, FeeTerms] = {}
    refused = []
    keys = {}
    for row in rows:
        values, before = wanted[row.market.id], known.get(row.market.id)
        try:
            said = wire_catalog.fee_terms(row.market)
        except wire.Unreadable as wrong:
            values["fees_id"] = None
            refused.append(_refused(row, str(wrong)))
            continue
        if said is not None and said != _terms(before):
            key = fees.market_key(row.venue, row.market.id, values["condition_id"])
            fresh[key], keys[row.market.id] = said, key
    filed = fees.record(fresh, as_of=as_of)
    for market, key in keys.items():
        wanted[market]["fees_id"] = filed[key]
    return refused


def _terms(known: Values | None) -> FeeTerms | None:
    if known is None or known["fees_id"] is None:
        return None
    return FeeTerms(**{name: known[f"fees__{name}"] for name in TERMS})


def _write(
    venue: str, touched: Mapping[str, Values], known: Mapping[str, Values], *, as_of: datetime
) -> dict[str, int]:
    """Insert or change the touched markets; venue key → id of all, touched or not."""
    ids = {key: values["id"] for key, values in known.items()}
    if not touched:
        return ids
    columns = {name: [_plain(values[name], name) for values in touched.values()] for name in LISTED}
    frame = pl.DataFrame(columns, schema=dict(LISTED)).with_columns(
        pl.Series("venue_key", list(touched), pl.String),
        venue=pl.lit(venue),
        dataset=pl.lit(""),
        tracked=pl.lit(value=False),
        filter_reason=pl.lit(""),
        received_at=pl.lit(as_of).cast(TIME),
    )
    vendor.upsert(Market, frame, key=["venue", "venue_key"], update=list(LISTED))
    fresh = [key for key in touched if key not in known]
    filed = Market.objects.filter(venue=venue, venue_key__in=fresh)
    return ids | dict(filed.values_list("venue_key", "pk"))


def _plain(value: Any, name: str) -> Any:
    return format(value, "f") if name in EXACT and value is not None else value


def _note_changed_rules(
    changed: Mapping[str, Values], known: Mapping[str, Values], *, as_of: datetime
) -> None:
    """A clarification can turn a bet around: whoever follows the market should read it."""
    for key, values in changed.items():
        before = known[key]
        was, now = before["description"], values["description"]
        if before["tracked"] and was and was != now:
            notices.note(
                Notice.Kind.RULES_CHANGED,
                f"{before['id']}:{as_of.isoformat()}",
                f"The rules of “{values['question'][:300]}” changed; compare its versions.",
                as_of=as_of,
                subject=key,
                severity=Notice.Severity.WARNING,
                market_id=before["id"],
            )


def _refused(row: Row, reason: str) -> NotUnderstood:
    return NotUnderstood("gamma.market", reason, _body(row))


def _body(row: Row) -> str:
    """Enough to find it again; the id comes first, for it is what repetitions are counted by."""
    return wire.raw({"id": row.market.id, "event": row.event.id, "said": repr(row.market)})


def _first(trouble: DatabaseError) -> str:
    return str(trouble).split("\n", 1)[0][:200]
