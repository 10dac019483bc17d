"""What the stream writes of a book, and what others may take from it."""

from decimal import Decimal
from typing import Any

import pytest

from markets import queries, stream_rows
from markets.core.live_book import LiveBook
from markets.models import Quote, QuoteKind, RawMessage
from markets.stream_rows import Batch, Recorded
from tests.factories import NOW, MarketFactory, ahead

pytestmark = pytest.mark.django_db
AT = NOW.timestamp()


def live() -> LiveBook:
    book = LiveBook(AT)
    bids = [(Decimal("0.48"), Decimal(10)), (Decimal("0.40"), Decimal(30))]
    book.replace(int(AT * 1000), bids, [(Decimal("0.52"), Decimal(7))], tick=None, now=AT)
    return book


def passed(market_id: int, book: LiveBook, was: Recorded, seconds: float) -> Any:
    """One pass of the writer, `seconds` after the start; the row that it wrote."""
    row = stream_rows.row_of(
        market_id, book, was, now=AT + seconds, top_every_s=10, book_every_s=60, levels=5
    )
    if row is not None:
        stream_rows.write(Batch(quotes=[row]), as_of=ahead(seconds))
    return row


def test_tops_and_books_are_written_on_change_and_not_too_often() -> None:
    market, book, was = MarketFactory(), live(), Recorded()
    kinds = []
    for second in range(1, 121):
        book.change("0.49", str(second), "BUY", int((AT + second) * 1000))
        if (row := passed(market.pk, book, was, second)) is not None:
            kinds.append(row[2])
    quiet = [passed(market.pk, book, was, s) for s in range(200, 210)]

    assert kinds.count(QuoteKind.BOOK) == 2
    assert kinds.count(QuoteKind.BOOK_TOP) == 10
    # What changed last is written when its turn comes; then there is nothing to say.
    assert [row is None for row in quiet] == [False] + [True] * 9


def test_a_live_top_stands_on_the_levels_of_the_last_whole_book() -> None:
    market, book, was = MarketFactory(), live(), Recorded()
    passed(market.pk, book, was, 1)
    book.change("0.48", "0", "BUY", int((AT + 20) * 1000))
    book.change("0.47", "5", "BUY", int((AT + 20) * 1000))
    passed(market.pk, book, was, 20)

    found = queries.latest_books([market.pk], as_of=ahead(30))[market.pk]

    assert [(float(x.price), float(x.shares)) for x in found.bids] == [(0.47, 5), (0.4, 30)]
    assert found.observed_at == ahead(20)


def test_a_broken_book_is_marked_once_and_nobody_gets_its_last_prices() -> None:
    market, book, was = MarketFactory(), live(), Recorded()
    passed(market.pk, book, was, 1)
    book.spoil(AT + 2)

    assert passed(market.pk, book, was, 2) is not None
    assert passed(market.pk, book, was, 3) is None
    assert queries.latest_books([market.pk], as_of=ahead(1)) != {}
    assert queries.latest_books([market.pk], as_of=ahead(3)) == {}

    book.replace(int((AT + 1) * 1000), [(Decimal("0.3"), Decimal(1))], [], tick=None, now=AT + 4)
    passed(market.pk, book, was, 4)

    assert queries.latest_books([market.pk], as_of=ahead(4))[market.pk].best_bid == Decimal("0.3")
    assert Quote.objects.count() == 3


def test_the_mark_lies_after_the_last_row_where_the_venues_clock_is_ahead() -> None:
    market, book, was = MarketFactory(), live(), Recorded()
    passed(market.pk, book, was, 1)
    book.change("0.47", "0", "BUY", int((AT + 50) * 1000))
    book.change("0.48", "1", "BUY", int((AT + 50) * 1000))
    passed(market.pk, book, was, 20)
    book.spoil(AT + 21)
    passed(market.pk, book, was, 21)

    assert queries.latest_books([market.pk], as_of=ahead(21)) == {}


def test_writing_a_batch_again_adds_nothing() -> None:
    market, was = MarketFactory(), Recorded()
    row = stream_rows.row_of(
        market.pk, live(), was, now=AT, top_every_s=1, book_every_s=1, levels=5
    )
    batch = Batch(quotes=[row] if row else [])

    assert stream_rows.write(batch, as_of=NOW) == 1
    assert stream_rows.write(batch, as_of=NOW) == 0


def test_a_row_that_the_database_refuses_is_kept_raw_and_costs_no_other() -> None:
    market, other = MarketFactory(), MarketFactory()
    good = passed(market.pk, live(), Recorded(), 1)
    nowhere = (None, *good[1:])
    unfit = (other.pk, *good[1:2], 10**9, *good[3:])

    added = stream_rows.write(Batch(quotes=[unfit, nowhere, (other.pk, *good[1:])]), as_of=ahead(2))

    assert added == 1
    assert Quote.objects.filter(market=other).count() == 1
    assert RawMessage.objects.filter(source="stream.market.quotes").count() == 2
