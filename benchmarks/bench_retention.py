"""A simulated year of 2,000 tracked markets: every table keeps the size of its window.

Runs in a test database of its own on what DATABASE_URL names. Cadence: `QUOTES_A_DAY` books of
five levels a market and day instead of the 288 of a five-minute cycle, everything else in
proportion (`SCALE`); figures for the full cadence are these times `SCALE`. Markets live for 30
days, so that 2,000 followed ones are 24,000 in a year.
"""

import os
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.test"
os.environ.setdefault("TEST_DB_SUFFIX", "_bench_retention")

import django  # noqa: E402 - settings come first

django.setup()

import numpy as np  # noqa: E402 - settings come first
import polars as pl  # noqa: E402 - settings come first
from django.conf import settings  # noqa: E402 - settings come first
from django.db import connection  # noqa: E402 - settings come first
from django.db.models import Model  # noqa: E402 - settings come first
from django.test.runner import DiscoverRunner  # noqa: E402 - settings come first

from benchmarks.table import Row, report  # noqa: E402 - settings come first
from config.kernel import vendor  # noqa: E402 - settings come first
from config.kernel.table import table_of  # noqa: E402 - settings come first
from markets import models, retention  # noqa: E402 - settings come first

MARKETS, MONTHS, QUOTES_A_DAY, SCALE = 2000, 12, 1, 288
BEGIN = datetime(2025, 11, 1, tzinfo=UTC)
TIME = pl.Datetime("us", "UTC")
TICKS: tuple[type[Model], ...] = (models.Quote, models.PublicTrade, models.SpotTick)
WATCHED: tuple[type[Model], ...] = (*TICKS, models.Notice, models.NewsItem, models.RawMessage)
GROWING = (models.Market, models.Outcome, models.Resolution, models.MarketVersion)


def times(start: datetime, days: int, a_day: int) -> pl.Series:
    step = timedelta(days=1) / a_day
    return pl.Series([start + step * n for n in range(days * a_day)], dtype=TIME)


def month(start: datetime, days: int) -> None:
    """One month: new markets, their quotes, trades, spot prices and notices; then they resolve."""
    event, _ = models.Event.objects.get_or_create(
        venue="bench", venue_key="bench", defaults={"received_at": start}
    )
    made = models.Market.objects.bulk_create(
        models.Market(
            venue="bench",
            venue_key=f"{start:%Y-%m}-{n}",
            event=event,
            condition_id=f"0x{start:%Y%m}{n:058d}",
            question=f"Will this happen by {start:%Y-%m}, number {n}?",
            description="The rules of a market are about so long. " * 30,
            received_at=start,
            closed_at=start + timedelta(days=30),
        )
        for n in range(MARKETS)
    )
    ids = [market.pk for market in made]
    for index in (0, 1):
        models.Outcome.objects.bulk_create(
            models.Outcome(market_id=pk, index=index, name="Yes", asset_id=f"{pk:076d}{index}")
            for pk in ids
        )
    models.Resolution.objects.bulk_create(
        models.Resolution(
            market_id=pk,
            payout_0=1,
            payout_1=0,
            source="bench",
            resolved_at=start,
            received_at=start,
        )
        for pk in ids
    )
    models.MarketVersion.objects.bulk_create(
        models.MarketVersion(
            market_id=pk,
            received_at=start + timedelta(days=n),
            question="?",
            description="The rules of a market are about so long. " * 30,
            protocol="v1",
        )
        for pk in ids
        for n in (0, 20)
    )
    ticks(start, days, ids)
    context(start, days)


def ticks(start: datetime, days: int, ids: list[int]) -> None:
    """Quotes, trades and spot prices of a month."""
    rng = np.random.default_rng(start.month)
    at = times(start, days, QUOTES_A_DAY)
    n = len(at) * MARKETS
    frame = pl.DataFrame({"market_id": ids}).join(at.alias("observed_at").to_frame(), how="cross")
    figures = {c: rng.random(n) for c in ("price", "bid", "ask", "bid_depth", "ask_depth")}
    books = [bytes(row) for row in rng.random((n, 20)).view(np.uint8)]
    quotes = frame.with_columns(
        received_at=pl.col("observed_at"), kind=pl.lit(1, pl.Int16), levels=pl.Series(books)
    ).with_columns(pl.Series(name, values) for name, values in figures.items())
    vendor.append(models.Quote, quotes)
    trades = frame.with_columns(
        trade_key=pl.Series([f"{start:%Y%m}{i:034d}" for i in range(n)]),
        outcome_index=pl.lit(0, pl.Int16),
        received_at=pl.col("observed_at"),
        side=pl.lit("BUY"),
        price=pl.Series(rng.random(n)),
        shares=pl.Series(rng.random(n)),
        wallet=pl.lit("0x" + "0" * 40),
        tx_hash=pl.lit("0x" + "0" * 64),
    )
    vendor.append(models.PublicTrade, trades)
    minutes = times(start, days, 1440)
    for asset in ("btc", "eth"):
        bars = minutes.alias("observed_at").to_frame()
        bars = bars.with_columns(
            asset=pl.lit(asset),
            source=pl.lit("bench"),
            interval_s=pl.lit(60),
            received_at=pl.col("observed_at"),
            close=pl.lit(1.0),
        )
        vendor.append(models.SpotTick, bars)


