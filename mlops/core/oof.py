"""Out-of-fold corrections of every expert: what it would have said before it saw the answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from markets.core.series import Floats, Ints
from mlops.core import splits
from mlops.core.examples import Examples
from predictions.core.estimators import Estimator
from predictions.core.logits import logit

Factory = Callable[[], Estimator]
DAY_S = splits.DAY_S


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfFold:
    """Corrections of k experts where a fold reached.

    Attributes
    ----------
    rows
        int64[n], the rows of the examples that some fold tested.
    corrections
        float64[n, k], on the logit scale, in the order of `experts`.
    fold
        int64[n], which fold tested the row.
    """

    rows: Ints
    corrections: Floats
    fold: Ints
    experts: tuple[str, ...]

    @property
    def folds(self) -> int:
        """How many folds tested something."""
        return len(np.unique(self.fold))


class NotFinite(ValueError):
    """An expert answered NaN or infinity: the run must not go on."""


def fit(estimator: Estimator, data: Examples, *, seed: int) -> Estimator:
    """Fit on all examples, each as much as its weight says."""
    return estimator.fit(
        data.x,
        logit(data.price),
        data.y,
        cell=data.cell,
        weight=data.weight,
        seed=seed,
    )


def walk(
    data: Examples,
    experts: Mapping[str, Factory],
    *,
    folds: int,
    embargo_days: int,
    min_events: int,
    seed: int,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> OutOfFold:
    """Train every expert before each test window and ask it about the window.

    A fold with fewer than `min_events` events to train on is left out. Raises `NotFinite`.
    """
    kept = splits.embargo(
        data.as_of,
        data.known_at,
        # Rows of one dataset and bucket of time left have label spans of one size.
        data.source * 128 + data.horizon,
        long_span_s=embargo_days * DAY_S,
    )
    cuts = splits.boundaries(data.as_of, data.event, data.source, folds=folds)
    tested: list[Ints] = []
    said: list[Floats] = []
    number: list[Ints] = []
    windows = splits.walk_forward(data.as_of, data.known_at, data.event, cuts=cuts, embargo_s=kept)
    for k, fold in enumerate(windows):
        progress(k, len(cuts) - 1)
        if len(np.unique(data.event[fold.train])) < min_events:
            continue
        earlier = data.take(fold.train)
        fitted = [fit(make(), earlier, seed=seed) for make in experts.values()]
        tested.append(fold.test)
        said.append(np.column_stack([_said(each, data, fold.test) for each in fitted]))
        number.append(np.full(len(fold.test), k))
    if not tested:
        empty = np.empty(0, dtype=np.int64)
        nothing = np.empty((0, len(experts)))
        return OutOfFold(rows=empty, corrections=nothing, fold=empty, experts=tuple(experts))
    return OutOfFold(
        rows=np.concatenate(tested),
        corrections=np.concatenate(said),
        fold=np.concatenate(number),
        experts=tuple(experts),
    )


def _said(estimator: Estimator, data: Examples, rows: Ints) -> Floats:
    found = estimator.correction(data.x[rows], logit(data.price[rows]), data.cell[rows])
    if not np.isfinite(found).all():
        bad = np.count_nonzero(~np.isfinite(found))
        raise NotFinite(
            f"{estimator.kind} gave {bad} corrections that are not finite; "
            "look for features that left float64"
        )
    return found
