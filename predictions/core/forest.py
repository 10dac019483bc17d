"""A random forest on y − price: what the price leaves over, learned without a link function."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from predictions.core import onnx_graph, restraint
from predictions.core.learned import Draft, Learned
from predictions.core.logits import CLIP, sigmoid
from predictions.core.logits import logit as log_odds
from predictions.core.restraint import EXTREME, Lesson

Floats = NDArray[np.float64]

MISSING: Final = -2 * EXTREME  # smaller than every value: one split tells known from missing


@dataclass(slots=True, kw_only=True)
class ResidualForest(Learned):
    """Few shallow trees on the columns that speak on their own; p = clip(price + g).

    g never exceeds price (1 − price).

    Attributes
    ----------
    trees, depth, rows_a_tree
        Size, and how many rows a tree draws at most.
    min_share
        Least share of the weight in a leaf.
    columns, min_score
        How many columns it may use, and the |t| each needs; see `restraint.screen`.
    """

    kind: ClassVar[str] = "forest-residual"
    native: ClassVar[bool] = True

    trees: int = 60
    depth: int = 5
    rows_a_tree: int = 5000
    min_share: float = 0.02
    columns: int = 24
    min_score: float = 3.0

    def _learn(self, lesson: Lesson, tail: Lesson | None, *, seed: int, size: int) -> Draft | None:
        del tail, size
        columns = restraint.screen(lesson, least=self.min_score, most=self.columns)
        if not len(columns):
            return None
        forest = import_module("sklearn.ensemble").RandomForestRegressor(
            n_estimators=self.trees,
            max_depth=self.depth,
            min_weight_fraction_leaf=self.min_share,
            max_features=0.5,
            max_samples=min(1.0, self.rows_a_tree / lesson.rows),
            n_jobs=1,
            random_state=seed,
        )
        rows = filled(lesson.x)[:, columns]
        forest.fit(rows, lesson.y - sigmoid(lesson.logit), sample_weight=lesson.weight)
        payload = onnx_graph.forest(
            [tree.tree_ for tree in forest.estimators_],
            columns=columns,
            width=lesson.x.shape[1],
            missing=MISSING,
            extreme=EXTREME,
        )
        onnx_graph.require_parity(
            payload, lesson.x, lambda x: np.asarray(forest.predict(filled(x)[:, columns]))
        )
        gains = forest.feature_importances_.tolist()
        return Draft(payload, self.trees, dict(zip(columns.tolist(), gains, strict=True)))

    def _open(self, payload: bytes) -> Any:
        # Imported at first use: web processes read artefacts' rows and compile nothing.
        return import_module("predictions.core.trees").from_onnx(payload)

    def _answer(self, served: Any, x: Floats, logit: Floats) -> Floats:
        price = sigmoid(logit)
        # Near a bound a step that is small elsewhere would be a huge one on the logit scale.
        variance = price * (1 - price)
        step = np.clip(served.answer(filled(x)), -variance, variance)
        moved = np.clip(price + step, CLIP, 1 - CLIP)
        return log_odds(moved) - log_odds(price)


def filled(x: Floats) -> NDArray[np.float32]:
    """Values in single precision, cut, missing ones as the smallest."""
    cut = np.clip(x, -EXTREME, EXTREME)
    return np.where(np.isnan(x), MISSING, cut).astype(np.float32)
