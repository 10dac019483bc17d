"""Features of 2,000 markets × 300 quotes: our kernels against plain numpy, one market at a time.

The naive way is the reference that the tests hold the kernels to; it is timed on a smaller world
and scaled, and both must agree on it to 1e-9 before a time is printed.
"""

import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402 - the path comes first

from benchmarks.table import Row, report  # noqa: E402 - the path comes first
from markets.core.series import MarketFacts, QuoteSeries, Snapshots  # noqa: E402
from predictions.core import features  # noqa: E402
from tests.predictions import reference  # noqa: E402

MARKETS, QUOTES, NAIVE_MARKETS, PER_EVENT = 2000, 300, 60, 4
TARGET_MS = 50.0
NOW = 1_790_000_000.0


def world(markets: int) -> tuple[QuoteSeries, MarketFacts, Snapshots]:
    """Two days of quotes of `markets` markets, and one question about each at their end."""
    rng = np.random.default_rng(1)
    shape = (markets, QUOTES)
    price = 1 / (1 + np.exp(-np.cumsum(rng.normal(0, 0.05, shape), axis=1)))
    half = rng.uniform(0.002, 0.01, shape)
    series = QuoteSeries(
        starts=np.arange(markets + 1) * QUOTES,
        known_at=NOW - np.sort(rng.uniform(0, 47 * 3600, shape), axis=1)[:, ::-1].ravel(),
        price=price.ravel(),
        bid=(price - half).ravel(),
        ask=(price + half).ravel(),
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
        exclusive=np.arange(markets) % 2 == 0,
    )
    return series, facts, Snapshots(market=np.arange(markets), as_of=np.full(markets, NOW))


def ours_ms() -> float:
    series, facts, asked = world(MARKETS)
    features.compute(series, facts, asked)
    times = []
    for _ in range(15):
        began = time.perf_counter()
        features.compute(series, facts, asked)
        times.append(time.perf_counter() - began)
    return 1e3 * float(np.median(times))


def naive_ms() -> float:
    """Plain numpy for `NAIVE_MARKETS` markets, checked against the kernels and scaled."""
    series, facts, asked = world(NAIVE_MARKETS)
    began = time.perf_counter()
    rows = [reference.features(series, facts, m, NOW) for m in range(NAIVE_MARKETS)]
    took = time.perf_counter() - began
    np.testing.assert_allclose(
        features.compute(series, facts, asked), rows, rtol=1e-9, atol=1e-9, equal_nan=True
    )
    return 1e3 * took * MARKETS / NAIVE_MARKETS


def main() -> int:
    rows = [
        Row(
            path=f"features: {len(features.FEATURES)} × {MARKETS} markets × {QUOTES} quotes, warm",
            ours=ours_ms(),
            naive=naive_ms(),
            naive_is=f"plain numpy per market, scaled from {NAIVE_MARKETS} and equal to 1e-9",
            target=TARGET_MS,
            unit="ms",
            higher_is_better=False,
        )
    ]
    return report("features", rows)


if __name__ == "__main__":
    sys.exit(main())
