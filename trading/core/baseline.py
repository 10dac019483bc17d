"""A value strategy that can be explained in one line, for when machine learning is off.

The price moved by what the skilled wallets feel and by which side of the book is heavier, in log
odds; without either it is the price itself, to the last digit, and so without any edge.
"""

import numpy as np
from numpy.typing import NDArray

from predictions.core.logits import corrected
from trading.core.contracts import TradingConfig

Floats = NDArray[np.float64]


def value(price: Floats, *, mood: Floats, weight_of_bids: Floats, config: TradingConfig) -> Floats:
    """Probability of outcome 0 for n markets.

    Parameters
    ----------
    mood
        Of the cohort, in [-1, 1]; NaN says nothing.
    weight_of_bids
        (bids − asks) / (bids + asks) near the mid, in [-1, 1]; NaN says nothing.
    """
    push = config.baseline_mood_weight * np.nan_to_num(mood)
    push = push + config.baseline_book_weight * np.nan_to_num(weight_of_bids)
    return corrected(price, push)
