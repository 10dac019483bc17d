"""What keeps a learner quiet: units of information, a held-out tail, trust, and a screen.

Every expert learns in the same units. Labels that vary less than a coin of the market's odds (a
price some hours later) carry more information per row: weights are divided by the dispersion, so
that one penalty, one least gain and one least leaf suit every horizon (quasi-likelihood,
McCullagh & Nelder 1989, ch. 9).
"""

from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from predictions.core.logits import sigmoid

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

TAIL_SHARE: Final = 0.25  # of the weight, at the end of the rows, tells how far to follow
GAP_SHARE: Final = 0.02  # before it nobody learns: rows of one event stand together
LEAST_DISPERSION: Final = 1e-4
SCREENED_ROWS: Final = 20_000  # enough to hear what is loud
ROUNDING: Final = 1e-6
EXTREME: Final = 1e9  # larger values say no more than this one does


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """Rows that teach: x float64[n, k], market log odds, answers, and weights in events.

    `event` numbers the events, whose rows stand together. `scale` turns an event's weight into
    information: 1 for outcomes, more where answers scatter less around the price than outcomes
    would.
    """

    x: Floats
    logit: Floats
    y: Floats
    weight: Floats
    event: Ints
    scale: float

    @classmethod
    def of(
        cls, x: Floats, logit: Floats, y: Floats, weight: Floats, event: Ints | None = None
    ) -> Self:
        """The rows with a price, an answer and a weight; extreme values are cut."""
        good = np.isfinite(logit) & np.isfinite(y) & (weight > 0)
        event = numbered(weight, event)[good]
        logit, y, weight = logit[good], y[good], weight[good]
        price = sigmoid(logit)
        expected = float(weight @ (price * (1 - price)))
        scatter = float(weight @ (y - price) ** 2) / expected if expected else 1.0
        return cls(
            x=np.clip(x[good], -EXTREME, EXTREME),
            logit=logit,
            y=y,
            weight=weight,
            event=event,
            scale=1 / min(max(scatter, LEAST_DISPERSION), 1.0),
        )

    @property
    def rows(self) -> int:
        """How many rows."""
        return len(self.y)

    @property
    def information(self) -> Floats:
        """Weight of every row in the units of a likelihood."""
        return self.weight * self.scale

    def teaches(self, *, min_events: float) -> bool:
        """Whether there are events enough, and answers that differ."""
        return bool(self.weight.sum() >= min_events and self.y.min() < self.y.max())

    def take(self, rows: Ints | Flags | slice) -> Self:
        """Some of the rows, in the same units."""
        return type(self)(
            x=self.x[rows],
            logit=self.logit[rows],
            y=self.y[rows],
            weight=self.weight[rows],
            event=self.event[rows],
            scale=self.scale,
        )

    def thinned(self, rows: int) -> Self:
        """At most so many of the rows, evenly spaced."""
        return self.take(slice(None, None, -(-self.rows // rows))) if self.rows > rows else self

    def halves(self) -> tuple[Self, Self]:
        """What comes first, to learn from, and the tail that judges it; a gap lies between."""
        passed = np.cumsum(self.weight) / self.weight.sum()
        begin = int(np.searchsorted(passed, 1 - TAIL_SHARE))
        end = int(np.searchsorted(passed, 1 - TAIL_SHARE - GAP_SHARE))
        return self.take(slice(0, end)), self.take(slice(begin, None))


def numbered(weight: Floats, event: Ints | None) -> Ints:
    """Numbers of events whose rows stand together, rising from 0, int64[n].

    Where nobody names the events the weights of one sum to 1, so that the whole part of the weight
    that came before is its number.
    """
    if event is None:
        return np.floor(np.cumsum(weight) - weight + ROUNDING).astype(np.int64)
    return np.cumsum(np.diff(event, prepend=event[:1]) != 0)


def trust(correction: Floats, tail: Lesson) -> float:
    """How much of a correction its gain on unseen rows deserves, in [0, 1].

    With t = gain / standard error of the log loss by event, 1 − 1/t² where t > 1, else nothing: the
    positive-part shrinkage of James & Stein (1961).
    """
    if not tail.rows:
        return 0.0
    gain = _loss(tail.logit, tail.y) - _loss(tail.logit + correction, tail.y)
    events = tail.weight.sum()
    mean = float(tail.weight @ gain / events)
    off = _by_event(tail.event, tail.weight * (gain - mean))
    variance = float(off @ off / events / events)
    if mean <= 0 or variance <= 0:
        return 0.0
    return max(0.0, 1.0 - variance / mean**2)


def screen(lesson: Lesson, *, least: float, most: int) -> Ints:
    """Columns that speak on their own, ascending: at most `most`, each with |t| >= `least`.

    t is the largest of the score tests of the market's residual on a standardised column, on its
    square and on its product with the market's log odds. Of many rows it reads evenly spaced ones.
    """
    lesson = lesson.thinned(SCREENED_ROWS)
    z, _, _ = standardised(lesson.x)
    odds = lesson.logit - np.average(lesson.logit, weights=lesson.weight)
    best = np.zeros(z.shape[1])
    for seen in (z, z * z - 1.0, z * odds[:, None]):
        best = np.maximum(best, scores(lesson, seen, odds=lesson.logit))
    order = np.argsort(-best, kind="stable")[:most]
    return np.sort(order[best[order] >= least])


def scores(lesson: Lesson, terms: Floats, *, odds: Floats) -> Floats:
    """|t| of the score test of every term, float64[terms], against forecasts of these log odds.

    The variance is that of the events' sums, and at least what independent rows would have: few
    events that agree by chance must not look certain.
    """
    price = sigmoid(odds)
    residual = lesson.weight * (lesson.y - price)
    spread = lesson.weight**2 * price * (1 - price) / lesson.scale
    sums = _by_event(lesson.event, residual[:, None] * terms)
    variance = np.maximum(np.einsum("ij,ij->j", sums, sums), spread @ (terms * terms))
    return np.asarray(np.abs(residual @ terms) / np.sqrt(np.maximum(variance, 1e-12)))


def _by_event(event: Ints, values: Floats) -> Floats:
    """Sums of rows that stand together, float64[events, …]."""
    starts = np.flatnonzero(np.concatenate([[True], event[1:] != event[:-1]]))
    return np.asarray(np.add.reduceat(values, starts, axis=0), dtype=np.float64)


def narrowed(lesson: Lesson, *, most: int) -> Lesson:
    """The same rows, all columns missing but the `most` that speak loudest on their own.

    A boosted tree takes time by the column, and of a hundred quiet ones it would find none.
    """
    kept = screen(lesson, least=0.0, most=most)
    x = np.full(lesson.x.shape, np.nan)
    x[:, kept] = lesson.x[:, kept]
    return replace(lesson, x=x)


def standardised(x: Floats) -> tuple[Floats, Floats, Floats]:
    """Columns with mean 0 and deviation 1, missing as 0, beyond ±5 cut; with centre and scale."""
    known = ~np.isnan(x)
    count = np.maximum(known.sum(axis=0), 1)
    filled = np.where(known, x, 0.0)
    centre = filled.sum(axis=0) / count
    deviation = np.where(known, x - centre, 0.0)
    scale = np.sqrt((deviation**2).sum(axis=0) / count)
    scale = np.where(scale > 1e-9 * np.maximum(1.0, np.abs(centre)), scale, np.inf)
    return cut(deviation / scale), centre, scale


def cut(z: Floats) -> Floats:
    """Standardised values, missing as 0, beyond ±5 cut."""
    return np.clip(np.where(np.isnan(z), 0.0, z), -5.0, 5.0)


def _loss(odds: Floats, y: Floats) -> Floats:
    return np.asarray(np.logaddexp(0.0, odds) - y * odds, dtype=np.float64)
