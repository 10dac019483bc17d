"""Books against venue and chain: what is booked, what converges, what stops new orders."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from config.kernel import audit
from risk import halts
from risk.models import Halt
from tests import factories
from tests.factories import NOW, ago, ahead
from tests.trading.wallets import MODE, WALLET, Wallet, an_order, funded, listed
from trading.books import fills, ledger, positions
from trading.models import (
    Account,
    Discrepancy,
    Fill,
    Order,
    Position,
    Redemption,
    VenueState,
)
from trading.orders import transitions
from trading.reconciling import reconcile
from trading.venue import Execution, VenueOrder, VenueTrade

pytestmark = pytest.mark.django_db
LONG_AFTER = ahead(600)


def look(venue, at=NOW):
    return reconcile.everything(MODE, WALLET, venue, as_of=at)


def cash():
    accounts = ledger.standing(mode=MODE, wallet=WALLET)
    return accounts[Account.CASH] + accounts[Account.RESERVED]


def bought(venue, shares=100, *, at=NOW):
    """An order that was filled whole, on both sides, long ago."""
    order = an_order(shares=Decimal(shares))
    venue.trade(order, shares)
    reconcile.read_trades(MODE, WALLET, venue, as_of=at)
    order.refresh_from_db()
    transitions.move(order, to="FILLED", as_of=at)
    return Position.objects.get(outcome=order.outcome)


def state():
    return halts.state(as_of=LONG_AFTER, mode=MODE)


def test_books_that_agree_are_clean_and_say_when():
    venue = funded()

    report = look(venue)

    assert report.clean
    assert report.findings == ()
    assert VenueState.objects.get().reconciled_at == NOW
    assert reconcile.is_fresh(MODE, WALLET, as_of=ahead(60), within=timedelta(seconds=90))
    assert not reconcile.is_fresh(MODE, WALLET, as_of=ahead(99), within=timedelta(seconds=90))


def test_the_first_dollars_of_a_wallet_are_a_deposit_and_alarm_nobody():
    venue = Wallet()

    report = look(venue)

    assert report.clean
    assert ledger.flows(mode=MODE, wallet=WALLET) == {"deposit": 1000}
    assert not audit.alerts().exists()


def test_divergence_creates_adjustment_and_alert_not_halt():
    venue = funded(15)
    venue.dollars = Decimal("200.97")

    report = look(venue)

    assert cash() == Decimal("200.97")
    assert ledger.flows(mode=MODE, wallet=WALLET)["adjustment"] == Decimal("185.97")
    assert "+18597.00 cents" in audit.alerts().get().data
    found = Discrepancy.objects.get()
    assert (found.ours, found.theirs, found.explained) == (15, Decimal("200.97"), True)
    assert report.clean
    assert state() == "ACTIVE"


def test_fractions_of_a_cent_follow_the_chain_and_alarm_nobody():
    venue = funded()
    bought(venue)
    venue.dollars -= Decimal("0.000003")

    assert look(venue, ahead(10)).findings == ()
    assert look(venue, LONG_AFTER).clean

    assert cash() == Decimal("949.999997")
    assert ledger.flows(mode=MODE, wallet=WALLET)["rounding"] == Decimal("0.000003")
    assert not audit.alerts().exists()
    assert not Discrepancy.objects.exists()


def test_while_something_moves_cash_converges_at_the_second_look_only():
    venue = funded()
    bought(venue)
    venue.dollars -= 300

    first = look(venue, ahead(10))
    assert not first.clean
    assert cash() == 950

    second = look(venue, ahead(70))

    assert second.clean
    assert cash() == 650
    assert state() == "ACTIVE"


def test_a_trade_that_nobody_told_us_of_is_booked():
    venue = funded()
    order = an_order()
    venue.orders = [listed(order, matched=40)]
    venue.trade(order, 40)

    report = look(venue)

    assert report.clean
    assert report.booked == 1
    assert Position.objects.get().shares == 40
    assert cash() == 980


def test_reading_the_same_trades_again_books_nothing():
    venue = funded()
    venue.trade(an_order(), 40)

    assert reconcile.read_trades(MODE, WALLET, venue, as_of=NOW) == 1
    assert reconcile.read_trades(MODE, WALLET, venue, as_of=ahead(1)) == 0
    assert Fill.objects.count() == 1


def test_trades_are_read_from_the_last_look_or_the_oldest_that_is_not_settled():
    venue = funded()
    order = an_order(created_at=ago(500))
    venue.trade(order, 40, status="MATCHED", at=ago(500))
    reconcile.read_trades(MODE, WALLET, venue, as_of=NOW)
    reconcile.read_trades(MODE, WALLET, venue, as_of=ahead(100))
    venue.told = [
        replace(told, execution=replace(told.execution, status="CONFIRMED")) for told in venue.told
    ]
    reconcile.read_trades(MODE, WALLET, venue, as_of=ahead(200))
    reconcile.read_trades(MODE, WALLET, venue, as_of=ahead(300))

    assert venue.asked_since == [ago(560), ago(560), ago(560), ahead(140)]


def test_what_is_not_settled_explains_shares_and_cash_of_either_side():
    venue = funded()
    order = an_order()
    venue.trade(order, 40, status="MATCHED")

    report = look(venue, ahead(1))

    assert report.clean
    assert {f.verdict for f in report.findings} == {"EXPLAINED"}
    assert not Discrepancy.objects.exists()


def test_an_order_of_nobody_stops_new_entries_at_once_until_it_is_gone():
    venue = funded()
    venue.orders = [
        VenueOrder(
            venue_order_id="0xstranger",
            token_id="1",
            is_buy=True,
            price=Decimal("0.5"),
            shares=Decimal(10),
            matched=Decimal(0),
        )
    ]

    assert not look(venue).clean
    assert state() == "LISTEN_ONLY"
    assert audit.alerts().count() == 1
    look(venue, ahead(60))
    assert audit.alerts().count() == 1

    venue.orders = []

    assert look(venue, ahead(120)).clean
    assert state() == "ACTIVE"
    assert [row.ours == row.theirs for row in Discrepancy.objects.order_by("pk")] == [False, True]


@pytest.mark.parametrize("name", ["0xstran\x00ger", "0xstran\ud800ger", "0x" + "9" * 5000])
def test_an_order_of_nobody_is_named_whatever_its_id_is_made_of(name):
    venue = funded()
    ours = an_order()
    venue.orders = [listed(ours), replace(listed(ours), venue_order_id=name, token_id="1\x00")]

    assert not look(venue).clean

    (found,) = Discrepancy.objects.all()
    assert found.subject.startswith(("0xstran?ger", "0x999"))
    assert state() == "LISTEN_ONLY"


def test_a_trade_of_nobody_stops_new_entries():
    venue = funded()
    venue.told = [
        VenueTrade(
            venue_order_id="0xstranger",
            token_id="1",
            is_buy=True,
            execution=Execution(
                trade_id="t9",
                price=Decimal("0.5"),
                shares=Decimal(3),
                fee=Decimal(0),
                observed_at=NOW,
            ),
        )
    ]

    assert not look(venue).clean
    assert Discrepancy.objects.get(kind="TRADE").theirs == 3
    assert state() == "LISTEN_ONLY"


def test_an_order_of_ours_that_the_venue_does_not_list_is_no_difference():
    venue = funded()
    an_order()

    assert look(venue).clean


def test_an_order_that_ended_here_and_lives_there_is_forgiven_for_a_while():
    venue = funded()
    order = an_order()
    venue.orders = [listed(order)]
    transitions.end(order, to="CANCELED", reason="asked", as_of=NOW)

    assert look(venue, ahead(10)).clean
    assert not look(venue, ahead(200)).clean
    assert state() == "ACTIVE"
    assert not look(venue, ahead(260)).clean
    assert state() == "LISTEN_ONLY"


def test_shares_that_nothing_explains_stop_new_entries_at_the_second_look():
    venue = funded()
    position = bought(venue)
    venue.tokens[position.outcome.asset_id] = Decimal(60)

    assert not look(venue, ahead(300)).clean
    assert state() == "ACTIVE"
    assert not look(venue, ahead(360)).clean
    assert state() == "LISTEN_ONLY"
    halt = Halt.objects.get()
    assert (halt.kind, halt.resume_rule) == ("RECONCILIATION", "WHEN_CLEAR")
    assert "+" not in halt.reason
    row = Discrepancy.objects.get(explained=False)
    assert (row.kind, row.ours, row.theirs) == ("POSITION", 100, 60)


def test_dust_is_no_difference():
    venue = funded()
    position = bought(venue)
    venue.tokens[position.outcome.asset_id] = Decimal("99.991")

    assert look(venue, LONG_AFTER).findings == ()


def test_a_trade_told_twice_at_two_prices_is_a_contradiction():
    venue = funded()
    order = an_order()
    venue.trade(order, 40)
    look(venue)
    told = venue.told[0]
    venue.told = [replace(told, execution=replace(told.execution, price=Decimal("0.50004")))]
    assert look(venue, ahead(1)).clean
    venue.told = [replace(told, execution=replace(told.execution, price=Decimal("0.51")))]

    report = look(venue, ahead(2))

    assert not report.clean
    assert [f.kind for f in report.findings if f.verdict == "UNEXPLAINED"] == ["TRADE"]


def test_a_failed_trade_leaves_books_and_chain_equal():
    venue = funded()
    order = an_order()
    venue.trade(order, 40, status="MATCHED")
    look(venue)
    venue.told = [
        replace(told, execution=replace(told.execution, status="FAILED")) for told in venue.told
    ]

    assert look(venue, ahead(10)).clean
    assert look(venue, LONG_AFTER).findings == ()
    assert Position.objects.get().shares == 0
    assert cash() == 1000


def test_a_late_fill_of_a_cancelled_order_takes_the_market_again():
    venue = funded()
    order = an_order()
    transitions.end(order, to="CANCELED", reason="asked", as_of=NOW)
    venue.trade(order, 100)

    assert look(venue, ahead(5)).clean
    order.refresh_from_db()
    assert order.status == "FILLED"
    assert Position.objects.get().shares == 100
    assert cash() == 950


def test_venue_auto_redeem_is_booked_once():
    venue = funded()
    position = bought(venue)
    factories.ResolutionFactory(market=position.market, resolved_at=ahead(300))
    venue.tokens.clear()
    venue.dollars += 100

    assert look(venue, LONG_AFTER).clean
    assert look(venue, ahead(700)).clean

    paid = Redemption.objects.get()
    assert (paid.status, paid.shares, paid.payout) == ("PAID", 100, 100)
    position.refresh_from_db()
    assert (position.shares, position.realised) == (0, 50)
    assert cash() == 1050
    assert not Discrepancy.objects.exists()


def test_shares_that_vanish_without_cash_are_not_taken_for_a_payout():
    venue = funded()
    position = bought(venue)
    factories.ResolutionFactory(market=position.market, resolved_at=ahead(300))
    venue.tokens.clear()

    assert not look(venue, LONG_AFTER).clean
    assert not Redemption.objects.exists()
    assert Position.objects.get().shares == 100


def test_worthless_shares_that_stay_on_the_chain_are_no_difference():
    venue = funded()
    position = bought(venue)
    factories.ResolutionFactory(market=position.market, payout_0=Decimal(0), resolved_at=ahead(300))
    venue.tokens.clear()

    assert look(venue, LONG_AFTER).clean


def test_a_trade_that_cannot_be_booked_leaves_the_others_and_is_read_again():
    venue = funded()
    good, bad = an_order(), an_order()
    venue.trade(bad, 10, status="NO SUCH STATUS")
    venue.trade(good, 10)

    report = look(venue)

    assert report.booked == 1
    assert not report.clean
    assert VenueState.objects.filter(trades_until__isnull=False).count() == 0


def test_a_trade_whose_fee_nobody_knows_waits_for_the_catalogue_and_is_not_taken_as_free():
    venue = funded()
    order = an_order()
    venue.trade(order, 10, fee=None)
    venue.trade(order, 5, fee=None, is_maker=True)

    report = look(venue)

    assert not report.clean
    assert [(fill.shares, fill.fee) for fill in Fill.objects.all()] == [(5, 0)]
    assert state() == "LISTEN_ONLY"
    assert "run `manage.py sync_catalogue`" in audit.alerts().get(subject="unbooked:trade:t0").data

    known = replace(venue.told[0].execution, fee=Decimal("0.2"))
    venue.told[0] = replace(venue.told[0], execution=known)
    venue.dollars -= Decimal("0.2")

    assert look(venue, ahead(60)).clean
    assert Fill.objects.get(trade_id="t0").fee == Decimal("0.2")


def test_nobody_is_asked_while_nothing_is_open():
    venue = funded()

    assert reconcile.in_doubt(MODE, WALLET, venue, as_of=NOW) == 0
    assert venue.asked_since == []

    an_order()
    reconcile.in_doubt(MODE, WALLET, venue, as_of=NOW)

    assert len(venue.asked_since) == 1


def test_what_is_bought_and_not_settled_is_known_not_to_be_sellable():
    venue = funded()
    order = an_order()
    venue.trade(order, 30)
    venue.trade(order, 40, status="MATCHED")
    reconcile.read_trades(MODE, WALLET, venue, as_of=NOW)

    position = Position.objects.get()
    assert fills.settling(MODE) == {position.pk: 40}
    assert positions.held(position).shares == 70
    assert Order.objects.get().filled_shares == 70
