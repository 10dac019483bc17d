"""Negative controls: noise teaches nothing, a leak is caught, knowing nothing is the price."""

from dataclasses import replace

import numpy as np
import pytest

from mlops import labels
from mlops.core import eprocess, gates, learning, oof
from mlops.core.examples import Examples
from mlops.models import LearningSettings
from predictions.core import estimators, roster
from predictions.core.estimators import PriceExpert, Recalibration
from predictions.core.roster import RECALIBRATION, Role, Slice
from predictions.core.schema import COLUMN
from tests.mlops.worlds import world

CONFIG = replace(
    LearningSettings(version=0).as_config(),
    folds=3,
    bootstrap=200,
    min_events=60,
    min_rows=200,
    min_cell_events=100,
    min_markets=60,
    # What is planted is a market that errs by far more than real ones.
    max_skill=0.3,
)
BOOSTER = Role(slug="booster", name="Booster", family="base", algorithm="lightgbm")
FEW = (RECALIBRATION, BOOSTER)


def learned(data: Examples, *, config=CONFIG, seed: int = 7, **knobs) -> learning.Trained:
    knobs = {"roles": FEW, "controlled": False} | knobs
    return learning.learn(data, config=config, cap=0.7, seed=seed, **knobs)


def made(**knobs) -> Examples:
    return labels.examples(world(**knobs), until=None, config=CONFIG)


def test_an_underconfident_market_is_corrected_where_the_evidence_is() -> None:
    data = made(events=1500, slope=2.0)

    found = learned(data)

    assert found.blend.weight > 0.2
    assert found.blend.cells
    assert found.scores["out_of_fold"]["skill_low"] > 0


def test_a_calibrated_market_is_left_alone() -> None:
    found = learned(made(events=800))

    assert abs(found.scores["out_of_fold"]["skill"]) < 0.002


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_permuted_answers_teach_nothing_that_helps(seed: int) -> None:
    data = made(events=600)
    # Answers drawn from the price: whatever a feature knew about them is gone.
    _, number = np.unique(data.event, return_inverse=True)
    first = np.unique(number, return_index=True)[1]
    draw = np.random.default_rng(seed).random(len(first))
    noise = (draw < data.price[first]).astype(float)[number]

    found = learned(replace(data, y=noise), seed=seed)

    assert abs(found.scores["out_of_fold"]["skill"]) < 0.002


def test_an_expert_that_knows_nothing_reproduces_the_market_exactly() -> None:
    found = learned(made(events=300), make=lambda _role: PriceExpert())

    assert found.blend.weight == 0
    assert found.scores["out_of_fold"]["skill"] == 0
    brier = found.scores["out_of_fold"]
    assert brier["brier_model"] == brier["brier_market"]


def test_service_excuses_nothing_that_speaks_against_an_expert() -> None:
    found = learned(made(events=300), make=lambda _role: PriceExpert(), active=[BOOSTER.slug])

    booster = found.experts[BOOSTER.slug]
    assert booster.route == "in service"
    assert any("a constant is no forecast" in reason for reason in booster.reasons)
    assert not booster.admitted


def test_all_trainings_together_spend_no_more_than_the_level() -> None:
    asked = [learning.threshold(CONFIG, trials=7, earlier=k) for k in range(2000)]

    # By Ville's inequality each is passed by chance with at most one over its threshold.
    assert sum(7 / each for each in asked) <= 1 / CONFIG.evidence_to_promote
    assert learned(made(events=300), earlier=3).experts[BOOSTER.slug].threshold == 20 * 2 * 4 * 5


@pytest.mark.parametrize("horizon", roster.HORIZONS)
def test_evidence_of_every_horizon_has_forecasts_that_count(horizon: str) -> None:
    ahead = roster.HORIZON_S.get(horizon, 3600.0)
    asked = np.arange(0.0, 30 * 86_400.0, 300.0)

    fresh = eprocess.counted(asked, asked + ahead, width_s=learning.cohort_s(horizon, CONFIG))

    assert fresh.mean() > 0.4


def test_a_feature_that_knows_the_answer_blocks_the_model() -> None:
    with pytest.raises(learning.SuspectedLeak, match="audit"):
        learned(made(events=900, leak=True))


