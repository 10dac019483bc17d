"""Fetch a window of a market's price history, clean it, and file it where it belongs.

What each store says of when a price was known differs, on purpose. In the database `received_at` is
when we fetched it: no decision of the past saw it, and `queries` show it only from then on. In the
archive, which training reads, it is the venue's stamp, as in imported history: the price was public
then. History fills what books of our own do not tell, and never stands beside a fresh one.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import polars as pl

from config.kernel import vendor
from config.kernel.units import TokenId
from markets import archive, ended_markets
from markets.adapters.clob_data import ClobData
from markets.adapters.history_files import SOURCES
from markets.adapters.history_frames import QUOTES
from markets.core import cleaning
from markets.core.windows import Window
from markets.models import Market, Quote, QuoteKind

COARSE_MIN = 720
BOOKS = (QuoteKind.BOOK, QuoteKind.BOOK_TOP)
# (minutes between two prices at most, what such a history is)
KINDS: tuple[tuple[int, QuoteKind], ...] = (
    (2, QuoteKind.HISTORY_1M),
    (60, QuoteKind.HISTORY_10M),
)
BOOK_LASTS: dict[QuoteKind, timedelta] = {
    source.kind: timedelta(seconds=source.max_age_s)
    for source in SOURCES.values()
    if source.kind in (QuoteKind.HISTORY_1M, QuoteKind.HISTORY_10M, QuoteKind.HISTORY_POINT)
}


@dataclass(slots=True, kw_only=True)
class Piece:
    """One window of one market, cleaned; `rows` has the columns `QUOTES`, stamps of both kinds."""

    market: Market
    window: Window
    rows: pl.DataFrame
    counts: Counter[str] = field(default_factory=Counter)


def fetch(
    market: Market,
    token_id: TokenId,
    window: Window,
    *,
    source: ClobData,
    fidelity_min: int,
    as_of: datetime,
) -> Piece:
    """The usable prices of a window, fetched at `as_of`, and what was left out by reason.

    Of a resolved market a fine history often comes back empty where a coarse one does not, so that
    emptiness counts only when both agree. Raises the adapter's errors.
    """
    said = source.prices(
        token_id, since=window.since, until=window.until, fidelity_min=fidelity_min
    )
    minutes, counts = fidelity_min, Counter(said.left_out)
    if not said.points and market.closed_at is not None and fidelity_min < COARSE_MIN:
        minutes = COARSE_MIN
        said = source.prices(token_id, since=window.since, until=window.until, fidelity_min=minutes)
        counts += said.left_out
        counts["asked_coarsely"] += 1
    kind = kind_of(minutes)
    points, left_out = cleaning.clean(
        said.points, window, books=_books(market, window), book_lasts=BOOK_LASTS[kind]
    )
    counts += left_out
    counts["empty_windows"] += not points
    stamps = [p.observed_at for p in points]
    prices = [float(p.price) for p in points]
    rows = pl.DataFrame(
        {"observed_at": stamps, "price": prices},
        schema={"observed_at": QUOTES["observed_at"], "price": pl.Float64},
    ).select(
        pl.lit(ended_markets.key(market)).alias("market_key"),
        "observed_at",
        pl.lit(as_of).cast(QUOTES["received_at"]).alias("received_at"),
        pl.lit(int(kind), pl.Int16).alias("kind"),
        "price",
        *(pl.lit(None, pl.Float64).alias(name) for name in list(QUOTES)[5:]),
    )
    return Piece(market=market, window=window, rows=rows, counts=+counts)


def kind_of(minutes: int) -> QuoteKind:
    """What a history with so many minutes between two prices is."""
    return next((kind for most, kind in KINDS if minutes <= most), QuoteKind.HISTORY_POINT)


def put_away(pieces: Sequence[Piece], *, hot_from: datetime) -> int:
    """Write to the archive what is not for the database; returns the rows that were new there.

    Ended markets go there whole, with their description; of others what is older than `hot_from`.
    Writing the same again changes nothing.
    """
    cold = [piece.rows.filter(~_is_hot(piece, hot_from)) for piece in pieces]
    rows = pl.concat([pl.DataFrame(schema=QUOTES), *cold]).with_columns(
        received_at="observed_at", levels=pl.lit(None, pl.Binary)
    )
    ended = {p.market.pk: p.market for p in pieces if p.market.closed_at is not None}
    describe(list(ended.values()))
    if rows.is_empty():
        return 0
    return archive.write("quotes", rows, dataset=ended_markets.DATASET)


def describe(markets: Sequence[Market]) -> None:
    """Say in the archive what ended markets were, and how they ended."""
    if markets:
        described = ended_markets.described(markets)
        archive.write("markets", described, dataset=ended_markets.DATASET)


def append(piece: Piece, *, hot_from: datetime) -> int:
    """Append what is for the database; returns the rows that were new there."""
    rows = piece.rows.filter(_is_hot(piece, hot_from)).drop("market_key")
    if rows.is_empty():
        return 0
    return vendor.append(Quote, rows.with_columns(market_id=pl.lit(piece.market.pk, pl.Int64)))


def _is_hot(piece: Piece, hot_from: datetime) -> pl.Expr:
    return (pl.col("observed_at") >= hot_from) & pl.lit(piece.market.closed_at is None)


def _books(market: Market, window: Window) -> list[datetime]:
    """The instants of books of our own; those of ended markets stand in the archive already."""
    if market.closed_at is not None:
        return []
    rows = Quote.objects.filter(
        market_id=market.pk,
        kind__in=BOOKS,
        observed_at__gte=window.since - max(BOOK_LASTS.values()),
        observed_at__lt=window.until,
    )
    return list(rows.order_by("observed_at").values_list("observed_at", flat=True))
