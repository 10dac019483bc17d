"""What cannot be booked is told, stops new entries of guarded modes, and holds up nothing else."""

from dataclasses import replace
from decimal import Decimal

import pytest

from config.kernel import audit
from risk import halts
from risk.models import Halt
from tests.factories import NOW, ahead
from tests.trading.wallets import MODE, WALLET, Wallet, an_order, funded, listed
from tests.trading.world import SilentVenue
from trading.books import ledger
from trading.core import venue_reports
from trading.core.venue_reports import Own, TradeReport
from trading.models import Account, Fill, Order, Transfer
from trading.orders import following, transitions
from trading.reconciling import reconcile
from trading.venue import Execution, Receipt

pytestmark = pytest.mark.django_db


def a_key_that_is_taken(trade_id: str, order: Order) -> None:
    """Somebody booked something else under the key of this trade."""
    ledger.post(
        f"fill:{MODE}:{trade_id}:{order.pk}:buy",
        debit=Account.CASH,
        credit=Account.FEES,
        amount=Decimal("0.01"),
        kind="fee",
        mode=MODE,
        wallet=WALLET,
        as_of=NOW,
    )


def look(venue: Wallet, at: float) -> reconcile.Report:
    return reconcile.everything(MODE, WALLET, venue, chain=venue, as_of=ahead(at))


def told(subject: str) -> list[str]:
    return [event.data for event in audit.alerts().filter(subject__startswith=subject)]


def is_stopped() -> bool:
    return bool(halts.standing(mode=MODE))


@pytest.mark.usefixtures("loose_books")
def test_a_trade_that_cannot_be_booked_is_told_once_and_stops_entries_at_once():
    venue = funded()
    bad, good = an_order(), an_order()
    a_key_that_is_taken("t0", bad)
    venue.trade(bad, 40)
    venue.trade(good, 40)

    for second in (1, 2):
        booked = reconcile.in_doubt(MODE, WALLET, venue, as_of=ahead(second))
        assert booked == (1 if second == 1 else 0)

    assert Fill.objects.get().order == good
    (text,) = told("unbooked:trade:t0")
    assert "KeyReused" in text
    assert "nothing new is entered" in text
    halt = Halt.objects.get()
    assert (halt.kind, halt.state, halt.scope_key) == ("RECONCILIATION", "LISTEN_ONLY", MODE)


def test_entries_go_on_once_the_trade_is_booked():
    venue = funded()
    order = an_order()
    venue.trade(order, 100)
    (right,) = venue.told
    venue.told = [replace(right, execution=replace(right.execution, price=Decimal(0)))]
    assert not look(venue, 1).clean
    assert is_stopped()

    venue.told = [right]
    look(venue, 300)
    transitions.move(order, to="FILLED", as_of=ahead(300))

    assert look(venue, 900).clean
    assert not is_stopped()


def answer(order: Order, price: str, *, trade_id: str = "") -> Receipt:
    trade = Execution(
        trade_id=trade_id or f"t{order.pk}",
        price=Decimal(price),
        shares=Decimal(40),
        fee=Decimal(0),
        observed_at=NOW,
    )
    return Receipt(venue_order_id=order.venue_order_id, status="OPEN", executions=(trade,))


def test_an_answer_that_cannot_be_booked_stops_entries_until_it_books():
    account, venue = funded(), SilentVenue()
    bad, good = an_order(), an_order()
    account.orders = [listed(bad), listed(good, 40)]
    venue.answers = {bad.pk: answer(bad, "0"), good.pk: answer(good, "0.5")}

    assert following.follow(MODE, venue, now=lambda: ahead(10)) == (1, 1)
    assert following.follow(MODE, venue, now=lambda: ahead(20)) == (1, 1)

    assert len(told(f"unbooked:order:{bad.pk}")) == 1
    assert told(f"unbooked:order:{good.pk}") == []
    assert is_stopped()
    account.tokens[good.outcome.asset_id] = Decimal(40)
    account.dollars = Decimal(980)
    assert not look(account, 30).clean
    assert is_stopped()

    venue.answers[bad.pk] = Receipt(venue_order_id=bad.venue_order_id, status="OPEN")
    assert following.follow(MODE, venue, now=lambda: ahead(40)) == (1, 0)
    assert look(account, 50).clean
    assert not is_stopped()
    assert Transfer.objects.filter(market=bad.market, kind="buy").count() == 0


def test_an_order_that_fails_to_book_again_is_told_again():
    venue = SilentVenue()
    funded()
    order = an_order()
    for second, price in ((10, "0"), (20, "0.5"), (30, "0.5")):
        venue.answers = {order.pk: answer(order, price)}
        following.follow(MODE, venue, now=lambda second=second: ahead(second))
    venue.answers = {order.pk: answer(order, "0", trade_id="another")}

    following.follow(MODE, venue, now=lambda: ahead(40))

    assert len(told(f"unbooked:order:{order.pk}")) == 2


class Liar(SilentVenue):
    """Tells of each order a trade of a token that nobody ordered."""

    def look_up(self, tickets, *, as_of):
        told = {}
        for ticket in tickets:
            trade = TradeReport(
                trade_id="lie", taker_hash=ticket.venue_order_id, token_id="999999", is_buy=True,
                price=ticket.price, shares=ticket.shares, status="CONFIRMED", matched_at=as_of,
            )  # fmt: skip
            sent = Own(
                order_hash=ticket.venue_order_id, token_id=ticket.token_id,
                other_token_id=ticket.other_token_id, is_buy=ticket.is_buy, shares=ticket.shares,
                type=ticket.type, submitted_at=ticket.submitted_at,
            )  # fmt: skip
            told[ticket.order_id] = venue_reports.receipt(sent, None, [trade], as_of=as_of)
        return told


def test_a_trade_of_another_token_is_not_booked_when_asked_after_and_stops_entries():
    funded()
    orders = [an_order(), an_order()]

    assert following.follow(MODE, Liar(), now=lambda: ahead(10)) == (0, 0)

    assert not Fill.objects.exists()
    assert {Order.objects.get(pk=order.pk).status for order in orders} == {"OPEN"}
    assert is_stopped()
    assert len(told("unbooked:order:")) == len(orders)