def context(start: datetime, days: int) -> None:
    for day in range(days):
        at = start + timedelta(days=day)
        models.Notice.objects.bulk_create(
            models.Notice(
                key=f"{at}{n}",
                kind="WHALE_TRADE",
                subject="s",
                text="t" * 80,
                observed_at=at,
                received_at=at,
            )
            for n in range(50)
        )
        models.NewsItem.objects.bulk_create(
            models.NewsItem(
                digest=f"{at}{n}",
                source="s",
                url="u",
                title="t" * 80,
                published_at=at,
                received_at=at,
                embedding=bytes(1536),
            )
            for n in range(100)
        )
        models.RawMessage.objects.bulk_create(
            models.RawMessage(
                digest=f"{at}{n}",
                source="s",
                reason="r",
                body="b" * 500,
                first_seen_at=at,
                last_seen_at=at,
            )
            for n in range(20)
        )


def size(model: type[Model]) -> int:
    """Bytes of a table with its indexes; SQLite tells them only for the whole file."""
    table = table_of(model).name
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT coalesce(sum(pg_total_relation_size(relid)), 0) "
                "FROM pg_partition_tree(%s::regclass)",
                [table],
            )
            parts = int(cursor.fetchone()[0])
            cursor.execute("SELECT pg_total_relation_size(%s::regclass)", [table])
            return max(parts, int(cursor.fetchone()[0]))
        cursor.execute("SELECT sum(pgsize) FROM dbstat WHERE name = %s", [table])
        return int(cursor.fetchone()[0] or 0)


def year(archive: Path) -> list[Row]:
    shown: dict[str, list[int]] = {model.__name__: [] for model in WATCHED}
    held: dict[str, list[int]] = {model.__name__: [] for model in WATCHED}
    spent = 0.0
    written = dict.fromkeys(shown, 0)
    start = BEGIN
    for _ in range(MONTHS):
        end = (start + timedelta(days=31)).replace(day=1)
        before = {m.__name__: m.objects.count() for m in WATCHED}
        month(start, (end - start).days)
        for m in WATCHED:
            written[m.__name__] += m.objects.count() - before[m.__name__]
        began = time.perf_counter()
        done = retention.run(as_of=end)
        took = time.perf_counter() - began
        spent += took
        cells = []
        for m in WATCHED:
            rows = m.objects.count()
            shown[m.__name__].append(rows)
            held[m.__name__].append(size(m))
            cells.append(f"{m.__name__} {rows:,} rows {size(m) / 1e6:.0f} MB")
        kept = sum(f.stat().st_size for f in archive.rglob("*.parquet")) / 1e6
        left = sum(t.rows for t in done.tables.values())
        print(
            f"{start:%Y-%m}: {'; '.join(cells)}; archive {kept:.0f} MB; "
            f"{left:,} rows left in {took:.1f} s"
        )
        start = end
    for m in GROWING:
        rows = m.objects.count()
        print(f"never dropped: {m.__name__} + {rows:,} rows, {size(m) / 1e6:.0f} MB a year")
    bounded = [
        Row(
            path=f"{name}: rows after the year ÷ most rows of any month before the last three",
            ours=rows[-1] / max(rows[:-3]),
            naive=written[name] / max(rows[:-3]),
            naive_is="without retention",
            unit="×",
            higher_is_better=False,
            target=1.1,
        )
        for name, rows in shown.items()
    ]
    full = [
        Row(
            path=f"{name}: bytes after the year ÷ most bytes of any month before the last three",
            ours=sizes[-1] / max(sizes[:-3]),
            unit="×",
            higher_is_better=False,
            target=1.1,
        )
        for name, sizes in held.items()
    ]
    return [
        *bounded,
        *full,
        Row(path="retention, a month's run", ours=spent / MONTHS, unit="s", higher_is_better=False),
    ]


def main() -> int:
    runner = DiscoverRunner(verbosity=0, interactive=False)
    databases = runner.setup_databases()
    try:
        with tempfile.TemporaryDirectory(prefix="archive") as folder:
            settings.ENV = replace(settings.ENV, archive_dir=Path(folder))
            print(f"{MARKETS:,} markets, {QUOTES_A_DAY} books a day each (full cadence × {SCALE})")
            rows = year(Path(folder))
    finally:
        runner.teardown_databases(databases)
    about = {"database": connection.vendor, "books a market and day": QUOTES_A_DAY}
    return report(f"retention_{connection.vendor}", rows, about=about)


if __name__ == "__main__":
    sys.exit(main())
