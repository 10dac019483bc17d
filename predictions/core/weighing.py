"""Weights of corrections by penalised likelihood: zero until the evidence passes chance.

maximise Σ log likelihood(ℓ + Σ_k w_k f_k) − Σ_k toll_k w_k − Σ_k w_k² / 2·PRIOR²,  0 ≤ w_k ≤ cap

Every event counts once. With z_k the slope of the likelihood at the market in standard errors
clustered by event, the toll is SE_k · c · min(1, c / z_k): a weight is exactly zero up to z = c and
loses the share (c / z)² beyond, so that what is well proven is hardly held back (the non-negative
garrote, Breiman 1995, as an adaptive lasso, Zou 2006). Among many experts the best of noise passes
c by chance, so who may have a weight at all is decided at a level that grows with their number.
Where the weights of a row may not sum to more than `total`, that is a bound of the fit: scaled down
afterwards, the best expert would lose to the mean of all.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from predictions.core.logits import sigmoid

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

PRIOR: Final = 0.5  # standard deviation of a weight before any evidence
CAUTION: Final = 2.0  # standard errors that a weight must be beyond chance
STEPS: Final = 60
SMALL: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What weights are fitted against.

    Attributes
    ----------
    odds
        float64[n], log odds that a weight of zero leaves.
    y
        float64[n], payout in [0, 1].
    event
        int64[n], the independent unit.
    """

    odds: Floats
    y: Floats
    event: Ints

    def take(self, rows: Flags | Ints) -> "Answers":
        """The given rows."""
        return Answers(odds=self.odds[rows], y=self.y[rows], event=self.event[rows])


def one(
    move: Floats, to: Answers, *, cap: float, caution: float = CAUTION, prior: float = PRIOR
) -> tuple[float, float]:
    """The weight of one correction in [0, cap], and its standard error."""
    weight, error = many(move[:, None], to, cap=cap, caution=caution, prior=prior)
    return float(weight[0]), float(error[0])


def many(
    moves: Floats,
    to: Answers,
    *,
    cap: float | Floats,
    caution: float = CAUTION,
    prior: float = PRIOR,
    total: float | None = None,
) -> tuple[Floats, Floats]:
    """Weights of k corrections (float64[n, k], 0: no opinion), and their standard errors.

    `cap` is one bound for all, or one each; `total` bounds the sum of those that speak on one row.
    """
    k = moves.shape[1]
    bound = np.broadcast_to(np.asarray(cap, dtype=np.float64), (k,))
    weight, error = np.zeros(k), np.zeros(k)
    told = np.flatnonzero(np.any(moves != 0.0, axis=0)) if len(moves) else np.empty(0, np.int64)
    if not len(told):
        return weight, error
    _, of, counts = np.unique(to.event, return_inverse=True, return_counts=True)
    share = 1.0 / counts[of]
    each = share[:, None] * moves[:, told]
    slopes, errors = _slopes(each, to.y - sigmoid(to.odds), of)
    z = np.divide(slopes, errors, out=np.zeros_like(slopes), where=errors > 0)
    passed = z > np.sqrt(caution**2 + np.log(len(told)))
    if not passed.any():
        return weight, error
    kept = told[passed]
    toll = (caution * errors * np.minimum(1.0, caution / np.maximum(z, SMALL)))[passed]
    found, doubt = _solve(
        moves[:, kept],
        to,
        each=each[:, passed],
        share=share,
        of=of,
        toll=toll,
        cap=bound[kept],
        prior=prior,
        total=None if total is None else (_together(moves[:, kept]), total),
    )
    weight[kept], error[kept] = found, doubt
    return weight, error


def _slopes(each: Floats, residual: Floats, of: Ints) -> tuple[Floats, Floats]:
    """Slope of the likelihood per correction and its standard error, clustered by event."""
    scores = [np.bincount(of, weights=column * residual) for column in each.T]
    return (
        np.array([score.sum() for score in scores]),
        np.sqrt([np.square(score).sum() for score in scores]),
    )


