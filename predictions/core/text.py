"""The wording of the question and the mood of its news: a ridge on the market's log odds."""

import json
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from predictions.core import restraint, schema
from predictions.core.learned import Draft, Learned
from predictions.core.logits import sigmoid
from predictions.core.restraint import EXTREME, Lesson

Floats = NDArray[np.float64]

PREFIXES: Final = ("word_", "sentiment_")


def columns() -> tuple[int, ...]:
    """Where the features of text lie; none where the schema has none."""
    return tuple(i for i, name in enumerate(schema.NAMES) if name.startswith(PREFIXES))


@dataclass(slots=True, kw_only=True)
class ResidualText(Learned):
    """Logistic regression on standardised columns of text, the price as offset.

    Attributes
    ----------
    tau
        Prior standard deviation of a coefficient: posterior mode, as the recalibration's.
    columns
        Which columns of x it reads; by default those whose name begins with a prefix of text.
    min_score, most
        The |t| a column needs to be read at all, and how many are read.
    """

    kind: ClassVar[str] = "text-residual"
    native: ClassVar[bool] = False
    lined: ClassVar[bool] = False  # it is a line itself, in its own columns

    tau: float = 0.2
    min_score: float = 2.0
    most: int = 32
    columns: tuple[int, ...] | None = None

    def _learn(self, lesson: Lesson, tail: Lesson | None, *, seed: int, size: int) -> Draft | None:
        del tail, seed, size
        own = columns() if self.columns is None else self.columns
        places = np.array([k for k in own if k < lesson.x.shape[1]], dtype=np.int64)
        if not len(places):
            return None
        texts = Lesson(
            x=lesson.x[:, places],
            logit=lesson.logit,
            y=lesson.y,
            weight=lesson.weight,
            event=lesson.event,
            scale=lesson.scale,
        )
        places = places[restraint.screen(texts, least=self.min_score, most=self.most)]
        if not len(places):
            return None
        z, centre, scale = restraint.standardised(lesson.x[:, places])
        slopes = _mode(z, lesson, tau=self.tau)
        content = {
            "columns": places.tolist(),
            "centre": centre.tolist(),
            "scale": np.where(np.isfinite(scale), scale, 0.0).tolist(),
            "slopes": slopes.tolist(),
        }
        payload = json.dumps(content, separators=(",", ":")).encode()
        shares = dict(zip(places.tolist(), np.abs(slopes).tolist(), strict=True))
        return Draft(payload, len(places), shares) if slopes.any() else None

    def _open(self, payload: bytes) -> Any:
        content = json.loads(payload)
        return {
            "columns": np.array(content.pop("columns"), dtype=np.int64),
            **{name: np.array(values, dtype=np.float64) for name, values in content.items()},
        }

    def _answer(self, served: Any, x: Floats, logit: Floats) -> Floats:
        del logit
        own = np.clip(x[:, served["columns"]], -EXTREME, EXTREME)
        scale = np.where(served["scale"] > 0, served["scale"], np.inf)
        z = np.clip((own - served["centre"]) / scale, -5.0, 5.0)
        # A sum along rows, not a product of matrices: one row and thousands agree to the bit.
        return np.asarray((np.where(np.isnan(z), 0.0, z) * served["slopes"]).sum(axis=1))


def _mode(z: Floats, lesson: Lesson, *, tau: float) -> Floats:
    slopes = np.zeros(z.shape[1])
    prior = np.full(z.shape[1], 1 / tau**2)
    for _ in range(30):
        p = sigmoid(lesson.logit + z @ slopes)
        information = lesson.information * p * (1 - p)
        gradient = z.T @ (lesson.information * (lesson.y - p)) - prior * slopes
        step = np.linalg.solve(z.T @ (information[:, None] * z) + np.diag(prior), gradient)
        # The penalised likelihood is concave; a bounded step keeps Newton from overshooting.
        slopes += step * min(1.0, 1.0 / max(float(np.abs(step).max()), 1e-300))
        if np.abs(step).max() < 1e-10:
            break
    return slopes
