"""One token's live book: silent while it has a gap, exact while it has none."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from markets.core import book as books
from markets.core.live_book import Fate, LiveBook, NotALevel, OffGrid, Unusable

NOW = 1_795_176_000.0
STAMP = 1_795_176_000_000
BIDS = [(Decimal("0.48"), Decimal(10)), (Decimal("0.40"), Decimal(3))]
ASKS = [(Decimal("0.52"), Decimal(7))]


def live() -> LiveBook:
    book = LiveBook(NOW)
    book.replace(STAMP, BIDS, ASKS, tick=Decimal("0.01"), now=NOW)
    return book


@pytest.mark.parametrize("ask", ["top", "best", "book", "totals"])
def test_a_book_without_snapshot_gives_no_price(ask: str) -> None:
    never, broken = LiveBook(NOW), live()
    broken.spoil(NOW)

    for book in (never, broken):
        with pytest.raises(Unusable):
            getattr(book, ask)()


def test_changes_move_the_best_price_both_ways() -> None:
    book = live()

    book.change("0.49", "5", "BUY", STAMP + 1)
    assert book.best() == (0.49, 0.52)
    book.change(".49", "0", "BUY", STAMP + 2)
    book.change("0.52", "0", "SELL", STAMP + 3)

    assert book.best() == (0.48, None)
    assert book.totals() == (13.0, 0.0)
    assert book.agrees("0.48", "1")


def test_a_price_of_a_finer_grid_keeps_every_level() -> None:
    book = live()

    with pytest.raises(OffGrid):
        book.change("0.4825", "5", "BUY", STAMP + 1)
    book.follow_tick(Decimal("0.0025"))

    assert book.change("0.4825", "5", "BUY", STAMP + 1) is Fate.APPLIED
    at = datetime.fromtimestamp((STAMP + 1) / 1000, UTC)
    levels = [*BIDS, (Decimal("0.4825"), Decimal(5))]
    assert book.book() == books.build(at, levels, ASKS)


@pytest.mark.parametrize(
    ("price", "shares"),
    [("0", "5"), ("1", "5"), ("1.2", "5"), ("x", "5"), ("0.5", "nan"), ("0.5", "-1"), ("0.5", "x")],
)
def test_a_level_that_makes_no_sense_is_refused_and_changes_nothing(price, shares) -> None:
    book = live()

    with pytest.raises(ValueError, match=r"."):
        book.change(price, shares, "BUY", STAMP + 1)

    assert book.same_as(books.build(datetime.now(UTC), BIDS, ASKS))
    assert issubclass(NotALevel, ValueError)


def test_what_is_older_than_the_snapshot_is_in_it_and_what_is_older_than_a_change_is_disorder():
    book = live()

    assert book.change("0.48", "99", "BUY", STAMP - 1) is Fate.OLD
    assert book.change("0.48", "5", "BUY", STAMP + 10) is Fate.APPLIED
    assert book.change("0.48", "99", "BUY", STAMP + 5) is Fate.DISORDER
    assert book.top()[1] == 5


@pytest.mark.parametrize("price", ["0." + "9" * 40, "0." + "9" * 38, "0_1", "0.4١", "1e999999"])
def test_what_only_looks_like_a_price_is_refused_and_changes_nothing(price: str) -> None:
    book = live()
    while book.size < 10_000:
        book.refine()

    with pytest.raises(NotALevel):
        book.change(price, "5", "BUY", STAMP + 1)
    with pytest.raises(NotALevel):
        book.change("0.4", "1_0", "BUY", STAMP + 1)

    assert book.best() == (0.48, 0.52)


def test_one_level_told_twice_makes_no_book() -> None:
    twice = [(Decimal("0.4"), Decimal(1)), (Decimal("0.40"), Decimal(2))]

    with pytest.raises(NotALevel, match="twice"):
        LiveBook(NOW).replace(STAMP, twice, [], tick=None, now=NOW)
