"""What becomes of a trade after it was matched: told once, unwound where it failed."""

from dataclasses import replace
from decimal import Decimal

import pytest

from config.kernel import audit
from risk.models import Halt
from tests.factories import NOW, ahead
from tests.trading.wallets import MODE, WALLET, an_order, funded
from trading.books import claims, fills, ledger
from trading.models import Account, Claim, Discrepancy, Fill, Order, Position, Settlement, Transfer
from trading.orders import transitions
from trading.reconciling import reconcile

pytestmark = pytest.mark.django_db


def accounts():
    return ledger.standing(mode=MODE, wallet=WALLET)


def told(venue, order, shares, **changes):
    """A trade of an order, told to the books at once."""
    execution = venue.trade(order, shares, **changes)
    fills.record(order, execution, as_of=NOW)
    return execution


def became(order, execution, status, at=10):
    fills.record(order, replace(execution, status=status), as_of=ahead(at))
    order.refresh_from_db()


def statuses():
    return list(Settlement.objects.order_by("pk").values_list("status", flat=True))


def test_every_state_of_a_trade_is_news_once():
    venue = funded()
    order = an_order()
    execution = told(venue, order, 40, status="MATCHED")

    for status in ("MATCHED", "MINED", "MINED", "CONFIRMED", "MINED", "CONFIRMED"):
        became(order, execution, status)

    assert statuses() == ["MATCHED", "MINED", "CONFIRMED"]
    assert Fill.objects.count() == 1
    assert order.filled_shares == 40


def test_a_matched_trade_is_exposure_and_not_for_sale_until_it_is_mined():
    venue = funded()
    order = an_order()
    execution = told(venue, order, 40, status="MATCHED")
    position = Position.objects.get()

    assert (position.shares, position.booked) == (40, 20)
    assert accounts()[Account.RESERVED] == 30
    assert fills.settling(MODE) == {position.pk: 40}

    became(order, execution, "RETRYING")
    assert fills.settling(MODE) == {position.pk: 40}
    became(order, execution, "MINED")
    assert fills.settling(MODE) == {}


def test_a_failed_trade_of_a_working_order_gives_its_cover_back_to_it():
    venue = funded()
    order = an_order()
    execution = told(venue, order, 40, status="MATCHED", fee=Decimal("0.4"))

    became(order, execution, "FAILED")
    became(order, execution, "FAILED", at=11)

    assert (order.status, order.filled_shares, order.reserved) == ("OPEN", 0, 50)
    assert accounts()[Account.RESERVED] == 50
    assert accounts()[Account.CASH] == 950
    assert accounts()[Account.FEES] == 0
    assert Position.objects.get().shares == 0
    assert audit.alerts().count() == 1
    assert "balance and allowances" in audit.alerts().get().data


def test_a_ghost_that_had_filled_its_order_leaves_it_cancelled_and_the_market_free():
    venue = funded()
    order = an_order()
    execution = told(venue, order, 100, status="MATCHED")
    order.refresh_from_db()
    transitions.move(order, to="FILLED", as_of=NOW)
    transitions.give_back(order, as_of=NOW)
    assert Claim.objects.filter(released_at__isnull=True).count() == 1

    became(order, execution, "FAILED")

    assert order.status == "CANCELED"
    assert "failed" in order.reason
    assert accounts()[Account.CASH] == 1000
    assert not Claim.objects.filter(released_at__isnull=True).exists()


def test_a_ghost_among_other_trades_leaves_what_they_alone_would_have_left():
    """Sold between the two, at a cost that the failed trade had a part in."""
    venue = funded()
    order = an_order()
    told(venue, order, 30, price=Decimal("0.10"))
    ghost = told(venue, order, 40, price=Decimal("0.50"), status="MATCHED")
    sale = an_order(market=order.market, side="SELL", shares=Decimal(20))
    told(venue, sale, 20, price=Decimal("0.50"))

    became(order, ghost, "FAILED")

    position = Position.objects.get()
    assert (position.shares, position.cost, position.booked) == (10, 1, 1)
    assert position.realised == 8
    assert accounts()[Account.POSITIONS] == 1
    assert -accounts()[Account.REALISED] == 8


def test_a_failed_trade_that_was_sold_already_halts():
    venue = funded()
    order = an_order()
    ghost = told(venue, order, 40, status="MATCHED")
    sale = an_order(market=order.market, side="SELL", shares=Decimal(40))
    told(venue, sale, 40, price=Decimal("0.60"))

    became(order, ghost, "FAILED")

    halt = Halt.objects.get()
    assert halt.kind == "OVERFILL"
    assert "sold" in halt.reason
    assert Position.objects.get().shares == 0


