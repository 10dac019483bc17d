"""Compiled searches that every kernel shares; all features look things up with these."""
# ruff: noqa: PLR0917 - compiled functions take arrays by position; a struct would cost a copy

import math

import numpy as np
from numpy.typing import NDArray

from predictions.core.compiled import njit

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@njit
def known_by(times: Floats | Ints, first: int, end: int, when: float) -> int:
    """Index after the last time <= `when` within `[first, end)`."""
    while first < end:
        middle = (first + end) // 2
        if times[middle] <= when:
            first = middle + 1
        else:
            end = middle
    return first


@njit
def before(times: Floats, first: int, end: int, when: float) -> int:
    """As `known_by`, searched backwards from `end` in growing steps: quick for what is near it."""
    step, low = 1, first
    while end - step >= first:
        if times[end - step] <= when:
            low = end - step + 1
            break
        end -= step
        step *= 2
    return known_by(times, low, end, when)


@njit
def after(times: Floats, first: int, end: int, when: float) -> int:
    """As `known_by`, searched forwards from `first` in growing steps."""
    step, high = 1, end
    while first + step <= end:
        if times[first + step - 1] > when:
            high = first + step - 1
            break
        first += step
        step *= 2
    return known_by(times, first, high, when)


@njit
def priced(price: Floats, first: int, end: int) -> int:
    """Index of the last quote with a price in `[first, end)`, or -1."""
    for i in range(end - 1, first - 1, -1):
        if not math.isnan(price[i]):
            return i
    return -1


@njit
def prices_at(
    starts: Ints, known_at: Floats, price: Floats, market: Ints, as_of: Floats, max_age_s: Floats
) -> Floats:
    """Newest known price per row, NaN where it is older than its limit or there is none."""
    out = np.full(len(market), np.nan)
    for row in range(len(market)):
        begin = starts[market[row]]
        last = known_by(known_at, begin, starts[market[row] + 1], as_of[row])
        i = priced(price, begin, last)
        if i >= 0 and as_of[row] - known_at[i] <= max_age_s[row]:
            out[row] = price[i]
    return out


@njit
def put(out: Floats, at: int, values: tuple[float, ...]) -> int:
    """Write a tuple of floats from `at` on; returns where the next one goes."""
    for k in range(len(values)):
        out[at + k] = values[k]
    return at + len(values)


@njit
def over(top: float, bottom: float) -> float:
    """`top / bottom`, missing unless the bottom is positive."""
    return top / bottom if bottom > 0 else np.nan
