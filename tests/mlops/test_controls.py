"""Negative controls and gates: what must teach nothing, be caught, or be refused."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr

from mlops import labels
from mlops.core import cohorts, controls, gates, learning, oof
from mlops.core.controls import Control
from mlops.core.examples import Examples
from mlops.core.splits import DAY_S
from mlops.models import LearningSettings
from predictions.core import estimators
from predictions.core.roster import RECALIBRATION
from predictions.core.schema import NAMES
from tests.mlops.worlds import world

CONFIG = replace(
    LearningSettings(version=0).as_config(),
    folds=3,
    bootstrap=200,
    min_events=60,
    min_rows=200,
    min_markets=60,
    min_cell_events=100,
)
PLAN = oof.Plan(
    folds=3,
    embargo_days=0,
    min_events=60,
    min_rows=50,
    max_rows=10_000,
    seed=7,
    make=lambda role: estimators.make(role.algorithm),
)


def made(**knobs) -> Examples:
    return labels.examples(world(**knobs), until=None, config=CONFIG)


def ran(data: Examples) -> dict[str, Control]:
    found = controls.run(data, NAMES, horizon="outcome", config=CONFIG, plan=PLAN)
    return {each.name: each for each in found}


def test_honest_examples_pass_every_control() -> None:
    found = ran(made(events=700, slope=1.5))

    assert all(each.passed for each in found.values()), found


def test_exchanged_answers_keep_the_mean_of_their_week_and_nothing_else() -> None:
    data = made(events=600)

    noise = controls.permuted(data, seed=1)

    assert noise is not None
    _, first = np.unique(noise.event, return_index=True)
    price, y = noise.price[first], noise.y[first]
    for each in np.unique(price):
        assert y[price == each].mean() == pytest.approx(each)
    assert not np.array_equal(noise.y, data.y[: len(noise.y)])


def test_features_that_are_late_by_an_hour_are_those_of_the_decision_before() -> None:
    data = made(events=3)

    now, then = controls.hour_ago(data)

    assert np.array_equal(data.market[now], data.market[then])
    assert (data.as_of[now] - data.as_of[then] >= controls.HOUR_S).all()
    assert len(now) == data.rows - data.markets


def test_features_that_do_better_late_than_in_time_fail_the_control() -> None:
    data = made(events=700)
    now, then = controls.hour_ago(data)
    x = data.x.copy()
    # The vector of each decision tells the answer of the market's next one: a clock that is off.
    x[:, 0] = 0.0
    x[then, 0] = data.y[now] - 0.5

    found = ran(replace(data, x=x))["features of an hour ago do not improve"]

    assert found.passed is False


@pytest.mark.parametrize(
    ("fresh", "late", "low", "passed"),
    [
        (-0.00116, 0.0, 0.0, True),  # noise against silence
        (0.002, 0.004, -0.001, True),
        (0.002, 0.004, 0.003, False),
        (-0.001, 0.004, 0.001, False),
    ],
)
def test_older_features_must_beat_newer_ones_and_silence_to_fail_the_control(
    monkeypatch, fresh: float, late: float, low: float, passed: bool
) -> None:
    nothing = {"rows": 450, "events": 450, "direction": 0.5, "direction_low": 0.5}
    found = iter(
        [
            gates.HoldOut(skill=fresh, skill_low=fresh - 0.003, **nothing),
            gates.HoldOut(skill=late, skill_low=low, **nothing),
        ]
    )
    monkeypatch.setattr(controls, "_tested", lambda *_a, **_k: next(found))

    assert controls._late(made(events=20), config=CONFIG, plan=None).passed is passed


def test_denylist_columns_rejected() -> None:
    found = controls.denied([*NAMES, "payout_0", "final_price", "price_change_next"])

    assert found == ["payout_0", "final_price", "price_change_next"]


def test_a_control_that_fails_refuses_the_training(monkeypatch) -> None:
    monkeypatch.setattr(learning, "NAMES", (*NAMES, "winner"))

    with pytest.raises(learning.Refused, match="no feature is a label"):
        learning.learn(made(events=300), config=CONFIG, cap=0.7, seed=7, roles=(RECALIBRATION,))


def returns(*, rows: int = 1000, seed: int = 3) -> tuple[Examples, np.ndarray]:
    """One row an event, with the price later; and the move on the logit scale."""
    data = made(events=rows // 4)
    data = replace(data, event=np.arange(data.rows), weight=np.ones(data.rows))
    rng = np.random.default_rng(seed)
    shift = rng.normal(0, 0.3, data.rows)
    later = 1 / (1 + np.exp(-(np.log(data.price / (1 - data.price)) + shift)))
    return replace(data, y=later), shift


def test_a_return_model_must_explain_and_name_the_direction() -> None:
    data, shift = returns()
    noise = np.random.default_rng(5).normal(0, 0.3, data.rows)

    good = gates.judge(data, 0.1 * shift + 0.1 * noise, horizon="1h", config=CONFIG)
    bad = gates.judge(data, noise, horizon="1h", config=CONFIG)

    assert not good.reasons
    assert good.skill > 0.03
    assert any("R²" in reason for reason in bad.reasons)
    assert any("directions" in reason for reason in bad.reasons)


def test_constant_sign_model_fails_gate() -> None:
    # A model that was seen in service: every prediction between 0.0608 and 0.0743, always up.
    data, _ = returns()
    up = np.random.default_rng(1).uniform(0.0608, 0.0743, data.rows)

    assert any("always says up" in r for r in _reasons(data, up))
    assert any("always says down" in r for r in _reasons(data, -up))
    assert any("constant" in r for r in _reasons(data, np.full(data.rows, 0.0608)))


def _reasons(data: Examples, move: np.ndarray) -> tuple[str, ...]:
    return gates.judge(data, move, horizon="12h", config=CONFIG).reasons


@pytest.mark.parametrize("share", [1.0, 0.25])
def test_too_good_metrics_block_promotion(share: float) -> None:
    data, shift = returns()
    outcome = made(events=300)
    knows = np.where(outcome.y > 0.5, 3.0, -3.0)

    for examples, move, horizon in ((data, share * shift, "1h"), (outcome, knows, "outcome")):
        found = gates.judge(examples, move, horizon=horizon, config=CONFIG)
        with pytest.raises(learning.SuspectedLeak, match="audit"):
            gates.refuse_a_leak("ahead", found, horizon=horizon, config=CONFIG)


def test_luck_on_a_handful_of_events_is_no_leak() -> None:
    data = made(events=300)
    few = data.take(np.flatnonzero(data.event < 4))
    move = np.random.default_rng(8).normal(0, 1, few.rows)
    lucky = replace(gates.judge(few, move, horizon="outcome", config=CONFIG), skill=0.2)

    gates.refuse_a_leak("lucky", replace(lucky, skill_low=-0.1), horizon="outcome", config=CONFIG)
    with pytest.raises(learning.SuspectedLeak):
        gates.refuse_a_leak("sure", replace(lucky, skill_low=0.1), horizon="outcome", config=CONFIG)


def test_a_suspect_blocks_itself_and_over_all_rows_the_training() -> None:
    data = made(events=300)
    knows = np.where(data.y > 0.5, 3.0, -3.0)
    few = np.where(data.event % 10 == 0, knows, np.nan)
    strict = replace(CONFIG, max_skill=0.3)

    slice_alone = gates.judge(data, few, horizon="outcome", config=strict)
    everywhere = gates.overall(data, few, horizon="outcome", config=strict)
    all_rows = gates.overall(data, knows, horizon="outcome", config=strict)

    assert "audit" in gates.suspicion(slice_alone, horizon="outcome", config=strict)
    assert not gates.suspicion(everywhere, horizon="outcome", config=strict)
    assert "audit" in gates.suspicion(all_rows, horizon="outcome", config=strict)


def test_a_slice_that_follows_the_price_is_judged_by_all_rows_of_its_events() -> None:
    """A fair market leaves the middle on the way to its answer: whoever bets on that gains nothing.

    A mean over the rows in the middle alone would say that favourites win too often.
    """
    rng = np.random.default_rng(5)
    events, each = 3000, 12
    steps = rng.normal(0, 1, (events, each + 1)).cumsum(axis=1)
    left = np.sqrt(np.arange(each, 0, -1))
    price = np.clip(ndtr(steps[:, :-1] / left), 0.002, 0.998).ravel()
    some = made(events=events)
    rows = np.arange(events * each) % some.rows
    data = replace(
        some.take(rows),
        price=price,
        y=np.repeat(steps[:, -1] > 0, each).astype(float),
        event=np.repeat(np.arange(events), each),
    )
    middle = (price > 0.15) & (price < 0.85)
    bold = np.where(middle, 0.5 * np.log(price / (1 - price)), np.nan)

    alone = data.take(middle)
    gain = np.log(price / (1 - price))[middle] * (alone.y - alone.price) * alone.weight

    assert gain.sum() > 4 * np.sqrt(np.sum(np.bincount(alone.event, gain) ** 2))
    assert cohorts.p_value(data, bold, cap=0.7, cohort_s=DAY_S) > 0.05
    assert gates.judge(data, bold, horizon="outcome", config=CONFIG).skill < 0
