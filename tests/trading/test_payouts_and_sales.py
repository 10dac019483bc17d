"""A share is sold or redeemed, never both: a payout waits for the sale that is on its way."""

from collections.abc import Sequence
from decimal import Decimal

import pytest

from tests import factories
from tests.factories import ahead
from tests.trading.test_redeem_many import MODE, WALLET, Crowd, positions
from tests.trading.world import balance, paper, traded
from trading.models import Account, Order, Position, Redemption
from trading.orders import submit
from trading.redeeming import redeem, redeem_guarded

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("loose_books")]


def a_sale_of_what_is_held(position, **changes):
    values = {"side": "SELL", "purpose": "EXIT", "status": "APPROVED", "type": "FAK"}
    return factories.IntentFactory(
        market=position.market, outcome=position.outcome, mode=position.mode,
        wallet=position.wallet, shares=position.shares, limit_price=Decimal("0.40"),
        created_at=ahead(10), expires_at=ahead(70), **values | changes,
    )  # fmt: skip


def an_order_to_sell(position, status):
    intent = a_sale_of_what_is_held(position, status="EXECUTED")
    return factories.OrderFactory(
        intent=intent, wallet=position.wallet, type="FAK", status=status, submitted_at=ahead(10)
    )


def resolve(market, **changes):
    return factories.ResolutionFactory(market=market, resolved_at=ahead(15), **changes)


def test_a_paper_position_is_not_redeemed_while_its_sale_is_on_its_way():
    market = traded()
    held = Position.objects.get()
    before = balance(Account.CASH)
    a_sale_of_what_is_held(held)
    submit.run(as_of=ahead(10), venues=paper())
    resolve(market, received_at=ahead(10))

    assert redeem.run(as_of=ahead(10)) == 0
    factories.QuoteFactory(market=market, at=ahead(12))
    submit.run(as_of=ahead(30), venues=paper())
    redeem.run(as_of=ahead(30))

    sale = Order.objects.get(side="SELL")
    redeemed = sum(Redemption.objects.values_list("shares", flat=True))
    assert sale.filled_shares > 0
    assert sale.filled_shares + redeemed == held.shares
    assert before < balance(Account.CASH) <= before + held.shares
    assert Position.objects.get().shares == 0


def test_a_paper_sale_ends_when_its_market_resolved_and_then_the_payout_comes():
    market = traded()
    held = Position.objects.get()
    a_sale_of_what_is_held(held)
    submit.run(as_of=ahead(10), venues=paper())
    resolve(market)

    submit.run(as_of=ahead(16), venues=paper())

    sale = Order.objects.get(side="SELL")
    assert (sale.status, sale.filled_shares) == ("CANCELED", 0)
    assert redeem.run(as_of=ahead(16)) == 1
    assert Redemption.objects.get().payout == held.shares


@pytest.mark.parametrize("status", ["APPROVED", "SIGNED", "SUBMITTING", "UNKNOWN", "OPEN"])
def test_no_status_of_a_sale_on_its_way_lets_a_paper_payout_through(status):
    market = traded()
    order = an_order_to_sell(Position.objects.get(), status)
    resolve(market)

    assert redeem.run(as_of=ahead(16)) == 0
    Order.objects.filter(pk=order.pk).update(status="CANCELED")
    assert redeem.run(as_of=ahead(17)) == 1


@pytest.mark.parametrize("payout", [Decimal(1), Decimal(0)])
def test_on_the_chain_nothing_is_redeemed_or_written_off_while_a_sale_is_on_its_way(payout):
    positions(1, payout_0=payout)
    order = an_order_to_sell(Position.objects.get(), "UNKNOWN")
    crowd = Crowd()
    crowd.payouts = lambda asked: {c.condition_id: (payout, 1 - payout) for c in asked}

    redeem_guarded.run(MODE, WALLET, crowd, crowd, as_of=ahead(60))
    assert not crowd.calls
    assert not Redemption.objects.exists()
    Order.objects.filter(pk=order.pk).update(status="CANCELED")
    turn = redeem_guarded.run(MODE, WALLET, crowd, crowd, as_of=ahead(61))

    assert (turn.sent, turn.worthless) == ((1, 0) if payout else (0, 1))


def test_a_sale_claimed_while_the_chain_was_asked_keeps_the_redemption_back():
    positions(1)

    class Slow(Crowd):
        def shares(self, token_ids: Sequence[str]) -> dict[str, Decimal]:
            an_order_to_sell(Position.objects.get(), "APPROVED")
            return super().shares(token_ids)

    crowd = Slow()
    turn = redeem_guarded.run(MODE, WALLET, crowd, crowd, as_of=ahead(60))

    assert (turn.sent, turn.waiting) == (0, 1)
    assert not crowd.calls
    assert not Redemption.objects.exists()


def test_a_redemption_is_not_kept_back_by_a_purchase_or_by_a_sale_of_another_wallet():
    positions(1)
    held = Position.objects.get()
    for changes in ({"side": "BUY", "wallet": WALLET}, {"side": "SELL", "wallet": "0xother"}):
        order = an_order_to_sell(held, "OPEN")
        Order.objects.filter(pk=order.pk).update(**changes)
    crowd = Crowd()

    assert redeem_guarded.run(MODE, WALLET, crowd, crowd, as_of=ahead(60)).sent == 1
