"""Forecasts of one event made to agree with each other, as far as corrections made them disagree.

Of exclusive outcomes that exhaust an event exactly one happens, so corrections may move probability
between them and create none: a shift of all log odds restores the sum that the prices have, which
is the logit projection (min Σ KL) onto that simplex. What nobody corrected stays as it is, bit by
bit: that prices disagree is an arbitrage, not a forecast.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from predictions.core.logits import corrected

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

STEPS: Final = 40
EXHAUSTIVE: Final = 0.10  # how far the prices of an exhaustive event may sum away from one


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """Which rows belong together.

    Attributes
    ----------
    event
        int64[n], the question group of a row.
    exclusive
        bool[n], whether at most one outcome of the event happens. All its rows must be there:
        events whose prices do not sum to about one are left alone.
    """

    event: Ints
    exclusive: Flags


def cohere(
    price: Floats, probability: Floats, groups: Groups, *, movable: Flags
) -> tuple[Floats, Floats]:
    """Coherent probabilities, float64[n], and by how many cents they were not.

    Groups with a row that is not `movable` or has no price, or without any correction, are left
    bit by bit as they are.
    """
    _, of = np.unique(groups.event, return_inverse=True)
    count = int(of.max(initial=-1)) + 1

    def total(values: Floats | Flags) -> Floats:
        found = np.bincount(of, weights=np.asarray(values, np.float64), minlength=count)
        return found.astype(np.float64)

    whole = total(~(groups.exclusive & movable & np.isfinite(price))) == 0
    priced = np.where(np.isfinite(price), price, 0.0)
    market = total(priced)
    touched = total(probability != price) > 0
    several = np.bincount(of, minlength=count) > 1
    rows = (whole & touched & several & (np.abs(market - 1) <= EXHAUSTIVE))[of]
    cents = np.zeros(len(price))
    if not rows.any():
        return probability, cents
    kept, wanted = probability[rows], market[np.unique(of[rows])]
    _, where = np.unique(of[rows], return_inverse=True)
    off = np.bincount(where, weights=kept) - wanted
    cents[rows] = 100 * np.abs(off)[where]
    result = probability.copy()
    result[rows] = corrected(kept, _shift(kept, where, wanted)[where])
    return result, cents


def _shift(probability: Floats, of: Ints, wanted: Floats) -> Floats:
    """Per group the c with Σ σ(logit p + c) = wanted, by bisection: the sum rises with c."""
    low, high = np.full(len(wanted), -20.0), np.full(len(wanted), 20.0)
    for _ in range(STEPS):
        middle = (low + high) / 2
        over = np.bincount(of, weights=corrected(probability, middle[of])) > wanted
        low, high = np.where(over, low, middle), np.where(over, middle, high)
    return np.asarray((low + high) / 2)


def pool(values: Floats, weight: Floats | None = None) -> Floats:
    """The closest non-decreasing sequence in weighted squares: pool-adjacent violators.

    >>> pool(np.array([0.2, 0.5, 0.3, 0.6])).tolist()
    [0.2, 0.4, 0.4, 0.6]
    """
    means: list[float] = []
    masses: list[float] = []
    sizes: list[int] = []
    each = np.ones(len(values)) if weight is None else weight
    for value, alone in zip(values.tolist(), each.tolist(), strict=True):
        mean, mass, size = value, alone, 1
        while means and means[-1] >= mean:
            before, of, many = means.pop(), masses.pop(), sizes.pop()
            mean = (mean * mass + before * of) / (mass + of)
            mass, size = mass + of, size + many
        means.append(mean)
        masses.append(mass)
        sizes.append(size)
    return np.repeat(np.array(means, dtype=np.float64), sizes)
