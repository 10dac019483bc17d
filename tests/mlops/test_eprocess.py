"""The e-process keeps its promise to whoever looks after every event, and a z-test does not."""

import math

import numpy as np
import pytest
from scipy.special import ndtr

from markets.core.series import Floats
from mlops.core import eprocess

RUNS, EVENTS, THRESHOLD = 1_000, 2_000, 20.0


def worlds(
    *, seed: int, runs: int, events: int, error: float, expert_error: float
) -> tuple[Floats, Floats, Floats]:
    """Price, expert and answers, float64[runs, events]; both err symmetrically about the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.1, 0.9, (runs, events))
    answers = (rng.random((runs, events)) < truth).astype(float)
    side = rng.choice((-1.0, 1.0), (2, runs, events))
    return truth + side[0] * error, truth + side[1] * expert_error, answers


@pytest.fixture(scope="module")
def equals() -> tuple[Floats, Floats, Floats]:
    return worlds(seed=11, runs=RUNS, events=EVENTS, error=0.05, expert_error=0.05)


def test_two_equals_are_told_apart_in_one_run_of_twenty_however_often_one_looks(
    equals: tuple[Floats, Floats, Floats],
) -> None:
    difference = eprocess.brier_differences(*equals)

    for reach in (1.0, eprocess.brier_reach(*equals[:2])):
        better = eprocess.wealth(difference, reach=reach).max(axis=1)
        worse = eprocess.worse(difference, margin=0.0, reach=reach).max(axis=1)
        assert (better >= THRESHOLD).mean() <= 0.05
        assert (worse >= THRESHOLD).mean() <= 0.05


def test_a_z_test_that_looks_after_every_event_breaks_that_promise(
    equals: tuple[Floats, Floats, Floats],
) -> None:
    difference = eprocess.brier_differences(*equals)

    z = np.cumsum(difference, axis=1) / np.sqrt(np.maximum(np.cumsum(difference**2, axis=1), 1e-12))

    assert (z[:, 50:] >= 1.645).any(axis=1).mean() > 0.2


def lasting_surprises(*, runs: int, days: int, per_day: int) -> dict[str, np.ndarray]:
    """Answers of neighbouring days share a latent factor; price and expert are equally good.

    Forecasts are made 0 to 9 days before their answer, by what the factor was at the last midnight.
    Flat arrays in order of run, day, event; the expert leans one way in each run, the price the
    other.
    """
    rng = np.random.default_rng(8)
    inertia, loading = 0.98, 1.5
    factor = np.empty((runs, days + 10))
    factor[:, 0] = rng.standard_normal(runs)
    for day in range(1, days + 10):
        news = rng.standard_normal(runs)
        factor[:, day] = inertia * factor[:, day - 1] + math.sqrt(1 - inertia**2) * news
    run, day, _ = np.indices((runs, days, per_day)).reshape(3, -1)
    lead = rng.integers(0, 10, len(run))
    left = inertia ** (lead + 1)
    odds = left * factor[run, day + 10 - lead - 1] / np.sqrt(loading**-2 + 1 - left**2)
    truth = np.clip(ndtr(odds), 0.04, 0.96)
    answer = loading * factor[run, day + 10] + rng.standard_normal(len(run)) > 0
    lean = 0.02 * rng.choice((-1.0, 1.0), runs)[run]
    known_at = (day + 0.5) * 86_400.0
    return {
        "run": run,
        "day": day,
        "as_of": known_at - lead * 86_400.0 - 3_600.0,
        "known_at": known_at,
        "price": truth - lean,
        "expert": truth + lean,
        "y": answer.astype(float),
    }


def ever(found: dict[str, np.ndarray], rows: np.ndarray) -> float:
    """Share of runs in which the e-process of the rows ever reaches the threshold."""
    part = {name: column[rows] for name, column in found.items()}
    both = np.column_stack(
        [
            eprocess.brier_differences(part["price"], part["expert"], part["y"]),
            eprocess.brier_reach(part["price"], part["expert"]),
        ]
    )
    days = int(found["day"].max()) + 1
    event = np.arange(len(part["run"]))
    at, means, _ = eprocess.cohort_means(both, cohort=part["run"] * days + part["day"], event=event)
    grid = np.zeros((2, (int(found["run"].max()) + 1) * days))
    grid[:, at] = means.T
    d, reach = grid.reshape(2, -1, days)
    return float((eprocess.wealth(d, reach=reach).max(axis=1) >= THRESHOLD).mean())


def test_surprises_that_last_for_days_fool_nobody_where_old_forecasts_do_not_count() -> None:
    found = lasting_surprises(runs=600, days=150, per_day=10)
    fresh = eprocess.counted(found["as_of"], found["known_at"], width_s=86_400.0)

    assert 0.05 < fresh.mean() < 0.15
    assert ever(found, fresh) <= 0.05
    assert ever(found, ~fresh) > 0.1  # what the promise would be worth with the others


def test_the_interval_holds_at_all_times_together_and_narrows(
    equals: tuple[Floats, Floats, Floats],
) -> None:
    difference = eprocess.brier_differences(*equals)

    low, high = eprocess.confidence_sequence(
        difference, level=0.05, reach=eprocess.brier_reach(*equals[:2])
    )

    assert ((low > 0) | (high < 0)).any(axis=1).mean() <= 0.05
    assert np.median(high[:, -1] - low[:, -1]) < np.median(high[:, 200] - low[:, 200]) / 2


def test_a_better_expert_is_found_and_a_worse_one_too() -> None:
    price, expert, answers = worlds(seed=5, runs=60, events=5_000, error=0.08, expert_error=0.0)
    found = eprocess.wealth(eprocess.brier_differences(price, expert, answers))
    lost = eprocess.worse(eprocess.brier_differences(expert, price, answers), margin=0.002)

    assert (found.max(axis=1) >= THRESHOLD).mean() > 0.9
    assert (lost.max(axis=1) >= THRESHOLD).mean() > 0.7


def test_worse_by_less_than_the_margin_is_left_alone() -> None:
    shortfall = np.full(20_000, -0.001)

    assert eprocess.worse(shortfall, margin=0.002, reach=0.05).max() == 1.0
    assert eprocess.worse(shortfall, margin=0.0, reach=0.05).max() > THRESHOLD


def test_a_bet_knows_only_what_came_before_and_never_exceeds_three_quarters() -> None:
    d = np.random.default_rng(2).uniform(-1, 1, 50)
    changed = d.copy()
    changed[20:] = -changed[20:]
    bound = np.ones(50)

    stake = eprocess.bets(d, reach=bound)

    assert np.array_equal(stake[:21], eprocess.bets(changed, reach=bound)[:21])
    assert stake[0] == 0.0
    assert eprocess.bets(np.ones(50), reach=bound).max() == 0.75
    assert stake.min() >= 0.0


def test_a_reach_that_its_own_answers_decide_fools_nobody() -> None:
    rng = np.random.default_rng(3)
    # What is answered differs: where the expert is right the forecasts were close to each other.
    d = rng.choice((-0.02, 0.02), (1_000, 300))
    reach = np.where(d > 0, 0.02, 0.2)

    better = eprocess.wealth(d, reach=reach).max(axis=1)
    worse = eprocess.worse(-d, margin=0.0, reach=reach).max(axis=1)

    assert (better >= THRESHOLD).mean() <= 0.05
    assert (worse >= THRESHOLD).mean() <= 0.05


def test_a_cohort_without_precedent_costs_no_more_than_what_was_staked() -> None:
    d = np.array([0.01, 0.01, 0.01, -0.9])
    reach = np.array([0.01, 0.01, 0.01, 0.9])

    found = eprocess.wealth(d, reach=reach)

    assert found[-1] == pytest.approx(found[-2] * (1 - eprocess.LARGEST_BET))


def test_wealth_is_the_product_of_its_bets_worked_by_hand() -> None:
    d = np.array([0.2, -0.1, 0.3, 0.3])

    by_hand, wealth = [1.0], 1.0
    for k in range(1, 4):
        past = d[:k]
        bet = min(max(past.sum() / (eprocess.PRIOR + (past**2).sum()), 0.0), 0.75)
        wealth *= 1 + bet * d[k]
        by_hand.append(wealth)

    assert np.allclose(eprocess.wealth(d), by_hand)


def test_every_event_weighs_the_same_in_its_cohort() -> None:
    values = np.array([1.0, 1.0, 1.0, 0.0, 0.5])
    cohorts, means, events = eprocess.cohort_means(
        values, cohort=np.array([2, 2, 2, 2, 1]), event=np.array([7, 7, 7, 8, 7])
    )

    assert cohorts.tolist() == [1, 2]
    assert means.tolist() == pytest.approx([0.5, 0.5])
    assert events.tolist() == [1, 2]


def test_no_rows_make_no_cohorts() -> None:
    nothing = np.empty(0, dtype=np.int64)

    cohorts, means, events = eprocess.cohort_means(np.empty((0, 2)), cohort=nothing, event=nothing)

    assert (len(cohorts), means.shape, len(events)) == (0, (0, 2), 0)


def test_the_reach_is_the_larger_of_both_answers() -> None:
    price, expert = np.array([0.3, 0.9]), np.array([0.5, 0.6])
    both = [np.abs(eprocess.brier_differences(price, expert, np.full(2, y))) for y in (0.0, 1.0)]

    assert np.allclose(eprocess.brier_reach(price, expert), np.maximum(*both))


def test_an_expert_that_says_the_price_gathers_no_evidence() -> None:
    nothing = np.zeros(30)

    found = eprocess.evidence(nothing, margin=0.0, reach=nothing)

    assert (found.e_value, found.peak_worse, found.mean) == (1.0, 1.0, 0.0)
    assert eprocess.evidence(np.empty(0), margin=0.002).as_json()["low"] is None


def test_a_difference_beyond_its_reach_or_not_a_number_is_refused() -> None:
    for bad in (np.array([0.3]), np.array([math.nan])):
        with pytest.raises(ValueError, match="within their reach"):
            eprocess.wealth(bad, reach=0.2)
