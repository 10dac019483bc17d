"""Ended markets of the venue: found, filed with their results, and described for training.

The archive's word on when something was known is the venue's own: a price at its stamp, an answer
when the market was closed. We fetched both later, but anybody could have known them then; the
database keeps when *we* learned of them.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

import polars as pl
import structlog

from markets import archive, filing, resolution_records, resolution_sources, resolutions, unknown
from markets.adapters.gamma import Gamma
from markets.adapters.history_frames import MARKETS
from markets.core import wire_resolution
from markets.core.wire_gamma import EventRow, MarketRow
from markets.core.wire_resolution import Result
from markets.models import Market, Origin

log = structlog.get_logger()
DATASET = archive.VENUE


def find(
    *,
    since: datetime,
    limit: int | None,
    source: Gamma,
    as_of: datetime,
    progress: Callable[[int], None],
) -> int:
    """File the events that ended since then, their markets and the stated results; returns markets.

    `progress(markets)` is called page by page. `limit` stops after about so many markets. A market
    whose result the catalogue does not state waits for `resolutions.check`, as every other.
    """
    report, booked = filing.SyncReport(), 0
    for page in source.ended(since=since):
        for wrong in page.refused:
            unknown.refused(wrong, as_of=as_of)
        events = [event for event in page.events if _ended(event, since, as_of)]
        filing.store(events, report, simulated=source.simulated, as_of=as_of)
        booked += _book(events, source.simulated, as_of=as_of)
        progress(report.markets)
        if limit is not None and report.markets >= limit:
            break
    log.info("ended_markets.found", markets=report.markets, booked=booked)
    return report.markets


def _ended(event: EventRow, since: datetime, as_of: datetime) -> bool:
    ends = [m.closed_time or m.end_date for m in event.markets if m.closed]
    return any(since <= at <= as_of for at in ends if at is not None)


def _book(events: Sequence[EventRow], simulated: bool, *, as_of: datetime) -> int:  # noqa: FBT001 - as the adapter says
    rows = {market.id: market for event in events for market in event.markets}
    waiting = Market.objects.filter(
        origin=Origin.SANDBOX if simulated else Origin.VENUE,
        venue_key__in=rows,
        resolution__isnull=True,
    )
    # What was ever followed may hold money: only `resolutions.check` knows, and asks two sources.
    followed = waiting.exclude(profile="").values_list("condition_id", flat=True)
    resolutions.wake([condition for condition in followed if condition], as_of=as_of)
    known = waiting.filter(profile="").prefetch_related("outcomes")
    results = [
        (market, result)
        for market in known
        if (result := _result(market, rows[market.venue_key])) is not None
    ]
    return resolution_records.book(results, as_of=as_of)


def _result(market: Market, row: MarketRow) -> Result | None:
    """What the catalogue states beyond doubt, in the reading of `markets.resolutions`."""
    word = wire_resolution.from_catalogue(row, ours=resolution_sources.ours(market))
    verdict = wire_resolution.decide([word], needed=1, overdue=False)
    return verdict if isinstance(verdict, Result) else None


def key(market: Market) -> str:
    """The market's name in the archive."""
    return f"{market.venue}:{market.venue_key}"


def described(markets: Sequence[Market]) -> pl.DataFrame:
    """Markets as the archive keeps them, columns `MARKETS`; those without a result have no label.

    Reads event, outcomes and resolution of each: load them with the markets. The announced end is
    the one that the venue lists today; an end that it moved counts as moved from the beginning.
    """
    return pl.DataFrame([_facts(market) for market in markets], schema=MARKETS)


def _facts(market: Market) -> dict[str, object]:
    result = getattr(market, "resolution", None)
    ended = market.closed_at or (result.resolved_at if result else None)
    names = {o.index: o for o in market.outcomes.all()}
    close = market.scheduled_end_at
    if ended is not None:
        close = min(close, ended) if close is not None else ended
    answered = None
    if result is not None:
        answered = max(at for at in (result.resolved_at, close) if at is not None)
    return {
        "market_key": key(market),
        "venue": market.venue,
        "dataset": DATASET,
        "event_key": f"{market.event.venue}:{market.event.venue_key}",
        "question": market.question,
        "category": market.category,
        "slug": market.slug,
        "opens_at": _seconds(market.opens_at),
        "scheduled_end_at": _seconds(market.scheduled_end_at),
        "close_at": _seconds(close),
        "close_is_scheduled": close is not None and close == market.scheduled_end_at,
        "payout": None if result is None else float(result.payout_0),
        "label_strength": None if result is None else result.strength,
        "label_known_at": _seconds(answered),
        "asset": market.asset or None,
        "window_s": market.window_s,
        "epoch_start_at": _seconds(market.epoch_start_at),
        "reference_price": market.reference_price,
        "single_stamp": False,
        "exclusive": market.event.neg_risk is True,
        "label_source": None if result is None else result.source,
        "closed_at": _seconds(market.closed_at),
        "volume": market.volume,
        "tags": market.event.tags,
        "event_slug": market.event.slug,
        "condition_id": market.condition_id,
        **{f"outcome_{i}": names[i].name if i in names else None for i in (0, 1)},
        **{f"asset_id_{i}": names[i].asset_id if i in names else None for i in (0, 1)},
    }


def _seconds(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()
