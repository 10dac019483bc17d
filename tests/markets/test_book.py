"""Order books keep their arithmetic."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from markets.core import book as books
from markets.core.book import Book, Level

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
prices = st.integers(1, 999).map(lambda n: Decimal(n) / 1000)
amounts = st.integers(1, 10**12).map(lambda n: Decimal(n).scaleb(-6))
sides = st.dictionaries(prices, amounts, max_size=8).map(lambda levels: list(levels.items()))


@st.composite
def any_book(draw: st.DrawFn) -> Book:
    return books.build(NOW, draw(sides), draw(sides))


def level(price: str, shares: str) -> Level:
    return Level(price=Decimal(price), shares=Decimal(shares))


TWO_SIDED = Book(
    observed_at=NOW,
    bids=(level("0.48", "100"), level("0.47", "50")),
    asks=(level("0.50", "10"), level("0.53", "20")),
)


def test_best_prices_mid_and_spread_come_from_the_first_levels() -> None:
    assert TWO_SIDED.best_bid == Decimal("0.48")
    assert TWO_SIDED.best_ask == Decimal("0.50")
    assert TWO_SIDED.mid == Decimal("0.49")
    assert TWO_SIDED.spread == Decimal("0.02")


def test_a_one_sided_book_has_no_mid_and_no_spread() -> None:
    book = books.build(NOW, [(Decimal("0.4"), Decimal(5))], [])

    assert book.best_ask is None
    assert book.mid is None
    assert book.spread is None
    assert book.depth_usd("bid", within=Decimal("0.02")) == 0


@pytest.mark.parametrize("ask", ["0.40", "0.39"])
def test_a_crossed_or_locked_book_has_no_mid(ask: str) -> None:
    book = books.build(NOW, [(Decimal("0.4"), Decimal(5))], [(Decimal(ask), Decimal(5))])

    assert book.mid is None


def test_depth_counts_only_levels_near_the_mid() -> None:
    assert TWO_SIDED.depth_shares("bid") == 150
    assert TWO_SIDED.depth_usd("bid") == Decimal("71.5")
    assert TWO_SIDED.depth_usd("bid", within=Decimal("0.02")) == Decimal("71.5")
    assert TWO_SIDED.depth_usd("ask", within=Decimal("0.02")) == Decimal(5)


def test_a_walk_takes_the_cheapest_levels_first() -> None:
    walk = books.walk(TWO_SIDED, buy=True, shares=Decimal(15), limit=Decimal("0.53"))

    assert walk.shares == 15
    assert walk.notional == Decimal(5) + Decimal(5) * Decimal("0.53")
    assert walk.average == walk.notional / 15
    assert walk.worst == Decimal("0.53")


def test_a_walk_stops_at_its_limit() -> None:
    walk = books.walk(TWO_SIDED, buy=True, shares=Decimal(15), limit=Decimal("0.52"))

    assert walk.shares == 10
    assert walk.worst == Decimal("0.50")


def test_a_walk_that_fills_nothing_has_no_price() -> None:
    walk = books.walk(TWO_SIDED, buy=False, shares=Decimal(1), limit=Decimal("0.49"))

    assert (walk.shares, walk.notional, walk.average, walk.worst) == (0, 0, None, None)


@given(any_book(), st.booleans(), amounts, prices)
def test_a_walk_never_exceeds_size_or_limit(
    book: Book, buy: bool, shares: Decimal, limit: Decimal
) -> None:
    walk = books.walk(book, buy=buy, shares=shares, limit=limit)

    available = sum(
        x.shares
        for x in (book.asks if buy else book.bids)
        if (x.price <= limit if buy else x.price >= limit)
    )
    assert walk.shares == min(shares, available)
    if walk.worst is not None:
        assert walk.worst <= limit if buy else walk.worst >= limit


@given(any_book(), amounts, amounts)
def test_buying_more_never_costs_less_nor_gets_a_better_average(
    book: Book, one: Decimal, other: Decimal
) -> None:
    few, many = (
        books.walk(book, buy=True, shares=n, limit=Decimal(1)) for n in sorted((one, other))
    )

    assert few.notional <= many.notional
    if few.average is not None and many.average is not None:
        assert many.average - few.average >= Decimal("-1e-18")


@given(any_book())
def test_mirroring_twice_changes_nothing(book: Book) -> None:
    assert book.mirrored().mirrored() == book


@given(any_book(), amounts, prices)
def test_selling_is_buying_the_mirror_at_the_complement(
    book: Book, shares: Decimal, limit: Decimal
) -> None:
    sale = books.walk(book, buy=False, shares=shares, limit=limit)
    purchase = books.walk(book.mirrored(), buy=True, shares=shares, limit=1 - limit)

    assert sale.shares == purchase.shares
    assert sale.notional == sale.shares - purchase.notional


@given(any_book())
def test_packing_loses_nothing(book: Book) -> None:
    assert books.unpack(NOW, books.pack(book)) == book


def test_bytes_that_are_no_levels_are_refused() -> None:
    with pytest.raises(ValueError, match="fetch the book anew"):
        books.unpack(NOW, b"\0" * 24)


@given(any_book())
def test_both_sides_are_sorted_best_first(book: Book) -> None:
    assert [x.price for x in book.bids] == sorted((x.price for x in book.bids), reverse=True)
    assert [x.price for x in book.asks] == sorted(x.price for x in book.asks)


def test_a_synthetic_book_has_one_level_a_side() -> None:
    book = books.synthetic(NOW, 0.41, 0.43, 120.5, 80)

    assert book.bids == (level("0.41", "120.5"),)
    assert book.asks == (level("0.43", "80"),)


@pytest.mark.parametrize("bid", [None, float("nan"), 0.0, 1.0])
def test_an_unknown_or_impossible_price_leaves_the_side_empty(bid: float | None) -> None:
    assert books.synthetic(NOW, bid, 0.43, 10, 10).bids == ()
