"""What other apps may ask about markets: as it was known `as_of`, as arrays, in few queries."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import structlog

from config.kernel import vendor
from config.kernel.copy_format import Schema
from markets import context_series, spot_prices
from markets.core import book
from markets.core.book import Book
from markets.core.series import Floats, Ints, MarketFacts, QuoteSeries
from markets.models import Market, Quote, QuoteKind

log = structlog.get_logger()

spot, spot_all, spot_series = spot_prices.spot, spot_prices.spot_all, spot_prices.spot_series
funding, context = spot_prices.funding, context_series.context

TIME = pl.Datetime("us", "UTC")
# Clocks differ: a quote may be stamped a little ahead. One stamped further in the future is kept,
# but read only when its time has nearly come; before, it would hide every quote that follows.
STAMPED_AHEAD = timedelta(minutes=1)
# A price this much older than the window in which it arrived is no news.
LATE = timedelta(hours=1)
# Nearly every followed market was quoted so recently; a short probe stays within one month.
RECENT = timedelta(days=1)
FIGURES = ("price", "bid", "ask", "bid_depth", "ask_depth", "volume_24h")
SERIES: Schema = {
    "market_id": pl.Int64,
    "received_at": TIME,
    **dict.fromkeys(FIGURES, pl.Float64),
}
LATEST: Schema = {
    "market_id": pl.Int64,
    "observed_at": TIME,
    "received_at": TIME,
    "kind": pl.Int64,
    **dict.fromkeys((*FIGURES, "last"), pl.Float64),
}
FACTS: Schema = {
    "id": pl.Int64,
    "event_id": pl.Int64,
    "category": pl.String,
    "opens_at": TIME,
    "scheduled_end_at": TIME,
    "window_s": pl.Int64,
    "epoch_start_at": TIME,
    "reference_price": pl.Float64,
    "exclusive": pl.Int64,
}
DATED_FACTS = (
    *("category", "opens_at", "scheduled_end_at", "window_s", "epoch_start_at"),
    "reference_price",
)

FETCHED_LATER = (QuoteKind.HISTORY_1M, QuoteKind.HISTORY_10M, QuoteKind.HISTORY_POINT)
STANDS_AT = (
    f"CASE WHEN kind IN ({', '.join(str(int(kind)) for kind in FETCHED_LATER)}) "
    "THEN observed_at ELSE received_at END"
)


def quote_series(market_ids: Sequence[int], *, since: datetime, as_of: datetime) -> QuoteSeries:
    """Quotes received in `[since, as_of]`; market i is `market_ids[i]`. One query.

    A quote stands at the moment we received it; history that we fetched later stands at its own
    stamp, as in training, but is seen only from when it was fetched. Prices that were over an hour
    old at `since` are left out even when they arrived later: they are no news. Of rows stamped in
    the future see `STAMPED_AHEAD`.
    """
    condition, ids = vendor.among("market_id", market_ids)
    # The bounds of `observed_at` leave out all other months.
    rows = vendor.read(
        f"SELECT market_id, {STANDS_AT} AS received_at, {', '.join(FIGURES)} "  # noqa: S608 - constants
        "FROM markets_quote "
        f"WHERE {condition} AND {STANDS_AT} >= %s AND received_at <= %s "
        "AND observed_at >= %s AND observed_at <= %s",
        [
            ids,
            vendor.instant(since),
            vendor.instant(as_of),
            vendor.instant(since - LATE),
            vendor.instant(as_of + STAMPED_AHEAD),
        ],
        SERIES,
        by="market_id",
    )
    place = pl.DataFrame({"market_id": list(market_ids)}, schema={"market_id": pl.Int64})
    rows = rows.join(place.with_row_index("row"), on="market_id").sort(
        "row", "received_at", maintain_order=True
    )
    known_at = rows["received_at"].to_physical().to_numpy() / 1e6
    return QuoteSeries(
        starts=_starts(rows["row"].to_numpy(), len(market_ids)),
        known_at=known_at,
        **{name: _floats(rows[name]) for name in FIGURES},
    )


def facts(market_ids: Sequence[int], *, as_of: datetime) -> MarketFacts:
    """The facts of markets as the venue had told them by `as_of`, in the order asked. One query.

    A market without a version of that time (imported history) answers with its row of today.
    Raises `LookupError` for a market that we learned of later.
    """
    condition, ids = vendor.among("m.id", market_ids)
    told = ", ".join(
        f"CASE WHEN v.market_id IS NULL THEN m.{name} ELSE v.{name} END AS {name}"
        for name in DATED_FACTS
    )
    rows = vendor.read(
        f"SELECT m.id, m.event_id, {told}, "  # noqa: S608 - constants
        "CASE WHEN e.neg_risk THEN 1 ELSE 0 END AS exclusive "
        "FROM markets_market m JOIN markets_event e ON e.id = m.event_id "
        "LEFT JOIN markets_marketversion v ON v.market_id = m.id AND v.received_at = ("
        "SELECT max(x.received_at) FROM markets_marketversion x "
        "WHERE x.market_id = m.id AND x.received_at <= %s) "
        f"WHERE {condition} AND m.received_at <= %s",
        [vendor.instant(as_of), ids, vendor.instant(as_of)],
        FACTS,
    )
    asked = pl.DataFrame({"id": list(market_ids)}, schema={"id": pl.Int64})
    known = asked.join(rows, on="id", how="left", maintain_order="left")
    missing = known.filter(pl.col("event_id").is_null())["id"].to_list()
    if missing:
        raise LookupError(
            f"markets {missing[:5]} were not known at {as_of:%Y-%m-%d %H:%M:%S} UTC; "
            "ask for markets that `tracked_ids` gives"
        )
    return MarketFacts(
        market_id=known["id"].to_numpy(),
        event=known["event_id"].to_numpy(),
        category=tuple(known["category"].to_list()),
        opens_at=_seconds(known["opens_at"]),
        scheduled_end_at=_seconds(known["scheduled_end_at"]),
        window_s=_floats(known["window_s"]),
        epoch_start_at=_seconds(known["epoch_start_at"]),
        reference_price=_floats(known["reference_price"]),
        exclusive=known["exclusive"].to_numpy() == 1,
    )


def tracked_ids(*, as_of: datetime) -> list[int]:
    """The universe: tracked markets known at `as_of` whose announced end is still ahead."""
    rows = Market.objects.filter(tracked=True, received_at__lte=as_of).exclude(
        scheduled_end_at__lte=as_of
    )
    return list(rows.order_by("id").values_list("id", flat=True))


def latest_quotes(market_ids: Sequence[int], *, as_of: datetime) -> pl.DataFrame:
    """The newest quote of each market received by `as_of`, columns `LATEST`. Two queries."""
    return _latest(market_ids, as_of, LATEST)


def latest_books(market_ids: Sequence[int], *, as_of: datetime) -> dict[int, Book]:
    """The newest book of each market received by `as_of`.

    A live top stands on the levels of the last whole book before it. A market whose stream broke
    and has no snapshot since has no book: its last one may be wrong.
    """
    columns: Schema = {**LATEST, "levels": pl.Binary}
    rows = _latest(market_ids, as_of, columns)
    tops = rows.filter(pl.col("kind") == QuoteKind.BOOK_TOP)
    whole = _probe(tops["market_id"].to_list(), as_of - RECENT, as_of, columns, kind=QuoteKind.BOOK)
    deep = {row["market_id"]: _book(row) for row in whole.iter_rows(named=True)}
    found = {}
    for row in rows.iter_rows(named=True):
        newest = None if _is_broken(row) else _book(row)
        below = deep.get(row["market_id"])
        if newest is not None:
            found[row["market_id"]] = book.under_top(newest, below) if below else newest
    return found


def _is_broken(row: dict[str, object]) -> bool:
    """Whether the stream noted here that it lost the book: a top that knows nothing at all."""
    figures = ("price", "bid", "ask", "bid_depth", "ask_depth")
    return row["kind"] == QuoteKind.BOOK_TOP and all(row[name] is None for name in figures)


def _book(row: dict[str, object]) -> Book | None:
    """The book of one row; None where it cannot be read, for one must not hide the others."""
    try:
        return _unpacked(row)
    except (ValueError, ArithmeticError) as trouble:
        log.warning("book.unreadable", market_id=row["market_id"], reason=repr(trouble))
        return None


def _unpacked(row: dict[str, object]) -> Book:
    at, levels = row["observed_at"], row["levels"]
    assert isinstance(at, datetime)  # noqa: S101 - narrows the type
    if isinstance(levels, bytes):
        return book.unpack(at.astimezone(UTC), levels)
    bid, ask, bid_depth, ask_depth = (
        value if isinstance(value, float) else None
        for value in (row["bid"], row["ask"], row["bid_depth"], row["ask_depth"])
    )
    return book.synthetic(at.astimezone(UTC), bid, ask, bid_depth, ask_depth)


def _latest(market_ids: Sequence[int], as_of: datetime, columns: Schema) -> pl.DataFrame:
    """One index probe a market: into the recent past, and further only where that had nothing."""
    recent = _probe(market_ids, as_of - RECENT, as_of, columns)
    seen = set(recent["market_id"].to_list())
    silent = [market for market in market_ids if market not in seen]
    rows = pl.concat([recent, _probe(silent, None, as_of, columns)]) if silent else recent
    # Of several kinds at one instant the fullest counts: kinds are numbered from the book down.
    return rows.sort("market_id", "kind").unique("market_id", keep="first", maintain_order=True)


def _probe(
    market_ids: Sequence[int],
    since: datetime | None,
    as_of: datetime,
    columns: Schema,
    *,
    kind: int | None = None,
) -> pl.DataFrame:
    """The newest rows of each market, observed at or after `since` and received by `as_of`."""
    if not market_ids:
        return pl.DataFrame(schema=dict(columns))
    bounds: dict[str, Any] = {"observed_at <=": as_of + STAMPED_AHEAD, "received_at <=": as_of}
    bounds |= {} if since is None else {"observed_at >=": since}
    bounds |= {} if kind is None else {"kind =": int(kind)}
    return vendor.newest(
        Quote, market_ids, columns, key="market_id", at="observed_at", where=bounds
    )


def _starts(row: Ints, markets: int) -> Ints:
    return np.searchsorted(row, np.arange(markets + 1)).astype(np.int64)


def _floats(column: pl.Series) -> Floats:
    return np.ascontiguousarray(column.cast(pl.Float64).fill_null(float("nan")).to_numpy())


def _seconds(column: pl.Series) -> Floats:
    return _floats(column.to_physical()) / 1e6
