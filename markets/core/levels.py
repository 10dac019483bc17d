"""Packed order books of many moments as arrays: what `book.pack` wrote, all at once."""

from collections.abc import Sequence

import numpy as np

from markets.core.series import Floats

KEPT = 5
LEVEL_BYTES = 32  # a bid and an ask, each price and shares


def unpack(packed: Sequence[bytes]) -> tuple[Floats, Floats]:
    """The best levels of bids and of asks, float64[n, KEPT, 2] each, NaN where there are none.

    A book whose bytes are not whole levels is NaN throughout: one must not hide the others.
    """
    out = np.full((2, len(packed), KEPT, 2), np.nan)
    sizes = np.array([len(each) for each in packed], dtype=np.int64)
    for size in np.unique(sizes[sizes % LEVEL_BYTES == 0]):
        at, n = np.flatnonzero(sizes == size), int(size) // LEVEL_BYTES
        if n:
            whole = np.frombuffer(b"".join([packed[i] for i in at.tolist()]), "<f8").reshape(
                -1, 2, n, 2
            )
            few = min(n, KEPT)
            out[:, at, :few] = whole[:, :, :few].swapaxes(0, 1)
    return out[0], out[1]
