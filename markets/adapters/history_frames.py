"""Recorded history in our own columns, whatever the files called them: markets and quotes."""

from collections.abc import Mapping, Sequence

import polars as pl

from markets.adapters.history_files import DATASETS, EPOCHS, SOURCES, UNKNOWN, chosen

EPOCH_LABEL_LAG_S = 120
OUTAGE_S = 600
# A silent recorder was back after five days at most; where it never spoke again, allow a week.
SILENCE_S = 7 * 86_400
PRICE_INFERRED = "price_inferred"
# Sources that read the answer off the price itself, as the files word them.
OFF_THE_PRICE = r"(?i)final[ _]price|final point"
QUOTES_OF = {
    "prices.parquet": "market_key",
    "updown_quotes.parquet": "epoch_key",
    "weak_prices.parquet": "market_key",
}
MARKETS_OF = {
    "markets.parquet": "market_key",
    "updown_epochs.parquet": "epoch_key",
    "weak_markets.parquet": "market_key",
}
WEAK = "polymarket_us_weak"
TIME = pl.Datetime("us", "UTC")
Types = dict[str, pl.DataType | type[pl.DataType]]
FACTS: Types = {
    "market_key": pl.String,
    "venue": pl.String,
    "dataset": pl.String,
    "event_key": pl.String,
    "question": pl.String,
    "category": pl.String,
    "slug": pl.String,
    "opens_at": pl.Float64,
    "scheduled_end_at": pl.Float64,
    "close_at": pl.Float64,
    "close_is_scheduled": pl.Boolean,
    "payout": pl.Float64,
    "label_strength": pl.String,
    "label_known_at": pl.Float64,
    "asset": pl.String,
    "window_s": pl.Float64,
    "epoch_start_at": pl.Float64,
    "reference_price": pl.Float64,
    "single_stamp": pl.Boolean,
    "exclusive": pl.Boolean,
}
# For people and for rows, never for a forecast: some of it is hindsight.
DESCRIPTION: Types = {
    "label_source": pl.String,
    "closed_at": pl.Float64,
    "volume": pl.Float64,
    "tags": pl.String,
    "event_slug": pl.String,
    "condition_id": pl.String,
    "outcome_0": pl.String,
    "outcome_1": pl.String,
    "asset_id_0": pl.String,
    "asset_id_1": pl.String,
}
MARKETS = FACTS | DESCRIPTION
QUOTES: Types = {
    "market_key": pl.String,
    "observed_at": TIME,
    "received_at": TIME,
    "kind": pl.Int16,
    "price": pl.Float64,
    "bid": pl.Float64,
    "ask": pl.Float64,
    "last": pl.Float64,
    "bid_depth": pl.Float64,
    "ask_depth": pl.Float64,
    "volume_24h": pl.Float64,
}
Files = Mapping[str, pl.LazyFrame]


def _exact(name: str | pl.Expr) -> pl.Expr:
    """A float32 price as the decimal it was written from."""
    return (pl.col(name) if isinstance(name, str) else name).cast(pl.Float64).round(6)


