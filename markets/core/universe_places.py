"""Who gets a place in the universe: shared fairly between the profiles, the deepest books first."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from markets.core.universe import PROFILES

# Prices lie on a grid of 1e-4 at the finest: what differs by less than this is equal.
GRAIN = 9


def places(wanted: Mapping[str, int], total: int) -> dict[str, int]:
    """How many of `total` places each profile gets: equal shares, what one leaves goes to others.

    >>> places({"EPOCH": 5000, "SHORT": 10, "OUTCOME": 5000}, 100)
    {'EPOCH': 45, 'SHORT': 10, 'OUTCOME': 45}
    """
    given = dict.fromkeys(wanted, 0)
    rest = total
    while rest and (hungry := [k for k in wanted if given[k] < wanted[k]]):
        share = max(rest // len(hungry), 1)
        for name in hungry[:rest]:
            taken = min(share, wanted[name] - given[name])
            given[name] += taken
            rest -= taken
    return given


def admitted(frame: pl.DataFrame, total: int, *, by: str) -> pl.Series:
    """Whether each row gets one of `total` places, shared fairly between the profiles `fits`.

    Within a profile what is followed already comes first, then the soonest window, then the largest
    `by`; what is unknown comes last.
    """
    counts = dict.fromkeys(PROFILES, 0)
    counts |= dict(frame.group_by("fits").len().iter_rows())
    shares = places({name: counts[name] for name in sorted(counts)}, total)
    ranked = (
        frame.select("id", "fits", "tracked", "lead_s", by)
        .sort(
            ["fits", "tracked", "lead_s", by, "id"],
            descending=[False, True, False, True, False],
            nulls_last=True,
        )
        .with_columns(rank=pl.int_range(pl.len()).over("fits"))
        .with_columns(limit=pl.col("fits").replace_strict(shares, return_dtype=pl.Int64))
    )
    inside = ranked.filter(pl.col("rank") < pl.col("limit"))["id"]
    return frame["id"].is_in(inside.implode())


def book_figures(
    levels: Sequence[bytes | None], *, within: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Spread (dollars a share) and depth (dollars within `within` of the mid, both sides) of books.

    As packed by `markets.core.book`; float64[n] each, NaN for a book that is missing, unreadable,
    one-sided or crossed.
    """
    spread, depth = np.full(len(levels), np.nan), np.full(len(levels), np.nan)
    for row, packed in enumerate(levels):
        if not packed or len(packed) % 32:
            continue
        sides = np.frombuffer(packed, "<f8").reshape(2, -1, 2)
        bid, ask = sides[0, 0, 0], sides[1, 0, 0]
        if not ask > bid:
            continue
        spread[row] = round(ask - bid, GRAIN)
        near = np.round(np.abs(sides[:, :, 0] - (bid + ask) / 2), GRAIN) <= within
        depth[row] = np.sum(sides[near].prod(axis=1))
    return spread, depth
