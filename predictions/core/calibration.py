"""Whether forecasts mean what they say, and maps that make them: Platt, beta, Venn-Abers.

Platt (1999): logit q = c + b·logit p. Beta (Kull, Silva Filho, Flach 2017): logit q =
a·ln p − b·ln(1 − p) + c. Both are fitted as ridge logistic regressions towards the identity, so
that little evidence changes little. Venn-Abers (Vovk, Petej 2014) gives an interval [p0, p1] per
forecast: its width says how much one more answer could move the calibration there.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from predictions.core.coherence import pool
from predictions.core.logits import sigmoid

CAUTION: Final = 2.0  # standard errors that a deviation must be beyond chance

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NEAREST: Final = 1e-4  # probabilities are kept this far from 0 and 1 before a logarithm
TAU: Final = 0.2  # prior standard deviation of every parameter around the identity
STEPS: Final = 50
GRID: Final = 41  # forecasts at which the Venn-Abers interval is kept
BINS: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrator:
    """logit q = shift + rising·ln p − falling·ln(1 − p); (0, 1, 1) is the identity.

    With `rising` = `falling` it is Platt's line in logit p.
    """

    kinds: ClassVar[tuple[str, ...]] = ("platt", "beta")

    kind: str
    shift: float
    rising: float
    falling: float

    @classmethod
    def fit(cls, kind: str, p: Floats, y: Floats, *, event: Ints, tau: float = TAU) -> Self:
        """Fit towards the identity; every event counts once. `ValueError` for an unknown kind."""
        if kind not in cls.kinds:
            raise ValueError(f"{kind!r} is no calibrator; use one of {', '.join(cls.kinds)}")
        up, down = _logs(p)
        columns = (np.ones(len(p)), up - down) if kind == "platt" else (np.ones(len(p)), up, -down)
        found = _towards_identity(np.column_stack(columns), up - down, y, event, tau=tau)
        rising, falling = found[1], found[-1]
        return cls(
            kind=kind,
            shift=float(found[0]),
            rising=1.0 + float(rising),
            falling=1.0 + float(falling),
        )

    def move(self, p: Floats) -> Floats:
        """What calibrating adds to the log odds of `p`, float64[rows]."""
        up, down = _logs(p)
        return self.shift + (self.rising - 1) * up - (self.falling - 1) * down

    def as_json(self) -> dict[str, Any]:
        """Plain content of the artefact."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read the content of `as_json`."""
        return cls(**content)


@dataclass(frozen=True, slots=True, kw_only=True)
class Widths:
    """Width of the Venn-Abers interval by forecast, kept at `at` and interpolated between."""

    at: tuple[float, ...]
    width: tuple[float, ...]

    @classmethod
    def fit(cls, p: Floats, y: Floats, *, event: Ints) -> Self:
        """From forecasts and answers that the forecasts had not seen; an event weighs as one."""
        if not len(p):
            return cls(at=(0.5,), width=(1.0,))
        at = np.unique(np.quantile(p, np.linspace(0, 1, GRID)))
        low, high = venn_abers(p, y, at, weight=_event_weight(event))
        return cls(at=tuple(at.tolist()), width=tuple((high - low).tolist()))

    def of(self, p: Floats) -> Floats:
        """Width at each probability, float64[rows], in [0, 1]."""
        return np.interp(p, self.at, self.width)


