"""Exposure is the worst case, and never less than it."""

from decimal import Decimal
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from risk.core.contracts import Holding
from risk.core.exposure import measure, worst_loss
from tests.risk import strategies
from tests.risk.books import held


def test_plain_outcomes_lose_everything_at_once() -> None:
    yes, no = held(market=1, exposure=Decimal(10)), held(market=2, exposure=Decimal(7))

    assert worst_loss((yes, no)) == 17


def test_a_no_basket_on_exclusive_outcomes_loses_one_leg_or_half_of_all() -> None:
    legs = [
        held(market=m, outcome_index=1, exposure=Decimal(40), sellable=Decimal(50), exclusive=True)
        for m in (1, 2, 3)
    ]

    assert worst_loss(legs[:1]) == 40
    assert worst_loss(legs[:2]) == 80 - 50
    assert worst_loss(legs) == 120 - 75


def test_an_order_that_has_not_filled_hedges_nothing() -> None:
    resting = {"outcome_index": 1, "exposure": Decimal(40), "sellable": Decimal(0)}
    legs = [held(market=m, exclusive=True, **resting) for m in (1, 2)]

    assert worst_loss(legs) == 80


def test_no_holdings_can_lose_nothing() -> None:
    assert worst_loss(()) == 0
    assert measure(()).total == 0


@given(st.lists(strategies.holdings(), max_size=6))
def test_no_way_to_end_loses_more_than_the_exposure(holdings: list[Holding]) -> None:
    exposure = measure(holdings)

    for event, worst in exposure.events.items():
        held_here = [h for h in holdings if h.event == event]
        markets = sorted({h.market for h in held_here})
        for ending in product((True, False), repeat=len(markets)):
            if all(h.exclusive for h in held_here) and sum(ending) > 1:
                continue
            won = dict(zip(markets, ending, strict=True))
            paid_back = sum(
                h.sellable for h in held_here if won[h.market] == (h.outcome_index == 0)
            )
            assert sum(h.exposure for h in held_here) - paid_back <= worst


@given(st.lists(strategies.holdings(), max_size=6))
def test_the_total_is_the_sum_over_markets_and_over_categories(holdings: list[Holding]) -> None:
    exposure = measure(holdings)

    assert exposure.total == sum(exposure.markets.values())
    assert exposure.total == sum(exposure.categories.values())
    assert sum(exposure.events.values()) <= exposure.total
