"""Purged walk-forward folds, grouped by event (López de Prado 2018, ch. 7).

A row's label span is `[as_of, known_at]`: it was decided at one end and its answer learned at the
other. A fold tests the events whose first decision falls into `[begins, ends)` and trains on rows
that were decided *and* answered before `begins`, an embargo apart. The data sets live in different
eras and one of them is a single week, so the embargo is each stratum's own: its longest label span,
and at least the configured days where the stratum spans half a year or more.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from markets.core.series import Floats, Ints

DAY_S = 86400.0
LONG_SPAN_S = 180 * DAY_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Row numbers to train on and to test on, and the test window `[begins, ends)`."""

    train: Ints
    test: Ints
    begins: float
    ends: float


def embargo(as_of: Floats, known_at: Floats, stratum: Ints, *, long_span_s: float) -> Floats:
    """Per row the seconds that its stratum keeps between a decision and a later test window."""
    count = int(stratum.max(initial=-1)) + 1
    longest = np.zeros(count)
    np.maximum.at(longest, stratum, known_at - as_of)
    first, last = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(first, stratum, as_of)
    np.maximum.at(last, stratum, known_at)
    lasting = last - first >= LONG_SPAN_S
    longest[lasting] = np.maximum(longest[lasting], long_span_s)
    return longest[stratum]


def boundaries(as_of: Floats, event: Ints, source: Ints, *, folds: int) -> Floats:
    """Ascending times that cut the events into a first training block and `folds` windows.

    Every source weighs as the root of its number of events, so that a small one is cut too and a
    large one does not take all folds.
    """
    _, first, number = np.unique(event, return_index=True, return_inverse=True)
    begins = np.full(len(first), np.inf)
    np.minimum.at(begins, number, as_of)
    where = source[first]
    weight = 1 / np.sqrt(np.bincount(where))[where]
    order = np.argsort(begins, kind="stable")
    share = np.cumsum(weight[order]) / weight.sum()
    wanted = np.arange(1, folds + 1) / (folds + 1)
    cuts = begins[order][np.minimum(np.searchsorted(share, wanted), len(order) - 1)]
    return np.unique(np.append(cuts, np.nextafter(begins.max(), np.inf)))


def walk_forward(
    as_of: Floats,
    known_at: Floats,
    event: Ints,
    *,
    cuts: Floats,
    embargo_s: Floats,
) -> Iterator[Fold]:
    """Folds in time order; a fold without rows on either side is left out.

    Parameters
    ----------
    cuts
        Ascending boundaries: fold k tests the events that begin in `[cuts[k], cuts[k + 1])`.
    embargo_s
        Per row, from `embargo`.
    """
    _, number = np.unique(event, return_inverse=True)
    begins = np.full(int(number.max(initial=-1)) + 1, np.inf)
    np.minimum.at(begins, number, as_of)
    started = begins[number]
    free_at = np.maximum(known_at, as_of + embargo_s)
    for low, high in pairwise(cuts):
        test = (started >= low) & (started < high)
        # An event that began earlier may still be running: purged by its label span.
        train: NDArray[np.bool_] = (free_at <= low) & ~test
        if test.any() and train.any():
            yield Fold(
                train=np.flatnonzero(train), test=np.flatnonzero(test), begins=low, ends=high
            )
