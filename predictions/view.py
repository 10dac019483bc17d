"""What we know about markets at an instant, read once for every horizon."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import structlog
from numpy.typing import NDArray

from markets import queries as market_queries
from markets.core.series import Context, MarketFacts, QuoteSeries, Snapshots
from markets.models import Market
from predictions.core.cells import cells
from predictions.core.coherence import Groups
from predictions.core.contracts import PredictionConfig
from predictions.core.features import compute, price_at
from predictions.core.schema import LOOKBACK_S

log = structlog.get_logger(__name__)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

CONTEXT, FEATURES = "context", "features"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What we knew about n markets that have a fresh price, and which were asked about in vain.

    Attributes
    ----------
    x
        float64[n, features]; no column at all where the features could not be computed.
    event
        int64[n], the markets' question groups.
    groups
        Which rows must agree with each other.
    epoch_end
        UTC epoch seconds of the announced end of a market that lives for minutes; else NaN.
    silent
        int64, markets without a fresh price.
    failed
        What could not be read or computed, and why.
    """

    market_id: Ints
    x: Floats
    price: Floats
    cell: Ints
    event: Ints
    groups: Groups
    epoch_end: Floats
    silent: Ints
    failed: Mapping[str, str]

    def take(self, rows: Flags) -> "View":
        """The given rows."""
        columns = ("market_id", "x", "price", "cell", "event", "epoch_end")
        kept = {name: getattr(self, name)[rows] for name in columns}
        return replace(self, groups=self.groups.take(rows), **kept)


def look(market_ids: Sequence[int], *, as_of: datetime, config: PredictionConfig) -> View:
    """The features and prices of markets as they were known at `as_of`."""
    # A market's event is part of its features, so its siblings are read with it.
    events = Market.objects.filter(pk__in=market_ids).values("event")
    known = Market.objects.filter(event__in=events, received_at__lte=as_of)
    ids = list(known.order_by("pk").values_list("pk", flat=True))
    since = as_of - timedelta(seconds=LOOKBACK_S)
    series = market_queries.quote_series(ids, since=since, as_of=as_of)
    facts = market_queries.facts(ids, as_of=as_of)
    context, failed = None, {}
    try:
        context = market_queries.context(ids, since=since, as_of=as_of)
    except Exception as cause:
        # Without what surrounds the markets its features are missing, and the others stand.
        log.exception("context.failed", markets=len(ids))
        failed = {CONTEXT: repr(cause)}
    view = seen(market_ids, series, facts, context, as_of=as_of, config=config)
    return replace(view, failed={**failed, **view.failed})


def seen(
    market_ids: Sequence[int],
    series: QuoteSeries,
    facts: MarketFacts,
    context: Context | None,
    *,
    as_of: datetime,
    config: PredictionConfig,
) -> View:
    """The view of those of the described markets that were asked about; reads nothing."""
    at = np.flatnonzero(np.isin(facts.market_id, np.array(market_ids, dtype=np.int64)))
    every = Snapshots(market=at, as_of=np.full(len(at), as_of.timestamp()))
    price = price_at(series, every, config.max_quote_age_s)
    fresh = (price > 0) & (price < 1)  # anything else is no price, and NaN is not young enough
    snapshots = Snapshots(market=at[fresh], as_of=every.as_of[fresh])
    is_epoch = np.isfinite(facts.window_s[snapshots.market])
    failed = {}
    try:
        x = compute(series, facts, snapshots, context)
    except Exception as cause:
        # Without features there is no correction, and the forecast is the price.
        log.exception("features.failed", rows=snapshots.rows)
        x, failed = np.empty((snapshots.rows, 0)), {FEATURES: repr(cause)}
    return View(
        market_id=facts.market_id[snapshots.market],
        x=x,
        price=price[fresh],
        cell=cells(facts, snapshots),
        event=facts.event[snapshots.market],
        groups=Groups.of(facts, snapshots),
        epoch_end=np.where(is_epoch, facts.scheduled_end_at[snapshots.market], np.nan),
        silent=facts.market_id[at[~fresh]],
        failed=failed,
    )
