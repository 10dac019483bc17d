"""Negative controls: noise teaches nothing, a leak is caught, knowing nothing is the price."""

from dataclasses import replace

import numpy as np
import pytest

from mlops import labels
from mlops.core import learning, oof
from mlops.core.examples import Examples
from mlops.models import LearningSettings
from predictions.core.estimators import PriceExpert
from tests.mlops.worlds import world

CONFIG = replace(
    LearningSettings(version=0).as_config(),
    folds=3,
    bootstrap=200,
    min_events=60,
    min_rows=200,
    min_cell_events=100,
)


def made(**knobs) -> Examples:
    return labels.examples(world(**knobs), until=None, config=CONFIG)


def test_an_underconfident_market_is_corrected_where_the_evidence_is() -> None:
    data = made(events=1500, slope=2.0)

    found = learning.learn(data, config=CONFIG, cap=0.7, seed=7)

    assert found.blend.weight > 0.2
    assert found.blend.cells
    assert found.scores["out_of_fold"]["skill_low"] > 0


def test_a_calibrated_market_is_left_alone() -> None:
    found = learning.learn(made(events=800), config=CONFIG, cap=0.7, seed=7)

    assert abs(found.scores["out_of_fold"]["skill"]) < 0.002


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_permuted_answers_teach_nothing_that_helps(seed: int) -> None:
    data = made(events=600)
    # Answers drawn from the price: whatever a feature knew about them is gone.
    _, number = np.unique(data.event, return_inverse=True)
    first = np.unique(number, return_index=True)[1]
    draw = np.random.default_rng(seed).random(len(first))
    noise = (draw < data.price[first]).astype(float)[number]

    found = learning.learn(replace(data, y=noise), config=CONFIG, cap=0.7, seed=seed)

    assert abs(found.scores["out_of_fold"]["skill"]) < 0.002


def test_an_expert_that_knows_nothing_reproduces_the_market_exactly() -> None:
    found = learning.learn(
        made(events=300), config=CONFIG, cap=0.7, seed=7, experts={"market-price": PriceExpert}
    )

    assert found.blend.weight == 0
    assert found.scores["out_of_fold"]["skill"] == 0
    brier = found.scores["out_of_fold"]
    assert brier["brier_model"] == brier["brier_market"]


def test_a_feature_that_knows_the_answer_blocks_the_model() -> None:
    with pytest.raises(learning.SuspectedLeak, match="audit"):
        learning.learn(made(events=900, leak=True), config=CONFIG, cap=0.7, seed=7)


def test_one_seed_and_one_set_of_examples_give_the_same_bytes() -> None:
    data = made(events=400, slope=1.5)

    first = learning.learn(data, config=CONFIG, cap=0.7, seed=3)
    again = learning.learn(data, config=CONFIG, cap=0.7, seed=3)

    assert first.blend.to_bytes() == again.blend.to_bytes()
    for name, member in first.members.items():
        assert member.to_bytes() == again.members[name].to_bytes()
    assert first.scores == again.scores


def test_too_few_events_are_refused_with_the_number_needed() -> None:
    with pytest.raises(learning.Refused, match="at least 60"):
        learning.check(made(events=50, hours=12), config=CONFIG)


def test_one_class_is_refused() -> None:
    data = made(events=100)

    with pytest.raises(learning.Refused, match="one class"):
        learning.check(replace(data, y=np.ones(data.rows)), config=CONFIG)


def test_numbers_that_are_none_stop_the_training_visibly() -> None:
    data = made(events=100)
    price = data.price.copy()
    price[3] = np.nan

    with pytest.raises(oof.NotFinite, match="1 examples have a price"):
        learning.check(replace(data, price=price), config=CONFIG)


class Broken(PriceExpert):
    def correction(self, x, logit, cell):
        return np.full(len(logit), np.inf)


def test_an_expert_that_answers_infinity_stops_the_training_visibly() -> None:
    with pytest.raises(oof.NotFinite, match="not finite"):
        learning.learn(made(events=300), config=CONFIG, cap=0.7, seed=7, experts={"broken": Broken})


def test_too_few_folds_are_called_insufficient() -> None:
    found = learning.learn(
        made(events=300), config=replace(CONFIG, folds=20, min_events=200), cap=0.7, seed=7
    )

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
        oof.fit(learning.Recalibration(), each, seed=7).correction(x, price, cell)
        for each in (data, leaning)
    )

    assert (moved > plain).all()
