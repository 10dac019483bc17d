"""Forecasts of one event agree with each other as far as corrections made them disagree."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictions.core.coherence import Groups, cohere, pool
from predictions.core.logits import corrected, logit

probabilities = st.lists(st.floats(0.01, 0.99), min_size=2, max_size=12)


def together(price, correction, *, exclusive=True, movable=None, event=None):
    price = np.array(price, dtype=float)
    n = len(price)
    groups = Groups(
        event=np.zeros(n, dtype=np.int64) if event is None else np.array(event),
        exclusive=np.full(n, exclusive),
    )
    return cohere(
        price,
        corrected(price, np.array(correction, dtype=float)),
        groups,
        movable=np.ones(n, dtype=bool) if movable is None else np.array(movable),
    )


def test_corrections_move_probability_between_exclusive_outcomes_and_create_none():
    made, cents = together([0.5, 0.3, 0.22], [0.4, 0.0, 0.1])

    assert made.sum() == pytest.approx(1.02, abs=1e-9)
    assert made[0] > 0.5
    assert made[1] < 0.3
    assert np.all(cents == cents[0])
    moved = corrected(np.array([0.5, 0.3, 0.22]), np.array([0.4, 0.0, 0.1]))
    assert cents[0] == pytest.approx(100 * (moved.sum() - 1.02))


def test_the_projection_is_one_shift_of_all_log_odds():
    price, correction = np.array([0.5, 0.3, 0.2]), np.array([0.4, -0.2, 0.1])

    made, _ = together(price, correction)

    shift = logit(made) - logit(corrected(price, correction))
    assert shift == pytest.approx(np.full(3, shift[0]), abs=1e-9)


@given(probabilities)
def test_what_nobody_corrected_stays_bit_by_bit(price):
    price = np.array(price) / max(sum(price), 1.0)

    made, cents = together(price, np.zeros(len(price)))

    assert np.array_equal(made, price)
    assert not cents.any()


@pytest.mark.parametrize(
    "changes",
    [
        {"exclusive": False},
        {"movable": [True, False, True]},
        {"price": [0.1, 0.1, 0.1]},
        {"price": [0.5, 0.3, np.nan]},
        {"event": [0, 1, 2]},
    ],
    ids=["not exclusive", "a cell without evidence", "not exhaustive", "no price", "alone"],
)
def test_groups_that_are_not_known_to_be_whole_are_left_alone(changes):
    price = changes.pop("price", [0.5, 0.3, 0.2])
    made, cents = together(price, [0.4, 0.0, 0.1], **changes)

    expected = corrected(np.array(price), np.array([0.4, 0.0, 0.1]))
    assert np.array_equal(made, expected, equal_nan=True)
    assert not cents.any()


def test_events_do_not_touch_each_other():
    price, correction = [0.6, 0.4, 0.7, 0.3], [0.3, 0.0, 0.0, 0.0]

    made, _ = together(price, correction, event=[7, 7, 3, 3])

    assert made[:2].sum() == pytest.approx(1.0)
    assert made[2:].tolist() == [0.7, 0.3]


def test_pooling_is_the_closest_order_in_squares():
    from sklearn.isotonic import IsotonicRegression

    rng = np.random.default_rng(4)
    for _ in range(30):
        values, weight = rng.random(25), rng.uniform(0.1, 3, 25)
        oracle = IsotonicRegression().fit_transform(np.arange(25), values, sample_weight=weight)

        assert pool(values, weight) == pytest.approx(oracle)
