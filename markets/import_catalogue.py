"""Imported events, markets, outcomes and resolutions, beside those that the venue lists today."""

from collections.abc import Mapping

import polars as pl

from config.kernel import vendor
from markets.adapters.history_frames import TIME
from markets.models import Event, Market, Origin, Outcome, Protocol, Resolution

OF_EVENT = ("slug", "title", "category", "tags", "neg_risk")
OF_MARKET = (
    "slug question category dataset opens_at scheduled_end_at closed_at neg_risk asset window_s "
    "epoch_start_at reference_price volume"
)
IMPORTED = "imported history"
Counts = dict[str, tuple[int, int]]


def write(markets: pl.DataFrame, first_quote: pl.DataFrame, *, origin: Origin) -> Counts:
    """File markets (columns `MARKETS`) and what hangs on them; returns table → (added, changed).

    `first_quote` holds market_key and the observed_at of its first quote: a market without a known
    opening was learned of then. Ids of conditions and assets that other rows hold already are left
    out, so that a market known from the venue and from a record stays two rows.
    """
    rows = _dated(markets, first_quote).with_columns(origin=pl.lit(origin.value))
    counts = {"events": _events(rows)}
    rows = rows.join(
        _ids(Event, "event_key", "event_id", origin), on=["venue", "event_key"], how="inner"
    )
    counts["markets"] = _markets(rows)
    rows = rows.join(ids(origin), on=["venue", "market_key"], how="inner")
    counts["outcomes"] = (_outcomes(rows), 0)
    counts["resolutions"] = (_resolutions(rows), 0)
    return counts


def ids(origin: Origin) -> pl.DataFrame:
    """venue, market_key and market_id of all markets of this origin."""
    return _ids(Market, "market_key", "market_id", origin)


def _ids(model: type[Event] | type[Market], key: str, number: str, origin: Origin) -> pl.DataFrame:
    table = "markets_event" if model is Event else "markets_market"
    return vendor.read(
        f"SELECT id, venue, venue_key FROM {table} WHERE origin = %s",  # noqa: S608 - a constant
        [origin.value],
        {"id": pl.Int64, "venue": pl.String, "venue_key": pl.String},
    ).rename({"id": number, "venue_key": key})


def _time(column: str) -> pl.Expr:
    return (pl.col(column) * 1_000_000).round().cast(pl.Int64).cast(TIME)


def _text(column: str, longest: int) -> pl.Expr:
    return pl.col(column).fill_null("").str.slice(0, longest).alias(column)


def _dated(markets: pl.DataFrame, first_quote: pl.DataFrame) -> pl.DataFrame:
    times = ("opens_at", "scheduled_end_at", "close_at", "closed_at", "label_known_at")
    rows = markets.with_columns(
        *(_time(name) for name in (*times, "epoch_start_at")),
        neg_risk=pl.when(pl.col("exclusive")).then(statement=True),
    ).join(first_quote, on="market_key", how="left", maintain_order="left")
    learned = pl.coalesce(pl.min_horizontal("opens_at", "observed_at"), "close_at")
    return rows.with_columns(received_at=learned).drop("observed_at")


def _events(rows: pl.DataFrame) -> tuple[int, int]:
    frame = (
        rows.group_by("venue", "event_key", maintain_order=True)
        .agg(
            pl.col("event_slug", "category", "tags", "neg_risk", "origin").first(),
            pl.col("received_at").min(),
        )
        .select(
            "venue",
            pl.col("event_key").alias("venue_key"),
            _text("event_slug", 300).alias("slug"),
            pl.coalesce("event_slug", "event_key").alias("title"),
            _text("category", 40),
            _text("tags", 2000),
            "neg_risk",
            pl.lit(value=False).alias("neg_risk_augmented"),
            "origin",
            "received_at",
        )
    )
    return vendor.upsert(Event, frame, key=["venue", "venue_key"], update=OF_EVENT)


def _markets(rows: pl.DataFrame) -> tuple[int, int]:
    frame = rows.select(
        "venue",
        pl.col("market_key").alias("venue_key"),
        "event_id",
        "condition_id",
        _text("slug", 300),
        _text("question", 1000),
        _text("category", 40),
        pl.lit(Protocol.UNKNOWN.value).alias("protocol"),
        "origin",
        "dataset",
        "opens_at",
        "scheduled_end_at",
        "closed_at",
        "neg_risk",
        pl.lit(value=False).alias("neg_risk_other"),
        _text("asset", 12),
        pl.col("window_s").cast(pl.Int32),
        "epoch_start_at",
        "reference_price",
        "volume",
        pl.lit(value=False).alias("tracked"),
        pl.lit(IMPORTED).alias("filter_reason"),
        "received_at",
    )
    taken = _taken("SELECT condition_id AS held, venue_key AS holder FROM markets_market")
    frame = _without_taken(frame, "condition_id", taken, holder="venue_key")
    key = ["venue", "venue_key"]
    return vendor.upsert(Market, frame, key=key, update=OF_MARKET.split())


def _taken(sql: str) -> Mapping[str, str]:
    found = vendor.read(sql, [], {"held": pl.String, "holder": pl.String})
    return dict(found.drop_nulls().iter_rows())


def _without_taken(
    frame: pl.DataFrame, column: str, taken: Mapping[str, str], *, holder: str
) -> pl.DataFrame:
    """Leave out ids that another row holds, or an earlier row of the frame."""
    held_by = pl.col(column).replace_strict(taken, default=None, return_dtype=pl.String)
    foreign = (held_by != pl.col(holder).cast(pl.String)).fill_null(value=False)
    repeated = ~pl.col(column).is_first_distinct()
    return frame.with_columns(pl.when(~foreign & ~repeated).then(column).alias(column))


def _outcomes(rows: pl.DataFrame) -> int:
    sides = [
        rows.select(
            "market_id",
            pl.lit(index, pl.Int16).alias("index"),
            pl.col(f"outcome_{index}").str.slice(0, 200).alias("name"),
            pl.col(f"asset_id_{index}").alias("asset_id"),
        )
        for index in (0, 1)
    ]
    taken = _taken(
        "SELECT asset_id AS held, CAST(market_id AS varchar(20)) AS holder FROM markets_outcome"
    )
    frame = _without_taken(pl.concat(sides), "asset_id", taken, holder="market_id")
    return vendor.append(Outcome, frame)


def _resolutions(rows: pl.DataFrame) -> int:
    frame = rows.filter(pl.col("payout").is_not_null()).select(
        "market_id",
        pl.col("payout").alias("payout_0"),
        (1 - pl.col("payout")).alias("payout_1"),
        pl.col("label_source").fill_null("record").str.slice(0, 120).alias("source"),
        pl.col("label_strength").fill_null("unknown").str.slice(0, 20).alias("strength"),
        pl.col("close_at").alias("resolved_at"),
        pl.col("label_known_at").alias("received_at"),
    )
    return vendor.append(Resolution, frame)
