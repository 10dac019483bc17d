"""The last rung: a softmax over experts and the market that looks at where a row stands.

w_k = a · exp(s_k) / (1 + Σ exp(s)), s = b + V·c, over the experts with an opinion; the 1 is the
market's. c are five variables chosen beforehand: domain, time left, spread, liquidity, distance of
the price from one half. Ridge pulls V to 0 and b to a small weight; a ≤ cap is fitted last and is
zero without evidence. It has hundreds of parameters: only for tens of thousands of events.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from predictions.core import weighing
from predictions.core.cells import BUCKETS
from predictions.core.combination import EXPERTS, Rows
from predictions.core.logits import sigmoid
from predictions.core.schema import COLUMN, DOMAINS
from predictions.core.weighing import Answers

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

LOOKS_AT: Final = ("spread", "volume_log", "distance_to_half")
WIDTH: Final = len(DOMAINS) + 1 + len(LOOKS_AT)
AT_FIRST: Final = -3.0  # scores before any evidence: about a twentieth of the market's
TAU: Final = 0.5  # prior standard deviation of scores and slopes
FURTHEST: Final = 4.0  # standard deviations beyond which a context counts as this far
STEPS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A fitted softmax gate.

    Attributes
    ----------
    scores
        b, one per expert; minus infinity is written as None: may not have weight.
    slopes
        V, per expert one slope per context variable.
    centre, scale
        Mean and standard deviation of the numeric context in training.
    weight, error
        a and its standard error.
    """

    kind: ClassVar[str] = "gate"

    scores: tuple[float | None, ...]
    slopes: tuple[tuple[float, ...], ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    weight: float
    error: float

    @classmethod
    def fit(cls, rows: Rows, answers: Answers, *, cap: float) -> Self:
        """Maximise the ridge likelihood by L-BFGS, then weigh the result like any correction."""
        numeric = _numeric(rows)
        known = np.where(np.isfinite(numeric), numeric, 0.0)
        counts = np.maximum(np.isfinite(numeric).sum(axis=0), 1)
        centre = known.sum(axis=0) / counts
        spread = np.where(np.isfinite(numeric), numeric - centre, 0.0)
        scale = np.maximum(np.sqrt((spread**2).sum(axis=0) / counts), 1e-9)
        heard: Flags = np.any(rows.present, axis=0)
        context = _context(rows, centre, scale)
        scores, slopes = _maximised(rows, context, answers, heard=heard)
        share = _softmax(rows, context, np.where(heard, scores, -np.inf), slopes)
        mean = np.asarray(np.sum(share * rows.filled, axis=1))
        weight, error = weighing.one(mean, answers, cap=cap)
        return cls(
            scores=tuple(
                float(b) if ok else None for b, ok in zip(scores, heard.tolist(), strict=True)
            ),
            slopes=tuple(map(tuple, slopes.T.tolist())),
            centre=tuple(centre.tolist()),
            scale=tuple(scale.tolist()),
            weight=weight,
            error=error,
        )

    @property
    def source(self) -> str:
        """See `Rung`."""
        return EXPERTS

    @property
    def total(self) -> float:
        """See `Rung`: what all experts have at most."""
        return self.weight

    def follows(self, there: Flags) -> bool:
        """See `Rung`."""
        return self.weight > 0 and bool(np.any(there & np.isfinite(self._scores())))

    def weights(self, rows: Rows) -> Floats:
        """See `Rung`."""
        return self.weight * self._shares(rows)

    def doubt(self, rows: Rows) -> Floats:
        """See `Rung`."""
        mean = np.sum(self._shares(rows) * rows.filled, axis=1)
        return self.error * np.abs(np.asarray(mean, dtype=np.float64))

    def as_json(self) -> dict[str, Any]:
        """See `Rung`."""
        content = {name: getattr(self, name) for name in self.__slots__}
        return {"kind": self.kind} | content

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """See `Rung`."""
        return cls(
            scores=tuple(content["scores"]),
            slopes=tuple(map(tuple, content["slopes"])),
            centre=tuple(content["centre"]),
            scale=tuple(content["scale"]),
            weight=content["weight"],
            error=content["error"],
        )

    def _scores(self) -> Floats:
        return np.array([-np.inf if b is None else b for b in self.scores])

    def _shares(self, rows: Rows) -> Floats:
        context = _context(rows, np.array(self.centre), np.array(self.scale))
        return _softmax(rows, context, self._scores(), np.array(self.slopes).T)


def _numeric(rows: Rows) -> Floats:
    return rows.x[:, [COLUMN[name] for name in LOOKS_AT]]


def _context(rows: Rows, centre: Floats, scale: Floats) -> Floats:
    """The context as numbers of like size, float64[rows, WIDTH]; what is missing is average."""
    domain = np.equal.outer(rows.cell // BUCKETS, np.arange(len(DOMAINS))).astype(np.float64)
    left = (rows.cell % BUCKETS)[:, None] / BUCKETS
    numeric = np.clip((_numeric(rows) - centre) / scale, -FURTHEST, FURTHEST)
    return np.column_stack([domain, left, np.where(np.isfinite(numeric), numeric, 0.0)])


def _softmax(rows: Rows, context: Floats, scores: Floats, slopes: Floats) -> Floats:
    """Shares of the experts, float64[rows, experts]; the market has what is left."""
    raw = np.where(rows.present & np.isfinite(scores), scores + context @ slopes, -np.inf)
    top = np.maximum(raw.max(axis=1, initial=-np.inf), 0.0)[:, None]
    lifted = np.exp(raw - top)
    shares: Floats = lifted / (np.exp(-top) + lifted.sum(axis=1, keepdims=True))
    return shares


def _maximised(
    rows: Rows, context: Floats, answers: Answers, *, heard: Flags
) -> tuple[Floats, Floats]:
    """B float64[experts] and V float64[WIDTH, experts]."""
    from scipy.optimize import minimize  # noqa: PLC0415 - only a training of this rung needs it

    k = rows.moves.shape[1]
    _, of, counts = np.unique(answers.event, return_inverse=True, return_counts=True)
    mass, filled = 1.0 / counts[of], rows.filled
    first = np.where(heard, AT_FIRST, -np.inf)

    def lost(theta: Floats) -> tuple[float, Floats]:
        step, slopes = theta[:k], theta[k:].reshape(WIDTH, k)
        share = _softmax(rows, context, first + step, slopes)
        mean = np.sum(share * filled, axis=1)
        odds = answers.odds + mean
        likelihood = mass @ (answers.y * odds - np.logaddexp(0.0, odds))
        pull = (mass * (answers.y - sigmoid(odds)))[:, None] * share * (filled - mean[:, None])
        slope = np.concatenate([pull.sum(axis=0), (context.T @ pull).ravel()])
        return float(theta @ theta / (2 * TAU**2) - likelihood), theta / TAU**2 - slope

    found = minimize(
        lost, np.zeros(k * (1 + WIDTH)), jac=True, method="L-BFGS-B", options={"maxiter": STEPS}
    ).x
    return AT_FIRST + found[:k], found[k:].reshape(WIDTH, k)
