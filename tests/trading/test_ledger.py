"""Balanced moves, each once; and books that add up whatever happens."""

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from risk.models import Halt
from tests import factories
from tests.factories import NOW, ago, ahead
from tests.support import invariants
from tests.trading.world import SilentVenue, an_intent, nobody_answers, paper
from trading import cycle
from trading.books import fills, ledger, rebuild
from trading.core.settlement import payout, settle
from trading.models import Account, Fill, Order, Position, Transfer
from trading.venue import Execution
from trading.watching import watch

pytestmark = pytest.mark.django_db

MOVE = {
    "debit": Account.EXTERNAL,
    "credit": Account.CASH,
    "amount": Decimal(100),
    "kind": "deposit",
    "mode": "PAPER",
    "as_of": NOW,
}


def test_the_same_booking_twice_is_one_row():
    first = ledger.post("k", **MOVE)
    again = ledger.post("k", **MOVE | {"as_of": ahead(9)})

    assert first == again
    assert Transfer.objects.count() == 1


def test_the_same_key_with_other_content_raises():
    ledger.post("k", **MOVE)

    with pytest.raises(ledger.KeyReused, match="derive a key"):
        ledger.post("k", **MOVE | {"amount": Decimal(99)})


def test_a_balance_is_a_sum_as_of():
    ledger.post("early", **MOVE | {"as_of": ago(60)})
    ledger.post("late", **MOVE)

    assert ledger.balance(Account.CASH, mode="PAPER", as_of=ago(1)) == 100
    assert ledger.balance(Account.CASH, mode="PAPER", as_of=NOW) == 200
    assert ledger.balance(Account.CASH, mode="DEMO", as_of=NOW) == 0


def test_a_booking_that_breaks_a_rule_of_the_table_is_not_hidden():
    with pytest.raises(Exception, match="transfer_amount_is_positive"):
        ledger.post("k", **MOVE | {"amount": Decimal(0)})


def test_starting_cash_is_booked_once_even_when_the_setting_changes():
    factories.trading_settings(starting_cash=Decimal(500))
    ledger.open_books("PAPER", as_of=NOW)
    factories.trading_settings(starting_cash=Decimal(900))
    ledger.open_books("PAPER", as_of=ahead(1))

    assert ledger.balance(Account.CASH, mode="PAPER", as_of=ahead(2)) == 500
    assert ledger.open_books("LIVE", as_of=NOW) is None


@given(
    st.decimals("0", "1000", places=6),
    st.decimals("0", "1", places=6),
    st.decimals("0", "2000", places=6),
)
def test_a_settlement_neither_makes_nor_loses_money(shares, per_share, cost):
    proceeds = payout(shares, per_share)
    split = settle(cost, proceeds)

    assert split.returned + split.gain == proceeds
    assert split.returned + split.loss == cost
    assert min(split.gain, split.loss) == 0
    assert proceeds <= shares * per_share


def test_a_payout_above_one_dollar_is_refused():
    with pytest.raises(ValueError, match="between 0 and 1"):
        payout(Decimal(1), Decimal(2))


def _filled(shares: str, side: str = "BUY") -> Order:
    intent = an_intent()
    cycle.submit.run(as_of=NOW, venues={"PAPER": SilentVenue()})
    order = Order.objects.get(intent=intent)
    Order.objects.filter(pk=order.pk).update(side=side)
    order.refresh_from_db()
    trade = Execution(
        trade_id="t",
        price=Decimal("0.4"),
        shares=Decimal(shares),
        fee=Decimal("0.01"),
        observed_at=NOW,
    )
    fills.record(order, trade, as_of=ahead(1))
    return order


def test_a_sale_takes_its_part_of_the_cost_and_realises_the_rest():
    bought = _filled("100")
    selling = factories.OrderFactory(
        intent=factories.IntentFactory(market=bought.market, side="SELL", status="EXECUTED"),
        shares=Decimal(25),
        status="FILLED",
    )
    sale = Execution(
        trade_id="s",
        price=Decimal("0.6"),
        shares=Decimal(25),
        fee=Decimal("0.02"),
        observed_at=NOW,
    )

    fills.record(selling, sale, as_of=ahead(2))

    position = Position.objects.get()
    paid = Decimal("40.01") / 4
    assert position.shares == 75
    assert position.cost == Decimal("40.01") - paid
    assert position.realised == Decimal(15) - Decimal("0.02") - paid
    assert ledger.balance(Account.POSITIONS, mode="PAPER", as_of=ahead(3)) == 30
    assert ledger.balance(Account.FEES, mode="PAPER", as_of=ahead(3)) == Decimal("0.03")


@pytest.mark.parametrize("held", ["0", "4"])
def test_a_sale_of_more_than_is_held_is_recorded_as_reported_and_halts(held):
    selling = _selling(10, held=Decimal(held))
    sale = Execution(
        trade_id="s",
        price=Decimal("0.6"),
        shares=Decimal(10),
        fee=Decimal("0.02"),
        observed_at=NOW,
    )

    fills.record(selling, sale, as_of=ahead(2))
    fills.record(selling, sale, as_of=ahead(3))

    assert Fill.objects.get(order=selling).shares == 10
    assert Position.objects.get().shares == 0
    halt = Halt.objects.get()
    assert (halt.kind, halt.scope_key, halt.state) == ("OVERFILL", "PAPER", "HALTED")
    assert "sold 10" in halt.reason
    assert rebuild.positions(apply=False, as_of=ahead(4)) == []
    assert watch.run(as_of=ahead(4)) == []


def _selling(shares, *, held):
    bought = _filled(str(held)) if held else None
    ledger.open_books("PAPER", as_of=NOW)
    market = bought.market if bought else factories.MarketFactory()
    intent = factories.IntentFactory(market=market, side="SELL", status="EXECUTED")
    return factories.OrderFactory(intent=intent, shares=Decimal(shares), status="FILLED")


STEP = st.sampled_from(["forecast", "quote", "sweep", "resolve", "cycle", "silence"])


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(STEP, st.integers(0, 2), st.integers(1, 98), st.sampled_from([0, 1, 2])),
        max_size=14,
    )
)
def test_journal_equals_orders_after_simulated_day(steps):
    """Whatever forecasts, books, resolutions and failures come in any order, everything adds up."""
    from django.db import transaction

    with transaction.atomic():
        _live_through(steps)
        invariants.check_everything()
        transaction.set_rollback(True)


def _live_through(steps):
    factories.risk_limits(cooldown_s=0, max_book_age_s=10**6, max_prediction_age_s=10**6)
    markets = [factories.MarketFactory() for _ in range(3)]
    resolved = set()
    for number, (step, which, cents, third) in enumerate(steps):
        market, at = markets[which], ahead(10 * number)
        ask = cents / 100 + 0.01
        if step == "forecast":
            factories.PredictionFactory(market=market, as_of=at, probability=cents / 100)
        elif step == "quote":
            book = ([(cents / 100, 50.0)], [(ask, 10.0 * (third + 1)), (min(ask + 0.01, 1), 9e3)])
            factories.QuoteFactory(
                market=market, at=at, bid=cents / 100, ask=ask, book=book if ask < 0.99 else None
            )
        elif step == "resolve" and which not in resolved:
            resolved.add(which)
            factories.ResolutionFactory(market=market, payout_0=Decimal(third) / 2, resolved_at=at)
        elif step == "silence":
            cycle.submit.run(as_of=at, venues={"PAPER": SilentVenue()})
        elif step == "sweep":
            cycle.submit.run(as_of=at, venues=paper())
        elif step == "cycle":
            cycle.run(as_of=at, venues=paper(), refresh=nobody_answers)
