"""What surrounds 2,000 markets: reading it as of a moment, and the features made of it.

Runs in a test database of its own on whatever DATABASE_URL names, SQLite without it. The tables
hold a week, of which the reading needs a part: 100 trades a market in two days, 12 books of ten
levels in the hour, news, moods, and prices of four assets by four sources every five seconds.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.test"
os.environ.setdefault("TEST_DB_SUFFIX", "_bench_context")

import django  # noqa: E402 - settings come first

django.setup()

import numpy as np  # noqa: E402 - settings come first
import polars as pl  # noqa: E402 - settings come first
from django.db import connection  # noqa: E402 - settings come first
from django.test.runner import DiscoverRunner  # noqa: E402 - settings come first

from benchmarks.table import Row, report  # noqa: E402 - settings come first
from config.kernel import vendor  # noqa: E402 - settings come first
from markets import queries  # noqa: E402 - settings come first
from markets.core import wording  # noqa: E402 - settings come first
from markets.core.series import Context, Snapshots  # noqa: E402 - settings come first
from markets.models import (  # noqa: E402 - settings come first
    CohortMood,
    Event,
    Market,
    NewsItem,
    NewsLink,
    PublicTrade,
    Quote,
    QuoteKind,
    SpotTick,
)
from predictions.core import kernels_context  # noqa: E402 - settings come first
from predictions.core.schema import FEATURES  # noqa: E402 - settings come first

MARKETS, RUNS = 2000, 9
ASSETS, SOURCES = ("btc", "eth", "sol", "xrp"), ("binance", "coinbase", "kraken", "venue")
NOW = datetime(2026, 1, 20, 12, tzinfo=UTC)
TARGETS = {"postgresql": 150.0, "sqlite": 600.0}
FEATURES_MS, QUESTIONS_S = 20.0, 15.0
TIME = pl.Datetime("us", "UTC")


def times(seconds_ago: np.ndarray) -> pl.Series:
    """Moments before `NOW` on whole milliseconds."""
    us = int(NOW.timestamp() * 1e6) - (np.asarray(seconds_ago) * 1e3).astype(np.int64) * 1000
    return pl.Series(us).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def markets() -> np.ndarray:
    """Two thousand markets, one in ten an up/down window."""
    event = Event.objects.create(venue="bench", venue_key="bench", received_at=NOW)
    Market.objects.bulk_create(
        Market(
            venue="bench",
            venue_key=str(i),
            event=event,
            question=f"Will candidate number {i} of party {i % 7} win before June?",
            received_at=NOW - timedelta(days=9),
            asset=ASSETS[i % len(ASSETS)] if i % 10 == 0 else "",
            window_s=900 if i % 10 == 0 else None,
            epoch_start_at=NOW - timedelta(minutes=5) if i % 10 == 0 else None,
        )
        for i in range(MARKETS)
    )
    return np.sort(np.fromiter(Market.objects.values_list("id", flat=True), np.int64))


def fill(ids: np.ndarray) -> None:
    """A week of what surrounds them."""
    rng = np.random.default_rng(1)
    n = MARKETS * 350
    at = times(np.sort(rng.uniform(1, 7 * 86400, n))[::-1])
    vendor.append(
        PublicTrade,
        pl.DataFrame(
            {
                "trade_key": [f"{i:032x}" for i in range(n)],
                "market_id": rng.choice(ids, n),
                "outcome_index": rng.integers(0, 2, n),
                "observed_at": at,
                "received_at": at,
                "side": rng.choice(["BUY", "SELL"], n),
                "price": rng.uniform(0.05, 0.95, n),
                "shares": rng.exponential(80, n),
            }
        ).with_columns(wallet=pl.lit(""), tx_hash=pl.lit("")),
    )
    prices(ids, rng)
    n = MARKETS * 40
    vendor.append(
        CohortMood,
        pl.DataFrame(
            {
                "market_id": rng.choice(ids, n),
                "cohort": rng.choice(["SKILLED", "WHALES"], n),
                "as_of": times(rng.integers(1, 6 * 86400, n)),
                "mood": rng.uniform(-1, 1, n),
                "wallets": np.ones(n, np.int64),
                "dollars": np.ones(n),
            }
        ),
    )
    news(ids, rng)
    vendor.analyze(Market, PublicTrade, Quote, CohortMood, NewsItem, NewsLink, SpotTick)


def prices(ids: np.ndarray, rng: np.random.Generator) -> None:
    """Books every five minutes for two hours, tops between, and spot ticks for three."""
    ago = np.repeat(np.arange(24)[::-1] * 300.0 + 1, MARKETS)
    packed = rng.random((len(ago), 2, 10, 2))
    vendor.append(
        Quote,
        pl.DataFrame(
            {
                "market_id": np.tile(ids, 24),
                "observed_at": times(ago),
                "received_at": times(ago - 0.5),
                "kind": np.full(len(ago), int(QuoteKind.BOOK), np.int16),
                "price": rng.random(len(ago)),
                "levels": [each.astype("<f8").tobytes() for each in packed],
            }
        ),
    )
    steps = np.arange(2160) * 5.0 + 1
    pairs = [(asset, source) for asset in ASSETS for source in SOURCES]
    vendor.append(
        SpotTick,
        pl.concat(
            pl.DataFrame(
                {
                    "observed_at": times(steps + k * 0.1),
                    "received_at": times(steps + k * 0.1 - 0.4),
                    "close": 100 + rng.normal(0, 0.01, len(steps)).cumsum() * 0.01,
                }
            ).with_columns(
                asset=pl.lit(asset), source=pl.lit(source), interval_s=pl.lit(0, pl.Int64)
            )
            for k, (asset, source) in enumerate(pairs)
        ),
    )


def news(ids: np.ndarray, rng: np.random.Generator) -> None:
    """Three thousand items, five links a market."""
    items = [
        NewsItem(
            digest=f"{i:064x}",
            source="s",
            url=f"https://example.org/{i}",
            title="t",
            published_at=NOW - timedelta(minutes=3 * i + 2),
            received_at=NOW - timedelta(minutes=3 * i + 1),
            sentiment=float(rng.uniform(-1, 1)),
        )
        for i in range(3000)
    ]
    NewsItem.objects.bulk_create(items)
    NewsLink.objects.bulk_create(
        NewsLink(
            item=items[int(k)],
            market_id=int(owner),
            similarity=0.5,
            backend="b",
            received_at=items[int(k)].received_at,
        )
        for owner in ids
        for k in rng.choice(len(items), 5, replace=False)
    )


def milliseconds(work: Callable[[], object]) -> float:
    """The median of some runs."""
    spent = []
    for _ in range(RUNS):
        began = time.perf_counter()
        work()
        spent.append(time.perf_counter() - began)
    return statistics.median(spent) * 1e3


def measured(ids: list[int]) -> list[Row]:
    """Reading and computing, each warm."""
    since = NOW - timedelta(days=2)
    found: Context = queries.context(ids, since=since, as_of=NOW)
    print(f"{len(found.trades.known_at):,} trades, {len(found.books.known_at):,} books")
    facts = queries.facts(ids, as_of=NOW)
    series = queries.quote_series(ids, since=since, as_of=NOW)
    asked = Snapshots(market=np.arange(MARKETS), as_of=np.full(MARKETS, NOW.timestamp()))
    out = np.full((MARKETS, len(FEATURES)), np.nan)
    kernels_context.fill(found, series, facts, asked, out)
    questions = [f"Will {a}{b} in district {b} beat {a}?" for a in "bcdfghjk" for b in words(2500)]
    wording.project(["warm"])
    began = time.perf_counter()
    wording.project(questions)
    per_100k = (time.perf_counter() - began) * 100_000 / len(questions)
    return [
        Row(
            path=f"context of {MARKETS:,} markets ({connection.vendor})",
            ours=milliseconds(lambda: queries.context(ids, since=since, as_of=NOW)),
            unit="ms",
            higher_is_better=False,
            target=TARGETS[connection.vendor],
        ),
        Row(
            path=f"features of a context, {MARKETS:,} markets",
            ours=milliseconds(lambda: kernels_context.fill(found, series, facts, asked, out)),
            unit="ms",
            higher_is_better=False,
            target=FEATURES_MS,
        ),
        Row(
            path="wording of 100,000 questions",
            ours=per_100k,
            unit="s",
            higher_is_better=False,
            target=QUESTIONS_S,
        ),
    ]


def words(n: int) -> list[str]:
    """Words that differ."""
    vowels, consonants = "aeiou", "bcdfghjklmnp"
    syllables = [c + v for c in consonants for v in vowels]
    return [syllables[i % 60] + syllables[i // 60 % 60] + syllables[i * 7 % 60] for i in range(n)]


def main() -> int:
    """Measure and report."""
    runner = DiscoverRunner(verbosity=0, interactive=False)
    databases = runner.setup_databases()
    try:
        ids = markets()
        fill(ids)
        return report("context", measured(ids.tolist()))
    finally:
        runner.teardown_databases(databases)


if __name__ == "__main__":
    sys.exit(main())
