"""What surrounded the markets of recorded history, from its folder or from the archive.

News and cohort moods were not recorded with their time of receipt: those parts stay empty.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import polars as pl

from markets import context_frames
from markets.adapters import history_rows
from markets.adapters.history_frames import TIME, Files, Types
from markets.core import wording
from markets.core.contracts import SpotConfig
from markets.core.series import BookSeries, Context, SpotPaths, TradeSeries

SPOT_FILE = "spot_klines.parquet"
SPOT: Types = {
    "asset": pl.String,
    "source": pl.String,
    "interval_s": pl.Int64,
    "observed_at": TIME,
    "received_at": TIME,
    "close": pl.Float64,
}
TRADES: Types = {
    "market_key": pl.String,
    "observed_at": TIME,
    "received_at": TIME,
    "outcome_index": pl.Int16,
    "side": pl.String,
    "price": pl.Float64,
    "shares": pl.Float64,
}
BOOKS: Types = {
    "market_key": pl.String,
    "observed_at": TIME,
    "received_at": TIME,
    "levels": pl.Binary,
}
Bounds = tuple[datetime | None, datetime | None]


def of_folder(
    files: Files, markets: pl.DataFrame, *, since: datetime | None, until: datetime | None
) -> Context:
    """The context of `History.markets` from a history folder, known within `[since, until]`."""
    recorded = history_rows.spot(files).lazy() if SPOT_FILE in files else pl.LazyFrame(schema=SPOT)
    return _context(
        markets,
        trades=history_rows.plain_trades(files).with_columns(told=pl.lit(value=False)),
        books=history_rows.recorded_levels(files),
        spot=recorded,
        config=None,
        bounds=(since, until),
    )


def of_archive(
    markets: pl.DataFrame,
    *,
    trades: Mapping[str, Sequence[Path]],
    quotes: Sequence[Path],
    spot: Sequence[Path],
    told: Collection[str],
    config: Callable[[], SpotConfig],
    until: datetime | None,
) -> Context:
    """The same from files of the archive; `trades` by dataset, `told`: whose sides are takers'.

    `config` is asked only where prices of single sources were recorded.
    """
    tape = [
        pl.scan_parquet(file, glob=False).select(
            *(pl.col(name).cast(dtype) for name, dtype in TRADES.items()),
            told=pl.lit(dataset in told),
        )
        for dataset, files in trades.items()
        for file in files
    ]
    return _context(
        markets,
        trades=pl.concat(tape) if tape else pl.LazyFrame(schema=TRADES | {"told": pl.Boolean}),
        books=_archived_books(quotes),
        spot=_archived_spot(spot),
        config=config,
        bounds=(None, until),
    )


def _context(
    markets: pl.DataFrame,
    *,
    trades: pl.LazyFrame,
    books: pl.LazyFrame,
    spot: pl.LazyFrame,
    config: Callable[[], SpotConfig] | None,
    bounds: Bounds,
) -> Context:
    n = len(markets)
    nothing = Context.nothing(n)
    keys = markets.select("market_key").with_row_index("row").lazy()
    assets = sorted({asset for asset in markets["asset"].to_list() if asset})
    return Context(
        trades=_trades(trades, keys, n, bounds),
        books=_books(books, keys, n, bounds),
        news=nothing.news,
        moods=nothing.moods,
        spot=_spot(spot, assets, config, bounds),
        asset=context_frames.asset_index(markets["asset"], assets),
        wording=wording.project(markets["question"].fill_null("").to_list()),
    )


def _within(frame: pl.LazyFrame, bounds: Bounds) -> pl.LazyFrame:
    since, until = bounds
    lower = frame if since is None else frame.filter(pl.col("received_at") >= since)
    return lower if until is None else lower.filter(pl.col("received_at") <= until)


def _trades(rows: pl.LazyFrame, keys: pl.LazyFrame, n: int, bounds: Bounds) -> TradeSeries:
    way = pl.col("side").replace_strict(context_frames.SIDES, default=None, return_dtype=pl.Int64)
    found = _within(rows, bounds).join(keys, on="market_key").with_columns(way=way)
    return context_frames.trades(found.drop("market_key", "side").collect(), n)


def _books(rows: pl.LazyFrame, keys: pl.LazyFrame, n: int, bounds: Bounds) -> BookSeries:
    found = _within(rows, bounds).join(keys, on="market_key")
    return context_frames.books(found.drop("market_key").collect(), n)


def _spot(
    rows: pl.LazyFrame,
    assets: Sequence[str],
    config: Callable[[], SpotConfig] | None,
    bounds: Bounds,
) -> SpotPaths:
    number = {asset: i for i, asset in enumerate(assets)}
    wanted = rows.filter(pl.col("asset").is_in(list(assets))).with_columns(
        received_at=pl.col("received_at").fill_null(pl.col("observed_at")),
        asset=pl.col("asset").replace_strict(number, default=None, return_dtype=pl.Int64),
    )
    found = _within(wanted, bounds).collect()
    single = config is not None and (found["interval_s"] == 0).any()
    return context_frames.spot(found, assets, config() if config and single else None)


def _archived_books(quotes: Sequence[Path]) -> pl.LazyFrame:
    parts = [
        pl.scan_parquet(file, glob=False)
        .filter(pl.col("levels").is_not_null())
        .select(pl.col(name).cast(dtype) for name, dtype in BOOKS.items())
        for file in quotes
    ]
    return pl.concat(parts) if parts else pl.LazyFrame(schema=BOOKS)


def _archived_spot(files: Sequence[Path]) -> pl.LazyFrame:
    """Recorded prices carry their receipt; imported ones only the lag stated for their source."""
    parts = []
    for file in files:
        frame = pl.scan_parquet(file, glob=False)
        if "received_at" not in frame.collect_schema().names():
            frame = frame.with_columns(received_at=history_rows.received())
        parts.append(frame.select(pl.col(name).cast(dtype) for name, dtype in SPOT.items()))
    return pl.concat(parts) if parts else pl.LazyFrame(schema=SPOT)
