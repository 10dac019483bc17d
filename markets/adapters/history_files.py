"""The folder format of recorded history: its files and columns, and what each source is worth."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from markets.models import QuoteKind

STRING, INTEGER, NUMBER, FLAG = "text", "integer", "number", "true/false"
MEANS: dict[str, Callable[[pl.DataType], bool]] = {
    STRING: lambda t: t in {pl.String, pl.Categorical, pl.Null},
    INTEGER: lambda t: t.is_integer() or t == pl.Null,
    NUMBER: lambda t: t.is_numeric() or t == pl.Null,
    FLAG: lambda t: t in {pl.Boolean, pl.Null},
}


def _columns(**kinds: str) -> dict[str, str]:
    return {name: kind for kind, names in kinds.items() for name in names.split()}


SIDES = ("bid_px_up", "bid_sz_up", "ask_px_up", "ask_sz_up")
COLUMNS: dict[str, dict[str, str]] = {
    "markets.parquet": _columns(
        text="market_key venue dataset group_key question category slug tags outcomes "
        "condition_id event_slug token_id_0 token_id_1 label_source label_strength",
        integer="start_ts closed_ts close_ref_ts outcome",
        number="volume",
    )
    | {"close_censored": FLAG},
    "prices.parquet": _columns(
        text="market_key kind dataset", integer="ts", number="price bid ask last volume24h"
    ),
    "weak_markets.parquet": _columns(
        text="market_key venue dataset group_key question category slug label_source "
        "label_strength",
        integer="start_ts close_ref_ts outcome",
        number="volume",
    ),
    "weak_prices.parquet": _columns(text="market_key", integer="ts", number="price bid ask"),
    "updown_epochs.parquet": _columns(
        text="epoch_key venue dataset asset condition_id token_up token_down outcome_source "
        "outcome_strength",
        integer="window_s start_ts end_ts outcome_up",
        number="ref_open volume fee_rate",
    ),
    "updown_quotes.parquet": _columns(
        text="epoch_key kind",
        integer="ts_ms",
        number="up_bid up_ask dn_bid dn_ask up_last up_bid_depth up_ask_depth",
    ),
    "books_l2_5.parquet": _columns(text="epoch_key", integer="ts_ms")
    | {f"{side}_{level}": NUMBER for side in SIDES for level in range(1, 6)},
    "trades.parquet": _columns(
        text="market_key dataset outcome side tx_hash order_hash wallet maker taker token_id",
        integer="ts",
        number="price size",
    ),
    "spot_klines.parquet": _columns(
        text="asset exchange", integer="interval_s ts", number="open high low close volume"
    ),
    "labels_only.parquet": _columns(text="src question", integer="outcome"),
    "forecast_questions.parquet": _columns(text="source id question", number="freeze_price"),
    "books_spy_daily_top5.parquet": _columns(
        text="market_slug", integer="ts", number="best_bid best_ask"
    ),
}


NOTICE = "simulated.json"  # lies beside files that were generated, not recorded


class BadHistory(ValueError):
    """A history file cannot be used; the message names file, column and remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What one kind of recorded price is worth.

    Attributes
    ----------
    lag_s
        Seconds from the stamp to the moment a reader could know the price.
    max_age_s
        Seconds after which the source would have spoken again: an older price is stale.
    why
        How we know that the lag holds.
    """

    kind: QuoteKind
    lag_s: int
    max_age_s: int
    why: str


_API = "the venue's price-history point carries the instant it was sampled"
_HINDSIGHT = "a mean over a window that was placed in hindsight; stamped at the window's end"
SOURCES: dict[str, Source] = {
    name: Source(kind=kind, lag_s=lag, max_age_s=age, why=why)
    for name, kind, lag, age, why in (
        (
            "book_top_2min",
            QuoteKind.BOOK_TOP,
            0,
            2400,
            "stamped when polled; repeated every 30 min",
        ),
        ("clob_history_1m", QuoteKind.HISTORY_1M, 0, 900, _API),
        ("clob_history_10m", QuoteKind.HISTORY_10M, 0, 3600, _API),
        (
            "bar1h_close",
            QuoteKind.BAR_1H,
            0,
            7200,
            "measured against the closing bell: bars carry the stamp of their end",
        ),
        (
            "onchain_fill",
            QuoteKind.FILL,
            0,
            86400,
            "block time: public the moment the block is",
        ),
        ("gamma_snapshot", QuoteKind.SNAPSHOT, 0, 129600, "stamped when fetched"),
        ("avg_window_one_day", QuoteKind.AVERAGE_WINDOW, 0, 3600, _HINDSIGHT),
        ("avg_window_one_week", QuoteKind.AVERAGE_WINDOW, 0, 3600, _HINDSIGHT),
        ("avg_window_one_month", QuoteKind.AVERAGE_WINDOW, 0, 3600, _HINDSIGHT),
        ("avg_window_six_months", QuoteKind.AVERAGE_WINDOW, 0, 3600, _HINDSIGHT),
        (
            "prematch_single",
            QuoteKind.SINGLE,
            0,
            3600,
            "logged before the match, stamped at its start",
        ),
        (
            "kalshi_1m_candle_close",
            QuoteKind.CANDLE_1M,
            0,
            120,
            "first candle of an epoch is stamped 60 s after its start: stamps are ends",
        ),
        (
            "kalshi_1m_candle_close_favside",
            QuoteKind.CANDLE_1M_FAVOURITE,
            0,
            300,
            "same candles as above",
        ),
        (
            "wallet_trade_5s_last",
            QuoteKind.TRADE_5S,
            0,
            60,
            "measured against the trades: every value lies in the five seconds before its stamp",
        ),
        ("l2_recorder_1s", QuoteKind.BOOK, 0, 10, "stamped by the recorder"),
        (
            "ohlc_1m_close_bidlike",
            QuoteKind.BID_LIKE_1M,
            0,
            180,
            "first bar of an epoch is stamped 60 s after its start: stamps are ends",
        ),
        ("clob_history_point", QuoteKind.HISTORY_POINT, 0, 120, _API),
        ("book_sample", QuoteKind.BOOK_TOP, 0, 60, "stamped when fetched"),
        ("ws_best_bid_ask", QuoteKind.BOOK_TOP, 0, 60, "stamped on arrival; sent on change"),
        (
            "weak_grid_15min",
            QuoteKind.SNAPSHOT,
            0,
            14400,
            "stamped when polled; repeated every 3 h",
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """What is known of one dataset's events from its rules, never from its labels.

    Attributes
    ----------
    hindsight
        Its prices are stamped at moments that were chosen when the outcome was known.
    answer_lag_s
        Seconds from the close to the answer where the record does not say when it came.
    labels_at
        Epoch seconds at which the answers were fetched: a market whose close fell into a silence
        of the recorder has no earlier witness.
    """

    scheduled: bool = False
    exclusive: bool = False
    single_stamp: bool = False
    hindsight: bool = False
    answer_lag_s: float = 0.0
    labels_at: float = 0.0


HOUR_S, DAY_S = 3600.0, 86400.0
UNKNOWN = Dataset()
DATASETS: dict[str, Dataset] = {
    "btc_daily_range": Dataset(scheduled=True, exclusive=True),  # noon ET fixing, disjoint ranges
    # Public calendar, one decision a meeting; the venue settles within a day.
    "fomc": Dataset(scheduled=True, exclusive=True, answer_lag_s=DAY_S),
    # Closing bell of the expiry; strikes are nested; the official close is published that evening.
    "stocks_weekly": Dataset(scheduled=True, answer_lag_s=DAY_S),
    # Its close is the scheduled start; the longest matches take five hours.
    "cs2_prematch": Dataset(scheduled=True, single_stamp=True, answer_lag_s=6 * HOUR_S),
    # A market leaves the listing when it has settled; the answers were fetched on 23 and 24 July.
    "polymarket_us": Dataset(labels_at=datetime(2026, 7, 25, tzinfo=UTC).timestamp()),
    "sandbox": Dataset(scheduled=True),  # simulated: every end is announced at launch
    # Several questions of an election may come true ("wins", "over 18 %"); its end is hindsight.
    "elections": Dataset(single_stamp=True, hindsight=True),
}
EPOCHS = Dataset(scheduled=True)


def check(path: Path) -> dict[str, pl.LazyFrame]:
    """The known files of a folder, each with its columns verified; other files are left alone.

    Raises `BadHistory` before anything is read where one file is unreadable or foreign.
    """
    if not path.is_dir():
        raise BadHistory(f"{path} is not a folder; name the folder that holds markets.parquet")
    found = {name: path / name for name in COLUMNS if (path / name).exists()}
    if not found:
        raise BadHistory(
            f"{path} holds none of {', '.join(COLUMNS)}; name the folder that holds them"
        )
    for prices, markets in (
        ("prices.parquet", "markets.parquet"),
        ("updown_quotes.parquet", "updown_epochs.parquet"),
        ("weak_prices.parquet", "weak_markets.parquet"),
    ):
        if prices in found and markets not in found:
            raise BadHistory(
                f"{path / prices}, column market_key: {markets} is missing, so the prices belong "
                f"to nothing; put {markets} beside it"
            )
    return {name: _scan(file) for name, file in found.items()}


def _scan(file: Path) -> pl.LazyFrame:
    try:
        frame = pl.scan_parquet(file, glob=False)
        schema = frame.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as failure:
        reason = str(failure).splitlines()[0]
        raise BadHistory(
            f"{file} cannot be read as Parquet ({reason}), column: all; fetch the file again"
        ) from failure
    for name, kind in COLUMNS[file.name].items():
        if name not in schema:
            raise BadHistory(
                f"{file}, column {name}: missing; this is not a {file.name} of the history format, "
                "export it again or take it out of the folder"
            )
        if not MEANS[kind](schema[name]):
            raise BadHistory(
                f"{file}, column {name}: holds {schema[name]}, expected {kind}; "
                "export it again or take it out of the folder"
            )
    return frame


def verify(path: Path, datasets: Sequence[str], known: Sequence[str]) -> None:
    """Raise `BadHistory` where a dataset is named that the folder does not hold."""
    foreign = sorted(set(datasets) - set(known))
    if foreign:
        raise BadHistory(
            f"{path} holds no dataset {', '.join(foreign)}; it holds {', '.join(sorted(known))}"
        )


def simulated(path: Path) -> bool:
    """Whether the folder says that a simulated venue wrote it."""
    return (path / NOTICE).exists()


def chosen(frame: pl.LazyFrame, datasets: Sequence[str]) -> pl.LazyFrame:
    """Only the named datasets; all where none is named."""
    return frame.filter(pl.col("dataset").is_in(list(datasets))) if datasets else frame
