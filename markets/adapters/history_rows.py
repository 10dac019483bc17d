"""The other tables of recorded history in our own columns: order books, trades, spot prices."""

import hashlib
from datetime import datetime
from decimal import Decimal

import polars as pl

from config.kernel.units import decimal
from markets.adapters.history_files import SOURCES
from markets.adapters.history_frames import TIME, Files, Types
from markets.core import book
from markets.models import QuoteKind

TICKS_AT_THEIR_END = ("cf_benchmarks_rti60s",)
# Seconds from a price's stamp until a reader had it, as measured on the venue's price stream and
# rounded up; of other sources nothing is known, they count from their stamp.
SPOT_LAG_S: dict[str, float] = {"binance": 0.5, "chainlink": 1.5}
EXCHANGES = ("0x4bfb41d5", "0xc5d563a3")
DEPTH = range(1, 6)
BESIDE = "l2_recorder_1s"
TRADE_IDENTITY = (
    "market_key tx_hash order_hash wallet maker taker token_id ts side outcome price size"
)


def levels(files: Files) -> pl.DataFrame:
    """Packed five-level books by market_key, observed_at and kind; each instant once."""
    schema = Types(market_key=pl.String, observed_at=TIME, kind=pl.Int16, levels=pl.Binary)
    if "books_l2_5.parquet" not in files:
        return pl.DataFrame(schema=schema)
    sides = [
        f"{side}_{what}_up_{n}" for side in ("bid", "ask") for n in DEPTH for what in ("px", "sz")
    ]
    rows = (
        files["books_l2_5.parquet"]
        .select("epoch_key", (pl.col("ts_ms") * 1000).cast(TIME), *sides)
        .unique(["epoch_key", "ts_ms"], keep="first", maintain_order=True)
        .collect()
    )
    packed = [
        (key, at, int(QuoteKind.BOOK), _pack(at, figures)) for key, at, *figures in rows.rows()
    ]
    return pl.DataFrame(packed, schema=schema, orient="row")


def recorded_levels(files: Files) -> pl.LazyFrame:
    """The books that stand beside a recorded quote: market_key, two times, levels.

    The recorder wrote books more often than quotes; those between have no place in the tables.
    """
    known = pl.col("observed_at") + pl.duration(seconds=SOURCES[BESIDE].lag_s)
    if not {"books_l2_5.parquet", "updown_quotes.parquet"} <= set(files):
        return levels({}).lazy().with_columns(received_at=known)
    quoted = files["updown_quotes.parquet"].filter(pl.col("kind") == BESIDE)
    beside = files["books_l2_5.parquet"].join(
        quoted, on=["epoch_key", "ts_ms"], how="semi", maintain_order="left"
    )
    return levels({"books_l2_5.parquet": beside}).lazy().with_columns(received_at=known)


def _pack(at: datetime, figures: list[float | None]) -> bytes:
    pairs = list(zip(figures[::2], figures[1::2], strict=True))
    return book.pack(book.build(at, _present(pairs[:5]), _present(pairs[5:])))


def _present(pairs: list[tuple[float | None, float | None]]) -> list[tuple[Decimal, Decimal]]:
    return [(decimal(p), decimal(n)) for p, n in pairs if p is not None and n is not None]


def trades(files: Files) -> pl.DataFrame:
    """Public trades, columns of the table with `market_key` in place of the market's number.

    On chain one match appears as each maker order and once more as the taker's own order, whose
    counterparty is an exchange contract: the repetition is left out.
    """
    if "trades.parquet" not in files:
        return pl.DataFrame()
    frame = (
        _once_a_match(files)
        .select(
            "market_key",
            "trade_key",
            *_common_columns(),
            pl.coalesce("wallet", "maker", pl.lit("")).str.slice(0, 44).alias("wallet"),
            pl.col("tx_hash").fill_null("").str.slice(0, 68),
            "dataset",
        )
        .collect()
    )
    digests = [hashlib.blake2b(k.encode(), digest_size=16).hexdigest() for k in frame["trade_key"]]
    return frame.with_columns(trade_key=pl.Series(digests))


def plain_trades(files: Files) -> pl.LazyFrame:
    """The same trades, each once, without who traded: columns of `context_history.TRADES`."""
    if "trades.parquet" not in files:
        empty = {"market_key": pl.String, "side": pl.String, "outcome_index": pl.Int16}
        times = {"observed_at": TIME, "received_at": TIME}
        return pl.LazyFrame(schema=empty | times | {"price": pl.Float64, "shares": pl.Float64})
    # A hash of 64 bits: two of a million rows meet by chance once in 10^7 folders.
    told = _once_a_match(files).with_columns(pl.col("trade_key").hash())
    rows = told.unique("trade_key", keep="first", maintain_order=True)
    return rows.select("market_key", *_common_columns())


def _once_a_match(files: Files) -> pl.LazyFrame:
    """The rows of the file without the takers' own orders; `trade_key` tells them apart."""
    return (
        files["trades.parquet"]
        .filter(
            ~pl.any_horizontal(
                pl.col("taker").str.to_lowercase().str.starts_with(e).fill_null(value=False)
                for e in EXCHANGES
            )
        )
        .with_columns(
            trade_key=pl.concat_str(TRADE_IDENTITY.split(), separator="|", ignore_nulls=True)
        )
    )


def _common_columns() -> list[pl.Expr]:
    at = (pl.col("ts") * 1_000_000).cast(TIME)
    return [
        pl.col("outcome")
        .replace_strict(
            {"Yes": 0, "Up": 0, "No": 1, "Down": 1}, default=None, return_dtype=pl.Int16
        )
        .alias("outcome_index"),
        at.alias("observed_at"),
        at.alias("received_at"),
        pl.col("side"),
        pl.col("price").cast(pl.Float64),
        pl.col("size").cast(pl.Float64).alias("shares"),
    ]


def spot(files: Files) -> pl.DataFrame:
    """Spot prices, columns of the table; `observed_at` is when the price was complete.

    Bars are stamped with their start and known at their end; a one-second tick is the last of its
    second; the index means stand at the boundary that they end on. A record does not say when it
    was read: `received_at` is when the price was complete, plus the lag stated for its source.
    """
    if "spot_klines.parquet" not in files:
        return pl.DataFrame()
    late = pl.when(pl.col("exchange").is_in(TICKS_AT_THEIR_END)).then(0).otherwise("interval_s")
    return (
        files["spot_klines.parquet"]
        .select(
            "asset",
            pl.col("exchange").alias("source"),
            "interval_s",
            ((pl.col("ts") + late) * 1_000_000).cast(TIME).alias("observed_at"),
            *(pl.col(c).cast(pl.Float64) for c in ("close", "open", "high", "low", "volume")),
        )
        .select(
            "asset",
            "source",
            "interval_s",
            "observed_at",
            received().alias("received_at"),
            *("close", "open", "high", "low", "volume"),
        )
        .collect()
    )


def received() -> pl.Expr:
    """When a price of a record could be read: once complete, after the lag of its `source`."""
    lag = pl.col("source").replace_strict(SPOT_LAG_S, default=0.0, return_dtype=pl.Float64)
    return pl.col("observed_at") + pl.duration(milliseconds=lag * 1000)
