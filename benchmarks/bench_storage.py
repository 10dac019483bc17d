"""Quotes into and out of the database: our bulk paths against `save()` and `bulk_create`.

Runs in a test database of its own on whatever DATABASE_URL names, SQLite without it. A rate counts
only after what was written has been read back equal.
"""

import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.test"
os.environ.setdefault("TEST_DB_SUFFIX", "_bench_storage")

import django  # noqa: E402 - settings come first

django.setup()

import numpy as np  # noqa: E402 - settings come first
import polars as pl  # noqa: E402 - settings come first
from django.db import connection  # noqa: E402 - settings come first
from django.test.runner import DiscoverRunner  # noqa: E402 - settings come first

from benchmarks.table import Row, report  # noqa: E402 - settings come first
from config.kernel import vendor  # noqa: E402 - settings come first
from markets import queries  # noqa: E402 - settings come first
from markets.models import Event, Market, Quote  # noqa: E402 - settings come first

ROWS, MARKETS, CYCLE = 600_000, 2000, 2000
NAIVE_ROWS, PEER_ROWS = 400, 20_000
START = datetime(2026, 1, 1, tzinfo=UTC)
KEY = ["market_id", "observed_at", "kind"]
TARGETS = {  # rows per second
    "postgresql": {"append": 300_000, "upsert": 150_000, "read": 1_200_000, "cycle": 100_000},
    "sqlite": {"append": 200_000, "upsert": 80_000, "read": 300_000, "cycle": 100_000},
}
SCHEMA = {
    "market_id": pl.Int64,
    "observed_at": pl.Datetime("us", "UTC"),
    "price": pl.Float64,
    "bid": pl.Float64,
    "ask": pl.Float64,
}


def world() -> pl.DataFrame:
    """Quotes of 2,000 markets every two minutes, in key order."""
    event = Event.objects.create(venue="bench", venue_key="bench", received_at=START)
    Market.objects.bulk_create(
        Market(venue="bench", venue_key=str(i), event=event, question="?", received_at=START)
        for i in range(MARKETS)
    )
    ids = np.sort(np.fromiter(Market.objects.values_list("id", flat=True), np.int64))
    per_market = ROWS // MARKETS
    rng = np.random.default_rng(1)
    seconds = np.tile(np.arange(per_market) * 120, MARKETS)
    start_us = int(START.timestamp() * 1e6)
    return pl.DataFrame(
        {
            "market_id": np.repeat(ids, per_market),
            "observed_at": pl.Series(start_us + seconds * 1_000_000)
            .cast(pl.Datetime("us"))
            .dt.replace_time_zone("UTC"),
            "kind": np.full(ROWS, 2, np.int16),
            **{name: rng.random(ROWS) for name in ("price", "bid", "ask", "volume_24h")},
        }
    ).with_columns(received_at=pl.col("observed_at"))