def test_one_seed_and_one_set_of_examples_give_the_same_bytes_whatever_the_workers() -> None:
    data = made(events=400, slope=1.5)

    first = learned(data, seed=3, workers=1)
    again = learned(data, seed=3, workers=2)

    assert first.blend.to_bytes() == again.blend.to_bytes()
    for name, member in first.members.items():
        assert member.to_bytes() == again.members[name].to_bytes()
    assert first.scores == again.scores


def test_too_few_events_are_refused_with_the_number_needed() -> None:
    with pytest.raises(learning.Refused, match="at least 60"):
        learning.check(made(events=50, hours=12), horizon="outcome", config=CONFIG)


def test_one_class_is_refused() -> None:
    data = made(events=100)

    with pytest.raises(learning.Refused, match="one class"):
        learning.check(replace(data, y=np.ones(data.rows)), horizon="outcome", config=CONFIG)


def test_numbers_that_are_none_stop_the_training_visibly() -> None:
    data = made(events=100)
    price = data.price.copy()
    price[3] = np.nan

    with pytest.raises(gates.NotFinite, match="1 examples have a price"):
        learning.check(replace(data, price=price), horizon="outcome", config=CONFIG)


class Broken(PriceExpert):
    def correction(self, x, logit, cell):
        return np.full(len(logit), np.inf)


def test_an_expert_that_answers_infinity_stops_the_training_visibly() -> None:
    with pytest.raises(gates.NotFinite, match="not finite"):
        learned(made(events=300), make=lambda _role: Broken())


def test_too_few_folds_are_called_insufficient() -> None:
    found = learned(made(events=300), config=replace(CONFIG, folds=20, min_events=200))

    assert found.scores["insufficient"]


def test_every_event_of_a_part_counts_once() -> None:
    data = made(events=20)

    part = data.take(np.arange(1, data.rows))

    _, number = np.unique(part.event, return_inverse=True)
    assert np.allclose(np.bincount(number, part.weight), 1.0)


def test_the_weights_of_the_examples_decide_what_is_fitted() -> None:
    data = made(events=300, slope=2.0)
    leaning = replace(data, weight=np.where(data.y > 0.5, 1.0, 0.01))
    price = np.linspace(-2, 2, 5)
    x, cell = np.zeros((5, data.x.shape[1])), np.full(5, data.cell[0])

    plain, moved = (
        oof.fit(Recalibration(), each, seed=7).correction(x, price, cell)
        for each in (data, leaning)
    )

    assert (moved > plain).all()


@pytest.mark.parametrize(
    ("bound", "message"),
    [
        ({"min_rows": 10_000}, "labelled decisions, at least 10000"),
        ({"min_events": 500}, "resolved events, at least 500"),
        ({"min_markets": 500}, "resolved markets, at least 500"),
    ],
)
def test_gate_blocks_below_minimum_each_dimension(bound, message) -> None:
    with pytest.raises(learning.Refused, match=message):
        learned(made(events=100), config=replace(CONFIG, **bound))


@pytest.mark.parametrize("horizon", ["outcome", "12h"])
def test_218_samples_rejected(horizon: str) -> None:
    data = made(events=200).take(np.arange(218))
    config = LearningSettings(version=0).as_config()

    with pytest.raises(learning.Refused, match="218 labelled decisions, at least 1000"):
        learning.learn(data, config=config, cap=0.7, seed=7, horizon=horizon)


def test_an_expert_with_too_few_rows_in_its_slice_stays_untrained_and_says_what_it_needs() -> None:
    data = made(events=300)
    rare = Role(
        slug="rare",
        name="",
        family="base",
        algorithm="lightgbm",
        slice=Slice(column="mid", low=0.95),
    )

    found = learned(data, roles=(RECALIBRATION, rare))

    assert set(found.members) == {"recalibration"}
    assert found.untrained["rare"]["need"] == CONFIG.min_expert_rows
    assert 0 < found.untrained["rare"]["rows"] < CONFIG.min_expert_rows
    assert not found.card["experts"]["rare"]["trained"]


