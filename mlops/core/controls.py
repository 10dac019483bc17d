"""Negative controls of every training: what must teach nothing, and what must be caught.

They run on a reduced set (one booster on everything, few folds), because they test the machinery
that all experts share: folds, weights, offsets, clocks. A training whose controls fail is refused.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np

from markets.core.series import Floats, Ints
from mlops.core import gates, oof, splits
from mlops.core.contracts import LearningConfig
from mlops.core.examples import Examples
from mlops.core.gates import HoldOut, SuspectedLeak
from predictions.core.cells import BUCKETS
from predictions.core.estimators import PriceExpert
from predictions.core.logits import corrected, logit
from predictions.core.roster import OUTCOME, Role
from predictions.core.schema import DENIED

HOUR_S: Final = 3600.0
ROWS: Final = 20_000
FOLDS: Final = 3
ENOUGH: Final = 300  # events heard of, below which a booster may miss even the answer itself
LARGE: Final = 2_000  # events from which a skill of `NOTHING` can be told from zero
NOTHING: Final = 0.002
FEWEST_EVENTS: Final = 20  # of a week and domain whose answers are exchanged
BOOSTER: Final = Role(slug="control", name="Control", family="base", algorithm="lightgbm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One control: None where the data does not allow it."""

    name: str
    passed: bool | None
    detail: str

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def denied(names: Iterable[str]) -> list[str]:
    """Features whose names say that they know the answer."""
    return [name for name in names if any(re.search(pattern, name) for pattern, _ in DENIED)]


def run(
    data: Examples, names: Iterable[str], *, horizon: str, config: LearningConfig, plan: oof.Plan
) -> tuple[Control, ...]:
    """Every control on at most `ROWS` rows of these examples, in a fixed order."""
    rows = oof.drawn(data.event, np.arange(data.rows), limit=ROWS, seed=plan.seed)
    few = data.take(rows)
    small = replace(
        plan, folds=FOLDS, store=oof.NoStore(), progress=lambda _done, _total: None, workers=1
    )
    bad = denied(names)
    controls: list[Callable[[], Control]] = [
        lambda: Control(
            name="no feature is a label",
            passed=not bad,
            detail=", ".join(bad) or "no name on the deny-list",
        ),
        lambda: _silence(few),
        lambda: _permuted(few, config=config, plan=small),
        lambda: _planted(few, horizon=horizon, config=config, plan=small),
        lambda: _late(few, config=config, plan=small),
    ]
    return tuple(control() for control in controls)


def _silence(data: Examples) -> Control:
    said = PriceExpert().correction(data.x, logit(data.price), data.cell)
    same = np.array_equal(corrected(data.price, said), data.price)
    return Control(
        name="knowing nothing is the price",
        passed=same,
        detail=f"{data.rows} prices, {'all' if same else 'not all'} bit by bit",
    )


def _permuted(data: Examples, *, config: LearningConfig, plan: oof.Plan) -> Control:
    name = "exchanged answers teach nothing"
    noise = permuted(data, seed=plan.seed)
    found = None if noise is None else _tested(noise, config=config, plan=plan)
    if found is None:
        return Control(name=name, passed=None, detail="too few events of one week and domain")
    large = found.events >= LARGE
    passed = abs(found.skill) <= NOTHING if large else found.skill_low <= 0
    return Control(name=name, passed=passed, detail=_told(found))


