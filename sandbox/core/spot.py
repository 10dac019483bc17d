"""The simulated spot price of a crypto asset at any second, without walking there first."""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sandbox.core import chance
from sandbox.core.chance import Floats

# One stretch is 2^17 s; inside it, a Brownian bridge by midpoint displacement (Lévy 1948).
LEVELS: Final = 17
STRETCH_S: Final = 2**LEVELS
BLOCK_S: Final = 4096  # kept at once: a window's path is asked for again and again
SIGMA: Final = 9e-5  # of the log price per root second, about 50 % a year
KNOT_SD: Final = 0.03
SPOT: Final = 101
LEVEL: Mapping[str, tuple[int, float]] = MappingProxyType(
    {"btc": (1, 90_000.0), "eth": (2, 3_000.0)}
)


def price(seed: int, asset: str, seconds: NDArray[np.int64]) -> Floats:
    """Dollars, to the cent, at each UTC epoch second."""
    code, level = LEVEL[asset]
    return np.asarray(np.round(level * np.exp(_walk(seed, code, seconds)), 2), dtype=np.float64)


def _walk(seed: int, code: int, seconds: NDArray[np.int64]) -> Floats:
    if not seconds.size:
        return np.empty(seconds.shape)
    blocks, which = np.unique(seconds // BLOCK_S, return_inverse=True)
    paths = np.stack([_block(seed, code, number) for number in blocks.tolist()])
    return np.asarray(paths[which.reshape(seconds.shape), seconds % BLOCK_S], dtype=np.float64)


@lru_cache(maxsize=512)
def _block(seed: int, code: int, number: int) -> Floats:
    """The walk over the seconds of one block; read-only, for all callers share it."""
    seconds = np.arange(number * BLOCK_S, (number + 1) * BLOCK_S, dtype=np.int64)
    path = _bridge(seed, code, seconds)
    path.flags.writeable = False
    return path


def _bridge(seed: int, code: int, seconds: NDArray[np.int64]) -> Floats:
    stretch = seconds // STRETCH_S
    low, high = stretch * STRETCH_S, (stretch + 1) * STRETCH_S
    at_low = KNOT_SD * chance.normal(seed, SPOT, code, stretch)
    at_high = KNOT_SD * chance.normal(seed, SPOT, code, stretch + 1)
    for depth in range(1, LEVELS + 1):
        middle = (low + high) // 2
        spread = SIGMA * np.sqrt((high - low) / 4.0)
        at_middle = (at_low + at_high) / 2 + spread * chance.normal(seed, SPOT, code, depth, middle)
        right = seconds >= middle
        low, high = np.where(right, middle, low), np.where(right, high, middle)
        at_low, at_high = np.where(right, at_middle, at_low), np.where(right, at_high, at_middle)
    return np.asarray(at_low, dtype=np.float64)
