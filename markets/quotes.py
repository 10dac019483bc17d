"""Record books as received."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

import polars as pl
import structlog
from django.db import transaction

from config.kernel import vendor
from config.kernel.clocks import Clock, given
from config.kernel.units import TokenId
from markets import unknown, versions
from markets.adapters import clob_data
from markets.adapters.clob_data import ClobData
from markets.core import book as books
from markets.core.book import Book
from markets.core.wire_clob import BookRow
from markets.models import IngestSettings, Market, Outcome, Quote, QuoteKind

log = structlog.get_logger()
ROW: Mapping[str, pl.DataType | type[pl.DataType]] = {
    "market_id": pl.Int64,
    "observed_at": pl.Datetime("us", "UTC"),
    **dict.fromkeys(("price", "bid", "ask", "last", "bid_depth", "ask_depth"), pl.Float64),
    "levels": pl.Binary,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """The market behind a token, with the parameters that a book reply may correct."""

    market_id: int
    tick_size: Decimal | None
    min_shares: Decimal | None


def refresh(
    market_ids: Collection[int],
    *,
    as_of: datetime,
    venue: ClobData | None = None,
    clock: Clock | None = None,
) -> int:
    """Fetch the books of these markets and record each as seen when its reply came; returns rows.

    `clock` tells when a reply came; without one every reply counts as come at `as_of`. Markets
    without a token id, and those whose book the venue does not have, get no row. Tick and minimum
    size are corrected where the reply carries others.
    """
    asked = _asked(market_ids)
    if not asked:
        return 0
    now = given(clock, as_of)
    source = venue or clob_data.connect()
    found = added = 0
    for rows, refused in source.books(asked):
        at = now()
        ours = [row for row in rows if row.token_id in asked]
        for wrong in refused:
            unknown.refused(wrong, as_of=at)
        _correct_parameters(asked, ours, as_of=at)
        # The venue stamps a book when it last changed; we saw it standing when its reply came.
        seen = {asked[r.token_id].market_id: replace(r.book, observed_at=at) for r in ours}
        last = {asked[r.token_id].market_id: r.last_trade_price for r in ours}
        found += len(ours)
        added += record(seen, kind=QuoteKind.BOOK, as_of=at, last=last)
    log.info("quotes.refreshed", asked=len(asked), found=found, added=added)
    return added


def record(
    books_by_market: Mapping[int, Book],
    *,
    kind: int,
    as_of: datetime,
    last: Mapping[int, Decimal | None] | None = None,
) -> int:
    """Append one quote per book, learned at `as_of`; one that exists stays. Returns rows added."""
    if not books_by_market:
        return 0
    levels = IngestSettings.objects.current(as_of=as_of).book_levels
    said = last or {}
    rows = [
        _row(market_id, book, levels=levels, last=said.get(market_id))
        for market_id, book in books_by_market.items()
    ]
    frame = pl.DataFrame(rows, schema=ROW, orient="row").with_columns(
        kind=pl.lit(kind, pl.Int16), received_at=pl.lit(as_of, ROW["observed_at"])
    )
    return vendor.append(Quote, frame)


def _row(market_id: int, book: Book, *, levels: int, last: Decimal | None) -> tuple[object, ...]:
    """The values of `ROW`: depth counts every level, only the first `levels` are kept."""
    top = replace(book, bids=book.bids[:levels], asks=book.asks[:levels])
    return (
        market_id,
        book.observed_at,
        _float(book.mid),
        _float(book.best_bid),
        _float(book.best_ask),
        _float(last),
        float(book.depth_shares("bid")),
        float(book.depth_shares("ask")),
        books.pack(top),
    )


def _asked(market_ids: Collection[int]) -> dict[TokenId, _Asked]:
    first_sides = Outcome.objects.filter(
        market_id__in=list(market_ids), index=0, asset_id__isnull=False
    ).values_list("asset_id", "market_id", "market__tick_size", "market__min_shares")
    return {
        TokenId(asset): _Asked(market_id=market_id, tick_size=tick, min_shares=size)
        for asset, market_id, tick, size in first_sides
        if asset
    }


def _correct_parameters(
    asked: Mapping[TokenId, _Asked], found: Iterable[BookRow], *, as_of: datetime
) -> None:
    """Ticks change while a market trades; an order on an old grid is refused."""
    for row in found:
        was = asked[row.token_id]
        said = {"tick_size": row.tick_size, "min_shares": row.min_shares}
        news = {k: v for k, v in said.items() if v is not None and v != getattr(was, k)}
        if news:
            with transaction.atomic():
                Market.objects.filter(pk=was.market_id).update(**news)
                versions.keep([was.market_id], as_of=as_of)
            log.info("market.parameters_changed", market_id=was.market_id, **_shown(news))


def _shown(values: Mapping[str, Decimal]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
