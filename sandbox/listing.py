"""Which events and markets a listing shows: arithmetic on numbers, whatever the world's size."""

from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from sandbox.core.families import Family, Kind
from sandbox.core.world import MAX_CHILDREN, World
from sandbox.routes import Query, flag, many, one

CLOSED_FOR_S = 3600  # listings show what closed within the last hour; ids find any
SERIES = 10_000
Numbers = NDArray[np.int64]


def events(world: World, query: Query, second: int) -> Numbers:
    """Event numbers in order. Up/down series hide unless their `series_id` is asked for.

    `end_date_min` and `end_date_max` bound the end of what is shown.
    """
    parts = [_numbers(world, family, query, second) for family in _families(world, query)]
    return np.sort(np.concatenate(parts)) if parts else np.empty(0, dtype=np.int64)


def markets(world: World, query: Query, second: int) -> Numbers:
    """Market numbers in order."""
    parts = []
    for family in _families(world, query):
        numbers = _numbers(world, family, query, second)[:, None] * MAX_CHILDREN
        parts.append((numbers + np.arange(family.outcomes)).ravel())
    return np.sort(np.concatenate(parts)) if parts else np.empty(0, dtype=np.int64)


def _families(world: World, query: Query) -> list[Family]:
    wanted = many(query, "series_id")
    if wanted:
        series = [f for f in world.families if f.kind is Kind.EPOCH]
        return [f for f in series if str(SERIES + f.code) in wanted]
    return [f for f in world.families if f.kind is not Kind.EPOCH]


def _numbers(world: World, family: Family, query: Query, second: int) -> Numbers:
    found = world.index(family, second, closed_for_s=CLOSED_FOR_S if flag(query, "closed") else 0)
    earliest, latest = one(query, "end_date_min", ""), one(query, "end_date_max", "")
    if not (earliest or latest):
        return found
    ends = world.ends(family, found)
    inside = np.ones(len(found), dtype=np.bool_)
    if earliest:
        inside &= ends >= datetime.fromisoformat(earliest).timestamp()
    if latest:
        inside &= ends <= datetime.fromisoformat(latest).timestamp()
    return found[inside]
