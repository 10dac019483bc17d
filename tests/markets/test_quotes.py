"""Books are recorded as they stood when we looked."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from markets import quotes
from markets.adapters.clob_data import ClobData
from markets.core import book as books
from markets.models import Market, Outcome, Quote, QuoteKind, RawMessage
from tests.factories import MarketFactory
from tests.markets import wire_payloads as say

pytestmark = pytest.mark.django_db

AS_OF = datetime(2026, 11, 20, 12, tzinfo=UTC)


def listed(number: int = 1, **values: Any) -> Market:
    """A market whose tokens are those of `wire_payloads`."""
    market = MarketFactory(condition_id=say.condition(number), outcomes=(), **values)
    for index, name in enumerate(("Yes", "No")):
        Outcome.objects.create(
            market=market, index=index, name=name, asset_id=say.token(number, index)
        )
    return market


def venue(*rows: say.Json) -> ClobData:
    return ClobData("https://venue.example", transport=say.serving({"/books": say.books_for(rows)}))


def test_the_book_of_outcome_0_is_recorded_at_the_time_we_looked() -> None:
    market = listed(1)

    added = quotes.refresh([market.pk], as_of=AS_OF, venue=venue(say.book(1), say.book(1, 1)))

    quote = Quote.objects.get()
    assert added == 1
    assert (quote.observed_at, quote.received_at) == (AS_OF, AS_OF)
    assert (quote.kind, quote.price) == (QuoteKind.BOOK, 0.42)
    assert (quote.bid, quote.ask, quote.last) == (0.41, 0.43, 0.42)
    assert (quote.bid_depth, quote.ask_depth) == (1900.0, 2000.0)
    kept = books.unpack(AS_OF, bytes(quote.levels))
    assert kept.bids[1].price == Decimal("0.40")


def test_asking_twice_in_one_instant_records_once() -> None:
    market = listed(1)

    quotes.refresh([market.pk], as_of=AS_OF, venue=venue(say.book(1)))
    again = quotes.refresh([market.pk], as_of=AS_OF, venue=venue(say.book(1)))

    assert again == 0
    assert Quote.objects.count() == 1


def test_an_unchanged_book_is_fresh_again_when_we_look_again() -> None:
    market = listed(1)
    later = AS_OF + timedelta(seconds=30)

    quotes.refresh([market.pk], as_of=AS_OF, venue=venue(say.book(1)))
    quotes.refresh([market.pk], as_of=later, venue=venue(say.book(1)))

    assert list(Quote.objects.order_by("received_at").values_list("received_at", flat=True)) == [
        AS_OF,
        later,
    ]


def test_only_the_configured_levels_are_kept_but_depth_counts_all() -> None:
    market = listed(1)
    deep = say.levels(*((f"0.{n:02d}", "10") for n in range(10, 40)))

    quotes.refresh([market.pk], as_of=AS_OF, venue=venue(say.book(1, bids=deep)))

    quote = Quote.objects.get()
    assert quote.bid_depth == 300.0
    assert len(books.unpack(AS_OF, bytes(quote.levels)).bids) == 10


def test_of_books_told_again_only_the_new_ones_are_added() -> None:
    first, second = MarketFactory(outcomes=()).pk, MarketFactory(outcomes=()).pk
    book, other = books.synthetic(AS_OF, 0.4, 0.5, 10, 20), books.synthetic(AS_OF, 0.1, 0.2, 1, 1)

    quotes.record({first: book}, kind=QuoteKind.BOOK, as_of=AS_OF)
    added = quotes.record({first: other, second: other}, kind=QuoteKind.BOOK, as_of=AS_OF)

    assert added == 1
    assert dict(Quote.objects.values_list("market_id", "bid")) == {first: 0.4, second: 0.1}
    assert quotes.record({}, kind=QuoteKind.BOOK, as_of=AS_OF) == 0


def test_a_one_sided_book_has_no_price() -> None:
    market = listed(1)

    quotes.refresh([market.pk], as_of=AS_OF, venue=venue(say.book(1, asks=[])))

    quote = Quote.objects.get()
    assert (quote.price, quote.bid, quote.ask, quote.ask_depth) == (None, 0.41, None, 0.0)


def test_a_changed_tick_is_corrected() -> None:
    market = listed(1, tick_size=Decimal("0.01"))

    quotes.refresh([market.pk], as_of=AS_OF, venue=venue(say.book(1, tick_size="0.001")))

    market.refresh_from_db()
    assert market.tick_size == Decimal("0.001")
    assert market.versions.get().tick_size == Decimal("0.001")


def test_a_market_without_book_or_token_gets_no_quote() -> None:
    unknown_to_venue, without_token = listed(1), MarketFactory(outcomes=())

    added = quotes.refresh([unknown_to_venue.pk, without_token.pk], as_of=AS_OF, venue=venue())

    assert added == 0
    assert quotes.refresh([], as_of=AS_OF, venue=venue()) == 0


def test_an_unreadable_book_is_kept_raw_and_the_others_recorded() -> None:
    first, second = listed(1), listed(2)

    def answer(_request: httpx.Request) -> httpx.Response:
        rows = [say.book(1, asks="none"), say.book(2), say.book(3)]
        return httpx.Response(200, content=say.encoded(rows))

    source = ClobData("https://venue.example", transport=say.serving({"/books": answer}))
    added = quotes.refresh([first.pk, second.pk], as_of=AS_OF, venue=source)

    assert added == 1
    assert Quote.objects.get().market_id == second.pk
    assert RawMessage.objects.get().source == "clob.books"


def test_quotes_of_a_stream_keep_the_time_the_venue_gave_them() -> None:
    market = listed(1)
    seen_at = AS_OF - timedelta(milliseconds=120)
    book = books.synthetic(seen_at, 0.4, 0.5, 10, 20)

    added = quotes.record({market.pk: book}, kind=QuoteKind.BOOK_TOP, as_of=AS_OF)

    quote = Quote.objects.get()
    assert added == 1
    assert (quote.observed_at, quote.received_at) == (seen_at, AS_OF)


def test_a_book_is_seen_when_its_reply_came_not_when_it_was_asked_for() -> None:
    market = listed()
    replied = AS_OF + timedelta(seconds=3)

    quotes.refresh([market.pk], as_of=AS_OF, venue=venue(say.book(1)), clock=lambda: replied)

    quote = Quote.objects.get()
    assert quote.observed_at == quote.received_at == replied


def test_no_reply_comes_before_the_question() -> None:
    market = listed()

    quotes.refresh(
        [market.pk], as_of=AS_OF, venue=venue(say.book(1)), clock=lambda: AS_OF - timedelta(1)
    )

    assert Quote.objects.get().received_at == AS_OF