def permuted(data: Examples, *, seed: int) -> Examples | None:
    """Answers exchanged between events of one week and domain, priced at their mean.

    Whatever price and features knew is gone; what is left is the mean of the week and domain, which
    takes the place of the price. None where no week and domain holds enough events.
    """
    _, first, number = np.unique(data.event, return_index=True, return_inverse=True)
    week = np.floor(data.known_at[first] / (7 * splits.DAY_S)).astype(np.int64)
    domain = data.cell[first] // BUCKETS
    stratum = np.unique(np.column_stack([week, domain]), axis=0, return_inverse=True)[1].reshape(-1)
    rng = np.random.Generator(np.random.PCG64(seed))
    answer, mean = data.y[first].copy(), np.full(len(first), np.nan)
    for each in np.unique(stratum):
        mine = np.flatnonzero(stratum == each)
        answer[mine] = answer[rng.permutation(mine)]
        if len(mine) >= FEWEST_EVENTS:
            mean[mine] = answer[mine].mean()
    usable = (mean > 0) & (mean < 1)
    if not usable.any():
        return None
    rows = np.flatnonzero(usable[number])
    kept = data.take(rows)
    return replace(kept, y=answer[number][rows], price=mean[number][rows])


def _planted(data: Examples, *, horizon: str, config: LearningConfig, plan: oof.Plan) -> Control:
    """Let the first feature tell most of the answer: the leak gate must refuse it."""
    name = "a planted leak is caught"
    x = data.x.copy()
    rng = np.random.Generator(np.random.PCG64(plan.seed))
    truth = data.y - data.price
    x[:, 0] = truth + rng.normal(0, 0.1 * float(truth.std()), data.rows)
    found = _tested(replace(data, x=x), config=config, plan=plan)
    if found is None:
        return Control(name=name, passed=None, detail="too few events for a fold")
    try:
        gates.refuse_a_leak("control", found, horizon=horizon, config=config)
    except SuspectedLeak:
        return Control(name=name, passed=True, detail=_told(found))
    return Control(name=name, passed=False, detail=_told(found))


def _late(data: Examples, *, config: LearningConfig, plan: oof.Plan) -> Control:
    """Features an hour older may not do better: if they do, the clock of the newer ones is off.

    Better than the newer ones, and than nothing: where the newer ones only add noise, older ones
    that keep silent are no sign of a wrong clock.
    """
    name = "features of an hour ago do not improve"
    now, then = hour_ago(data)
    if not len(now):
        return Control(name=name, passed=None, detail="no market has decisions an hour apart")
    fresh = data.take(now)
    late = replace(fresh, x=data.x[then])
    both = [_tested(each, config=config, plan=plan) for each in (fresh, late)]
    if both[0] is None or both[1] is None:
        return Control(name=name, passed=None, detail="too few events for a fold")
    passed = both[1].skill_low <= max(both[0].skill, 0.0)
    return Control(name=name, passed=passed, detail=f"{_told(both[0])}; late {_told(both[1])}")


def hour_ago(data: Examples) -> tuple[Ints, Ints]:
    """Rows that have an earlier decision of their market at least an hour before, and that row."""
    order = np.lexsort((data.as_of, data.market))
    market, as_of = data.market[order], data.as_of[order]
    span = float(as_of.max() - as_of.min()) + 2 * HOUR_S if len(order) else 1.0
    key = market * span + (as_of - as_of.min(initial=np.inf))
    at = np.searchsorted(key, key - HOUR_S, side="right") - 1
    good = (at >= 0) & (market[at] == market)
    return order[good], order[at[good]]


def _tested(data: Examples, *, config: LearningConfig, plan: oof.Plan) -> HoldOut | None:
    cover = np.ones((data.rows, 1), dtype=bool)
    few = replace(plan, min_events=max(2, min(plan.min_events, data.events // (FOLDS + 2))))
    folds = oof.windows(data, few)
    if not folds:
        return None
    found = oof.heard(data, (BOOSTER,), cover, folds=folds, plan=few)
    moves: Floats = found.corrections[:, 0]
    heard = np.unique(data.event[found.rows][np.isfinite(moves)])
    if len(heard) < ENOUGH:
        return None
    return gates.judge(data.take(found.rows), moves, horizon=OUTCOME, config=config)


def _told(found: HoldOut) -> str:
    return f"skill {found.skill:+.3%}, at least {found.skill_low:+.3%}, {found.events} events"
