"""Sales put to the gate: of what is held, under the claim that is held, and never twice."""

from dataclasses import replace
from decimal import Decimal

import pytest
from django.db import transaction

from config.kernel import locks
from markets.models import Outcome
from risk import gate
from risk.core.contracts import OrderIntent
from tests import factories
from tests.factories import NOW, ahead
from tests.trading.world import (
    traded,
)
from trading.books import ledger, portfolio
from trading.deciding import wishes
from trading.models import (
    Claim,
    Position,
    TradeIntent,
)

pytestmark = pytest.mark.django_db


def test_one_holding_has_one_open_sale_at_any_price():
    sale, cheaper = (
        TradeIntent(
            mode="PAPER",
            market_id=1,
            outcome=Outcome(market_id=1, index=0),
            side="SELL",
            limit_price=Decimal(price),
            strategy="default",
        )
        for price in ("0.52", "0.40")
    )

    assert wishes.fingerprint(sale) == wishes.fingerprint(cheaper)


def an_order_to_sell(market, shares="10", **changes):
    order = OrderIntent(
        market=market.pk,
        event=market.event_id,
        category=market.category,
        outcome_index=0,
        is_buy=False,
        shares=Decimal(shares),
        limit_price=Decimal("0.50"),
        expected_price=Decimal("0.50"),
        best_price=Decimal("0.50"),
        fee=Decimal(0),
        probability=0.5,
        visible_depth=Decimal(1000),
        tick=market.tick_size,
        min_shares=market.min_shares,
        book_age_s=1.0,
        prediction_age_s=1e6,
        seconds_left=5.0,
        accepting_orders=True,
    )
    return replace(order, **changes)


def sold(market, **changes):
    order = an_order_to_sell(market, **changes)
    with transaction.atomic():
        locks.hold("portfolio:PAPER")
        decision = gate.review(
            order, portfolio.snapshot("PAPER", as_of=NOW), mode="PAPER", as_of=NOW
        )
        if not decision.approved_shares:
            return decision.denials
        wish = wishes.Wish(
            market=market,
            outcome=market.outcomes.get(index=order.outcome_index),
            key=f"exit:{market.pk}",
            mode="PAPER",
            wallet="main",
            purpose=TradeIntent.Purpose.EXIT,
            type="GTD",
            rest_until=ahead(60),
        )
        return wishes.write_down(order, decision, wish, as_of=NOW)


@pytest.mark.parametrize("state", ["ACTIVE", "LISTEN_ONLY", "REDUCING"])
def test_a_sale_acts_under_the_claim_that_is_held_and_reserves_nothing(state):
    market = traded()
    if state != "ACTIVE":
        factories.HaltFactory(state=state)
    before = ledger.balances(mode="PAPER", as_of=ahead(60))

    sale = sold(market)

    assert (sale.side, sale.status, sale.purpose) == ("SELL", "APPROVED", "EXIT")
    assert (sale.type, sale.rest_until, sale.shares) == ("GTD", ahead(60), 10)
    assert ledger.balances(mode="PAPER", as_of=ahead(60)) == before
    assert Claim.objects.filter(released_at__isnull=True).count() == 1


def test_a_halt_stops_sales_too():
    market = traded()
    factories.HaltFactory(state="HALTED")

    assert sold(market) == "HALTED"


def test_sell_without_inventory_is_refused():
    market = traded()

    assert "NO_INVENTORY" in sold(market, outcome_index=1)
    assert "NO_INVENTORY" in sold(factories.MarketFactory())


def test_no_more_is_sold_than_is_held_and_not_promised():
    market = traded()
    held = Position.objects.get().shares

    sale = sold(market, shares="1000000")

    assert sale.shares == held
    assert "NO_INVENTORY" in sold(market)
