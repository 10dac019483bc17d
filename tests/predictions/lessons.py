"""Examples with planted answers, and experts that learned from them."""

from functools import cache, partial

import numpy as np

from predictions.core.cells import BUCKETS
from predictions.core.estimators import ALGORITHM_OF_KIND, make
from predictions.core.logits import sigmoid

FACTORIES = {
    algorithm: partial(make, algorithm, **({"columns": (1, 2)} if algorithm == "text" else {}))
    for algorithm in ALGORITHM_OF_KIND.values()
}


def lesson(n=4000, *, seed=1, slope=1.0, shift=0.0, planted=0.0, bend=0.0):
    """Examples whose true log odds are shift + slope·ℓ + planted·x₁ + bend·(x₁² − 1)."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(0, 1.5, n)
    x = rng.normal(size=(n, 5))
    beside = planted * x[:, 1] + bend * (x[:, 1] ** 2 - 1)
    truth = sigmoid(shift + slope * odds + beside)
    y = (rng.random(n) < truth).astype(float)
    x[rng.random(x.shape) < 0.1] = np.nan
    signal = np.nan_to_num(x[:, 1])
    x[:, 0] = odds
    cell = rng.integers(0, 3, n) * BUCKETS + rng.integers(0, 3, n)
    return {"x": x, "logit": odds, "y": y, "cell": cell, "weight": np.ones(n)} | {"signal": signal}


def fitted(expert, examples=None, *, seed=7):
    """An expert that learned from these examples, or from the usual ones: from those only once."""
    return usual(expert) if examples is None else learned(expert, examples, seed=seed)


@cache
def usual(expert):
    return learned(expert, lesson(planted=0.8, slope=1.3, bend=0.5))


def learned(expert, e, *, seed=7):
    return expert().fit(e["x"], e["logit"], e["y"], cell=e["cell"], weight=e["weight"], seed=seed)


def answers(estimator, examples):
    return estimator.correction(examples["x"], examples["logit"], examples["cell"])
