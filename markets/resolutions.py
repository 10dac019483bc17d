"""Record how a market ended, once, and only where the venue is unambiguous."""

from datetime import datetime, timedelta
from itertools import islice
from zlib import crc32

import structlog
from django.db import IntegrityError, transaction
from django.db.models import F, Q

from config.kernel.units import ONE, ConditionId
from markets import universe, unknown
from markets.adapters import clob_data, gamma, http
from markets.adapters.clob_data import ClobData
from markets.adapters.gamma import Gamma
from markets.core import wire_resolution
from markets.core.wire import NotUnderstood
from markets.core.wire_resolution import Result, Unclear
from markets.models import Market, Origin, Resolution

log = structlog.get_logger()
AT_MOST = 200
GIVE_UP_AFTER = 3
# (asked at least so long after the end, ask again every): soon after the end often, later seldom.
PATIENCE: tuple[tuple[timedelta, timedelta], ...] = (
    (timedelta(days=1), timedelta(hours=1)),
    (timedelta(hours=2), timedelta(minutes=10)),
    (timedelta(minutes=20), timedelta(minutes=2)),
)


def check(
    *, as_of: datetime, catalogue: Gamma | None = None, engine: ClobData | None = None
) -> int:
    """Ask about every market that may have ended; returns how many resolutions were recorded.

    One that is closed without a usable result is asked about at the matching engine, and kept as a
    raw message with the reason where that does not settle it either. Raises
    `http.VenueUnreachable` at the third market without an answer.
    """
    due = _due(as_of=as_of)
    if not due:
        return 0
    source, second = catalogue or gamma.connect(), engine or clob_data.connect()
    recorded = silent = 0
    for market in due:
        try:
            recorded += _check(market, source, second, as_of=as_of)
        except http.VenueUnreachable as failure:
            # One market that the venue cannot show must not hide the others; an outage stops us.
            silent += 1
            log.warning("resolution.unreachable", market_id=market.pk, error=str(failure))
            if silent >= GIVE_UP_AFTER:
                raise
        except NotUnderstood as wrong:
            unknown.refused(wrong, as_of=as_of)
        except http.VenueRefused as refused:
            log.info("resolution.not_there", market_id=market.pk, status=refused.status)
    log.info("resolutions.checked", asked=len(due), recorded=recorded)
    return recorded


def _due(*, as_of: datetime) -> list[Market]:
    live = Market.objects.filter(origin__in=[Origin.VENUE, Origin.SANDBOX], resolution__isnull=True)
    over = live.filter(Q(scheduled_end_at__lte=as_of) | Q(closed_at__lte=as_of))
    newest = F("scheduled_end_at").desc(nulls_last=True)
    rows = over.order_by(newest, "pk").prefetch_related("outcomes")
    due = (market for market in rows.iterator(chunk_size=1000) if _is_due(market, as_of=as_of))
    return list(islice(due, AT_MOST))


def _is_due(market: Market, *, as_of: datetime) -> bool:
    """Whether it is the market's turn; turns are drawn by lot, the later the seldomer.

    The lot depends on market and minute alone, so no rhythm of the timetable can leave one out.
    """
    ends = [at for at in (market.scheduled_end_at, market.closed_at) if at is not None]
    waited = as_of - min(ends)
    pause = next((pause for since, pause in PATIENCE if waited >= since), timedelta(minutes=1))
    minutes = int(pause.total_seconds() // 60)
    lot = crc32(f"{market.pk}:{int(as_of.timestamp() // 60)}".encode())
    return lot % minutes == 0


def _check(market: Market, source: Gamma, second: ClobData, *, as_of: datetime) -> int:
    assets = [o.asset_id or "" for o in sorted(market.outcomes.all(), key=lambda o: o.index)]
    row = source.market(market.venue_key)
    found = wire_resolution.from_catalogue(row, asset_ids=assets if all(assets) else [])
    if isinstance(found, Unclear) and market.condition_id:
        first = found
        state = second.market(ConditionId(market.condition_id))
        found = wire_resolution.from_engine(state, asset_ids=assets)
        if isinstance(found, Unclear):
            found = Unclear(f"{first.reason}; {found.reason}")
    if found is None:
        return 0
    if isinstance(found, Unclear):
        unknown.keep("resolution", found.reason, repr(row), as_of=as_of, subject=str(market.pk))
        return 0
    return int(record(market, found, as_of=as_of))


def record(market: Market, result: Result, *, as_of: datetime) -> bool:
    """File the result and close the market; False where a resolution exists already."""
    decided_at = min(result.resolved_at or as_of, as_of)
    try:
        with transaction.atomic():
            Resolution.objects.create(
                market=market,
                payout_0=result.payout,
                payout_1=ONE - result.payout,
                source=result.source,
                resolved_at=decided_at,
                received_at=as_of,
            )
            Market.objects.filter(pk=market.pk).update(
                closed_at=result.resolved_at or market.closed_at or decided_at,
                accepting_orders=False,
                tracked=False,
                filter_reason=universe.CLOSED,
            )
    except IntegrityError:
        return False
    log.info("market.resolved", market_id=market.pk, payout=str(result.payout))
    return True
