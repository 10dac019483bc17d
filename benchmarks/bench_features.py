"""Features of 2,000 markets × 300 quotes, live and for training, against the usual ways.

The naive way is the reference that the tests hold the kernels to, one market at a time in plain
numpy; it is timed on a smaller world and scaled, and both must agree on it to 1e-9 before a time is
printed. The peer is pandas (where it is installed) with rolling windows over all markets at once,
on a stated subset. Figures with a context also fill trades, books, news, moods, spot and wording.
Times are the processor's, for all of them use one thread: others' load then matters less.
"""

import importlib.util
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402 - the path comes first

from benchmarks.table import Row, report  # noqa: E402 - the path comes first
from markets.core.series import (  # noqa: E402
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
from predictions.core import features, schema_context  # noqa: E402
from tests.predictions import reference  # noqa: E402

MARKETS, QUOTES, NAIVE_MARKETS, PER_EVENT, PER_MARKET = 2000, 300, 60, 4, 100
TARGET_MS, TARGET_ROWS = 50.0, 300_000.0
NOW = 1_790_000_000.0
SPAN_S = 47 * 3600
ROLLED = ("sma_5", "sma_20", "volatility_24h", "range_24h", "deviation_24h")
"""What pandas computes at every quote: two means, a sum, a maximum, a minimum, a mean, a spread."""


def world(markets: int) -> tuple[QuoteSeries, MarketFacts, Snapshots]:
    """Two days of quotes of `markets` markets, and one question about each at their end."""
    rng = np.random.default_rng(1)
    shape = (markets, QUOTES)
    price = 1 / (1 + np.exp(-np.cumsum(rng.normal(0, 0.05, shape), axis=1)))
    half = rng.uniform(0.002, 0.01, shape)
    series = QuoteSeries(
        starts=np.arange(markets + 1) * QUOTES,
        known_at=NOW - np.sort(rng.uniform(0, SPAN_S, shape), axis=1)[:, ::-1].ravel(),
        price=price.ravel(),
        bid=np.maximum(price - half, 0.001).ravel(),
        ask=np.minimum(price + half, 0.999).ravel(),
        bid_depth=rng.uniform(100, 5000, shape).ravel(),
        ask_depth=rng.uniform(100, 5000, shape).ravel(),
        volume_24h=rng.uniform(0, 1e5, shape).ravel(),
    )
    unknown = np.full(markets, np.nan)
    facts = MarketFacts(
        market_id=np.arange(markets),
        event=np.arange(markets) // PER_EVENT,
        category=("politics", "sports", "crypto", "finance") * (markets // 4),
        opens_at=np.full(markets, NOW - 30 * 86400),
        scheduled_end_at=np.full(markets, NOW + 5 * 86400),
        window_s=unknown,
        epoch_start_at=unknown,
        reference_price=unknown,
        exclusive=np.arange(markets) // PER_EVENT % 2 == 0,
    )
    return series, facts, Snapshots(market=np.arange(markets), as_of=np.full(markets, NOW))


def surroundings(markets: int) -> Context:
    """Per market 100 trades, 20 books, 10 news items and moods; a day of an asset every minute."""
    rng = np.random.default_rng(2)

    def times(each: int) -> tuple[np.ndarray, np.ndarray]:
        at = NOW - np.sort(rng.uniform(0, SPAN_S, (markets, each)), axis=1)[:, ::-1]
        return np.arange(markets + 1) * each, at.ravel()

    (trades, traded), (books, booked), (news, read) = times(100), times(20), times(10)
    ladder = np.stack(np.broadcast_arrays(0.01 * np.arange(1, 6), 100.0), axis=1)
    middle = np.array([0.5, 0.0])
    levels = np.broadcast_to(ladder, (len(booked), 5, 2))
    return Context(
        trades=TradeSeries(
            starts=trades,
            known_at=traded,
            price=rng.uniform(0.2, 0.8, len(traded)),
            shares=rng.exponential(100, len(traded)),
            taker=rng.choice([-1.0, 1.0], len(traded)),
        ),
        books=BookSeries(
            starts=books, known_at=booked, bids=levels * [-1, 1] + middle, asks=levels + middle
        ),
        news=NewsSeries(
            starts=news,
            known_at=read,
            published_at=read - 60,
            sentiment=rng.uniform(-1, 1, len(read)),
        ),
        moods=MoodSeries(
            starts=news,
            known_at=read,
            skilled=rng.uniform(-1, 1, len(read)),
            whales=rng.uniform(-1, 1, len(read)),
        ),
        spot=SpotPaths(
            assets=("btc",),
            starts=np.array([0, 2880]),
            known_at=NOW - 60.0 * np.arange(2880)[::-1],
            price=np.exp(np.cumsum(rng.normal(0, 1e-3, 2880))),
        ),
        asset=np.where(np.arange(markets) % PER_EVENT == 2, 0, -1),
        wording=rng.normal(size=(markets, schema_context.WORDS + 4)).astype(np.float32),
    )


def decisions() -> Snapshots:
    """A training matrix's questions: each market at random instants of its two days."""
    rng = np.random.default_rng(3)
    rows = MARKETS * PER_MARKET
    return Snapshots(
        market=np.repeat(np.arange(MARKETS), PER_MARKET),
        as_of=NOW - rng.uniform(0, 40 * 3600, rows),
    )


def seconds(call: Callable[[], object], times: int) -> float:
    """Median of the warm calls."""
    call()
    taken = []
    for _ in range(times):
        began = time.process_time()
        call()
        taken.append(time.process_time() - began)
    return float(np.median(taken))


def naive_ms() -> float:
    """Plain numpy for `NAIVE_MARKETS` markets, checked against the kernels and scaled."""
    series, facts, asked = world(NAIVE_MARKETS)
    began = time.process_time()
    rows = [reference.features(series, facts, m, NOW) for m in range(NAIVE_MARKETS)]
    took = time.process_time() - began
    np.testing.assert_allclose(
        features.compute(series, facts, asked), rows, rtol=1e-9, atol=1e-9, equal_nan=True
    )
    return 1e3 * took * MARKETS / NAIVE_MARKETS


def pandas_s() -> float | None:
    """`ROLLED` at every quote of all markets by grouped rolling windows, checked; None without."""
    if importlib.util.find_spec("pandas") is None:
        return None
    import pandas as pd  # noqa: PLC0415 - a peer that need not be there

    series, facts, asked = world(MARKETS)
    odds = np.log(series.price / (1 - series.price))
    market = np.repeat(np.arange(MARKETS), QUOTES)
    at = pd.to_datetime((series.known_at * 1e6).astype("int64"), unit="us")
    frame = pd.DataFrame({"market": market, "odds": odds}, index=at)

    def roll() -> "pd.DataFrame":
        squares = frame.groupby("market").odds.diff() ** 2
        by = frame.assign(squares=squares).groupby("market")
        day = by.rolling("24h")
        wide = day.odds.agg(["max", "min", "mean", "std"])
        wide["sma_5"] = by.odds.rolling(5).mean()
        wide["sma_20"] = by.odds.rolling(20).mean().to_numpy()
        wide["volatility"] = np.sqrt(day.squares.sum().to_numpy() / 24)
        return wide

    took = seconds(roll, 1)
    last = roll().groupby(level=0).tail(1)
    found = features.compute(series, facts, asked)[:, features.NAMES.index("sma_20")]
    np.testing.assert_allclose(last["sma_20"], found, atol=1e-5)
    return took


def main() -> int:
    series, facts, asked = world(MARKETS)
    around, training = surroundings(MARKETS), decisions()
    total, quotes_only = len(features.FEATURES), features.compute(series, facts, asked)
    told = int(np.sum(~np.isnan(quotes_only).all(axis=0)))

    def rate(context: Context | None) -> float:
        return training.rows / seconds(
            lambda: features.compute(series, facts, training, context), 3
        )

    scaled = f"plain numpy per market, scaled from {NAIVE_MARKETS} and equal to 1e-9"
    naive, pandas = naive_ms(), pandas_s()
    bare = 1e3 * seconds(lambda: features.compute(series, facts, asked), 15)
    full = 1e3 * seconds(lambda: features.compute(series, facts, asked, around), 15)
    shape, matrix = f"{MARKETS} markets × {QUOTES} quotes", f"training matrix: {training.rows} rows"
    lower = {"unit": "ms", "higher_is_better": False, "target": TARGET_MS}
    higher = {"unit": "rows/s", "higher_is_better": True, "target": TARGET_ROWS}
    numpy = {"naive": 1e3 * MARKETS / naive, "naive_is": scaled}
    rated = rate(None)
    rolled = None if pandas is None else MARKETS * QUOTES * len(ROLLED) / pandas / 1e6
    rows = [
        Row(
            path=f"{told} features: {shape}, warm", ours=bare, naive=naive, naive_is=scaled, **lower
        ),
        Row(path=f"{total} features, a context with them, warm", ours=full, **lower),
        Row(path=f"{matrix} × {told}", ours=rated, **numpy, **higher),
        Row(path=f"{matrix} × {total}, a context with them", ours=rate(around), **higher),
        Row(
            path="values of a training matrix",
            ours=rated * told / 1e6,
            peer=rolled,
            peer_is=f"pandas, grouped and rolling, {', '.join(ROLLED)} at every quote",
            unit="M/s",
            higher_is_better=True,
        ),
    ]
    return report("features", rows)


if __name__ == "__main__":
    sys.exit(main())
