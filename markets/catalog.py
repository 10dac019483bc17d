"""Learn which events and markets exist, and their rules and fees."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction

from markets import fees, unknown
from markets.adapters import gamma, http
from markets.adapters.gamma import Gamma
from markets.core import wire_catalog, wire_epochs
from markets.core.contracts import IngestConfig
from markets.core.wire import NotUnderstood
from markets.core.wire_gamma import ASSET_LISTS, EventRow, MarketRow
from markets.models import Event, IngestSettings, Market, Origin, Outcome, Series

log = structlog.get_logger()
VENUES = {Origin.VENUE: "polymarket", Origin.SANDBOX: "sandbox"}
LISTED = tuple(wire_catalog.Listed.__dataclass_fields__)
EVENT_COLUMNS = ("slug", "title", "category", "tags", "neg_risk", "neg_risk_augmented", "series_id")
CHUNK = 500


@dataclass(slots=True, kw_only=True)
class SyncReport:
    """What one pass over the catalogue found and changed."""

    events: int = 0
    markets: int = 0
    added: int = 0
    changed: int = 0
    delisted: int = 0
    refused: int = 0
    complete: bool = False
    seen: set[int] = field(default_factory=set, repr=False)

    def figures(self) -> dict[str, Any]:
        """The counts, for a report."""
        return {k: v for k, v in asdict(self).items() if k != "seen"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One market with its event, and the keys under which we file it."""

    event: EventRow
    market: MarketRow
    venue: str
    origin: str


def sync(*, as_of: datetime, limit: int | None = None, venue: Gamma | None = None) -> SyncReport:
    """Read all open events, then the up/down windows around `as_of`, and file what changed.

    `limit` stops after about so many markets. Raises the adapter's errors; pages filed until then
    stay filed.
    """
    source = venue or gamma.connect()
    report = SyncReport()
    for page in source.events():
        _refuse(page.refused, report, as_of=as_of)
        store(page.events, report, simulated=source.simulated, as_of=as_of)
        report.complete = not page.next_cursor
        if limit is not None and report.markets >= limit:
            break
    if report.complete:
        report.delisted = _delist(report.seen, simulated=source.simulated, as_of=as_of)
    _store_epochs(source, report, as_of=as_of)
    log.info("catalogue.synced", **report.figures())
    return report


def sync_epochs(*, as_of: datetime, venue: Gamma | None = None) -> SyncReport:
    """Look up the up/down windows around `as_of` by name: the listings hide them.

    A window is asked about again until its opening price is known, about a minute after its start.
    """
    report = SyncReport()
    _store_epochs(venue or gamma.connect(), report, as_of=as_of)
    if report.events:
        log.info("epochs.synced", **report.figures())
    return report


def _store_epochs(source: Gamma, report: SyncReport, *, as_of: datetime) -> None:
    config = IngestSettings.objects.current(as_of=as_of).as_config()
    found = _epochs(source, config, report, as_of=as_of)
    store(found, report, simulated=source.simulated, as_of=as_of)


@transaction.atomic
def store(
    events: Iterable[EventRow], report: SyncReport, *, simulated: bool, as_of: datetime
) -> None:
    """File the events of one page with their markets, outcomes and fees; counts go to `report`."""
    rows: dict[tuple[str, str], _Row] = {}
    for event in events:
        report.events += 1
        _refuse(event.refused, report, as_of=as_of)
        for market in event.markets:
            origin = Origin.SANDBOX if simulated or market.simulated else Origin.VENUE
            row = _Row(event=event, market=market, venue=VENUES[origin], origin=origin)
            rows[row.venue, market.id] = row
            if market.version not in ASSET_LISTS and market.version:
                _keep_unknown_version(market, as_of=as_of)
    report.markets += len(rows)
    by_venue: dict[str, list[_Row]] = {}
    for row in rows.values():
        by_venue.setdefault(row.venue, []).append(row)
    for venue, group in by_venue.items():
        _store_group(venue, group, report, as_of=as_of)


