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
    """The walk at consecutive seconds: intervals around them, halved until each is one second."""
    first, last = seconds[0], seconds[-1]
    low = np.arange(first // STRETCH_S, last // STRETCH_S + 1, dtype=np.int64) * STRETCH_S
    at_low = KNOT_SD * chance.normal(seed, SPOT, code, low // STRETCH_S)
    at_high = KNOT_SD * chance.normal(seed, SPOT, code, low // STRETCH_S + 1)
    for depth in range(1, LEVELS + 1):
        width = STRETCH_S >> depth
        middle, spread = low + width, SIGMA * np.sqrt(2 * width / 4.0)
        at_middle = (at_low + at_high) / 2 + spread * chance.normal(seed, SPOT, code, depth, middle)
        low = np.stack([low, middle], axis=1).ravel()
        at_low, at_high = (
            np.stack(halves, axis=1).ravel()
            for halves in ((at_low, at_middle), (at_middle, at_high))
        )
        around = (low <= last) & (low + width > first)
        low, at_low, at_high = low[around], at_low[around], at_high[around]
    return np.asarray(at_low, dtype=np.float64)