def _shaped(frame: pl.LazyFrame, columns: Types) -> pl.LazyFrame:
    have = frame.collect_schema().names()
    return frame.select(
        (pl.col(name) if name in have else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in columns.items()
    )


def _named(column: str, values: Mapping[str, int], default: int) -> pl.Expr:
    return pl.col(column).replace_strict(values, default=default)


def _of_dataset(fact: str) -> pl.Expr:
    facts = {name: float(getattr(dataset, fact)) for name, dataset in DATASETS.items()}
    return pl.col("dataset").replace_strict(facts, default=float(getattr(UNKNOWN, fact)))


def _flag(fact: str) -> pl.Expr:
    return _of_dataset(fact).cast(pl.Boolean)


def _strength(strength: str, source: str) -> pl.Expr:
    """How strong an answer is, lowered where its source is the price and nothing verified it."""
    unverified = pl.col(strength).is_in(["official", "derived"])
    read_off = pl.col(source).cast(pl.String).str.contains(OFF_THE_PRICE)
    return pl.when(unverified & read_off).then(pl.lit(PRICE_INFERRED)).otherwise(strength)


def datasets(files: Files) -> list[str]:
    """The datasets that the files of a folder hold, sorted."""
    names = {WEAK} if "weak_markets.parquet" in files else set()
    for name in ("markets.parquet", "updown_epochs.parquet"):
        if name in files:
            names.update(files[name].select("dataset").drop_nulls().unique().collect()["dataset"])
    return sorted(names)


def left_out(files: Files) -> tuple[str, ...]:
    """One sentence for each sort of quotes that cannot be used, by file, with their number."""
    owners = [
        files[name].select(pl.col(key).alias("key"))
        for name, key in MARKETS_OF.items()
        if name in files
    ]
    found = []
    for name, key in QUOTES_OF.items():
        if name not in files:
            continue
        frame = files[name].rename({key: "key"})
        if "kind" in frame.collect_schema().names():
            kinds = frame.group_by(pl.col("kind").fill_null("")).len().sort("kind").collect()
            found += [
                f"{name}: {count} quotes of the unknown kind {kind!r} left out; "
                "nothing says when such a price could be known"
                for kind, count in kinds.iter_rows()
                if kind not in SOURCES
            ]
        keys = frame.group_by("key").len()
        strangers = keys.join(pl.concat(owners), on="key", how="anti").sort("key").collect()
        if len(strangers):
            found.append(
                f"{name}: {strangers['len'].sum()} quotes of {len(strangers)} markets that no "
                f"file describes left out, the first of {strangers['key'][0]!r}"
            )
    return tuple(found)


def markets(files: Files, datasets: Sequence[str] = ()) -> pl.DataFrame:
    """Every market of the chosen datasets once, columns `MARKETS`; times are epoch seconds.

    Weakly labelled markets appear only where their dataset is named: they must not be mixed in.
    """
    parts = [pl.LazyFrame(schema=MARKETS)]
    if "markets.parquet" in files:
        parts.append(_plain(files["markets.parquet"], files.get("prices.parquet")))
    if "updown_epochs.parquet" in files:
        parts.append(_epochs(files["updown_epochs.parquet"]))
    if "weak_markets.parquet" in files and WEAK in datasets:
        weak = files["weak_markets.parquet"].with_columns(
            close_censored=pl.lit(value=False), closed_ts=pl.lit(None, pl.Int64)
        )
        parts.append(_plain(weak, None))
    rows = chosen(pl.concat(parts), datasets).collect()
    return rows.unique("market_key", keep="first", maintain_order=True)


def _plain(frame: pl.LazyFrame, prices: pl.LazyFrame | None) -> pl.LazyFrame:
    have = frame.collect_schema().names()
    names = (
        pl.col("outcomes").str.json_decode(pl.List(pl.String))
        if "outcomes" in have
        else pl.lit(None)
    )
    close = pl.col("close_ref_ts")
    frame = (
        frame.with_columns(resumed_ts=pl.lit(None, pl.Int64))
        if prices is None
        else _end_of_outage(frame, prices)
    )
    scheduled = _flag("scheduled")
    return _shaped(
        frame.with_columns(
            event_key=pl.col("group_key"),
            opens_at=pl.col("start_ts"),
            scheduled_end_at=pl.when(scheduled).then(close),
            close_at=close,
            close_is_scheduled=scheduled,
            payout=pl.col("outcome"),
            label_strength=_strength("label_strength", "label_source"),
            label_known_at=_answered_at(),
            single_stamp=_flag("single_stamp"),
            exclusive=_flag("exclusive"),
            closed_at=pl.coalesce("closed_ts", close),
            outcome_names=names.cast(pl.List(pl.String)),
            asset_id_0=pl.col("token_id_0") if "token_id_0" in have else pl.lit(None),
            asset_id_1=pl.col("token_id_1") if "token_id_1" in have else pl.lit(None),
        ).with_columns(
            outcome_0=pl.col("outcome_names").list.get(0, null_on_oob=True).fill_null("Yes"),
            outcome_1=pl.col("outcome_names").list.get(1, null_on_oob=True).fill_null("No"),
        ),
        MARKETS,
    )


def _answered_at() -> pl.Expr:
    """When an answer could be known, epoch seconds: never before the close.

    A close within a silence of the recorder is known when it spoke again; where it never did, when
    the answers were fetched or after the longest silence, whichever is later.
    """
    close = pl.col("close_ref_ts")
    settled = pl.coalesce("closed_ts", close + _of_dataset("answer_lag_s"))
    never = pl.max_horizontal(close + SILENCE_S, _of_dataset("labels_at"))
    silent = pl.when("close_censored").then(pl.coalesce("resumed_ts", never))
    return pl.max_horizontal(close, settled, silent)


def _end_of_outage(frame: pl.LazyFrame, prices: pl.LazyFrame) -> pl.LazyFrame:
    """Add `resumed_ts`: when the recorder spoke again after a close that fell into its silence.

    Such a market ended somewhere within the silence; nobody reading the record knew before its end.
    """
    stamps = prices.select("dataset", resumed_ts=pl.col("ts")).unique().sort("resumed_ts")
    lost = frame.filter(pl.col("close_censored")).select("market_key", "dataset", "close_ref_ts")
    found = (
        lost.with_columns(silent_ts=pl.col("close_ref_ts") + OUTAGE_S)
        .sort("silent_ts")
        .join_asof(
            stamps,
            left_on="silent_ts",
            right_on="resumed_ts",
            by="dataset",
            strategy="forward",
            check_sortedness=False,
        )
        .select("market_key", "resumed_ts")
        .unique("market_key")
    )
    return frame.join(found, on="market_key", how="left", maintain_order="left")


def _epochs(frame: pl.LazyFrame) -> pl.LazyFrame:
    end = pl.col("end_ts")
    return _shaped(
        frame.with_columns(
            market_key=pl.col("epoch_key"),
            # Epochs of one clock slot move together whatever the asset: one unit of evidence.
            event_key=pl.format("{}:{}:{}", "venue", "window_s", "start_ts"),
            question=pl.format(
                "{} up or down, {} s from {} UTC",
                pl.col("asset").str.to_uppercase(),
                "window_s",
                pl.from_epoch("start_ts", time_unit="s").dt.strftime("%Y-%m-%d %H:%M"),
            ),
            category=pl.lit("crypto"),
            slug=pl.col("epoch_key"),
            opens_at=pl.col("start_ts"),
            scheduled_end_at=end,
            close_at=end,
            close_is_scheduled=pl.lit(EPOCHS.scheduled),
            payout=pl.col("outcome_up"),
            label_strength=_strength("outcome_strength", "outcome_source"),
            label_source=pl.col("outcome_source"),
            label_known_at=end + EPOCH_LABEL_LAG_S,
            epoch_start_at=pl.col("start_ts"),
            reference_price=pl.col("ref_open"),
            single_stamp=pl.lit(EPOCHS.single_stamp),
            exclusive=pl.lit(EPOCHS.exclusive),
            closed_at=end,
            outcome_0=pl.lit("Up"),
            outcome_1=pl.lit("Down"),
            asset_id_0=pl.col("token_up"),
            asset_id_1=pl.col("token_down"),
        ),
        MARKETS,
    )


def _stamped(frame: pl.LazyFrame, stamp: pl.Expr) -> pl.LazyFrame:
    """Source kinds → `kind`, `observed_at`, `received_at`; rows of unknown kinds are dropped."""
    numbers = {name: int(source.kind) for name, source in SOURCES.items()}
    lags = {name: source.lag_s * 1_000_000 for name, source in SOURCES.items()}
    return frame.filter(pl.col("kind").is_in(list(SOURCES))).with_columns(
        kind=_named("kind", numbers, 0).cast(pl.Int16),
        observed_at=stamp.cast(TIME),
        received_at=(stamp + _named("kind", lags, 0)).cast(TIME),
    )


def quotes(files: Files) -> list[pl.LazyFrame]:
    """Quotes of outcome 0 by source file, columns `QUOTES`, in the files' order."""
    parts = []
    if "prices.parquet" in files:
        parts.append(_prices(files["prices.parquet"]))
    if "updown_quotes.parquet" in files:
        parts.append(_epoch_quotes(files["updown_quotes.parquet"]))
    if "weak_prices.parquet" in files:
        parts.append(
            _prices(files["weak_prices.parquet"].with_columns(kind=pl.lit("weak_grid_15min")))
        )
    return parts


def _prices(frame: pl.LazyFrame) -> pl.LazyFrame:
    have = frame.collect_schema().names()
    two_sided = pl.col("bid") < pl.col("ask")
    booked = pl.col("kind").is_in(["book_top_2min", "weak_grid_15min"])
    shaped = frame.with_columns(
        price=_exact(pl.when(two_sided.fill_null(value=False) | ~booked).then("price")),
        bid=_exact("bid"),
        ask=_exact("ask"),
        last=_exact("last") if "last" in have else pl.lit(None),
        volume_24h=_exact("volume24h") if "volume24h" in have else pl.lit(None),
    )
    return _shaped(_stamped(shaped, pl.col("ts") * 1_000_000), QUOTES)


def _epoch_quotes(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Sides of Up, from Down's complements where only those exist.

    A candle's 0 and 1 bound the price although nobody rests there: they enter the mid but are
    no bid or ask. The hourly set's closes of both sides are taken as bids: a mid, not a book.
    """
    bid = pl.coalesce(_exact("up_bid"), (1 - _exact("dn_ask")).round(6))
    ask = pl.coalesce(_exact("up_ask"), (1 - _exact("dn_bid")).round(6))
    bid_like = pl.col("kind") == "ohlc_1m_close_bidlike"
    between_bids = (_exact("up_bid") + 1 - _exact("dn_bid")) / 2
    mid = pl.when(pl.col("_bid") < pl.col("_ask")).then((pl.col("_bid") + pl.col("_ask")) / 2)
    shaped = (
        frame.with_columns(
            _bid=pl.when(~bid_like).then(bid),
            _ask=pl.when(~bid_like).then(ask),
        )
        .with_columns(
            price=pl.when(bid_like)
            .then(between_bids)
            .when(pl.col("_bid").is_null() & pl.col("_ask").is_null())
            .then(_exact("up_last"))
            .otherwise(mid)
            .clip(0, 1)
            .round(6),
            bid=pl.when(pl.col("_bid") > 0).then("_bid"),
            ask=pl.when(pl.col("_ask") < 1).then("_ask"),
            last=_exact("up_last"),
            bid_depth=_exact("up_bid_depth"),
            ask_depth=_exact("up_ask_depth"),
        )
        .rename({"epoch_key": "market_key"})
    )
    return _shaped(_stamped(shaped, pl.col("ts_ms") * 1000), QUOTES)
