"""What other apps may read of the venue's data: always as known at `as_of`, as arrays."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from config.kernel import vendor
from markets.core import book as books
from markets.core.book import Book
from markets.core.series import Floats, MarketFacts, QuoteSeries
from markets.models import Market, QuoteKind

FIGURES = ("price", "bid", "ask", "bid_depth", "ask_depth", "volume_24h")
BOOK_KINDS = (QuoteKind.BOOK, QuoteKind.BOOK_TOP, QuoteKind.SNAPSHOT)
MOMENT = pl.Datetime("us", "UTC")
NUMBERS: dict[str, Any] = dict.fromkeys(FIGURES, pl.Float64)
QUOTED: dict[str, Any] = {
    "market_id": pl.Int64,
    "kind": pl.Int16,
    "observed_at": MOMENT,
    "received_at": MOMENT,
    **NUMBERS,
    "levels": pl.Binary,
}


def tracked_ids(*, as_of: datetime) -> list[int]:
    """The universe: markets that are quoted and forecast, in order of their ids."""
    known = Market.objects.filter(tracked=True, received_at__lte=as_of)
    return list(known.order_by("id").values_list("id", flat=True))


def quote_series(market_ids: Sequence[int], *, since: datetime, as_of: datetime) -> QuoteSeries:
    """Quotes observed after `since` and known by `as_of`; market i is `market_ids[i]`."""
    chosen, ids = vendor.among("market_id", market_ids)
    frame = vendor.read(
        f"SELECT market_id, received_at, {', '.join(FIGURES)} FROM markets_quote"  # noqa: S608 - own names
        f" WHERE {chosen} AND observed_at > %s AND observed_at <= %s AND received_at <= %s"
        " ORDER BY market_id, received_at, observed_at",
        [ids, vendor.instant(since), vendor.instant(as_of), vendor.instant(as_of)],
        NUMBERS | {"market_id": pl.Int64, "received_at": MOMENT},
    )
    order = pl.DataFrame({"market_id": market_ids}, schema={"market_id": pl.Int64})
    order = order.with_row_index("place")
    frame = frame.join(order, on="market_id", maintain_order="left")
    frame = frame.sort("place", maintain_order=True)
    counts = np.bincount(frame["place"].to_numpy(), minlength=len(market_ids))
    known_at = frame["received_at"].dt.epoch("us").to_numpy() / 1e6
    figures = {name: _floats(frame[name]) for name in FIGURES}
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return QuoteSeries(starts=starts, known_at=known_at, **figures)


def facts(market_ids: Sequence[int], *, as_of: datetime) -> MarketFacts:
    """What is known of each market apart from its quotes; row i describes `market_ids[i]`."""
    columns = (
        "event_id", "category", "opens_at", "scheduled_end_at", "window_s", "epoch_start_at",
        "reference_price", "event__neg_risk",
    )  # fmt: skip
    found = Market.objects.filter(pk__in=list(market_ids), received_at__lte=as_of)
    rows = {row[0]: row[1:] for row in found.values_list("id", *columns)}
    listed = [rows[market_id] for market_id in market_ids]
    column = dict(zip(columns, zip(*listed, strict=True), strict=True)) if listed else {}

    def values(name: str) -> Any:
        return column.get(name, ())

    return MarketFacts(
        market_id=np.asarray(market_ids, dtype=np.int64),
        event=np.asarray(values("event_id"), dtype=np.int64),
        category=tuple(values("category")),
        opens_at=_moments(values("opens_at")),
        scheduled_end_at=_moments(values("scheduled_end_at")),
        window_s=_numbers(values("window_s")),
        epoch_start_at=_moments(values("epoch_start_at")),
        reference_price=_numbers(values("reference_price")),
        exclusive=np.asarray([bool(flag) for flag in values("event__neg_risk")], dtype=np.bool_),
    )


def latest_quotes(
    market_ids: Sequence[int], *, as_of: datetime, kinds: Sequence[int] = tuple(QuoteKind)
) -> pl.DataFrame:
    """The newest quote of each market known by `as_of`: one index probe a market.

    Columns market_id, kind, observed_at, received_at, the figures and `levels`; markets without a
    quote are missing.
    """
    chosen, ids = vendor.among("m.id", market_ids)
    of_kind = f"kind IN ({', '.join(str(int(kind)) for kind in kinds)})"
    moment = vendor.instant(as_of)
    frame = vendor.read(
        f"SELECT q.market_id, q.kind, q.observed_at, q.received_at, {', '.join(FIGURES)}, levels"  # noqa: S608 - own names
        " FROM markets_market m JOIN markets_quote q ON q.market_id = m.id AND q.observed_at ="
        " (SELECT max(p.observed_at) FROM markets_quote p WHERE p.market_id = m.id"
        f" AND p.observed_at <= %s AND p.received_at <= %s AND p.{of_kind})"
        f" WHERE {chosen} AND q.received_at <= %s AND q.{of_kind}",
        [moment, moment, ids, moment],
        QUOTED,
    )
    return frame.sort("market_id", "kind").unique("market_id", keep="first", maintain_order=True)


def latest_books(market_ids: Sequence[int], *, as_of: datetime) -> dict[int, Book]:
    """The newest order book of each market known by `as_of`; one that was never seen is missing.

    Five levels where they were recorded, else the top of the book with its depth.
    """
    frame = latest_quotes(market_ids, as_of=as_of, kinds=BOOK_KINDS)
    return {row["market_id"]: _book(row) for row in frame.iter_rows(named=True)}


def _book(row: dict[str, Any]) -> Book:
    observed_at: datetime = row["observed_at"]
    if row["levels"]:
        return books.unpack(observed_at, bytes(row["levels"]))
    top = (row["bid"], row["ask"], row["bid_depth"], row["ask_depth"])
    return books.synthetic(observed_at, *top)


def _floats(column: pl.Series) -> Floats:
    return column.fill_null(np.nan).to_numpy()


def _moments(values: Sequence[datetime | None]) -> Floats:
    stamps = [np.nan if v is None else v.astimezone(UTC).timestamp() for v in values]
    return np.asarray(stamps, dtype=np.float64)


def _numbers(values: Sequence[float | None]) -> Floats:
    return np.asarray([np.nan if v is None else v for v in values], dtype=np.float64)
