"""Naive beliefs that every replay is compared with; they go through the same sizing and gate."""

import numpy as np

from markets.core.series import Floats
from predictions.core.contracts import Forecasts

MARGIN = 0.10  # how wrong a naive believer thinks the market is
SIGMA = 0.02
NEAREST = 0.005


def favourite(price: Floats) -> Forecasts:
    """The favourite is always underpriced, by ten points."""
    return _belief(price, np.where(price >= 0.5, MARGIN, -MARGIN))


def random(price: Floats, *, rng: np.random.Generator, share: float = 0.02) -> Forecasts:
    """On `share` of the rows the market is wrong by ten points, which way a coin decides."""
    toss = rng.random(len(price))
    return _belief(price, np.where(toss < share, np.where(toss < share / 2, MARGIN, -MARGIN), 0.0))


def _belief(price: Floats, correction: Floats) -> Forecasts:
    probability = np.clip(price + correction, NEAREST, 1 - NEAREST)
    return Forecasts(
        price=price,
        probability=np.where(correction == 0.0, price, probability),
        sigma=np.full(len(price), SIGMA),
        source=np.where(correction == 0.0, "PRICE", "BASELINE"),
        weights={},
    )
