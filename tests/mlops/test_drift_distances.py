"""A shifted feature is found, an unshifted one is not, and many of them raise no false alarm."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import kolmogorov

from mlops.core import drift
from mlops.core.drift import Profile

NAMES = tuple(f"f{k}" for k in range(20))


def rows(seed: int, n: int, *, shifted: float = 0.0) -> np.ndarray:
    """Normals, flags, values with gaps and one constant; the first column moves by `shifted`."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0.0, 1.0, (n, len(NAMES)))
    x[:, 5:8] = rng.random((n, 3)) < 0.3
    x[rng.random((n, len(NAMES))) < 0.1] = np.nan
    x[:, 9] = 4.0
    x[:, 0] += shifted
    return x


def test_a_profile_survives_its_json() -> None:
    before = Profile.of(rows(1, 500), NAMES, events=500)

    after = Profile.from_json(before.as_json())

    assert after.names == before.names
    np.testing.assert_allclose(after.quantiles, before.quantiles, rtol=1e-6)
    np.testing.assert_allclose(after.missing, before.missing, atol=1e-6)


def test_a_moved_feature_stands_out_and_the_others_do_not() -> None:
    before = Profile.of(rows(1, 5000), NAMES, events=5000)

    found = drift.shift(before, rows(2, 1000, shifted=0.7), events=1000)

    assert drift.discoveries(found.p_value, 0.05).tolist() == [True] + [False] * 19
    assert found.psi[0] > 0.25
    assert (found.psi[1:] < np.maximum(found.floor[1:], 0.1)).all()


def test_a_feature_that_went_missing_stands_out() -> None:
    before = Profile.of(rows(1, 5000), NAMES, events=5000)
    later = rows(2, 1000)
    later[:, 3] = np.nan

    found = drift.shift(before, later, events=1000)

    assert found.psi[3] > 1
    assert np.isnan(found.p_value[3])


def test_few_events_say_little_however_many_rows_they_have() -> None:
    before = Profile.of(rows(1, 5000), NAMES, events=5000)
    twelve = np.repeat(rows(3, 12), 100, axis=0)

    as_rows = drift.shift(before, twelve, events=1200)
    as_events = drift.shift(before, twelve, events=12)

    assert drift.discoveries(as_rows.p_value, 0.05).any()
    assert not drift.discoveries(as_events.p_value, 0.05).any()


def test_looking_often_at_an_unchanged_world_finds_nothing() -> None:
    before = Profile.of(rows(1, 5000), NAMES, events=5000)

    looks = [drift.shift(before, rows(seed, 300), events=300) for seed in range(100, 160)]

    alarms = [drift.discoveries(each.p_value, 0.05).any() for each in looks]
    assert np.mean(alarms) <= 0.1


@pytest.mark.parametrize("n", [0, 1, 2])
def test_hardly_any_rows_are_no_error(n: int) -> None:
    found = drift.shift(Profile.of(rows(1, n), NAMES, events=n), rows(2, n), events=n)

    assert np.isfinite(found.psi).all()


@given(st.lists(st.floats(0, 1) | st.just(float("nan")), max_size=30), st.floats(0.001, 0.5))
@settings(max_examples=50, deadline=None)
def test_discoveries_are_the_smallest_p_values(values: list[float], level: float) -> None:
    p_value = np.array(values)

    found = drift.discoveries(p_value, level)

    if found.any():
        assert p_value[found].max() <= level
        rest = p_value[~found & np.isfinite(p_value)]
        assert not len(rest) or rest.min() >= p_value[found].max()


@pytest.mark.parametrize("statistic", [0.05, 0.2, 0.3, 0.5, 0.9, 1.36, 2.0, 5.0])
def test_the_tail_of_kolmogorovs_distribution_is_that_of_the_library(statistic: float) -> None:
    expected = float(kolmogorov(statistic))

    assert drift._chance(statistic) == pytest.approx(expected, abs=1e-9)


def test_all_looks_together_spend_no_more_than_the_level() -> None:
    spent = [drift.spent(0.05, look=look) for look in range(1, 10_000)]

    assert spent[0] == 0.025
    assert sum(spent) <= 0.05
    assert drift.spent(0.0, look=10**9) > 0
