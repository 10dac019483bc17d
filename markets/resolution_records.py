"""File how markets ended: one fact a market, and the market closed with it."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import structlog
from django.db import transaction

from config.kernel.units import ONE
from markets import universe, unknown, versions
from markets.core.wire_resolution import Result
from markets.models import Market, Resolution

log = structlog.get_logger()
CHUNK = 500
# A booked result is asked about again so long after it was learned, then left in peace.
SECOND_LOOKS = (timedelta(hours=1), timedelta(days=1), timedelta(days=7))


@transaction.atomic
def book(results: Iterable[tuple[Market, Result]], *, as_of: datetime) -> int:
    """File results and close their markets, in a few statements whatever their number.

    Markets that have a result keep it; returns how many were filed.
    """
    rows = {market.pk: (market, result) for market, result in results}
    known = Resolution.objects.filter(market_id__in=rows).values_list("market_id", flat=True)
    for pk in list(known):
        del rows[pk]
    if not rows:
        return 0
    filed = [
        Resolution(
            market=market,
            payout_0=result.payout,
            payout_1=ONE - result.payout,
            source=result.source,
            resolved_at=believable(market, result.resolved_at or as_of, as_of=as_of),
            received_at=as_of,
        )
        for market, result in rows.values()
    ]
    _keep_unbelievable(rows.values(), as_of=as_of)
    # A second writer of the same market loses without an error: it learned the same.
    Resolution.objects.bulk_create(filed, batch_size=CHUNK, ignore_conflicts=True)
    close([(market, result.resolved_at) for market, result in rows.values()], as_of=as_of)
    log.info("markets.resolved", count=len(rows))
    return len(rows)


def believable(market: Market, at: datetime, *, as_of: datetime) -> datetime:
    """The moment, moved into the market's life: from its opening at the earliest, to `as_of`.

    Without an opening, what we knew first bounds it: the market itself, or the end it announced.
    """
    known = [t for t in (market.received_at, market.scheduled_end_at) if t is not None]
    earliest = market.opens_at or min(known)
    return min(max(at, earliest), as_of)


def _keep_unbelievable(rows: Iterable[tuple[Market, Result]], *, as_of: datetime) -> None:
    for market, result in rows:
        at = result.resolved_at
        if at is None or (used := believable(market, at, as_of=as_of)) == at:
            continue
        body = json.dumps(
            {
                "id": market.venue_key,
                "said": at.isoformat(),
                "used": used.isoformat(),
                "source": result.source,
            }
        )
        reason = "the end lies outside the market's life and was moved into it"
        unknown.keep("resolution.time", reason, body, as_of=as_of, subject=market.venue_key)


def close(markets: Sequence[tuple[Market, datetime | None]], *, as_of: datetime) -> None:
    """Close markets that ended at the given moments (None = not said), and plan second looks."""
    rows = []
    for market, at in markets:
        market.closed_at = believable(market, at or market.closed_at or as_of, as_of=as_of)
        rows.append(market)
    Market.objects.bulk_update(rows, ["closed_at"], batch_size=CHUNK)
    Market.objects.filter(pk__in=[market.pk for market in rows]).update(
        accepting_orders=False,
        tracked=False,
        filter_reason=universe.CLOSED,
        result_asked_at=as_of,
        result_due_at=as_of + SECOND_LOOKS[0],
    )
    versions.keep([market.pk for market in rows], as_of=as_of)
