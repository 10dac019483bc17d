"""The rungs of the ladder as a table: how each is fitted on out-of-fold corrections."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from predictions.core import combination, weighing
from predictions.core.cells import BUCKETS
from predictions.core.combination import Fixed, Rows, Rung, Stack
from predictions.core.gating import Gate
from predictions.core.weighing import Answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What every rung is fitted with: the experts' names and proportions, and the cap."""

    names: tuple[str, ...]
    fixed: Mapping[str, float]
    cap: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A rung of the ladder: its name, how it is fitted, and the least events that permit it.

    `looks` says that it looks at features.
    """

    name: str
    fit: Callable[[Rows, Answers, Means], Rung]
    min_events: int = 0
    looks: bool = False


def recalibrated(rows: Rows, answers: Answers, means: Means) -> Fixed:
    """The recalibrated price alone."""
    return _weighed(combination.recalibrated(means.names), rows, answers, means)


def ensemble(rows: Rows, answers: Answers, means: Means) -> Fixed:
    """All experts in fixed proportions, one weight for all."""
    return _weighed(combination.ensemble(means.names, means.fixed), rows, answers, means)


def domains(rows: Rows, answers: Answers, means: Means) -> Fixed:
    """The ensemble with a weight per domain, which is that of all until the domain differs.

    A domain's deviation pays the same toll as a weight does, up or down, and is shrunk to zero.
    """
    base = ensemble(rows, answers, means)
    move = base.mean(rows)
    domain = rows.cell // BUCKETS
    found = np.unique(domain)
    apart = np.equal.outer(domain, found) * move[:, None]
    around = replace(answers, odds=answers.odds + base.weight * move)
    room = np.repeat([means.cap - base.weight, base.weight], len(found))
    off, error = weighing.many(np.column_stack([apart, -apart]), around, cap=room)
    up, down = np.split(off, 2)
    doubt = np.hypot(*np.split(error, 2))
    own = {
        int(d): (float(base.weight + u - v), float(np.hypot(base.error, e)))
        for d, u, v, e in zip(found, up, down, doubt, strict=True)
        if u != v
    }
    return replace(base, domains=own)


def stack(rows: Rows, answers: Answers, means: Means) -> Stack:
    """A weight of its own per expert."""
    weight, error = weighing.many(rows.filled, answers, cap=means.cap, total=means.cap)
    return Stack(weight=tuple(weight.tolist()), error=tuple(error.tolist()), cap=means.cap)


def gate(rows: Rows, answers: Answers, means: Means) -> Gate:
    """Weights that look at the context."""
    return Gate.fit(rows, answers, cap=means.cap)


STEPS: Final = (
    Step(name="recalibrated", fit=recalibrated),
    Step(name="ensemble", fit=ensemble),
    Step(name="domains", fit=domains),
    Step(name="stack", fit=stack),
    Step(name="gate", fit=gate, min_events=20_000, looks=True),
)


def _weighed(rung: Fixed, rows: Rows, answers: Answers, means: Means) -> Fixed:
    weight, error = weighing.one(rung.mean(rows), answers, cap=means.cap)
    return replace(rung, weight=weight, error=error)
