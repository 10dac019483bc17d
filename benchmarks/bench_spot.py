"""How fast 1,000 assets' spot sources are agreed on, beside one median at a time.

python -m benchmarks.bench_spot
"""

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

from benchmarks.table import Row, report
from markets.core import spot
from markets.core.contracts import SpotConfig
from markets.core.series import Floats

ASSETS, SOURCES, RUNS = 1_000, 4, 50
CONFIG = SpotConfig(
    version=0,
    sources=("binance", "coinbase", "kraken", "venue"),
    assets=(),
    stale_after_s=30,
    min_sources=2,
    max_deviation_bps=50,
    funding=False,
)


def naive(prices: Floats, ages: Floats) -> list[float]:
    """The median of the fresh ones, asset by asset; nothing about who deviates."""
    found = []
    for row, old in zip(prices.tolist(), ages.tolist(), strict=True):
        fresh = [p for p, age in zip(row, old, strict=True) if age <= CONFIG.stale_after_s]
        enough = len(fresh) >= CONFIG.min_sources
        found.append(statistics.median(fresh) if enough else float("nan"))
    return found


def milliseconds(work: Callable[[], object]) -> float:
    """The median of some runs."""
    spent = []
    for _ in range(RUNS):
        started = time.perf_counter()
        work()
        spent.append(time.perf_counter() - started)
    return statistics.median(spent) * 1e3


def main() -> int:
    """Measure and report."""
    rng = np.random.default_rng(1)
    prices = rng.normal(100.0, 0.05, (ASSETS, SOURCES))
    ages = rng.uniform(0.0, 40.0, (ASSETS, SOURCES))
    row = Row(
        path=f"consensus of {ASSETS:,} assets from {SOURCES} sources",
        ours=milliseconds(lambda: spot.agree(prices, ages, config=CONFIG)),
        unit="ms",
        higher_is_better=False,
        target=5.0,
        naive=milliseconds(lambda: naive(prices, ages)),
        naive_is="one statistics.median an asset",
    )
    return report("spot", [row])


if __name__ == "__main__":
    sys.exit(main())