def _store_group(venue: str, rows: list[_Row], report: SyncReport, *, as_of: datetime) -> None:
    event_ids = _store_events(venue, rows, as_of=as_of)
    keys = [row.market.id for row in rows]
    known = {
        market.venue_key: market
        for market in Market.objects.filter(venue=venue, venue_key__in=keys).select_related("fees")
    }
    rows = _without_strangers_ids(venue, rows, report, as_of=as_of)
    wanted = [_market(row, event_ids, known.get(row.market.id), as_of=as_of) for row in rows]
    _set_fees(rows, wanted, known, as_of=as_of)
    touched = [market for market in wanted if _differs(market, known.get(market.venue_key))]
    Market.objects.bulk_create(
        touched,
        batch_size=CHUNK,
        update_conflicts=True,
        unique_fields=["venue", "venue_key"],
        update_fields=[*LISTED, "event_id", "fees_id", "origin"],
    )
    ids = {key: market.pk for key, market in known.items()}
    ids.update({market.venue_key: market.pk for market in touched})
    _store_outcomes(rows, ids)
    report.added += sum(market.venue_key not in known for market in touched)
    report.changed += sum(market.venue_key in known for market in touched)
    report.seen.update(ids.values())


def _market(
    row: _Row, event_ids: dict[str, int], known: Market | None, *, as_of: datetime
) -> Market:
    values = asdict(wire_catalog.listed(row.event, row.market, as_of=as_of))
    if known is not None:
        # Silence is not news: what the venue left out keeps its last value.
        silent = [k for k, v in values.items() if v is None]
        values |= {k: getattr(known, k) for k in silent if k != "closed_at"}
        if row.market.closed and row.market.closed_time is None:
            values["closed_at"] = known.closed_at or values["closed_at"]
    return Market(
        venue=row.venue,
        venue_key=row.market.id,
        event_id=event_ids[row.event.id],
        origin=row.origin,
        fees=known.fees if known else None,
        received_at=known.received_at if known else as_of,
        tracked=known.tracked if known else False,
        filter_reason=known.filter_reason if known else "",
        **values,
    )


def _differs(market: Market, known: Market | None) -> bool:
    columns = (*LISTED, "event_id", "fees_id", "origin")
    return known is None or any(getattr(market, c) != getattr(known, c) for c in columns)


def _set_fees(
    rows: list[_Row], wanted: list[Market], known: dict[str, Market], *, as_of: datetime
) -> None:
    terms, current = {}, {}
    for row, market in zip(rows, wanted, strict=True):
        said = wire_catalog.fee_terms(row.market)
        if said is not None:
            key = fees.market_key(market)
            terms[key] = said
            before = known.get(market.venue_key)
            current[key] = before.fees if before else None
    schedules = fees.record(terms, current, as_of=as_of)
    for market in wanted:
        if (schedule := schedules.get(fees.market_key(market))) is not None:
            market.fees = schedule


def _store_events(venue: str, rows: list[_Row], *, as_of: datetime) -> dict[str, int]:
    firsts: dict[str, _Row] = {}
    for row in rows:
        firsts.setdefault(row.event.id, row)
    series = _store_series(venue, [row.event for row in firsts.values()])
    wanted = []
    for key, row in firsts.items():
        word = wire_catalog.category(row.event, row.market)
        values = dict(wire_catalog.event_values(row.event, word))
        slug = row.event.series[0].slug if row.event.series else ""
        wanted.append(
            Event(
                venue=venue,
                venue_key=key,
                series_id=series.get(slug),
                origin=row.origin,
                received_at=as_of,
                **values,
            )
        )
    known = {e.venue_key: e for e in Event.objects.filter(venue=venue, venue_key__in=firsts)}
    touched = [
        event
        for event in wanted
        if (before := known.get(event.venue_key)) is None
        or any(getattr(event, c) != getattr(before, c) for c in EVENT_COLUMNS)
    ]
    Event.objects.bulk_create(
        touched,
        batch_size=CHUNK,
        update_conflicts=True,
        unique_fields=["venue", "venue_key"],
        update_fields=list(EVENT_COLUMNS),
    )
    ids = {key: event.pk for key, event in known.items()}
    return ids | {event.venue_key: event.pk for event in touched}


def _store_series(venue: str, events: Iterable[EventRow]) -> dict[str, int]:
    said = {event.series[0].slug: event.series[0] for event in events if event.series}
    known = dict(Series.objects.filter(venue=venue, slug__in=said).values_list("slug", "pk"))
    fresh = [
        Series(venue=venue, slug=slug, title=s.title[:300], recurrence=s.recurrence[:20])
        for slug, s in said.items()
        if slug not in known
    ]
    Series.objects.bulk_create(fresh)
    return known | {s.slug: s.pk for s in fresh}


