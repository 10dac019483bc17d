"""Purged walk-forward: no event, no label span and no embargo is crossed."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops.core import splits

DAY = splits.DAY_S
rows = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 30), st.integers(0, 25), st.integers(0, 2)),
    min_size=2,
    max_size=80,
)


def columns(drawn: list[tuple[int, int, int, int]]) -> tuple[np.ndarray, ...]:
    # An event belongs to one source.
    as_of = np.array([d[0] * DAY for d in drawn])
    known = as_of + np.array([d[1] * DAY for d in drawn])
    source = np.array([d[3] for d in drawn])
    event = np.array([d[2] for d in drawn]) * 3 + source
    return as_of, known, event, source


def folds_of(as_of, known, event, source, *, folds=4):
    kept = splits.embargo(as_of, known, source, long_span_s=7 * DAY)
    cuts = splits.boundaries(as_of, event, source, folds=folds)
    return kept, list(splits.walk_forward(as_of, known, event, cuts=cuts, embargo_s=kept))


@settings(max_examples=200)
@given(rows)
def test_no_event_label_span_or_embargo_reaches_into_the_test_window(drawn) -> None:
    as_of, known, event, source = columns(drawn)
    kept, folds = folds_of(as_of, known, event, source)

    for fold in folds:
        assert not set(event[fold.train]) & set(event[fold.test])
        assert known[fold.train].max() <= as_of[fold.test].min()
        assert (as_of + kept)[fold.train].max() <= as_of[fold.test].min()
        assert as_of[fold.test].min() >= fold.begins


@given(rows)
def test_every_event_is_tested_at_most_once_and_whole(drawn) -> None:
    as_of, known, event, source = columns(drawn)
    _, folds = folds_of(as_of, known, event, source)

    tested = [e for fold in folds for e in set(event[fold.test].tolist())]

    assert len(tested) == len(set(tested))
    for fold in folds:
        assert np.isin(event, event[fold.test]).sum() == len(fold.test)


def test_the_embargo_is_the_longest_label_span_of_the_stratum() -> None:
    as_of = np.array([0.0, 10.0, 0.0])
    known = np.array([5.0, 30.0, 2.0])

    kept = splits.embargo(as_of, known, np.array([0, 0, 1]), long_span_s=7 * DAY)

    assert kept.tolist() == [20.0, 20.0, 2.0]


def test_half_a_year_of_data_asks_for_at_least_the_configured_days() -> None:
    as_of = np.array([0.0, 200 * DAY])

    kept = splits.embargo(as_of, as_of + DAY, np.array([0, 0]), long_span_s=7 * DAY)

    assert kept.tolist() == [7 * DAY, 7 * DAY]


def test_a_small_source_is_cut_too() -> None:
    # 4,900 events in the second year beside 100 in the first: both get folds of their own.
    as_of = np.concatenate([np.linspace(0, 300, 100), np.linspace(365, 700, 4900)]) * DAY
    source = np.repeat([0, 1], [100, 4900])

    cuts = splits.boundaries(as_of, np.arange(5000), source, folds=24)

    assert np.count_nonzero(cuts < 365 * DAY) >= 2
    assert np.count_nonzero(cuts > 365 * DAY) >= 15
