"""What one share a bet would have made: a score to train and choose by, never a result.

It knows neither books nor fills nor fees of the day; results come from the replay.
"""

import numpy as np

from markets.core.series import Floats, Ints
from predictions.core.schema import COLUMN


def half_spread(x: Floats) -> Floats:
    """Cost per share of crossing from the mid, in dollars; NaN where no spread was seen."""
    return x[:, COLUMN["spread"]] / 2


def after_costs(
    price: Floats, probability: Floats, y: Floats, *, cost: Floats, event: Ints
) -> float:
    """Mean dollars per event of one share on every row whose forecast lies beyond its cost.

    `y` is the payout of outcome 0 in [0, 1]. Rows without a cost or below it make nothing; rows of
    one event are averaged.
    """
    if not len(price):
        return 0.0
    side = np.sign(probability - price)
    wanted = np.abs(probability - price) > cost
    made = np.where(wanted, side * (y - price) - np.where(wanted, cost, 0.0), 0.0)
    _, of, count = np.unique(event, return_inverse=True, return_counts=True)
    return float((np.bincount(of, weights=made) / count).mean())
