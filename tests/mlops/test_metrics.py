"""Scores, intervals and corrections against brute force and under the null."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.core import metrics


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_scores_are_row_means_of_both_forecasts() -> None:
    y = np.array([1.0, 0.0, 1.0])
    market, model = np.array([0.5, 0.5, 0.5]), np.array([0.9, 0.1, 0.5])

    found = metrics.score(
        y, market=market, model=model, event=np.array([1, 1, 2]), rng=rng(), resamples=200
    )

    assert (found.rows, found.events) == (3, 2)
    assert found.brier_market == pytest.approx(0.25)
    assert found.brier_model == pytest.approx((0.01 + 0.01 + 0.25) / 3)
    assert found.log_loss_model == pytest.approx(-(2 * np.log(0.9) + np.log(0.5)) / 3)
    assert found.skill == pytest.approx(1 - 0.09 / 0.25)


def test_the_price_itself_has_exactly_no_skill() -> None:
    y, p = np.array([1.0, 0.0, 0.0, 1.0]), np.array([0.7, 0.2, 0.0, 0.4])

    found = metrics.score(y, market=p, model=p, event=np.arange(4), rng=rng(), resamples=300)

    assert (found.skill, found.skill_low, found.skill_high) == (0.0, 0.0, 0.0)
    assert found.p_worse == 1.0


def test_nothing_to_score_is_said_as_null() -> None:
    none = np.array([])

    found = metrics.score(none, market=none, model=none, event=none, rng=rng(), resamples=200)

    assert found.as_json()["skill"] is None
    assert found.rows == 0


def test_the_bootstrap_equals_one_over_resampled_rows() -> None:
    sums = rng(3).random((40, 2))

    drawn = metrics.skill_draws(sums, rng=rng(5), resamples=50)

    picked = rng(5).integers(0, 40, size=(50, 40))
    by_hand = [1 - sums[k, 1].sum() / sums[k, 0].sum() for k in picked]
    assert np.allclose(drawn, by_hand)


def test_the_interval_covers_a_true_skill_of_zero_about_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(200):
        draw = rng(seed)
        event = np.repeat(np.arange(150), 4)
        p = draw.uniform(0.2, 0.8, 150)
        y = (draw.random(150) < p).astype(float)
        # Two forecasts equally far from the truth, on either side of it at random, per event.
        error = draw.choice([-0.1, 0.1], 150)
        found = metrics.score(
            y[event],
            market=(p + error)[event],
            model=(p - error)[event],
            event=event,
            rng=draw,
            resamples=300,
        )
        covered += found.skill_low <= 0 <= found.skill_high
    assert 180 <= covered <= 199


def test_rows_of_one_event_widen_the_interval() -> None:
    draw = rng(4)
    y = (draw.random(50) < 0.5).astype(float)
    model = np.clip(0.5 + 0.1 * (draw.random(50) - 0.3), 0, 1)
    rows = np.repeat(np.arange(50), 20)

    def width(event: np.ndarray) -> float:
        found = metrics.score(
            y[rows],
            market=np.full(1000, 0.5),
            model=model[rows],
            event=event,
            rng=rng(),
            resamples=500,
        )
        return found.skill_high - found.skill_low

    assert width(rows) > 3 * width(np.arange(1000))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_equals_the_step_down_rule(values: list[float]) -> None:
    p = np.array(values)
    alpha = 0.05
    rejected = set()
    for step, k in enumerate(np.argsort(p, kind="stable")):
        if p[k] * (len(p) - step) > alpha:
            break
        rejected.add(int(k))

    adjusted = metrics.holm(p)

    assert set(np.flatnonzero(adjusted <= alpha).tolist()) == rejected
    assert (adjusted >= p).all()


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.floats(0, 1)), min_size=1, max_size=60)
)
def test_calibration_bins_hold_every_row_and_their_means(
    rows: list[tuple[float, bool, float]],
) -> None:
    p = np.array([r[0] for r in rows])
    y = np.array([float(r[1]) for r in rows])

    market = np.array([r[2] for r in rows])

    found = metrics.calibration(p, y, market=market)

    assert found.rows.sum() == len(rows)
    assert np.isclose((found.rows * found.forecast).sum(), p.sum())
    assert np.isclose((found.rows * found.frequency).sum(), y.sum())
    assert np.isclose((found.rows * found.market).sum(), market.sum())


def test_a_market_that_was_perfect_on_some_draws_leaves_an_interval_without_a_bound() -> None:
    y = np.array([1.0, 0.0, 1.0])

    found = metrics.score(
        y,
        market=np.array([1.0, 0.0, 0.6]),
        model=np.array([0.9, 0.1, 0.8]),
        event=np.arange(3),
        rng=np.random.default_rng(7),
        resamples=400,
    )

    assert found.skill_low == -np.inf
    assert found.as_json()["skill_low"] is None
    assert np.isfinite(found.skill_high)
