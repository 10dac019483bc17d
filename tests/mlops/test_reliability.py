"""Calibration: slopes against a known distortion, errors against their null, Brier taken apart."""

import numpy as np
import pytest

from mlops.core import reliability
from mlops.core.reliability import BINS
from predictions.core.logits import sigmoid

EVENTS, EACH = 2000, 3


def sample(slope: float, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Forecasts whose true log odds are `slope` × their own; the rows of an event answer alike."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(0, 1.2, EVENTS)
    y = (rng.random(EVENTS) < sigmoid(slope * odds)).astype(float)
    event = np.repeat(np.arange(EVENTS), EACH)
    return sigmoid(odds)[event], y[event], event


def measured(slope: float, seed: int = 1) -> reliability.Reliability:
    p, y, event = sample(slope, seed)
    rng = np.random.default_rng(9)
    return reliability.measure(p, y, event=event, rng=rng, resamples=300)


def test_the_slope_of_a_distorted_forecast_is_found_and_one_is_excluded() -> None:
    found = measured(1.5).line

    assert found is not None
    assert found.slope_low < 1.5 < found.slope_high
    assert found.slope_low > 1
    assert abs(found.intercept) < 0.15


def test_the_interval_of_the_slope_covers_one_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(60):
        p, y, event = sample(1.0, seed)
        found = reliability.line(p, y, number=event, weight=np.full(len(p), 1 / EACH))
        covered += found is not None and found.slope_low <= 1 <= found.slope_high
    assert 52 <= covered <= 60


def test_repeated_rows_of_an_event_do_not_narrow_the_interval() -> None:
    p, y, event = sample(1.0)
    once = reliability.line(
        p[::EACH], y[::EACH], number=event[::EACH], weight=np.ones(len(p[::EACH]))
    )
    thrice = reliability.line(p, y, number=event, weight=np.full(len(p), 1 / EACH))

    assert once is not None
    assert thrice is not None
    assert thrice.slope_high - thrice.slope_low == pytest.approx(once.slope_high - once.slope_low)


def test_the_calibration_error_exceeds_its_null_only_where_something_is_wrong() -> None:
    wrong, right = measured(2.0), measured(1.0)

    assert wrong.error > wrong.error_null
    assert right.error < right.error_null


def test_brier_is_reliability_less_resolution_plus_uncertainty_within_bins() -> None:
    rng = np.random.default_rng(3)
    p = rng.choice(np.arange(1, BINS) / BINS, 2000)
    y = (rng.random(2000) < p).astype(float)

    found = reliability.measure(p, y, event=np.arange(2000), rng=rng, resamples=200)

    taken_apart = found.reliability - found.resolution + found.uncertainty
    assert taken_apart == pytest.approx(np.mean((p - y) ** 2), abs=2e-3)


def test_forecasts_that_do_not_vary_have_no_slope() -> None:
    y = np.tile([0.0, 1.0], 50)

    found = reliability.measure(
        np.full(100, 0.5), y, event=np.arange(100), rng=np.random.default_rng(1), resamples=200
    )

    assert found.line is None
    assert found.as_json()["slope"] is None
