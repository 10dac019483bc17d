"""Capital goes to those whose answered decisions beat the price; nobody is starved for ever."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictions.core import online
from trading.core import allocation
from trading.core.allocation import Answer

GOOD, BAD = ("default", "1-7d"), ("default", "epoch")


def answer(arm, event, *, probability, payout=1.0):
    return Answer(arm=arm, event=event, price=0.5, probability=probability, payout=payout)


def told(arm, *, probability, times=30):
    return [answer(arm, event, probability=probability) for event in range(times)]


@pytest.mark.parametrize("method", online.METHODS)
def test_an_arm_that_loses_to_the_price_loses_its_capital(method):
    found = allocation.trust(
        told(GOOD, probability=0.9) + told(BAD, probability=0.1), method=method, share=0.01
    )

    assert found[GOOD] == 1.0
    assert found[BAD] < 0.2


def test_an_arm_without_an_answer_may_use_all():
    found = allocation.budgets([GOOD, BAD], {BAD: 0.4}, capital=Decimal(2000), floor=0.1)

    assert found == {GOOD: Decimal(2000), BAD: Decimal(800)}


def test_no_arm_falls_below_the_floor():
    found = allocation.budgets([BAD], {BAD: 0.0}, capital=Decimal(2000), floor=0.1)

    assert found[BAD] == Decimal(200)


def test_the_markets_of_one_event_are_one_update():
    alone = allocation.trust([answer(BAD, 1, probability=0.2)], method=online.HEDGE, share=0.0)
    thrice = allocation.trust([answer(BAD, 1, probability=0.2)] * 3, method=online.HEDGE, share=0.0)

    assert alone == thrice


@given(st.lists(st.floats(0, 1), max_size=40))
@settings(max_examples=50)
def test_trust_stays_within_its_bounds(said):
    rows = [answer(GOOD, event, probability=p) for event, p in enumerate(said)]

    found = allocation.trust(rows, method=online.SHARE, share=0.05)

    assert all(0 <= value <= 1 for value in found.values())


def test_sampling_ranks_the_unsure_first_now_and_then_and_is_the_same_when_replayed():
    probability, sigma, cost = np.array([0.60, 0.60]), np.array([0.01, 0.15]), np.full(2, 0.5)
    firsts = [
        int(
            allocation.sampled_growth(
                probability, sigma, cost, draw=allocation.uniform([f"{i}:a", f"{i}:b"])
            ).argmax()
        )
        for i in range(200)
    ]

    assert 40 < sum(firsts) < 160
    np.testing.assert_array_equal(allocation.uniform(["a", "b"]), allocation.uniform(["a", "b"]))


def test_the_middle_draw_is_the_expected_growth():
    probability, cost = np.array([0.6, 0.7]), np.full(2, 0.5)

    sampled = allocation.sampled_growth(probability, np.full(2, 0.1), cost, draw=np.full(2, 0.5))

    np.testing.assert_allclose(sampled, allocation.growth(probability, cost))
