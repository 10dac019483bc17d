"""Forecast and cohort: when they must agree, and what each way of not agreeing is called."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trading.candidates import trading_config
from tests.trading.test_edge import forecasts, tops
from trading.core.consensus import Views, flipped, lean
from trading.core.edge import signals
from trading.core.profiles import CONSENSUS, DEFAULT, HORIZONS, PROFILES, SELECTIVE, horizon_of
from trading.core.reasons import Reason

AGREEING = trading_config(profile=CONSENSUS)


def reason(mood, *, probability=0.7, asked=True, source="EXPERTS", **knobs):
    config = trading_config(require_consensus="1-7d", **knobs)
    views = Views(mood=np.array([mood]), asked=np.array([asked]))
    return str(signals(forecasts(probability, source=source), tops(), config, views).reason[0])


@pytest.mark.parametrize(
    ("mood", "expected"),
    [
        (0.05, Reason.PASSED),
        (0.0499, Reason.MOOD_NEUTRAL),
        (-0.0499, Reason.MOOD_NEUTRAL),
        (-0.05, Reason.NO_CONSENSUS),
        (np.nan, Reason.NO_MOOD),
    ],
)
def test_forecast_and_cohort_have_to_lean_the_same_way(mood, expected):
    assert reason(mood) == expected


@given(mood=st.floats(0.06, 1.0), probability=st.floats(0.65, 0.95))
@settings(max_examples=50)
def test_down_needs_exactly_what_up_needs(mood, probability):
    assert reason(mood, probability=probability) == reason(-mood, probability=1 - probability)
    assert reason(-mood, probability=probability) == reason(mood, probability=1 - probability)


def test_a_horizon_that_does_not_ask_does_not_wait_for_anybody():
    assert reason(np.nan, asked=False) == Reason.PASSED
    assert reason(-1.0, asked=False) == Reason.PASSED


def test_where_nobody_was_asked_a_consensus_profile_trades_nothing():
    assert signals(forecasts(0.7), tops(), AGREEING).reason[0] == Reason.NO_MOOD
    assert signals(forecasts(0.7), tops(), trading_config()).reason[0] == Reason.PASSED


@pytest.mark.parametrize("mood", [0.0, np.nan])
def test_a_neutral_cohort_consents_where_the_settings_say_so(mood):
    assert reason(mood, allow_model_only_when_mood_neutral=True) == Reason.PASSED
    assert reason(-0.5, allow_model_only_when_mood_neutral=True) == Reason.NO_CONSENSUS


def test_a_flipped_mood_counts_the_other_way_round():
    assert reason(-0.5, flip_mood=True) == Reason.PASSED
    assert reason(0.5, flip_mood=True) == Reason.NO_CONSENSUS


@pytest.mark.parametrize(
    ("source", "knob"),
    [("EXPERTS", "flip_model_bma"), ("ENSEMBLE", "flip_model_bma"), ("RECALIBRATED", "flip_model")],
)
def test_a_mirrored_forecast_buys_the_other_side(source, knob):
    found = signals(forecasts(0.7, source=source), tops(), trading_config(**{knob: True}))

    assert found.outcome_index[0] == 1
    assert found.probability[0] == pytest.approx(0.7)


def test_each_mirror_turns_its_own_kind_of_forecast_only():
    mixed = forecasts(0.7, source="EXPERTS")

    assert flipped(mixed, trading_config(flip_model=True)) is mixed


def test_a_forecast_that_hardly_leans_is_neutral():
    assert reason(0.5, probability=0.59, m_min=0.2) == Reason.MODEL_NEUTRAL
    assert lean(np.array([0.56]), np.array([0.5]))[0] == pytest.approx(0.12)


def test_consensus_asks_for_more_confidence_and_alpha_than_the_other_gates():
    assert AGREEING.conf_min == 0.60
    assert reason(0.5, min_confidence=0.5) == Reason.PASSED
    strict = trading_config(profile=DEFAULT, require_consensus="1-6h", alpha_min=0.19)
    views = Views(mood=np.array([0.5]), asked=np.array([True]))
    assert signals(forecasts(0.7), tops(), strict, views).reason[0] == Reason.NO_NET_EDGE


def test_consensus_is_off_by_default_and_named_profiles_fix_their_thresholds():
    plain = trading_config()

    assert plain.require_consensus == ""
    assert plain.min_strength == ""
    assert trading_config(profile=SELECTIVE).min_strength == "MEDIUM"
    assert set(AGREEING.require_consensus.split()) == set(HORIZONS)
    assert (AGREEING.s_min, AGREEING.m_min) == (0.05, 0.12)
    assert (AGREEING.conf_min, AGREEING.alpha_min) == (0.60, 0.02)
    assert all(AGREEING.asks_consent(name) for name in HORIZONS)
    assert all(set(fixed) <= set(vars_of(plain)) for fixed in PROFILES.values())


def vars_of(config):
    return type(config).__dataclass_fields__


@pytest.mark.parametrize(
    ("left_s", "name"),
    [(0, "<1h"), (3599, "<1h"), (3600, "1-6h"), (86_400, "1-7d"), (7 * 86_400, ">7d")],
)
def test_horizons_are_told_apart_by_the_time_left(left_s, name):
    assert horizon_of(left_s, is_epoch=False) == name
    assert horizon_of(left_s, is_epoch=True) == "epoch"
