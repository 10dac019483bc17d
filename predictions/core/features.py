"""Market histories → feature matrix, the same code live and in training; no row sees its future.

A quote exists for a row from its `known_at` on. The look-back is part of the schema: what lies
further back than `LOOKBACK_S` never matters, so a worker may leave it unread. One definition serves
both: sums that run along a market's history, of which every window takes the exact difference.
"""

from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from markets.core.series import (
    BookSeries,
    Context,
    MarketFacts,
    MoodSeries,
    NewsSeries,
    QuoteSeries,
    Snapshots,
    SpotPaths,
    TradeSeries,
)
from predictions.core import (
    kernels,
    kernels_context,
    kernels_event,
    kernels_quotes,
    kernels_rows,
)
from predictions.core.cells import cells, domains
from predictions.core.coherence import strikes
from predictions.core.schema import (
    COLUMN,
    DOMAINS,
    FEATURES,
    GROUPS,
    LOOKBACK_S,
    NAMES,
    SCHEMA_HASH,
    columns,
)

__all__ = [
    "FEATURES",
    "LOOKBACK_S",
    "NAMES",
    "SCHEMA_HASH",
    "cells",
    "compute",
    "price_at",
    "warm",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

KINDS: Final = (
    ("politics", "geopolitics"),
    ("sports", "esports"),
    ("crypto", "epoch"),
    ("finance", "economics"),
)
MISSING: Final = tuple(f"missing_{group}" for group in GROUPS)


def _runs() -> Ints:
    """Columns that count towards their group's share of missing ones: from, to, group."""
    counted = [feature.name not in {*MISSING, "missing_share"} for feature in FEATURES]
    group = [
        list(GROUPS).index(f.group) if n else -1 for f, n in zip(FEATURES, counted, strict=True)
    ]
    edges = np.flatnonzero(np.diff(group, prepend=-2, append=-2))
    runs = [(a, b, group[a]) for a, b in pairwise(edges) if group[a] >= 0]
    return np.array(runs, dtype=np.int64)


RUNS: Final = _runs()


def compute(
    series: QuoteSeries, facts: MarketFacts, snapshots: Snapshots, context: Context | None = None
) -> Floats:
    """The features of every snapshot, float64[rows, len(FEATURES)]; NaN = missing.

    `series`, `facts` and `context` describe the same markets in the same order; without a context
    its features are missing. Markets of one event are each other's context, so pass all of them
    even when asking about one.
    """
    if series.markets != facts.markets:
        raise ValueError(
            f"{series.markets} price histories but facts of {facts.markets} markets; "
            "pass both for the same markets in the same order"
        )
    out = np.empty((snapshots.rows, len(FEATURES)))
    if snapshots.rows:
        context = Context.nothing(facts.markets) if context is None else context
        _quotes(series, snapshots, out)
        _event(series, facts, snapshots, out)
        kernels_context.fill(context, series, facts, snapshots, out)
        _finish(facts, snapshots, out)
    return out


def warm() -> None:
    """Compile every kernel, or load them compiled: before anybody waits.

    Kernels are compiled for types, so one market with one row of everything is enough; but of two
    snapshots, for a slice of a matrix with one row is of another type.
    """
    once, starts = np.zeros(1), np.array([0, 1], dtype=np.int64)
    series = QuoteSeries(
        starts=starts,
        known_at=once,
        price=once + 0.5,
        bid=once,
        ask=once,
        bid_depth=once,
        ask_depth=once,
        volume_24h=once,
    )
    facts = MarketFacts(
        market_id=np.zeros(1, dtype=np.int64),
        event=np.zeros(1, dtype=np.int64),
        category=("",),
        opens_at=once,
        scheduled_end_at=once,
        window_s=once,
        epoch_start_at=once,
        reference_price=once,
        exclusive=np.zeros(1, dtype=np.bool_),
    )
    levels = np.zeros((1, 5, 2))
    context = Context(
        trades=TradeSeries(starts=starts, known_at=once, price=once, shares=once, taker=once),
        books=BookSeries(starts=starts, known_at=once, bids=levels, asks=levels),
        news=NewsSeries(starts=starts, known_at=once, published_at=once, sentiment=once),
        moods=MoodSeries(starts=starts, known_at=once, skilled=once, whales=once),
        spot=SpotPaths(assets=("",), starts=starts, known_at=once, price=once + 1.0),
        asset=np.zeros(1, dtype=np.int64),
        wording=np.empty((1, 0), dtype=np.float32),
    )
    asked = Snapshots(market=np.zeros(2, dtype=np.int64), as_of=np.zeros(2))
    compute(series, facts, asked, context)
    price_at(series, asked, 0.0)
    # What features call from compiled code, `coherence` calls by itself.
    kernels_event.direction(once, once)
    kernels_event.violation(0, once, once, 1.0)


def price_at(series: QuoteSeries, snapshots: Snapshots, max_age_s: float | Floats) -> Floats:
    """Newest price known at each snapshot, float64[rows]; NaN where none is young enough.

    `max_age_s` is one limit for all rows, or float64[rows].
    """
    prices: Floats = kernels.prices_at(
        series.starts,
        series.known_at,
        series.price,
        snapshots.market,
        snapshots.as_of,
        np.array(np.broadcast_to(max_age_s, snapshots.rows), dtype=np.float64),
    )
    return prices


def _grouped(*keys: Ints | Floats) -> tuple[Ints, Ints]:
    """Rows in the order of `keys`, and where each run of equal keys starts, its end included."""
    rows = len(keys[0])
    order = np.lexsort(keys[::-1])
    new = np.zeros(max(rows - 1, 0), dtype=bool)
    for key in keys:
        new |= np.diff(key[order]) != 0
    return order, np.concatenate(([0], np.flatnonzero(new) + 1, [rows]))


def _quotes(series: QuoteSeries, snapshots: Snapshots, out: Floats) -> None:
    kernels_quotes.quote_features(
        series.starts,
        series.known_at,
        (
            series.price,
            series.bid,
            series.ask,
            series.bid_depth,
            series.ask_depth,
            series.volume_24h,
        ),
        _grouped(snapshots.market),
        (snapshots.market, snapshots.as_of),
        tuple(columns(group).start for group in ("book", "series", "flow", "quality")),
        out,
    )


def _finish(facts: MarketFacts, snapshots: Snapshots, out: Floats) -> None:
    domain = domains(facts)
    kinds = [np.isin(domain, [DOMAINS.index(each) for each in among]) for among in KINDS]
    kernels_rows.finish(
        (facts.opens_at, facts.scheduled_end_at, facts.epoch_start_at, facts.window_s),
        np.column_stack([facts.exclusive, *kinds]).astype(np.float64),
        (snapshots.market, snapshots.as_of),
        RUNS,
        (
            COLUMN["open_for_log"],
            columns("derived").start,
            COLUMN[MISSING[0]],
            COLUMN["missing_share"],
        ),
        out,
    )


def _event(series: QuoteSeries, facts: MarketFacts, snapshots: Snapshots, out: Floats) -> None:
    # A negative number says that the group is unknown: such a market is its own event.
    event = np.where(facts.event < 0, -1 - np.arange(facts.markets), facts.event)
    events, event_of = np.unique(event, return_inverse=True)
    by_event = np.argsort(event_of, kind="stable")
    starts = np.searchsorted(event_of[by_event], np.arange(len(events) + 1))
    kernels_event.event_features(
        (series.starts, series.known_at, series.price),
        (facts.opens_at, facts.scheduled_end_at, strikes(facts)),
        facts.exclusive,
        (event_of, starts, by_event),
        _grouped(event_of[snapshots.market], snapshots.as_of),
        (snapshots.market, snapshots.as_of),
        COLUMN["event_markets"],
        out,
    )
