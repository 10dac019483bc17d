"""Rows of what surrounds markets → arrays: one definition for live tables and recorded history.

Every frame names its market by `row`, the market's index; times are Datetime in UTC.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from markets.core import levels, lookback
from markets.core import spot as spots
from markets.core.contracts import SpotConfig
from markets.core.series import (
    BookSeries,
    Floats,
    Ints,
    MoodSeries,
    NewsSeries,
    SpotPaths,
    TradeSeries,
)
from markets.core.spot import Ticks

SIDES: Mapping[str, int] = {"BUY": 2, "SELL": -2, "MAKER_BUY": -1, "MAKER_SELL": 1}
"""Which way the taker went for the traded token; ±2 only where the side is known as the taker's."""
TICK_S = 1.0


def trades(rows: pl.DataFrame, markets: int) -> TradeSeries:
    """From `row, observed_at, received_at, outcome_index, way, told, price, shares`.

    `way` is a value of `SIDES` or null, `told` whether a plain side is the taker's. Trades of an
    unknown outcome are left out. One that was fetched long after it happened stands where anybody
    could have known of it.
    """
    observed, received = _seconds("observed_at"), _seconds("received_at")
    late = received - observed > lookback.LATE_S
    first = pl.col("outcome_index") == 0
    known = pl.col("told") | (pl.col("way").abs() == 1)
    toward = pl.when(known).then(pl.col("way").sign())
    found = (
        rows.filter(pl.col("outcome_index").is_in([0, 1]) & (pl.col("shares") > 0))
        .select(
            "row",
            pl.when(late).then(observed + lookback.PUBLIC_AFTER_S).otherwise(received).alias("at"),
            observed.alias("observed"),
            pl.when(first).then("price").otherwise(1 - pl.col("price")).alias("price"),
            "shares",
            pl.when(first).then(toward).otherwise(-toward).cast(pl.Float64).alias("taker"),
        )
        # By shares before price: a price that orders equal moments would look like a trend.
        .sort("row", "at", "observed", "shares", "price", "taker")
    )
    return TradeSeries(
        starts=_starts(found, markets),
        known_at=_floats(found["at"]),
        price=_floats(found["price"]),
        shares=_floats(found["shares"]),
        taker=_floats(found["taker"]),
    )


def books(rows: pl.DataFrame, markets: int) -> BookSeries:
    """From `row, observed_at, received_at, levels`."""
    found = rows.sort("row", "received_at", "observed_at")
    bids, asks = levels.unpack(found["levels"].to_list())
    return BookSeries(
        starts=_starts(found, markets),
        known_at=_floats(found.select(_seconds("received_at")).to_series()),
        bids=bids,
        asks=asks,
    )


def news(rows: pl.DataFrame, markets: int) -> NewsSeries:
    """From `row, received_at, published_at, sentiment`; received = by us, read and linked."""
    found = rows.sort("row", "received_at", "published_at", "sentiment")
    return NewsSeries(
        starts=_starts(found, markets),
        known_at=_floats(found.select(_seconds("received_at")).to_series()),
        published_at=_floats(found.select(_seconds("published_at")).to_series()),
        sentiment=_floats(found["sentiment"]),
    )


def moods(rows: pl.DataFrame, markets: int) -> MoodSeries:
    """From `row, as_of, skilled, whales`."""
    found = rows.sort("row", "as_of")
    return MoodSeries(
        starts=_starts(found, markets),
        known_at=_floats(found.select(_seconds("as_of")).to_series()),
        skilled=_floats(found["skilled"]),
        whales=_floats(found["whales"]),
    )


def spot(rows: pl.DataFrame, assets: Sequence[str], config: SpotConfig | None) -> SpotPaths:
    """From `asset, source, interval_s, observed_at, received_at, close`; `asset` as an index.

    Single prices (interval 0) of the sources of `config` become their consensus at every second
    in which one of them spoke, as it was known then. Bars stand at the moment they were known; a
    bar counts only where nothing finer became known within its length.
    """
    parts = [_path(rows.filter(pl.col("asset") == a), config) for a in range(len(assets))]
    return SpotPaths(
        assets=tuple(assets),
        starts=np.cumsum([0, *(len(known) for known, _ in parts)], dtype=np.int64),
        known_at=np.concatenate([np.empty(0), *(known for known, _ in parts)]),
        price=np.concatenate([np.empty(0), *(price for _, price in parts)]),
    )


def _path(rows: pl.DataFrame, config: SpotConfig | None) -> tuple[Floats, Floats]:
    usable = rows.filter((pl.col("close") > 0) & pl.col("close").is_finite()).select(
        "source",
        "interval_s",
        _seconds("observed_at").alias("held"),
        _seconds("received_at").fill_null(_seconds("observed_at")).alias("at"),
        "close",
    )
    single = usable.filter(pl.col("interval_s") == 0)
    known, price = _agreed(single, config) if config is not None else (np.empty(0), np.empty(0))
    bars = usable.filter(pl.col("interval_s") > 0).sort("interval_s", "at", "close")
    for (length,), part in bars.group_by("interval_s", maintain_order=True):
        at, close = _floats(part["at"]), _floats(part["close"])
        before = np.searchsorted(known, at, side="right") - 1
        finer = (before >= 0) & (known[np.maximum(before, 0)] > at - length) if len(known) else None
        alone = slice(None) if finer is None else ~finer
        known, price = np.append(known, at[alone]), np.append(price, close[alone])
        order = np.argsort(known, kind="stable")
        known, price = known[order], price[order]
    return known, price


def _agreed(rows: pl.DataFrame, config: SpotConfig) -> tuple[Floats, Floats]:
    rows = rows.filter(pl.col("source").is_in(config.sources)).sort("at", "held", "close")
    ticks = [
        Ticks(known_at=_floats(p["at"]), held_at=_floats(p["held"]), price=_floats(p["close"]))
        for _, p in rows.group_by("source", maintain_order=True)
    ]
    moments = np.unique(np.ceil(_floats(rows["at"]) / TICK_S) * TICK_S)
    price = spots.consensus_over_time(ticks, moments, config=config)
    agreed = np.isfinite(price)
    return moments[agreed], price[agreed]


def _seconds(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Int64) / 1e6


def _floats(column: pl.Series) -> Floats:
    return np.ascontiguousarray(column.cast(pl.Float64).fill_null(float("nan")).to_numpy())


def _starts(rows: pl.DataFrame, markets: int) -> Ints:
    return np.searchsorted(rows["row"].to_numpy(), np.arange(markets + 1)).astype(np.int64)


def asset_index(names: pl.Series, assets: Sequence[str]) -> Ints:
    """Where each market's asset stands among `assets`; -1 where it follows none."""
    place = {asset: i for i, asset in enumerate(assets)}
    return np.array([place.get(name, -1) for name in names.to_list()], dtype=np.int64)
