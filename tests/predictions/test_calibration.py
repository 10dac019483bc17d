"""Calibrators move forecasts as far as answers prove; the interval narrows with them."""

import numpy as np
import pytest

from predictions.core.calibration import Calibrator, Widths, reliability, venn_abers
from predictions.core.logits import corrected, logit, sigmoid


def forecasts(n, *, seed=1, slope=1.0, shift=0.0):
    """Forecasts whose truth is a line of their log odds."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(0, 1.5, n)
    y = (rng.random(n) < sigmoid(shift + slope * odds)).astype(float)
    return sigmoid(odds), y, np.arange(n)


def mapped(calibrator, p):
    return corrected(p, calibrator.move(p))


@pytest.mark.parametrize("kind", Calibrator.kinds)
def test_a_calibrator_finds_the_line_that_forecasts_are_off_by(kind):
    p, y, event = forecasts(8000, slope=0.6, shift=0.3)

    found = Calibrator.fit(kind, p, y, event=event)

    at = np.array([0.1, 0.3, 0.5, 0.8])
    assert mapped(found, at) == pytest.approx(sigmoid(0.3 + 0.6 * logit(at)), abs=0.03)


@pytest.mark.parametrize("kind", Calibrator.kinds)
def test_calibrated_forecasts_are_left_as_they_are(kind):
    untouched = 0
    for seed in range(20):
        p, y, event = forecasts(1000, seed=seed)
        untouched += not Calibrator.fit(kind, p, y, event=event).move(p).any()

    assert untouched >= 18


def test_few_events_are_shrunk_to_the_identity_more_than_many():
    few, many = (
        Calibrator.fit("platt", p, y, event=event)
        for p, y, event in (forecasts(n, slope=0.5) for n in (150, 10_000))
    )

    assert many.rising == pytest.approx(0.5, abs=0.05)
    assert many.rising < few.rising <= 1.0


def test_a_hundred_copies_of_an_event_are_one_event_to_a_calibrator():
    p, y, event = forecasts(300, slope=0.3)
    copies = np.repeat(event, 100)

    once = Calibrator.fit("beta", p, y, event=event)
    often = Calibrator.fit("beta", p[copies], y[copies], event=copies)

    assert (often.shift, often.rising, often.falling) == pytest.approx(
        (once.shift, once.rising, once.falling), abs=1e-6
    )


def test_an_unknown_calibrator_is_refused():
    with pytest.raises(ValueError, match="use one of platt, beta"):
        Calibrator.fit("isotonic", np.array([0.5]), np.array([1.0]), event=np.array([0]))


def test_venn_abers_is_the_isotonic_fit_with_either_answer_added():
    from sklearn.isotonic import IsotonicRegression

    p, y, _ = forecasts(200, seed=3)
    low, high = venn_abers(p, y, at := np.array(sorted(p)[20:180:40]))

    for i, score in enumerate(at):
        for answer, ours in ((0.0, low[i]), (1.0, high[i])):
            with_it = IsotonicRegression().fit(np.append(p, score), np.append(y, answer))
            assert ours == pytest.approx(with_it.predict([score])[0], abs=0.02)
    assert np.all(low < high)


def test_the_interval_narrows_with_events_and_is_everything_without_any():
    few, many = (Widths.fit(*forecasts(n)[:2], event=np.arange(n)) for n in (60, 6000))
    nothing = Widths.fit(np.empty(0), np.empty(0), event=np.empty(0, dtype=np.int64))

    at = np.array([0.2, 0.5, 0.8])
    assert np.all(many.of(at) < few.of(at))
    assert nothing.of(at).tolist() == [1.0, 1.0, 1.0]


def test_the_reliability_table_says_how_overconfident_an_expert_is():
    p, y, event = forecasts(20_000, slope=0.4)

    table = reliability(p, y, event=event)

    boldest = table[-1]
    assert (boldest.low, boldest.high) == (0.9, 1.0)
    assert boldest.gap < -5 * boldest.error < 0
    assert sum(line.rows for line in table) == 20_000
    assert boldest.as_json()["gap"] == boldest.gap


def test_copies_of_an_event_make_a_reliability_table_no_surer():
    p, y, event = forecasts(400)
    copies = np.repeat(event, 30)

    once, often = reliability(p, y, event=event), reliability(p[copies], y[copies], event=copies)

    for a, b in zip(once, often, strict=True):
        assert (b.gap, b.error, b.events) == pytest.approx((a.gap, a.error, a.events))
