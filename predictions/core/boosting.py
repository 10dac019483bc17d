"""Boosted trees on the market logit's residual.

The market logit is LightGBM's initial score, so the trees learn a correction only: without a
split that pays, the forecast is the price. `predict` does not add the initial score back, which
is exactly what `correction` wants.
"""

import hashlib
import json
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class CorruptModel(ValueError):
    """The tree text does not match its digest; restore the file or train again."""


@dataclass(slots=True, kw_only=True)
class ResidualBooster:
    """LightGBM, strongly regularised, single-threaded and deterministic.

    Attributes
    ----------
    rounds, learning_rate, leaves
        Size of the model. Larger ones lost on the next period of recorded history.
    min_rows, min_information
        A leaf holds at least so many rows and so much weighted p(1 − p): at a price of one half,
        four events' worth per unit.
    ridge
        Penalty on leaf values, in the same unit as `min_information`.
    text_
        The fitted trees; empty where nothing was worth splitting.
    """

    kind: ClassVar[str] = "lightgbm-residual"
    native: ClassVar[bool] = True

    rounds: int = 60
    learning_rate: float = 0.03
    leaves: int = 4
    min_rows: int = 200
    min_information: float = 40.0
    ridge: float = 60.0
    text_: str = ""
    _trees: Any = field(default=None, repr=False, compare=False)

    def fit(
        self, x: Floats, logit: Floats, y: Floats, *, cell: Ints, weight: Floats, seed: int
    ) -> Self:
        """Grow trees on rows with a finite logit; fewer than two leaves' worth grow none."""
        del cell
        good = np.isfinite(logit) & np.isfinite(y) & (weight > 0)
        self.text_, self._trees = "", None
        if good.sum() < 2 * self.min_rows:
            return self
        lightgbm = _library()
        data = lightgbm.Dataset(
            x[good],
            label=y[good],
            weight=weight[good],
            init_score=logit[good],
            params={"max_bin": 63, "verbose": -1, "num_threads": 1},
        )
        trees = lightgbm.train(self._parameters(seed), data, num_boost_round=self.rounds)
        if any(tree["num_leaves"] > 1 for tree in trees.dump_model()["tree_info"]):
            self.text_ = trees.model_to_string()
        return self

    def correction(self, x: Floats, logit: Floats, cell: Ints) -> Floats:
        """Sum of the trees, on the logit scale; zero where the row has no price."""
        del cell
        if not self.text_ or not len(logit):
            return np.zeros(len(logit))
        if self._trees is None:
            self._trees = _library().Booster(model_str=self.text_)
        raw: Floats = self._trees.predict(x, raw_score=True, num_threads=1)
        return np.where(np.isfinite(logit), raw, 0.0)

    def to_bytes(self) -> bytes:
        """One JSON line with the parameters and the digest of the trees, then LightGBM's text."""
        head = {
            "kind": self.kind,
            "rounds": self.rounds,
            "learning_rate": self.learning_rate,
            "leaves": self.leaves,
            "min_rows": self.min_rows,
            "min_information": self.min_information,
            "ridge": self.ridge,
            "sha256": hashlib.sha256(self.text_.encode()).hexdigest(),
        }
        return json.dumps(head, separators=(",", ":")).encode() + b"\n" + self.text_.encode()

    @classmethod
    def from_bytes(cls, blob: bytes) -> Self:
        """Read `to_bytes`; `CorruptModel` before the library sees a cut or changed text."""
        line, _, text = blob.partition(b"\n")
        head = json.loads(line)
        if hashlib.sha256(text).hexdigest() != head.pop("sha256"):
            raise CorruptModel(
                "the LightGBM text does not match its sha256; restore the file or train again"
            )
        del head["kind"]
        return cls(**head, text_=text.decode())

    def _parameters(self, seed: int) -> dict[str, Any]:
        return {
            "objective": "cross_entropy",
            "learning_rate": self.learning_rate,
            "num_leaves": self.leaves,
            "min_data_in_leaf": self.min_rows,
            "min_sum_hessian_in_leaf": self.min_information,
            "lambda_l2": self.ridge,
            "feature_fraction": 0.5,
            "bagging_fraction": 0.7,
            "bagging_freq": 1,
            "max_bin": 63,
            "boost_from_average": False,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
            "seed": seed,
            "verbose": -1,
        }


def _library() -> Any:
    # Imported at first use: the registry runs in web processes, which load no ML library.
    return import_module("lightgbm")
