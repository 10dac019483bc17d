"""One answer to what is free to sell: for the gate, for the sender and for the simulated venue."""

from decimal import Decimal

import pytest

from tests import factories
from tests.factories import NOW, ahead
from tests.trading.world import SilentVenue, nobody_answers, traded
from trading.adapters.paper import Paper
from trading.books import inventory, portfolio
from trading.models import Order, Position, Redemption, Settlement, TradeIntent
from trading.orders import sending, submit
from trading.venue import Rejected

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("loose_books")]


@pytest.fixture
def held():
    """Shares bought, filled and settled."""
    traded()
    return Position.objects.get()


def a_sale(position: Position, shares: str, **changes: object) -> TradeIntent:
    return factories.IntentFactory(
        market=position.market,
        outcome=position.outcome,
        side="SELL",
        purpose="EXIT",
        shares=Decimal(shares),
        limit_price=Decimal("0.50"),
        expires_at=ahead(600),
        **changes,
    )


def an_order_of(intent: TradeIntent, **changes: object) -> Order:
    return factories.OrderFactory(intent=intent, reserved=0, **changes)


def never_settled(position: Position, shares: int) -> None:
    """Shares bought on top, in a trade that was matched and is not on the chain."""
    intent = factories.IntentFactory(market=position.market, status="EXECUTED")
    order = factories.OrderFactory(intent=intent, status="FILLED", filled_shares=shares)
    fill = factories.FillFactory(order=order, shares=Decimal(shares))
    Settlement.objects.create(fill=fill, status="MATCHED", received_at=NOW)
    Position.objects.filter(pk=position.pk).update(shares=position.shares + shares)


def the_answers(asks: TradeIntent) -> set[Decimal]:
    """What the gate, the sender and the venue would let this intent sell at most."""
    (holding,) = portfolio.snapshot(asks.mode, as_of=NOW, without=asks.pk).holdings
    return {holding.sellable, inventory.free_for(asks)}


def test_another_open_wish_to_sell_counts_for_everybody(held):
    a_sale(held, "10")
    asks = a_sale(held, "1000", status="APPROVED")

    assert the_answers(asks) == {held.shares - 10}

    order = submit.claim(asks.pk, as_of=NOW)

    assert order is not None
    assert order.shares == held.shares - 10


def test_what_rests_of_another_sale_counts_and_what_it_sold_does_not(held):
    an_order_of(a_sale(held, "10", status="EXECUTED"), status="OPEN", filled_shares=Decimal(4))

    assert the_answers(a_sale(held, "1")) == {held.shares - 6}


def test_shares_that_are_not_settled_are_nobodys_to_sell(held):
    never_settled(held, 7)
    asks = a_sale(held, str(held.shares + 1), status="EXECUTED")
    order = an_order_of(asks, status="SUBMITTING")
    venue = Paper(latency=ahead(2) - NOW, refresh=nobody_answers)

    assert the_answers(asks) == {held.shares}
    with pytest.raises(Rejected, match="are free"):
        venue.place(sending.ticket(order), as_of=NOW)


@pytest.mark.parametrize(
    ("status", "free"), [("SENT", 0), ("PENDING", 1), ("PAID", 1), ("FAILED", 1)]
)
def test_what_is_being_redeemed_is_nobodys_to_sell(held, status, free):
    """The call burns whatever the wallet has of the outcome when it is mined."""
    Redemption.objects.create(
        key="redeem:1",
        mode=held.mode,
        wallet=held.wallet,
        market=held.market,
        outcome=held.outcome,
        shares=held.shares - 1,
        payout=held.shares,
        status=status,
        created_at=NOW,
        paid_at=NOW if status == "PAID" else None,
    )
    asks = a_sale(held, "1", status="APPROVED")

    assert the_answers(asks) == {held.shares * free}
    assert (submit.claim(asks.pk, as_of=NOW) is None) == (free == 0)


def test_who_asks_does_not_stand_in_its_own_way(held):
    asks = a_sale(held, str(held.shares))
    assert the_answers(asks) == {held.shares}

    TradeIntent.objects.filter(pk=asks.pk).update(status="EXECUTED")
    an_order_of(asks, status="OPEN")

    assert the_answers(asks) == {held.shares}


def test_a_sale_of_nothing_held_finds_nothing_free():
    sale = factories.IntentFactory(side="SELL", purpose="EXIT")

    assert inventory.free_for(sale) == 0


def test_more_than_is_held_is_promised_and_nothing_is_below_zero(held):
    an_order_of(a_sale(held, str(held.shares * 2), status="EXECUTED"), status="OPEN")

    assert inventory.free(held.mode) == {held.pk: 0}


def test_a_claimed_sale_whose_shares_went_meanwhile_is_never_handed_in(held):
    asks = a_sale(held, str(held.shares), status="EXECUTED")
    order = an_order_of(asks, status="APPROVED")
    venue = SilentVenue(failure=None, payload="signed")
    assert sending.sign(order, venue, as_of=NOW)
    Position.objects.filter(pk=held.pk).update(shares=held.shares - 1)

    assert not sending.mark(order, as_of=NOW)

    order.refresh_from_db()
    assert (order.status, venue.placed) == ("CANCELED", [])
    assert "INVENTORY" in order.reason