class Seen(PriceExpert):
    """Remembers what it was fitted on and says one."""

    rows: list[np.ndarray] = []  # noqa: RUF012 - emptied by the test that reads it

    def fit(self, x, logit, y, *, cell, weight, seed, event=None):
        Seen.rows.append(x)
        return self

    def correction(self, x, logit, cell):
        return np.ones(len(logit))


def test_an_expert_learns_from_its_slice_alone_and_is_silent_outside() -> None:
    data = made(events=300)
    half = Role(
        slug="half",
        name="",
        family="base",
        algorithm="lightgbm",
        slice=Slice(column="mid", low=0.5),
    )
    Seen.rows.clear()
    plan = plan_of(make=lambda _role: Seen())
    cover = half.slice.covers(data.x, data.cell)[:, None]

    found = oof.heard(data, (half,), cover, folds=oof.windows(data, plan), plan=plan)

    said = np.isfinite(found.corrections[:, 0])
    assert np.array_equal(said, data.take(found.rows).price >= 0.5)
    assert all((x[:, COLUMN["mid"]] >= 0.5).all() for x in Seen.rows)
    assert Seen.rows


def plan_of(**knobs) -> oof.Plan:
    return oof.Plan(
        **{
            "folds": 3,
            "embargo_days": 0,
            "min_events": 60,
            "min_rows": 50,
            "max_rows": 10_000,
            "seed": 7,
            "make": lambda role: estimators.make(role.algorithm),
        }
        | knobs
    )


def test_more_rows_than_a_fit_may_have_are_drawn_by_whole_events() -> None:
    data = made(events=100)

    rows = oof.drawn(data.event, np.arange(data.rows), limit=150, seed=3)

    assert 140 <= len(rows) <= 150
    assert not set(data.event[rows]) & set(np.delete(data.event, rows))
    assert np.array_equal(rows, oof.drawn(data.event, np.arange(data.rows), limit=150, seed=3))


def test_nobody_who_was_not_admitted_gets_weight_and_the_forecast_is_the_price() -> None:
    found = learned(made(events=500))

    assert not any(each.admitted for each in found.experts.values())
    assert found.blend.experts == ("recalibration", "booster")
    assert found.blend.weight == 0
    assert np.array_equal(found.model, found.tested.price)
    assert all(each.reasons for each in found.experts.values())


def test_trial_count_enters_significance() -> None:
    data = made(events=500, slope=1.35)

    few = learned(data, roles=(RECALIBRATION,)).experts["recalibration"]
    copies = [replace(RECALIBRATION, slug=f"again-{k}") for k in range(9)]
    many = learned(data, roles=(RECALIBRATION, *copies))

    assert many.trials >= 10
    one = many.experts["recalibration"]
    assert one.threshold == pytest.approx(10 * few.threshold)
    # The primary hypothesis has half of the level and hands it on; the nine others share it.
    assert one.p_value == pytest.approx(min(1.0, 2 * few.p_value))
    assert many.experts["again-0"].p_value == pytest.approx(min(1.0, 9 * few.p_value))


def test_who_is_in_service_keeps_its_place_without_new_evidence() -> None:
    found = learned(made(events=400), active=("recalibration",))

    assert found.experts["recalibration"].admitted
    assert not found.experts["booster"].admitted


def test_single_class_split_fails_training() -> None:
    data = made(events=300)
    begins = np.quantile(data.as_of, 0.2)

    with pytest.raises(learning.Refused, match="every answer of the hold-out is 1"):
        learned(replace(data, y=np.where(data.as_of > begins, 1.0, data.y)))


def test_the_card_says_what_was_learned_and_how_it_did() -> None:
    found = learned(made(events=900, slope=2.0), controlled=True)

    card = found.card
    assert card["span"]["events"] == 900
    assert card["scores"]["domains"]["sports"]["skill"] > 0
    assert sum(tenth["rows"] for tenth in card["calibration"]) == found.tested.rows
    assert card["experts"]["recalibration"]["importance"] == [["logit", 1.0]]
    assert card["experts"]["recalibration"]["admitted"]
    assert {rung["name"] for rung in card["rungs"]} >= {"recalibrated"}
    assert card["libraries"]["lightgbm"]
    assert all(control["passed"] for control in card["controls"])