def _solve(
    moves: Floats,
    to: Answers,
    *,
    each: Floats,
    share: Floats,
    of: Ints,
    toll: Floats,
    cap: Floats,
    prior: float,
    total: tuple[Floats, float] | None,
) -> tuple[Floats, Floats]:
    """Newton's method; each step is a quadratic problem in bounds, damped until it gains."""
    ridge = 1.0 / prior**2
    weight = np.zeros(moves.shape[1])

    def value(at: Floats) -> float:
        odds = to.odds + moves @ at
        likelihood = share @ (to.y * odds - np.logaddexp(0.0, odds))
        return float(likelihood - toll @ at - ridge / 2 * at @ at)

    best = value(weight)
    for _ in range(STEPS):
        p = sigmoid(to.odds + moves @ weight)
        slope = each.T @ (to.y - p) - toll - ridge * weight
        curvature = (each * (p * (1 - p))[:, None]).T @ moves + ridge * np.eye(len(weight))
        step = _boxed(slope, curvature, low=-weight, high=cap - weight)
        if total is not None and np.any(total[0] @ (weight + step) > total[1]):
            room = total[1] - total[0] @ weight
            step = _bounded(slope, curvature, -weight, cap - weight, (total[0], room))
        gained = value(weight + step)
        while gained < best - SMALL and np.abs(step).max() > SMALL:
            step = step / 2
            gained = value(weight + step)
        weight, best = weight + step, max(best, gained)
        if np.abs(step).max() < 1e-8:
            break
    p = sigmoid(to.odds + moves @ weight)
    information = (each * (p * (1 - p))[:, None]).T @ moves + ridge * np.eye(len(weight))
    scores = np.column_stack([np.bincount(of, weights=column * (to.y - p)) for column in each.T])
    inverse = np.linalg.inv(information)
    error = np.sqrt(np.maximum(np.diag(inverse @ (scores.T @ scores) @ inverse), 0.0))
    return weight, np.where(weight > 0, error, 0.0)


def _together(moves: Floats) -> Floats:
    """Which corrections speak on one row, float64[different rows, k]; supersets only."""
    spoken = np.unique(moves != 0.0, axis=0)
    inside = [
        np.any(np.all(spoken >= each, axis=1) & np.any(spoken > each, axis=1)) for each in spoken
    ]
    return np.asarray(spoken[~np.array(inside)], dtype=np.float64)


def _bounded(
    slope: Floats,
    curvature: Floats,
    low: Floats,
    high: Floats,
    sums: tuple[Floats, Floats],
) -> Floats:
    """The step within the box and `sums` (which parts, their room) that gains most."""
    from scipy.optimize import minimize  # noqa: PLC0415 - pages import this module, and only training fits

    found = minimize(
        lambda step: 0.5 * step @ curvature @ step - slope @ step,
        np.clip(np.zeros(len(slope)), low, high),
        jac=lambda step: curvature @ step - slope,
        bounds=list(zip(low.tolist(), high.tolist(), strict=True)),
        constraints=[
            {"type": "ineq", "fun": lambda s: sums[1] - sums[0] @ s, "jac": lambda _: -sums[0]}
        ],
        method="SLSQP",
    )
    return np.asarray(np.clip(found.x, low, high), dtype=np.float64)


def _boxed(slope: Floats, curvature: Floats, *, low: Floats, high: Floats) -> Floats:
    """The step within the box that gains most by the quadratic model, one coordinate at a time."""
    step = np.zeros(len(slope))
    for _ in range(200):
        before = step.copy()
        for k in range(len(step)):
            rest = slope[k] - curvature[k] @ step + curvature[k, k] * step[k]
            step[k] = min(max(rest / curvature[k, k], low[k]), high[k])
        if np.abs(step - before).max() < 1e-10:
            break
    return step
