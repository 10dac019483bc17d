"""Books against venue and chain: what is booked, what converges, what stops new orders."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from config.kernel import audit
from risk import halts
from risk.models import Halt
from tests import factories
from tests.factories import NOW, ahead
from tests.trading.wallets import MODE, WALLET, Wallet, an_order, funded, listed
from trading.books import fills, ledger, positions
from trading.models import (
    Account,
    Discrepancy,
    Order,
    Position,
    Redemption,
    VenueState,
)
from trading.orders import transitions
from trading.reconciling import reconcile
from trading.venue import VenueOrder

pytestmark = pytest.mark.django_db
LONG_AFTER = ahead(600)


def look(venue, at=NOW):
    return reconcile.everything(MODE, WALLET, venue, chain=venue, as_of=at)


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


def test_what_the_venue_remembers_of_a_wallet_is_not_asked():
    venue = funded()
    position = bought(venue)
    chain = replace(venue, tokens=dict(venue.tokens))
    venue.dollars, venue.tokens[position.outcome.asset_id] = Decimal(15), Decimal(3)

    report = reconcile.everything(MODE, WALLET, venue, chain=chain, as_of=LONG_AFTER)

    assert (report.clean, report.findings, cash()) == (True, (), 950)


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
