"""Sizing against its definition: no other stake grows wealth faster."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.core.kelly import kelly_fraction, shrink, size_shares

inside = st.floats(0.02, 0.98)


def growth(probability: float, spent: float, shares: float, wealth: float) -> float:
    lost, won = wealth - spent, wealth - spent + shares
    return probability * math.log(won) + (1 - probability) * math.log(lost)


def spent_on(levels: list[tuple[float, float]], shares: float) -> float:
    total = 0.0
    for cost, offered in levels:
        taken = min(shares, offered)
        total, shares = total + taken * cost, shares - taken
    return total


@given(inside, inside, st.floats(0, 0.5), st.floats(0, 0.5))
def test_the_shrunk_probability_lies_between_price_and_forecast(
    probability: float, price: float, sigma: float, prior_sigma: float
) -> None:
    shrunk = shrink(probability, price, sigma=sigma, prior_sigma=prior_sigma)

    low, high = sorted((probability, price))
    assert low - 1e-12 <= shrunk <= high + 1e-12


@given(inside, inside, st.floats(0.001, 0.5), st.floats(0.001, 0.5))
def test_more_doubt_means_closer_to_the_price(
    probability: float, price: float, sigma: float, prior_sigma: float
) -> None:
    surer = shrink(probability, price, sigma=sigma, prior_sigma=prior_sigma)
    unsure = shrink(probability, price, sigma=2 * sigma, prior_sigma=prior_sigma)

    assert abs(unsure - price) <= abs(surer - price) + 1e-12


@pytest.mark.parametrize(
    ("sigma", "prior"), [(0.1, 0.0), (math.nan, 0.1), (0.1, math.nan), (math.inf, 0.1), (0.0, 0.0)]
)
def test_without_evidence_the_shrunk_probability_is_the_price(sigma: float, prior: float) -> None:
    assert shrink(0.7, 0.5, sigma=sigma, prior_sigma=prior) == 0.5


@given(inside, inside)
def test_kelly_stakes_nothing_without_an_edge_and_never_everything(p: float, cost: float) -> None:
    fraction = kelly_fraction(p, cost)

    assert 0 <= fraction < 1
    assert (fraction > 0) == (p > cost)


@pytest.mark.parametrize(
    ("p", "cost"), [(math.nan, 0.5), (0.5, math.nan), (0.9, 0.0), (0.9, 1.0), (0.9, -1.0)]
)
def test_kelly_stakes_nothing_on_what_is_not_a_number_or_a_price(p: float, cost: float) -> None:
    assert kelly_fraction(p, cost) == 0


@given(inside, inside, st.floats(10, 1e6), st.floats(0.05, 1))
def test_without_depth_limits_the_size_is_the_kelly_fraction(
    p: float, cost: float, bankroll: float, multiplier: float
) -> None:
    shares = size_shares(p, [(cost, 1e12)], bankroll=bankroll, multiplier=multiplier)

    expected = kelly_fraction(p, cost) * bankroll * multiplier / cost
    assert shares == pytest.approx(expected, rel=1e-9, abs=1e-9)


books = st.lists(st.tuples(inside, st.floats(1, 500)), min_size=1, max_size=4).map(sorted)


@given(inside, books, st.floats(100, 5000))
def test_no_other_size_grows_wealth_faster(
    p: float, levels: list[tuple[float, float]], bankroll: float
) -> None:
    shares = size_shares(p, levels, bankroll=bankroll, multiplier=1.0)
    depth = sum(offered for _, offered in levels)
    best = growth(p, spent_on(levels, shares), shares, bankroll)

    for other in (0.0, shares * 0.9, shares * 0.99, shares * 1.01, shares + 1):
        spent = spent_on(levels, other)
        if other <= depth and spent < bankroll:
            assert growth(p, spent, other, bankroll) <= best + 1e-9


@given(inside, books, st.floats(100, 5000))
def test_a_smaller_fraction_of_kelly_buys_no_more(
    p: float, levels: list[tuple[float, float]], bankroll: float
) -> None:
    full = size_shares(p, levels, bankroll=bankroll, multiplier=1.0)
    quarter = size_shares(p, levels, bankroll=bankroll, multiplier=0.25)

    assert quarter <= full + 1e-9


@pytest.mark.parametrize(
    ("probability", "bankroll", "levels"),
    [
        (0.9, 0.0, [(0.5, 10.0)]),
        (0.9, math.nan, [(0.5, 10.0)]),
        (math.nan, 100.0, [(0.5, 10.0)]),
        (0.9, 100.0, []),
        (0.9, 100.0, [(0.5, 0.0)]),
        (0.9, 100.0, [(1.0, 10.0)]),
    ],
)
def test_nothing_is_bought_where_there_is_nothing_to_reckon_with(
    probability: float, bankroll: float, levels: list[tuple[float, float]]
) -> None:
    assert size_shares(probability, levels, bankroll=bankroll, multiplier=1.0) == 0


def test_buying_stops_at_the_level_that_no_longer_pays() -> None:
    shares = size_shares(0.6, [(0.5, 10.0), (0.7, 1e9)], bankroll=1000, multiplier=1.0)

    assert shares == 10
