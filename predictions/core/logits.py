"""Between probabilities and log odds, without ever moving a price that nothing corrects."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CLIP: Final = 0.005
MOST: Final = 20.0  # log odds; further than that no correction moves anything


def logit(price: Floats) -> Floats:
    """Log odds of prices clipped to [0.005, 0.995]; NaN stays NaN."""
    clipped = np.clip(price, CLIP, 1 - CLIP)
    return np.log(clipped) - np.log1p(-clipped)


def sigmoid(odds: Floats) -> Floats:
    """Probability of log odds, without overflow at any size."""
    tail = np.exp(-np.abs(odds))
    return np.where(odds >= 0, 1.0, tail) / (1.0 + tail)


def corrected(price: Floats, correction: Floats) -> Floats:
    """Move prices by `correction` on the logit scale; no correction returns them bit by bit.

    Works on the odds of the unclipped price, so it stays within (0, 1) and keeps 0 and 1.
    """
    lift = np.exp(np.clip(correction, -MOST, MOST))
    moved = price * lift / (1.0 - price + price * lift)
    return np.where(correction == 0.0, price, moved)
