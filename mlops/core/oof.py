"""Out-of-fold corrections of every expert: what it would have said before it saw the answer.

One piece of work is one expert on one fold, or its final fit on everything. A piece depends on
nothing but the examples, the seed and its own name, so pieces run side by side in any order, and a
store that kept those of a broken run gives the same bytes as an undisturbed one.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from markets.core.series import Floats, Ints
from mlops.core import splits
from mlops.core.examples import Examples
from mlops.core.gates import NotFinite
from predictions.core import estimators
from predictions.core.estimators import Estimator
from predictions.core.logits import logit
from predictions.core.roster import Role

Make = Callable[[Role], Estimator]
Progress = Callable[[int, int], None]
DAY_S = splits.DAY_S
FINAL = "final"
Piece = TypeVar("Piece")


class Store(Protocol):
    """Where finished pieces wait for a run that was broken off."""

    def get(self, key: str) -> bytes | None:
        """The bytes of a finished piece, None where it is not there or not whole."""
        ...

    def put(self, key: str, blob: bytes) -> None:
        """Keep a finished piece."""
        ...


class NoStore:
    """Keeps nothing."""

    def get(self, key: str) -> bytes | None:
        """Nothing is there."""
        del key
        return None

    def put(self, key: str, blob: bytes) -> None:
        """Forget it."""
        del key, blob


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a walk goes.

    Attributes
    ----------
    folds, embargo_days
        Test windows, and the days between training and them where the data spans years.
    min_events
        A fold with fewer events to train on is left out.
    min_rows, max_rows
        An expert with fewer rows in its slice is not fitted; of more, whole events are drawn.
    seed, workers
        The same seed gives the same bytes whatever the number of workers.
    """

    folds: int
    embargo_days: int
    min_events: int
    min_rows: int
    max_rows: int
    seed: int
    workers: int = 1
    make: Make
    store: Store = field(default_factory=NoStore)
    progress: Progress = lambda _done, _total: None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfFold:
    """Corrections of k experts where a fold reached.

    Attributes
    ----------
    rows
        int64[n], the rows of the examples that some fold tested.
    corrections
        float64[n, k] on the logit scale, in the order of `experts`; NaN where an expert does not
        look or had too little to learn from.
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


def windows(data: Examples, plan: Plan) -> list[splits.Fold]:
    """The purged walk-forward folds that have enough events to train on."""
    kept = splits.embargo(
        data.as_of,
        data.known_at,
        # Rows of one dataset and bucket of time left have label spans of one size.
        data.source * 128 + data.horizon,
        long_span_s=plan.embargo_days * DAY_S,
    )
    cuts = splits.boundaries(data.as_of, data.event, data.source, folds=plan.folds)
    found = splits.walk_forward(data.as_of, data.known_at, data.event, cuts=cuts, embargo_s=kept)
    return [fold for fold in found if len(np.unique(data.event[fold.train])) >= plan.min_events]


def heard(
    data: Examples,
    roles: Sequence[Role],
    cover: NDArray[np.bool_],
    *,
    folds: Sequence[splits.Fold],
    plan: Plan,
) -> OutOfFold:
    """Train every expert before each test window and ask it about the window.

    `cover` bool[rows, roles] says who looks at what. Raises `NotFinite`.
    """
    jobs: dict[str, Work] = {
        _key(role, number): (role, cover[:, k], fold)
        for k, role in enumerate(roles)
        for number, fold in enumerate(folds)
    }
    total = len(roles) * (len(folds) + 1)
    done = dict(_side_by_side(data, _answers, jobs, plan=plan, total=total))
    said = np.full((sum(len(fold.test) for fold in folds), len(roles)), np.nan)
    start = 0
    for number, fold in enumerate(folds):
        for k, role in enumerate(roles):
            answers = done[_key(role, number)]
            if len(answers):
                said[start + np.flatnonzero(cover[fold.test, k]), k] = answers
        start += len(fold.test)
    empty = np.empty(0, dtype=np.int64)
    return OutOfFold(
        rows=np.concatenate([empty, *(fold.test for fold in folds)]),
        corrections=said,
        fold=np.concatenate([empty, *(np.full(len(f.test), k) for k, f in enumerate(folds))]),
        experts=tuple(role.slug for role in roles),
    )


def final(
    data: Examples, roles: Sequence[Role], cover: NDArray[np.bool_], *, folds: int, plan: Plan
) -> dict[str, Estimator]:
    """Every expert fitted on all of its slice, by slug; `folds` were walked before."""
    jobs: dict[str, Work] = {
        _key(role, FINAL): (role, cover[:, k], None) for k, role in enumerate(roles)
    }
    total = len(roles) * (folds + 1)
    done = dict(_side_by_side(data, _final, jobs, plan=plan, total=total))
    return {role.slug: done[_key(role, FINAL)] for role in roles}


def fit(estimator: Estimator, data: Examples, *, seed: int) -> Estimator:
    """Fit on all examples, each as much as its weight says."""
    return estimator.fit(
        data.x,
        logit(data.price),
        data.y,
        cell=data.cell,
        weight=data.weight,
        seed=seed,
        event=data.event,
    )


def drawn(event: Ints, rows: Ints, *, limit: int, seed: int) -> Ints:
    """Of these rows those of events drawn by the seed, at most `limit`; all where so few."""
    if len(rows) <= limit:
        return rows
    _, number, count = np.unique(event[rows], return_inverse=True, return_counts=True)
    rng = np.random.Generator(np.random.PCG64(seed))
    order = rng.permutation(len(count))
    chosen = order[np.cumsum(count[order]) <= limit]
    kept = np.zeros(len(count), dtype=bool)
    kept[chosen] = True
    return rows[kept[number]]


def _key(role: Role, number: int | str) -> str:
    return f"{role.slug}-{number}"


Work = tuple[Role, NDArray[np.bool_], splits.Fold | None]


def _side_by_side(
    data: Examples,
    work: Callable[[Examples, str, Work, Plan], Piece],
    jobs: dict[str, Work],
    *,
    plan: Plan,
    total: int,
) -> Iterator[tuple[str, Piece]]:
    """Every piece as it ends; the libraries compute outside the interpreter's lock."""
    waiting: dict[Future[Piece], str] = {}
    with ThreadPoolExecutor(max_workers=plan.workers) as pool:
        try:
            for key, job in jobs.items():
                waiting[pool.submit(work, data, key, job, plan)] = key
            earlier = 0 if work is _answers else total - len(waiting)
            while waiting:
                ended, left = wait(waiting, return_when=FIRST_COMPLETED)
                for each in ended:
                    yield waiting.pop(each), each.result()
                plan.progress(earlier + len(jobs) - len(left), total)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _answers(data: Examples, key: str, job: Work, plan: Plan) -> Floats:
    kept = plan.store.get(key)
    if kept is not None:
        return np.frombuffer(kept, dtype="<f8")
    role, inside, fold = job
    found = np.empty(0)
    train = np.empty(0, dtype=np.int64) if fold is None else fold.train[inside[fold.train]]
    if fold is not None and teaches(data.y[train], plan.min_rows):
        found = _said(_fitted(data, role, train, plan), data, fold.test[inside[fold.test]])
    plan.store.put(key, found.astype("<f8").tobytes())
    return found


