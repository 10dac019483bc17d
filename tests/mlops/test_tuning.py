"""Tuning spends a counted budget on the oldest rows, and never ends below where it began."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from mlops.core import oof, tuning
from mlops.core.examples import Examples
from predictions.core import estimators
from predictions.core.logits import sigmoid
from predictions.core.roster import Role

DAY = 86400.0
ROLE = Role(slug="longshot", name="Longshots", family="risk", algorithm="recalibration")


def examples(n=1200, *, seed=1, planted=0.8, slope=1.0):
    rng = np.random.default_rng(seed)
    odds, x = rng.normal(0, 1.2, n), rng.normal(size=(n, 6))
    as_of = np.sort(rng.uniform(0, 300 * DAY, n))
    return Examples(
        x=x,
        price=sigmoid(odds),
        y=(rng.random(n) < sigmoid(slope * odds + planted * x[:, 1])).astype(float),
        weight=np.ones(n),
        cell=np.zeros(n, dtype=np.int64),
        event=np.arange(n),
        market=np.arange(n),
        source=np.zeros(n, dtype=np.int64),
        horizon=np.zeros(n, dtype=np.int8),
        as_of=as_of,
        known_at=as_of + DAY,
        sources=("made",),
    )


@pytest.fixture(autouse=True)
def _words_are_columns(monkeypatch):
    monkeypatch.setattr("predictions.core.text.columns", lambda: (1, 2, 3))


def folds(n=1200):
    rows = np.arange(n)
    return [(rows[:500], rows[520:800]), (rows[:800], rows[820:])]


def plan(**changes):
    return oof.Plan(
        **{
            "folds": 4,
            "embargo_days": 1,
            "min_events": 100,
            "min_rows": 100,
            "max_rows": 10_000,
            "seed": 3,
            "make": lambda role: estimators.make(role.algorithm),
            **changes,
        }
    )


def test_no_trials_are_the_defaults_and_count_nothing():
    found = tuning.search("text", examples(), folds(), trials=0, seed=1)

    assert found == tuning.Tuned(parameters={}, trials=0)


def test_the_same_seed_finds_the_same_parameters_and_counts_every_configuration():
    first, second = (
        tuning.search("recalibration", examples(slope=2.0), folds(), trials=6, seed=5)
        for _ in range(2)
    )

    assert first == second
    assert first.trials == 6
    assert first.parameters


@pytest.mark.parametrize("algorithm", ["recalibration", "lightgbm", "xgboost", "forest", "mlp"])
def test_every_algorithm_is_searched_in_parameters_it_has(algorithm):
    found = tuning.search(
        algorithm, examples(400), [(np.arange(250), np.arange(260, 400))], trials=2, seed=1
    )

    assert found.trials == 2
    assert estimators.make(algorithm, **found.parameters).kind
    for name in tuning._SPACES[algorithm]:
        assert hasattr(estimators.make(algorithm), name)


def test_the_default_stays_where_nothing_does_better():
    found = tuning.search("text", examples(planted=0.0), folds(), trials=5, seed=1)

    assert found.parameters == {}
    assert found.trials == 5


def test_what_wins_is_better_than_the_default_on_the_folds_it_was_given():
    data = examples(slope=2.0)

    found = tuning.search("recalibration", data, folds(), trials=8, seed=1)

    def loss(**parameters):
        make = partial(estimators.make, "recalibration", **parameters)
        return tuning._loss(make, data, folds(), seed=1)

    assert found.parameters
    assert loss(**found.parameters) < loss()


def test_no_row_that_a_fold_tests_has_a_say_in_the_parameters():
    data, cover = examples(4000, slope=2.0), np.ones((4000, 1), dtype=bool)
    begun = oof.windows(data, plan())[0].train.max()
    other = replace(data, y=np.where(np.arange(4000) > begun, 1 - data.y, data.y))

    first, tried = tuning.tuned(data, [ROLE], cover, plan=plan(), trials=5)
    second, _ = tuning.tuned(other, [ROLE], cover, plan=plan(), trials=5)

    assert tried == 5
    assert first.make(ROLE) == second.make(ROLE) != estimators.make("recalibration")


def test_too_little_before_the_first_fold_leaves_the_plan_as_it_was():
    cover, own = np.ones((1200, 1), dtype=bool), plan(min_events=1100)

    assert tuning.tuned(examples(), [ROLE], cover, plan=own, trials=5) == (own, 0)
