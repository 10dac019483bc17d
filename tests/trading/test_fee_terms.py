"""A fee schedule that nobody knows is not a free one: nothing is wished for, nothing is sent."""

from dataclasses import replace
from decimal import Decimal

import pytest

from markets.core.book import Book
from tests import factories
from tests.factories import NOW, ahead
from tests.trading.candidates import book
from trading import fee_terms
from trading.approving import waiting
from trading.books import fills, portfolio
from trading.deciding import wishes
from trading.models import Fill, TradeIntent
from trading.orders import sending, submit
from trading.venue import Execution, FeeUnknown

pytestmark = pytest.mark.django_db


@pytest.fixture
def unknown():
    return factories.MarketFactory(fees=None)


def test_terms_are_those_of_the_schedule():
    market = factories.MarketFactory()

    terms = fee_terms.of(market)

    assert market.fees is not None
    assert (terms.rate, terms.exponent) == (market.fees.rate, market.fees.exponent)
    assert terms.fee(Decimal(100), Decimal("0.5")) == 100 * market.fees.rate / 4


def test_what_a_purchase_costs_is_not_guessed(unknown):
    assert fee_terms.of(unknown).rate is None
    with pytest.raises(fee_terms.UnknownFees, match="sync_catalogue"):
        wishes.cost(Decimal(10), Decimal("0.5"), unknown)


@pytest.mark.usefixtures("loose_books")
@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_an_approved_wish_is_not_sent_where_the_fees_went_unknown(unknown, side):
    factories.trading_settings()
    intent = factories.IntentFactory(
        market=unknown, side=side, status="APPROVED", expires_at=ahead(600)
    )

    assert submit.claim(intent.pk, as_of=NOW) is None

    ended = TradeIntent.objects.get()
    assert ended.status == "REJECTED"
    assert "FEES" in ended.reason


@pytest.mark.usefixtures("loose_books")
def test_an_order_that_is_out_can_be_followed_and_cancelled_all_the_same(unknown):
    """What it took as a taker is not booked as free; what it was given as a maker is."""
    intent = factories.IntentFactory(market=unknown, status="EXECUTED")
    order = factories.OrderFactory(intent=intent, status="OPEN")
    price, shares = Decimal("0.5"), Decimal(1)
    taken = Execution(trade_id="1", price=price, shares=shares, fee=None, observed_at=NOW)
    given = replace(taken, trade_id="2", is_maker=True)

    assert sending.ticket(order).fee_rate is None
    with pytest.raises(FeeUnknown, match="sync_catalogue"):
        fills.record(order, taken, as_of=NOW)
    fills.record(order, given, as_of=NOW)
    assert [fill.trade_id for fill in Fill.objects.all()] == ["2"]
    assert waiting.fee_of(intent, Decimal(1), Decimal("0.5")) is None


@pytest.mark.usefixtures("loose_books")
def test_what_is_held_is_valued_without_a_fee_that_nobody_knows(unknown):
    bids: Book = book()
    position = factories.PositionFactory(market=unknown)

    assert portfolio.mark_of(position, bids).liquidation == Decimal(49)
