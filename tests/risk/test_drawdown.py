"""Risk equity by value: what raises it, what lowers it, what it triggers."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.core.contracts import State
from risk.core.drawdown import Figures, Marked, fall, grade, next_peak
from tests.risk import strategies
from tests.risk.books import LIMITS

EMPTY = Figures(
    cash=Decimal(1000),
    reserved=Decimal(0),
    redeemable=Decimal(0),
    positions=(),
    realised=Decimal(0),
    fees=Decimal(0),
)
dollars = strategies.money(0, 1000)


def with_position(cost: Decimal, liquidation: Decimal) -> Figures:
    position = Marked(cost=cost, mark=liquidation, liquidation=liquidation)
    return replace(EMPTY, cash=EMPTY.cash - cost, positions=(position,))


@given(dollars, dollars)
def test_an_unrealised_gain_never_raises_risk_equity(cost: Decimal, value: Decimal) -> None:
    assert with_position(cost, value).risk_equity <= EMPTY.risk_equity


@given(dollars, st.decimals(0, 1, places=2))
def test_buying_lowers_it_by_no_more_than_fee_and_spread(cost: Decimal, lost: Decimal) -> None:
    liquidation = cost * (1 - lost)

    assert EMPTY.risk_equity - with_position(cost, liquidation).risk_equity == cost * lost


def test_redeemable_payouts_count_in_full() -> None:
    assert replace(EMPTY, redeemable=Decimal(50)).risk_equity == 1050


def test_the_peak_never_falls_by_itself() -> None:
    assert next_peak(Decimal(90), None) == 90
    assert next_peak(Decimal(90), Decimal(100)) == 100
    assert next_peak(Decimal(110), Decimal(100)) == 110


@pytest.mark.parametrize("base", [Decimal(0), Decimal(-5)])
def test_below_nothing_the_fall_is_total_and_empty_books_have_not_fallen(base: Decimal) -> None:
    assert fall(base, base) == 0
    assert fall(Decimal(10), base) == 0
    assert fall(base - 1, base) == 1


@pytest.mark.parametrize(
    ("drawdown", "state"),
    [
        ("0", State.ACTIVE),
        ("0.0999", State.ACTIVE),
        ("0.10", State.LISTEN_ONLY),
        ("0.15", State.REDUCING),
        ("0.2999", State.REDUCING),
        ("0.30", State.HALTED),
        ("1", State.HALTED),
    ],
)
def test_the_grades_of_a_drawdown(drawdown: str, state: State) -> None:
    assert grade(Decimal(drawdown), LIMITS) == state
