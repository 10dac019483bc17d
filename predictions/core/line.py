"""The line below every learned expert: a few columns that speak loudly on their own, and linearly.

Trees and nets need many events to draw a straight line; a line needs few. Columns, their products
with the market's log odds, and what a change of probability is in log odds enter one after the
other while the score test of what is left unexplained is beyond `LEAST_T` (its variance clustered
by event), so that of a thousand silent ones hardly any enters. Each coefficient is a ridge logistic
regression's, and shrunk by 1 − 1/t² of the column's entry, the positive-part estimator of James &
Stein (1961).
"""

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from predictions.core import restraint
from predictions.core.logits import sigmoid
from predictions.core.restraint import Lesson

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEAST_T: Final = 4.0
MOST: Final = 6
CANDIDATES: Final = 32
MOST_ROWS: Final = 40_000
ODDS: Final = -1  # the column that is no feature: the market's log odds themselves
RIDGE: Final = 0.5  # in events of information, on standardised columns
STEPS: Final = 25
CONVERGED: Final = 1e-9
AS_IT_IS, BY_ODDS, AS_CHANGE = WAYS = range(3)  # how a column is read
NEAREST: Final = 0.002  # to 0 and 1, of a probability with its change


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A correction linear in standardised columns, each read in one of three ways.

    Attributes
    ----------
    columns, ways
        Which columns of x (or `ODDS`), and how each is read: as it is; multiplied by the log odds
        less `middle`; or, a change of probability, as the change of log odds that it would be.
    centre, scale, slope
        Of each term.
    """

    columns: tuple[int, ...] = ()
    ways: tuple[int, ...] = ()
    centre: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    slope: tuple[float, ...] = ()
    middle: float = 0.0

    @classmethod
    def of(cls, lesson: Lesson, columns: Ints) -> Self:
        """The line of these rows in the loudest of these columns; often there is none."""
        lesson = lesson.thinned(MOST_ROWS)
        columns = np.append(columns, ODDS)
        own_x = np.column_stack([lesson.x[:, columns[:-1]], lesson.logit])
        middle = float(np.average(lesson.logit, weights=lesson.weight))
        z, centre, scale = restraint.standardised(own_x)
        change, *read = restraint.standardised(_changes(own_x, lesson.logit))
        terms = np.hstack([z, z * (lesson.logit - middle)[:, None], change])
        centre, scale = (
            np.concatenate([a, a, b]) for a, b in zip((centre, scale), read, strict=True)
        )
        chosen, slopes = _entered(lesson, terms, first=len(columns) - 1)
        own = [k % len(columns) for k in chosen]
        return cls(
            columns=tuple(int(columns[k]) for k in own),
            ways=tuple(k // len(columns) for k in chosen),
            centre=tuple(float(centre[k]) for k in chosen),
            scale=tuple(float(scale[k]) for k in chosen),
            slope=tuple(slopes),
            middle=middle,
        )

    def __bool__(self) -> bool:
        """Whether anything entered."""
        return bool(self.columns)

    def answer(self, x: Floats, logit: Floats) -> Floats:
        """What to add to the log odds, float64[rows]; a missing value adds nothing."""
        found = np.zeros(len(logit))
        terms = zip(self.columns, self.ways, self.centre, self.scale, self.slope, strict=True)
        for column, way, centre, scale, slope in terms:
            values = logit if column == ODDS else x[:, column]
            if way == AS_CHANGE:
                values = _changes(values[:, None], logit)[:, 0]
            z = restraint.cut((values - centre) / scale)
            found += slope * z * ((logit - self.middle) if way == BY_ODDS else 1.0)
        return found

    def shares(self) -> dict[int, float]:
        """Per column of x the size of its terms."""
        found: dict[int, float] = {}
        for column, slope in zip(self.columns, self.slope, strict=True):
            if column != ODDS:
                found[column] = found.get(column, 0.0) + abs(slope)
        return found

    def as_json(self) -> dict[str, Any]:
        """Plain lists; numbers read back exactly."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Read `as_json`."""
        lists = {k: tuple(v) for k, v in content.items() if k != "middle"}
        return cls(**lists, middle=float(content["middle"]))


def _changes(x: Floats, logit: Floats) -> Floats:
    """Columns as changes of log odds; a value that no probability can change by stays missing."""
    p = sigmoid(logit)[:, None]
    after = np.clip(p + np.where(np.abs(x) < 1.0, x, np.nan), NEAREST, 1.0 - NEAREST)
    return np.asarray(np.log(after / (1.0 - after)) - logit[:, None])


def _entered(lesson: Lesson, terms: Floats, *, first: int) -> tuple[list[int], list[float]]:
    """Terms in order of entry, and their slopes after shrinkage.

    The term `first`, the price's own log odds, needs to be loud only, not the loudest: columns that
    move with the price say nearly the same, and which of them is loudest is chance.
    """
    chosen: list[int] = []
    trusts: list[float] = []
    slopes = np.empty(0)
    odds = lesson.logit
    for _ in range(MOST):
        t = restraint.scores(lesson, terms, odds=odds)
        t[chosen] = 0.0
        best = first if not chosen and t[first] >= LEAST_T else int(np.argmax(t))
        if t[best] < LEAST_T:
            break
        chosen.append(best)
        trusts.append(1.0 - 1.0 / float(t[best]) ** 2)
        slopes = _slopes(lesson, terms[:, chosen])
        odds = lesson.logit + terms[:, chosen] @ slopes
    return chosen, (slopes * np.array(trusts)).tolist()


def _slopes(lesson: Lesson, terms: Floats) -> Floats:
    """Ridge logistic regression with the market's log odds as offset, by Newton's method."""
    found = np.zeros(terms.shape[1])
    weight = lesson.information
    for _ in range(STEPS):
        p = sigmoid(lesson.logit + terms @ found)
        slope = terms.T @ (weight * (lesson.y - p)) - RIDGE * found
        curvature = terms.T @ (terms * (weight * p * (1 - p))[:, None])
        step = np.linalg.solve(curvature + RIDGE * np.eye(len(found)), slope)
        # A bounded step keeps Newton from overshooting; the likelihood is concave.
        found = found + step * min(1.0, 1.0 / max(float(np.abs(step).max()), 1e-300))
        if np.abs(step).max() < CONVERGED:
            break
    return found