def venn_abers(
    p: Floats, y: Floats, at: Floats, *, weight: Floats | None = None
) -> tuple[Floats, Floats]:
    """Interval [p0, p1] of the forecasts `at`, calibrated on (p, y).

    p0 is the isotonic fit at the forecast when it is added with answer 0, p1 with answer 1.
    Calibration points are pooled in `BINS` quantile bins before. An added point weighs one.
    """
    mass = np.ones(len(p)) if weight is None else weight
    edges = np.unique(np.quantile(p, np.linspace(0, 1, BINS + 1)[1:-1]))
    where = np.searchsorted(edges, p, side="right")
    total = np.bincount(where, weights=mass, minlength=len(edges) + 1).astype(np.float64)
    payout = np.bincount(where, weights=mass * y, minlength=len(edges) + 1).astype(np.float64)
    full = np.flatnonzero(total > 0)
    total, payout = total[full], payout[full]
    place = np.searchsorted(full, np.searchsorted(edges, at, side="right"))
    ends = []
    for answer in (0.0, 1.0):
        fitted = []
        for i in np.minimum(place, len(full) - 1):
            with_it, one = total.copy(), payout.copy()
            with_it[i] += 1.0
            one[i] += answer
            fitted.append(pool(one / with_it, with_it)[i])
        ends.append(np.array(fitted))
    return ends[0], ends[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """One line of a reliability table: what was said and what came, every event counted once."""

    low: float
    high: float
    rows: int
    events: int
    forecast: float
    outcome: float
    error: float

    @property
    def gap(self) -> float:
        """How far outcomes lay above the forecast."""
        return self.outcome - self.forecast

    def as_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return asdict(self) | {"gap": self.gap}


def reliability(p: Floats, y: Floats, *, event: Ints, bins: int = 10) -> tuple[Bin, ...]:
    """The reliability table of one forecaster in equal steps of probability; empty bins left out.

    `error` is the standard error of the gap, clustered by event.
    """
    known = np.isfinite(p) & np.isfinite(y)
    p, y, event = p[known], y[known], event[known]
    weight = _event_weight(event)
    where = np.minimum((p * bins).astype(np.int64), bins - 1)
    table = []
    for k in np.unique(where):
        rows = where == k
        _, of = np.unique(event[rows], return_inverse=True)
        mass = weight[rows].sum()
        forecast = float(weight[rows] @ p[rows] / mass)
        outcome = float(weight[rows] @ y[rows] / mass)
        off = np.bincount(of, weights=weight[rows] * (y[rows] - p[rows] - (outcome - forecast)))
        table.append(
            Bin(
                low=float(k) / bins,
                high=float(k + 1) / bins,
                rows=int(rows.sum()),
                events=int(of.max()) + 1,
                forecast=forecast,
                outcome=outcome,
                error=float(np.sqrt(np.sum(off**2)) / mass),
            )
        )
    return tuple(table)


def _towards_identity(
    design: Floats, odds: Floats, y: Floats, event: Ints, *, tau: float
) -> Floats:
    """Deviations from the identity that maximise likelihood × N(0, τ²); zero where unproven.

    A deviation that is not `CAUTION` standard errors beyond chance together is none: the score
    test at the identity, clustered by event.
    """
    weight = _event_weight(event)
    deviation = np.zeros(design.shape[1])
    ridge = np.eye(design.shape[1]) / tau**2
    _, of = np.unique(event, return_inverse=True)
    pull = (weight * (y - sigmoid(odds)))[:, None] * design
    scores = np.column_stack([np.bincount(of, weights=column) for column in pull.T])
    total = scores.sum(axis=0)
    spread = scores.T @ scores
    if not len(y) or total @ np.linalg.pinv(spread) @ total <= CAUTION**2 * len(total):
        return deviation
    for _ in range(STEPS):
        p = sigmoid(odds + design @ deviation)
        slope = design.T @ (weight * (y - p)) - ridge @ deviation
        curvature = (design * (weight * p * (1 - p))[:, None]).T @ design + ridge
        step = np.linalg.solve(curvature, slope)
        # The penalised likelihood is concave; a bounded step keeps Newton from overshooting.
        deviation = deviation + step * min(1.0, 1.0 / max(float(np.abs(step).max()), 1e-300))
        if np.abs(step).max() < 1e-10:
            break
    return deviation


def _logs(p: Floats) -> tuple[Floats, Floats]:
    inside = np.clip(p, NEAREST, 1 - NEAREST)
    return np.log(inside), np.log1p(-inside)


def _event_weight(event: Ints) -> Floats:
    _, of, count = np.unique(event, return_inverse=True, return_counts=True)
    return 1.0 / count[of]