def teaches(y: Floats, least: int) -> bool:
    """Whether answers are enough and not all the same."""
    return len(y) >= max(least, 1) and bool(y.min() < y.max())


def _final(data: Examples, key: str, job: Work, plan: Plan) -> Estimator:
    kept = plan.store.get(key)
    if kept is not None:
        kind, _, blob = kept.partition(b"\n")
        return estimators.parse(kind.decode(), blob)
    role, inside, _ = job
    fitted = _fitted(data, role, np.flatnonzero(inside), plan)
    plan.store.put(key, fitted.kind.encode() + b"\n" + fitted.to_bytes())
    return fitted


def _fitted(data: Examples, role: Role, rows: Ints, plan: Plan) -> Estimator:
    used = drawn(data.event, rows, limit=plan.max_rows, seed=plan.seed)
    ordered = in_time(data, used)
    taught = data.take(ordered)
    # How many rows of an event lie in a slice that follows the price depends on where the price
    # went: as weights they would tell the answer. A row weighs what it weighs among all rows.
    weight = data.weight[ordered]
    return fit(
        plan.make(role),
        replace(taught, weight=weight * taught.events / weight.sum()),
        seed=plan.seed,
    )


def in_time(data: Examples, rows: Ints) -> Ints:
    """These rows by the first decision of their events, an event's together, oldest first.

    Experts that hold back a tail to judge themselves by take the last rows for it.
    """
    as_of = data.as_of[rows]
    _, number = np.unique(data.event[rows], return_inverse=True)
    begins = np.full(int(number.max(initial=-1)) + 1, np.inf)
    np.minimum.at(begins, number, as_of)
    return rows[np.lexsort((as_of, number, begins[number]))]


def _said(estimator: Estimator, data: Examples, rows: Ints) -> Floats:
    found = estimator.correction(data.x[rows], logit(data.price[rows]), data.cell[rows])
    if not np.isfinite(found).all():
        bad = np.count_nonzero(~np.isfinite(found))
        raise NotFinite(
            f"{estimator.kind} gave {bad} corrections that are not finite; "
            "look for features that left float64"
        )
    return found