def test_a_failed_sale_brings_the_shares_back():
    venue = funded()
    order = an_order()
    told(venue, order, 100)
    order.refresh_from_db()
    transitions.move(order, to="FILLED", as_of=NOW)
    transitions.give_back(order, as_of=NOW)
    before = accounts()
    sale = an_order(market=order.market, side="SELL", shares=Decimal(60))
    ghost = told(venue, sale, 60, price=Decimal("0.90"), fee=Decimal("0.3"), status="MATCHED")

    became(sale, ghost, "FAILED")

    assert accounts() == before
    position = Position.objects.get()
    assert (position.shares, position.cost, position.realised) == (100, 50, 0)


def sold_whole(venue):
    """A purchase that was filled whole, and its sale, matched: the market is let go."""
    order = an_order()
    told(venue, order, 100)
    order.refresh_from_db()
    transitions.move(order, to="FILLED", as_of=NOW)
    transitions.give_back(order, as_of=NOW)
    sale = an_order(market=order.market, side="SELL", shares=Decimal(100))
    execution = told(venue, sale, 100, price=Decimal("0.60"), status="MATCHED")
    sale.refresh_from_db()
    transitions.move(sale, to="FILLED", as_of=NOW)
    transitions.give_back(sale, as_of=NOW)
    assert not Claim.objects.filter(released_at__isnull=True).exists()
    return sale, execution


def test_shares_of_a_failed_sale_come_back_with_their_claim():
    sale, execution = sold_whole(funded())

    became(sale, execution, "FAILED")

    assert Position.objects.get().shares == 100
    assert Claim.objects.get(released_at__isnull=True).outcome_index == 0
    with pytest.raises(claims.AlreadyHeld):
        claims.take(sale.intent, as_of=ahead(20))
    assert not Halt.objects.exists()


def test_shares_that_come_back_while_the_other_side_is_claimed_halt():
    sale, execution = sold_whole(funded())
    an_order(market=sale.market, index=1)

    became(sale, execution, "FAILED")

    assert Position.objects.get().shares == 100
    assert Halt.objects.get().kind == "OVERFILL"


@pytest.mark.parametrize(("first", "then"), [("CONFIRMED", "FAILED"), ("FAILED", "CONFIRMED")])
def test_two_endings_are_a_contradiction_that_halts_and_books_nothing(first, then):
    venue = funded()
    order = an_order()
    execution = told(venue, order, 40, status="MATCHED")
    became(order, execution, first)
    booked = Transfer.objects.count()

    became(order, execution, then)
    became(order, execution, then, at=20)

    assert Transfer.objects.count() == booked
    assert statuses() == ["MATCHED", first]
    found = Discrepancy.objects.get()
    assert (found.kind, found.subject, found.explained) == ("TRADE", "t0", False)
    assert Halt.objects.get().state == "HALTED"


def test_a_trade_first_heard_of_as_failed_leaves_no_trace_in_cash():
    venue = funded()
    order = an_order()

    told(venue, order, 40, status="FAILED")

    assert accounts()[Account.CASH] + accounts()[Account.RESERVED] == 1000
    assert Position.objects.get().shares == 0


def test_a_maker_pays_no_fee_whatever_the_venue_says():
    venue = funded()
    order = an_order()

    told(venue, order, 40, is_maker=True, fee=Decimal("0.7"))

    fill = Fill.objects.get()
    assert (fill.is_maker, fill.fee) == (True, 0)
    assert accounts()[Account.FEES] == 0


def test_what_the_reservation_does_not_cover_is_paid_from_free_cash():
    venue = funded()
    order = an_order()
    transitions.end(order, to="EXPIRED", reason="late", as_of=NOW)

    told(venue, order, 100)

    assert accounts()[Account.CASH] == 950
    assert Claim.objects.filter(released_at__isnull=True).count() == 1


def test_dust_of_the_venues_rounding_is_not_missing():
    venue = funded()
    order = an_order()
    told(venue, order, Decimal("99.99"))
    order.refresh_from_db()

    assert fills.is_full(order)

    told(venue, order, Decimal("0.02"))

    assert not Halt.objects.exists()


def test_a_market_order_that_bought_more_for_the_same_dollars_is_no_overfill():
    venue = funded()
    order = an_order()
    Order.objects.update(type="FAK")
    told(venue, order, 120, price=Decimal("0.40"))
    assert not Halt.objects.exists()

    told(venue, order, 30, price=Decimal("0.40"))

    assert Halt.objects.get().kind == "OVERFILL"


def test_second_order_blocked_while_data_api_stale():
    """The reservation and the claim stand until the trade is booked, whatever a feed says."""
    venue = funded()
    order = an_order()

    reconcile.everything(MODE, WALLET, venue, chain=venue, as_of=ahead(120))

    with pytest.raises(claims.AlreadyHeld):
        claims.take(order.intent, as_of=ahead(121))
    assert accounts()[Account.RESERVED] == 50