def rate(rows: int, work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return rows / (time.perf_counter() - begun)


def objects(frame: pl.DataFrame) -> list[Quote]:
    return [Quote(**row) for row in frame.iter_rows(named=True)]


def empty() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM markets_quote")


def one_by_one(frame: pl.DataFrame) -> None:
    for quote in objects(frame):
        quote.save(force_insert=True)


def read() -> pl.DataFrame:
    columns = ", ".join(SCHEMA)
    return vendor.read(f"SELECT {columns} FROM markets_quote ORDER BY {', '.join(KEY)}", [], SCHEMA)


def measure(frame: pl.DataFrame) -> dict[str, tuple[float, float, float]]:
    """Path → rows per second (ours, naive, peer)."""
    few, some = frame[:NAIVE_ROWS], frame[:PEER_ROWS]
    naive = rate(len(few), lambda: one_by_one(few))
    empty()
    peer = rate(len(some), lambda: Quote.objects.bulk_create(objects(some), batch_size=5000))
    empty()
    append = rate(ROWS, lambda: vendor.append(Quote, frame))
    assert read().equals(frame.sort(KEY).select(list(SCHEMA))), (
        "what was read is not what was written"
    )
    assert vendor.append(Quote, frame[:PEER_ROWS]) == 0, "a second append added rows"
    reading = rate(ROWS, read)
    naive_read = rate(PEER_ROWS, lambda: list(Quote.objects.all()[:PEER_ROWS]))
    values = Quote.objects.values_list(*SCHEMA)
    peer_read = rate(PEER_ROWS, lambda: np.array(list(values[:PEER_ROWS]), object))
    moved = frame[: ROWS // 3].with_columns(price=pl.col("price") / 2)
    upsert = rate(len(moved), lambda: vendor.upsert(Quote, moved, key=KEY, update=["price"]))
    keep = {"update_conflicts": True, "update_fields": ["price"], "unique_fields": KEY}
    again = some.with_columns(price=pl.col("price") / 3)
    peer_upsert = rate(
        len(again), lambda: Quote.objects.bulk_create(objects(again), batch_size=5000, **keep)
    )
    late = frame.group_by("market_id", maintain_order=True).last().select(frame.columns)
    cycles = [
        late.with_columns(pl.col("observed_at") + timedelta(minutes=5 * n)) for n in range(1, 6)
    ]
    cycle = max(rate(CYCLE, lambda c=c: vendor.append(Quote, c)) for c in cycles)
    return {
        "append": (append, naive, peer),
        "upsert": (upsert, naive, peer_upsert),
        "read": (reading, naive_read, peer_read),
        "cycle": (cycle, naive, peer),
    }


def reading(frame: pl.DataFrame) -> list[Row]:
    """What a cycle reads, with quotes of 70 months in the table: newest quotes and series."""
    last = frame["observed_at"].max()
    assert isinstance(last, datetime)
    as_of = last + timedelta(minutes=30)
    late = frame.group_by("market_id", maintain_order=True).last().select(frame.columns)
    for month in range(1, 70):
        old = late[month::70].with_columns(pl.col("observed_at").dt.offset_by(f"-{month}mo"))
        vendor.append(Quote, old.with_columns(received_at=pl.col("observed_at")))
    vendor.analyze(Quote)
    ids = late["market_id"].to_list()
    latest = [1e3 * seconds(lambda: queries.latest_quotes(ids, as_of=as_of)) for _ in range(7)]
    assert len(queries.latest_quotes(ids, as_of=as_of)) == MARKETS
    naive = 1e3 * seconds(
        lambda: [Quote.objects.filter(market_id=i).latest("observed_at") for i in ids[:100]]
    )
    series = [seconds(lambda: queries.quote_series(ids, since=START, as_of=as_of)) for _ in "123"]
    assert len(queries.quote_series(ids, since=START, as_of=as_of).price) >= ROWS
    postgresql = connection.vendor == "postgresql"
    return [
        Row(
            path="newest quote of 2,000 markets, 70 months",
            ours=float(np.median(latest)),
            naive=naive * MARKETS / 100,
            naive_is="one query a market, scaled from 100",
            target=20.0 if postgresql else None,
            unit="ms",
            higher_is_better=False,
        ),
        Row(
            path="quote_series: 600k rows, 7 columns, 70 months",
            ours=float(np.median(series)),
            target=0.5 if postgresql else None,
            unit="s",
            higher_is_better=False,
        ),
    ]


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main() -> int:
    runner = DiscoverRunner(verbosity=0, interactive=False)
    databases = runner.setup_databases()
    try:
        frame = world()
        measured = measure(frame)
        read_back = reading(frame)
    finally:
        runner.teardown_databases(databases)
    rows = [
        Row(
            path=path,
            ours=ours,
            naive=naive,
            peer=peer,
            peer_is="bulk_create",
            target=TARGETS[connection.vendor][path],
            unit="rows/s",
            higher_is_better=True,
        )
        for path, (ours, naive, peer) in measured.items()
    ]
    about = {"database": connection.vendor, "quotes": ROWS}
    return report(f"storage_{connection.vendor}", [*rows, *read_back], about=about)


if __name__ == "__main__":
    sys.exit(main())
