"""One look at a fixed sample: the test of admission holds its level where events share a day."""

from dataclasses import replace

import numpy as np
import pytest

from mlops.core import cohorts
from mlops.core.examples import Examples

DAY_S = 86_400.0


def sample(
    *, days: int, per_day: int, shared: float, rng: np.random.Generator, skill: float = 0.0
) -> tuple[Examples, np.ndarray]:
    """Events at even odds whose answers share the day's factor; an expert that leans up by day.

    `skill` is by how much the answer really follows the expert's direction.
    """
    n = days * per_day
    day = np.repeat(np.arange(days), per_day)
    lean = rng.choice((-1.0, 1.0), days)[day]
    common = rng.standard_normal(days)[day]
    hidden = shared * common + np.sqrt(1 - shared**2) * rng.standard_normal(n) + skill * lean
    tested = Examples(
        x=np.zeros((n, 1)),
        price=np.full(n, 0.5),
        y=(hidden > 0).astype(float),
        weight=np.ones(n),
        market=np.arange(n),
        event=np.arange(n),
        source=np.zeros(n, dtype=np.int64),
        horizon=np.zeros(n, dtype=np.int8),
        as_of=day * DAY_S,
        known_at=(day + 0.5) * DAY_S,
        cell=np.zeros(n, dtype=np.int64),
        sources=("test",),
    )
    return tested, 0.2 * lean


def p_value(of: tuple[Examples, np.ndarray]) -> float:
    """Clustered by UTC day."""
    return cohorts.p_value(*of, cap=0.7, cohort_s=DAY_S)


def test_events_that_share_their_day_do_not_admit_an_expert_without_skill() -> None:
    rng = np.random.default_rng(4)

    found = [p_value(sample(days=40, per_day=25, shared=0.5, rng=rng)) for _ in range(400)]

    assert np.mean(np.array(found) <= 0.05) <= 0.065  # 0.05 and 1.4 standard errors


def test_a_sample_of_few_clusters_holds_its_level_too() -> None:
    rng = np.random.default_rng(5)

    found = [p_value(sample(days=6, per_day=6, shared=0.0, rng=rng)) for _ in range(600)]

    assert np.mean(np.array(found) <= 0.05) <= 0.065


@pytest.mark.parametrize(("days", "per_day"), [(29, 1), (1, 200)])
def test_too_few_events_or_a_single_day_prove_nothing(days: int, per_day: int) -> None:
    rng = np.random.default_rng(6)

    assert (
        cohorts.p_value(
            *sample(days=days, per_day=per_day, shared=0, rng=rng, skill=3), cap=0.7, cohort_s=DAY_S
        )
        == 1
    )


def test_a_real_gain_is_found() -> None:
    rng = np.random.default_rng(7)

    assert (
        cohorts.p_value(
            *sample(days=40, per_day=25, shared=0.2, rng=rng, skill=0.3), cap=0.7, cohort_s=DAY_S
        )
        < 0.001
    )


def test_the_e_process_leaves_out_what_was_asked_before_the_last_cohort_had_closed() -> None:
    tested, move = sample(days=200, per_day=5, shared=0, rng=np.random.default_rng(8), skill=1)
    asked_before = replace(tested, as_of=tested.as_of - 1)
    told = {"cap": 0.7, "cohort_s": DAY_S, "margin": 0.0}

    assert cohorts.evidence(tested, move, **told).e_value > 20
    assert cohorts.evidence(asked_before, move, **told).cohorts == 0


def test_where_answers_come_by_the_minute_a_cohort_is_shorter_than_a_day() -> None:
    rng = np.random.default_rng(5)
    one_day = sample(days=1, per_day=400, shared=0.0, rng=rng, skill=0.5)
    spread = replace(
        one_day[0], known_at=one_day[0].known_at.min() + np.arange(one_day[0].rows) * 60
    )

    assert p_value(one_day) == 1.0
    assert cohorts.p_value(spread, one_day[1], cap=0.7, cohort_s=600) < 0.05
