"""What other apps may ask about markets: as it was known `as_of`, as arrays, in few queries."""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import polars as pl
import structlog

from config.kernel import vendor
from config.kernel.copy_format import Schema
from markets.core import book
from markets.core.book import Book
from markets.core.series import Floats, Ints, MarketFacts, QuoteSeries
from markets.models import Market

log = structlog.get_logger()

TIME = pl.Datetime("us", "UTC")
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


def quote_series(market_ids: Sequence[int], *, since: datetime, as_of: datetime) -> QuoteSeries:
    """Quotes received in `[since, as_of]`; market i is `market_ids[i]`. One query."""
    condition, ids = vendor.among("market_id", market_ids)
    rows = vendor.read(
        f"SELECT {', '.join(SERIES)} FROM markets_quote "  # noqa: S608 - constants
        f"WHERE {condition} AND received_at >= %s AND received_at <= %s",
        [ids, vendor.instant(since), vendor.instant(as_of)],
        SERIES,
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
    """The facts of markets that we knew at `as_of`, in the order asked. One query.

    They are those of today: a row is kept up to date, so an end that the venue moved since is the
    moved one. Who needs what was known then reads it from what was stored then.
    Raises `LookupError` for a market that we learned of later.
    """
    condition, ids = vendor.among("m.id", market_ids)
    rows = vendor.read(
        "SELECT m.id, m.event_id, m.category, m.opens_at, m.scheduled_end_at, m.window_s, "  # noqa: S608 - constants
        "m.epoch_start_at, m.reference_price, "
        "CASE WHEN e.neg_risk THEN 1 ELSE 0 END AS exclusive "
        "FROM markets_market m JOIN markets_event e ON e.id = m.event_id "
        f"WHERE {condition} AND m.received_at <= %s",
        [ids, vendor.instant(as_of)],
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
    """The newest quote of each market received by `as_of`, columns `LATEST`. One query."""
    return _latest(market_ids, as_of, LATEST)


def latest_books(market_ids: Sequence[int], *, as_of: datetime) -> dict[int, Book]:
    """The newest book of each market received by `as_of`: its levels, else its top. One query."""
    rows = _latest(market_ids, as_of, {**LATEST, "levels": pl.Binary})
    books = ((row["market_id"], _book(row)) for row in rows.iter_rows(named=True))
    return {market_id: found for market_id, found in books if found is not None}


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
    """One index probe a market, whatever the length of its history."""
    condition, ids = vendor.among("m.id", market_ids)
    moment = vendor.instant(as_of)
    rows = vendor.read(
        f"SELECT {', '.join('q.' + name for name in columns)} FROM markets_market m "  # noqa: S608 - constants
        "JOIN markets_quote q ON q.market_id = m.id AND q.observed_at = ("
        "SELECT x.observed_at FROM markets_quote x "
        "WHERE x.market_id = m.id AND x.received_at <= %s "
        "ORDER BY x.observed_at DESC LIMIT 1) "
        f"WHERE {condition} AND q.received_at <= %s",
        [moment, ids, moment],
        columns,
    )
    # Of several kinds at one instant the fullest counts: kinds are numbered from the book down.
    return rows.sort("market_id", "kind").unique("market_id", keep="first", maintain_order=True)


def _starts(row: Ints, markets: int) -> Ints:
    return np.searchsorted(row, np.arange(markets + 1)).astype(np.int64)


def _floats(column: pl.Series) -> Floats:
    return np.ascontiguousarray(column.cast(pl.Float64).fill_null(float("nan")).to_numpy())


def _seconds(column: pl.Series) -> Floats:
    return _floats(column.to_physical()) / 1e6
