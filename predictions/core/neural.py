"""A small neural network on the market's residual: scikit-learn trains it, ONNX serves it.

It learns the working response (y − m) / (m(1 − m)) under the weight m(1 − m), the quadratic
expansion of the log loss about the market (one step of Fisher scoring), so that squared error on
it is a correction on the logit scale.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from predictions.core import onnx_graph, restraint
from predictions.core.learned import Draft, Learned
from predictions.core.logits import sigmoid
from predictions.core.restraint import EXTREME, Lesson

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """How columns become inputs, as found on the rows that teach, and on no others.

    Attributes
    ----------
    columns
        Which columns of x are used.
    centre, scale
        Mean and deviation of each where it is known; a missing value becomes 0.
    flags
        Positions in `columns` whose being missing is an input of its own.
    """

    columns: Ints
    centre: Floats
    scale: Floats
    flags: Ints

    @classmethod
    def of(cls, x: Floats, columns: Ints, *, least: float = 0.01) -> "Preparation":
        """From training rows; a gap in less than `least` of the rows, or in all, says nothing."""
        own = x[:, columns]
        _, centre, scale = restraint.standardised(own)
        gaps = np.isnan(own).mean(axis=0)
        flags = np.flatnonzero((gaps >= least) & (gaps <= 1 - least)).astype(np.int64)
        return cls(columns=columns, centre=centre, scale=scale, flags=flags)

    def __call__(self, x: Floats) -> Floats:
        """The inputs, float64[rows, columns + flags]."""
        own = np.clip(x[:, self.columns], -EXTREME, EXTREME)
        gaps = np.isnan(own)
        cut = np.clip((own - self.centre) / self.scale, -5.0, 5.0)
        return np.hstack([np.where(gaps, 0.0, cut), gaps[:, self.flags].astype(np.float64)])


@dataclass(slots=True, kw_only=True)
class ResidualNet(Learned):
    """One hidden layer on the columns that speak on their own.

    Attributes
    ----------
    hidden, epochs, learning_rate, ridge
        Units of the layer, passes over the rows, step of Adam, penalty on squared weights.
    most_rows
        Evenly spaced rows that are learned from at most.
    columns, min_score
        How many columns it may use, and the |t| each needs; see `restraint.screen`.
    """

    kind: ClassVar[str] = "mlp-residual"
    native: ClassVar[bool] = True

    hidden: int = 12
    epochs: int = 30
    learning_rate: float = 0.005
    ridge: float = 1.0
    most_rows: int = 20_000
    columns: int = 24
    min_score: float = 3.0

    def _learn(self, lesson: Lesson, tail: Lesson | None, *, seed: int, size: int) -> Draft | None:
        del tail, size
        columns = restraint.screen(lesson, least=self.min_score, most=self.columns)
        if not len(columns):
            return None
        lesson = lesson.thinned(self.most_rows)
        prepare = Preparation.of(lesson.x, columns)
        price = sigmoid(lesson.logit)
        variance = price * (1 - price)
        weight = lesson.weight * variance
        target = (lesson.y - price) / variance
        unit = float(np.sqrt(weight @ target**2 / weight.sum())) or 1.0
        net = self._train(prepare(lesson.x), target / unit, weight / weight.mean(), seed=seed)
        payload = onnx_graph.perceptron(
            net.coefs_,
            net.intercepts_,
            columns=columns,
            width=lesson.x.shape[1],
            prepared={
                "centre": prepare.centre,
                "scale": prepare.scale,
                "flags": prepare.flags,
                "unit": unit,
            },
        )
        onnx_graph.require_parity(
            payload, lesson.x, lambda x: unit * np.asarray(net.predict(prepare(x)))
        )
        paths = np.abs(net.coefs_[0]) @ np.abs(net.coefs_[1])[:, 0]
        shares = dict(zip(columns.tolist(), paths[: len(columns)].tolist(), strict=True))
        for place, column in enumerate(columns[prepare.flags].tolist()):
            shares[column] += float(paths[len(columns) + place])
        return Draft(payload, self.epochs, shares)

    def _train(self, inputs: Floats, target: Floats, weight: Floats, *, seed: int) -> Any:
        net = import_module("sklearn.neural_network").MLPRegressor(
            hidden_layer_sizes=(self.hidden,),
            activation="tanh",
            alpha=self.ridge,
            batch_size=min(256, len(target)),
            learning_rate_init=self.learning_rate,
            random_state=seed,
        )
        # Pass by pass: a fixed number is part of the restraint, and `fit` would warn of it.
        for _ in range(self.epochs):
            net.partial_fit(inputs, target, sample_weight=weight)
        return net

    def _open(self, payload: bytes) -> Any:
        return onnx_graph.session(payload)

    def _answer(self, served: Any, x: Floats, logit: Floats) -> Floats:
        del logit
        return onnx_graph.run(served, x)
