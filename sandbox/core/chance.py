"""Chance without state: numbers that depend on their coordinates only."""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]
Words = NDArray[np.uint64]

GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
SECOND: Final = np.uint64(0x94D049BB133111EB)
MASK: Final = 2**64 - 1
STEP, MULTIPLIERS = int(GOLDEN), (int(FIRST), int(SECOND))


def word(*coordinates: ArrayLike) -> Words:
    """64 scrambled bits per coordinate tuple, broadcast (SplitMix64, Steele et al. 2014)."""
    first, plain = 0, 0
    # Most come first as one number each: plain integers are ten times as fast as arrays of one.
    for part in coordinates:
        if type(part) is not int:
            break
        first = _scrambled(first + STEP + part)
        plain += 1
    state = np.array([first], dtype=np.uint64)
    if plain < len(coordinates):
        with np.errstate(over="ignore"):
            for part in coordinates[plain:]:
                numbers = np.asarray(part).astype(np.int64).astype(np.uint64)
                state = _scramble(state + GOLDEN + numbers)
    return state


def _scrambled(state: int) -> int:
    """What `_scramble` does to each element."""
    state &= MASK
    state = (state ^ (state >> 30)) * MULTIPLIERS[0] & MASK
    state = (state ^ (state >> 27)) * MULTIPLIERS[1] & MASK
    return state ^ (state >> 31)


def _scramble(state: Words) -> Words:
    state = (state ^ (state >> np.uint64(30))) * FIRST
    state = (state ^ (state >> np.uint64(27))) * SECOND
    return np.asarray(state ^ (state >> np.uint64(31)), dtype=np.uint64)


def uniform(*coordinates: ArrayLike) -> Floats:
    """Uniform in (0, 1), one per coordinate tuple."""
    return np.asarray(
        ((word(*coordinates) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53,
        dtype=np.float64,
    )


def normal(*coordinates: ArrayLike) -> Floats:
    """Standard normal, one per coordinate tuple."""
    return np.asarray(ndtri(uniform(*coordinates)), dtype=np.float64)


def ripple(seconds: NDArray[np.int64], *coordinates: ArrayLike, period_s: int) -> Floats:
    """Slow noise of unit variance at each second: linear between normal knots `period_s` apart."""
    knot = seconds // period_s
    share = (seconds - knot * period_s) / period_s
    left, right = normal(*coordinates, knot), normal(*coordinates, knot + 1)
    # Linear interpolation shrinks the variance between knots; the root puts it back.
    blend = ((1 - share) * left + share * right) / np.sqrt((1 - share) ** 2 + share**2)
    return np.asarray(blend, dtype=np.float64)
