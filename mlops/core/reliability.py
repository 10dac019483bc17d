"""Is what was forecast as likely as it was said? Slope, calibration error and what Brier hides.

Slope and intercept are those of logit P(y) = a + b · logit p (Cox 1958), every event counting once,
with the sandwich error clustered by event. The calibration error has bins of equal mass; under
perfect calibration it is not zero, so its null band is drawn by flipping the sign of all residuals
of an event together (wild cluster bootstrap).
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from markets.core.series import Floats, Ints
from predictions.core.logits import logit, sigmoid

BINS = 10
Z = 1.959964  # two-sided 95 % of the normal distribution
STEPS = 50
CONVERGED = 1e-10
WORST_CONDITION = 1e10
CHUNK = 4_000_000  # drawn signs held at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Intercept and slope of the outcome's log odds on the forecast's, with 95 % intervals."""

    intercept: float
    intercept_low: float
    intercept_high: float
    slope: float
    slope_low: float
    slope_high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """Calibration of one forecast; Brier = reliability − resolution + uncertainty, within bins.

    `error_null` is the 95 % quantile of the calibration error where nothing is wrong.
    """

    line: Line | None
    error: float
    error_null: float
    reliability: float
    resolution: float
    uncertainty: float

    def as_json(self) -> dict[str, Any]:
        """Plain numbers; null where a number is unknown."""
        found = asdict(self)
        names = Line.__dataclass_fields__
        line = found.pop("line") or dict.fromkeys(names, np.nan)
        return {k: v if np.isfinite(v) else None for k, v in (line | found).items()}


def measure(
    p: Floats, y: Floats, *, event: Ints, rng: np.random.Generator, resamples: int
) -> Reliability:
    """Calibration of `p` against outcomes `y`, both float64[n], n > 0."""
    _, number, counts = np.unique(event, return_inverse=True, return_counts=True)
    share = 1.0 / counts[number]
    which = _bins(p)
    rows = np.bincount(which, minlength=BINS).astype(np.float64)
    held = rows > 0
    off = np.bincount(which, p - y, BINS)
    base = float(y.mean())
    happened = np.bincount(which, y, BINS)[held] / rows[held]
    weight = rows[held] / len(p)
    return Reliability(
        line=line(p, y, number=number, weight=share),
        error=float(np.abs(off).sum() / len(p)),
        error_null=_null(p - y, number=number, which=which, rng=rng, resamples=resamples),
        reliability=float((weight * np.square(off[held] / rows[held])).sum()),
        resolution=float((weight * np.square(happened - base)).sum()),
        uncertainty=base * (1 - base),
    )


def line(p: Floats, y: Floats, *, number: Ints, weight: Floats) -> Line | None:
    """Newton's maximum likelihood; None where forecasts or outcomes do not vary enough for it.

    `number` int64[n] counts the clusters from 0.
    """
    design = np.column_stack([np.ones(len(p)), logit(p)])
    found, information = np.array([0.0, 1.0]), np.zeros((2, 2))
    for _ in range(STEPS):
        chance = sigmoid(design @ found)
        information = design.T @ (design * (weight * chance * (1 - chance))[:, None])
        if np.linalg.cond(information) > WORST_CONDITION:
            return None
        step = np.linalg.solve(information, design.T @ (weight * (y - chance)))
        # The likelihood is concave; a bounded step keeps Newton from overshooting.
        found = found + step * min(1.0, 1.0 / max(float(np.abs(step).max()), 1e-300))
        if np.abs(step).max() < CONVERGED:
            break
    residual = (weight * (y - sigmoid(design @ found)))[:, None] * design
    scores = np.column_stack([np.bincount(number, residual[:, k]) for k in (0, 1)])
    inverse = np.linalg.inv(information)
    error = Z * np.sqrt(np.diag(inverse @ (scores.T @ scores) @ inverse))
    (a, b), (da, db) = found.tolist(), error.tolist()
    return Line(
        intercept=a,
        intercept_low=a - da,
        intercept_high=a + da,
        slope=b,
        slope_low=b - db,
        slope_high=b + db,
    )


def _bins(p: Floats) -> Ints:
    """Bins of equal mass; equal forecasts stay together."""
    edges = np.quantile(p, np.arange(1, BINS) / BINS)
    return np.searchsorted(edges, p, side="left").astype(np.int64)


def _null(
    residual: Floats, *, number: Ints, which: Ints, rng: np.random.Generator, resamples: int
) -> float:
    events = int(number.max()) + 1
    sums = np.bincount(number * BINS + which, residual, events * BINS).reshape(events, BINS)
    drawn = np.empty(resamples)
    step = max(1, CHUNK // events)
    for start in range(0, resamples, step):
        stop = min(start + step, resamples)
        signs = rng.integers(0, 2, size=(stop - start, events)) * 2.0 - 1.0
        drawn[start:stop] = np.abs(signs @ sums).sum(axis=1)
    return float(np.quantile(drawn, 0.95)) / len(residual)
