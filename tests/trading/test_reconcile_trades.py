"""Trades as the venue tells them: read, booked once, contradicted or unknown."""

from dataclasses import replace
from decimal import Decimal

import pytest
from django.db import OperationalError, connection

from config.kernel import audit, locks
from risk import halts
from risk.models import Halt
from tests.factories import NOW, ago, ahead
from tests.trading.wallets import MODE, WALLET, Wallet, an_order, funded, listed
from trading.books import ledger
from trading.models import (
    Account,
    Discrepancy,
    Fill,
    Position,
    VenueState,
)
from trading.orders import transitions
from trading.reconciling import reconcile
from trading.venue import Execution, VenueTrade

pytestmark = pytest.mark.django_db
LONG_AFTER = ahead(600)


def look(venue, at=NOW):
    return reconcile.everything(MODE, WALLET, venue, chain=venue, as_of=at)


def cash():
    accounts = ledger.standing(mode=MODE, wallet=WALLET)
    return accounts[Account.CASH] + accounts[Account.RESERVED]


def state():
    return halts.state(as_of=LONG_AFTER, mode=MODE)


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


@pytest.mark.parametrize("failure", [locks.LockTimeout, OperationalError])
def test_a_busy_database_says_nothing_of_a_trade_and_it_is_read_again(failure):
    venue = funded()
    order = an_order()
    venue.trade(order, 100)

    def busy(execute, sql, parameters, many, context):
        if sql.startswith('INSERT INTO "trading_fill"'):
            raise failure("somebody is at it")
        return execute(sql, parameters, many, context)

    with connection.execute_wrapper(busy), pytest.raises(failure):
        look(venue, ahead(5))

    assert not VenueState.objects.filter(trades_until__isnull=False).exists()
    assert not Discrepancy.objects.exists()
    assert not Halt.objects.exists()
    assert not audit.alerts().exists()
    look(venue, ahead(10))
    assert Fill.objects.get().shares == 100


def test_the_round_trip_before_the_books_began_is_no_trade_of_a_stranger():
    audit.record(
        "trial.order_signed",
        actor="moneydoctor",
        subject=f"wallet:{WALLET}",
        data={"mode": MODE, "order": "0xTrial", "payload": "{}"},
        as_of=ago(40),
    )
    venue = Wallet()
    venue.told = [
        VenueTrade(
            venue_order_id=name,
            token_id="999",
            is_buy=True,
            execution=Execution(
                trade_id=name,
                price=Decimal("0.5"),
                shares=Decimal(5),
                fee=Decimal(0),
                observed_at=ago(30),
            ),
        )
        for name in ("0xtrial", "0xstranger")
    ]

    found = [finding for finding in look(venue).findings if finding.kind == "TRADE"]
    assert [finding.subject for finding in found] == ["0xstranger"]
    venue.told.pop()
    halts.release(Halt.objects.get(), actor="ann", reason="it was me", as_of=ahead(1))
    assert look(venue, ahead(60)).clean
    assert not Halt.objects.filter(released_at=None).exists()


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
