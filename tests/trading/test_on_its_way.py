"""How many shares an order on its way can explain: no more than its dollars buy at one tick."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import factories
from tests.factories import NOW, ahead
from tests.trading.wallets import MODE, WALLET, an_order, funded
from trading.books import ledger
from trading.core.reconcile import bought_at_most
from trading.orders import transitions
from trading.reconciling import on_its_way, reconcile

TICKS = [Decimal(text) for text in ("0.1", "0.01", "0.005", "0.0025", "0.001", "0.0001")]


def bound(order_type="FAK", *, filled="0", spent="0", tick="0.01"):
    """Of 100 shares at 0.50."""
    return bought_at_most(
        order_type=order_type,
        price=Decimal("0.5"),
        shares=Decimal(100),
        filled=Decimal(filled),
        spent=Decimal(spent),
        tick=None if tick is None else Decimal(tick),
    )


@pytest.mark.parametrize("order_type", ["GTC", "GTD"])
def test_a_resting_purchase_brings_what_is_left_of_its_shares(order_type):
    assert bound(order_type, filled="40", spent="20") == 60
    assert bound(order_type, filled="101", spent="50") == 0


@pytest.mark.parametrize(
    ("tick", "most"), [("0.01", 5_000), ("0.001", 50_000), ("0.0001", 500_000), (None, 500_000)]
)
def test_a_market_purchase_brings_what_its_dollars_buy_at_one_tick(tick, most):
    assert bound(tick=tick) == most


def test_dollars_that_better_prices_left_over_still_buy():
    # All shares came at 0.30: 20 of the 50 dollars are left.
    assert bound(filled="100", spent="30") == 2_000
    assert bound(filled="100", spent="50") == 0


@settings(max_examples=50)
@given(data=st.data())
def test_no_run_of_fills_within_the_dollars_is_beyond_the_bound(data):
    tick = data.draw(st.sampled_from(TICKS))
    steps = int(1 / tick) - 1
    limit = data.draw(st.integers(1, steps))
    price, shares = limit * tick, Decimal(data.draw(st.integers(1, 10_000))) / 100
    left, bought = price * shares, Decimal(0)
    for level in data.draw(st.lists(st.integers(1, limit), max_size=5)):
        part = left / (level * tick) * Decimal(data.draw(st.integers(0, 100))) / 100
        bought, left = bought + part, left - part * level * tick

    most = bought_at_most(
        order_type="FOK", price=price, shares=shares, filled=Decimal(0), spent=Decimal(0), tick=tick
    )

    assert bought <= most


@pytest.mark.django_db
@pytest.mark.usefixtures("loose_books")
def test_what_an_order_has_spent_explains_nothing_any_more():
    intent = factories.IntentFactory(limit_price=Decimal("0.50"), status="EXECUTED")
    order = factories.OrderFactory(intent=intent, status="OPEN", filled_shares=Decimal(100))
    assert (order.type, order.market.tick_size) == ("FAK", Decimal("0.01"))
    factories.FillFactory(order=order, price=Decimal("0.30"), shares=Decimal(100))

    found = on_its_way.look(order.mode, order.wallet, since=ahead(1))

    moves = [a for a in found.shares[order.outcome_id] if a.reason == on_its_way.MOVES]
    assert [a.rise for a in moves] == [2_000]


@pytest.mark.django_db
@pytest.mark.usefixtures("loose_books")
@pytest.mark.parametrize(
    ("side", "shares", "cash"),
    [("BUY", (100, 0), (0, 51)), ("SELL", (0, 100), (49, 0))],
)
def test_a_trade_that_failed_here_is_perhaps_not_undone_there_yet(side, shares, cash):
    intent = factories.IntentFactory(side=side, limit_price=Decimal("0.50"), status="EXECUTED")
    order = factories.OrderFactory(intent=intent, status="CANCELED", finished_at=NOW)
    fill = factories.FillFactory(
        order=order, price=Decimal("0.50"), shares=Decimal(100), fee=Decimal(1), received_at=NOW
    )
    fill.settlements.create(status="FAILED", received_at=ahead(60))

    found = on_its_way.look(order.mode, order.wallet, since=ahead(30))

    (settles,) = [a for a in found.shares[order.outcome_id] if a.reason == on_its_way.SETTLES]
    assert (settles.rise, settles.fall) == shares
    (paid,) = [a for a in found.cash if a.reason == on_its_way.SETTLES]
    assert (paid.rise, paid.fall) == cash


@pytest.mark.django_db
def test_a_trade_that_failed_and_that_the_chain_still_shows_is_no_difference_yet():
    venue = funded()
    order = an_order()
    venue.trade(order, 100, status="MATCHED")
    (told,) = venue.told
    reconcile.everything(MODE, WALLET, venue, chain=venue, as_of=ahead(1))
    transitions.end(order, to="CANCELED", reason="asked", as_of=ahead(10))
    venue.told = [replace(told, execution=replace(told.execution, status="FAILED"))]
    venue.carry_out(told)

    report = reconcile.everything(MODE, WALLET, venue, chain=venue, as_of=ahead(900))

    assert report.clean
    assert {finding.verdict for finding in report.findings} == {"EXPLAINED"}
    assert not ledger.flows(mode=MODE, wallet=WALLET).get("adjustment")