def _store_outcomes(rows: list[_Row], ids: dict[str, int]) -> None:
    market_ids = [ids[row.market.id] for row in rows]
    known = {(o.market_id, o.index): o for o in Outcome.objects.filter(market_id__in=market_ids)}
    touched = []
    for row in rows:
        assets: Sequence[str | None] = row.market.asset_ids or (None, None)
        for index, name in enumerate(row.market.outcomes):
            before = known.get((ids[row.market.id], index))
            asset = assets[index] or (before.asset_id if before else None)
            if before is None or (before.name, before.asset_id) != (name[:200], asset):
                touched.append(
                    Outcome(
                        market_id=ids[row.market.id], index=index, name=name[:200], asset_id=asset
                    )
                )
    Outcome.objects.bulk_create(
        touched,
        batch_size=CHUNK,
        update_conflicts=True,
        unique_fields=["market", "index"],
        update_fields=["name", "asset_id"],
    )


def _without_strangers_ids(
    venue: str, rows: list[_Row], report: SyncReport, *, as_of: datetime
) -> list[_Row]:
    """Rows whose ids are not already those of another market; the others are refused."""
    conditions = {row.market.condition_id for row in rows if row.market.condition_id}
    assets = {asset for row in rows for asset in row.market.asset_ids}
    owners = {
        condition: (owner, key)
        for condition, owner, key in Market.objects.filter(condition_id__in=conditions).values_list(
            "condition_id", "venue", "venue_key"
        )
    }
    owners |= {
        asset: (owner, key)
        for asset, owner, key in Outcome.objects.filter(asset_id__in=assets).values_list(
            "asset_id", "market__venue", "market__venue_key"
        )
    }
    kept = []
    for row in rows:
        own = (venue, row.market.id)
        claimed = [row.market.condition_id, *row.market.asset_ids]
        other = next((i for i in claimed if i and owners.setdefault(i, own) != own), None)
        if other is None:
            kept.append(row)
            continue
        reason = f"the id {other} belongs to market {':'.join(owners[other])}"
        _refuse([NotUnderstood("gamma.market", reason, repr(row.market))], report, as_of=as_of)
    return kept


def _epochs(
    source: Gamma, config: IngestConfig, report: SyncReport, *, as_of: datetime
) -> list[EventRow]:
    """Up/down windows near `as_of` that we do not know in full: the listings hide them."""
    until = as_of + timedelta(seconds=config.max_epoch_lead_s)
    wanted = [
        slug
        for asset in config.epoch_assets
        for window in config.epoch_windows
        for slug in wire_epochs.slugs(asset, window, since=as_of, until=until)
    ]
    known = Market.objects.filter(slug__in=wanted, outcomes__asset_id__isnull=False)
    waiting = known.filter(reference_price__isnull=True, epoch_start_at__lte=as_of)
    complete = set(known.values_list("slug", flat=True)) - set(
        waiting.values_list("slug", flat=True)
    )
    found = []
    for slug in wanted:
        if slug in complete:
            continue
        try:
            found.append(source.event(slug))
        except http.NotThere:
            continue
        except NotUnderstood as wrong:
            _refuse([wrong], report, as_of=as_of)
    return found


def _delist(seen: set[int], *, simulated: bool, as_of: datetime) -> int:
    """Markets that a complete listing of open events no longer contains are closed."""
    origin = Origin.SANDBOX if simulated else Origin.VENUE
    open_ids = Market.objects.filter(
        origin=origin, closed_at__isnull=True, window_s__isnull=True
    ).values_list("pk", flat=True)
    gone = sorted(set(open_ids) - seen)
    for start in range(0, len(gone), CHUNK):
        Market.objects.filter(pk__in=gone[start : start + CHUNK]).update(
            accepting_orders=False, closed_at=as_of
        )
    return len(gone)


def _keep_unknown_version(market: MarketRow, *, as_of: datetime) -> None:
    reason = f"protocol version {market.version!r} is unknown"
    unknown.keep("gamma.market", reason, repr(market), as_of=as_of, subject=market.id)


def _refuse(refused: Iterable[NotUnderstood], report: SyncReport, *, as_of: datetime) -> None:
    for wrong in refused:
        report.refused += 1
        unknown.refused(wrong, as_of=as_of)
