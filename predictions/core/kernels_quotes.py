"""The groups book, series, flow and quality: one pass over each market, then row by row."""
# ruff: noqa: PLR0917 - compiled functions take arrays by position; a struct would cost a copy

import math

import numpy as np
from numpy.typing import NDArray

from predictions.core.compiled import njit
from predictions.core.kernels import known_by, over, put
from predictions.core.kernels_series import fill_series, total
from predictions.core.kernels_sums import (
    CHANGES,
    DEEP,
    FLOW,
    FLOWS,
    IMBALANCE,
    PRICED,
    SHARE_UNIT,
    SIDED,
    SPREAD,
    Scratch,
    averages,
    grow,
    hours_back,
    largest_gap,
    logit_of,
    scratch,
    sum_prices,
    sum_quotes,
)
from predictions.core.logits import CLIP
from predictions.core.schema import LOOKBACK_S

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Quotes = tuple[Floats, Floats, Floats, Floats, Floats, Floats]


@njit
def gap_of_logits(low: float, high: float) -> float:
    """Log odds of `high` less those of `low`, both clipped as everywhere."""
    p, q = min(max(low, CLIP), 1 - CLIP), min(max(high, CLIP), 1 - CLIP)
    return math.log(q * (1 - p) / (p * (1 - q)))


@njit
def fill_book(i: int, newest: int, quotes: Quotes, at: int, out: Floats) -> None:
    """Fill the group `book` from the newest quote `i` and the `newest` with a price, or -1."""
    price, bid, ask, bids, asks, _ = quotes
    p = price[newest] if newest >= 0 else np.nan
    b, a, nb, na = bid[i], ask[i], bids[i], asks[i]
    bound, spread, depth = min(p, 1 - p), a - b, nb + na
    middle = (a + b) / 2
    at = put(out, at, (p, logit_of(p) if newest >= 0 else np.nan, bound, p * (1 - p)))
    odds = gap_of_logits(b, a) if not math.isnan(spread) else np.nan
    at = put(out, at, (spread, over(spread, bound), odds, b, a, p - middle))
    share = over(nb - na, depth)
    gap = over(b * na + a * nb, depth) - middle
    down, up = math.log1p(nb), math.log1p(na)
    put(
        out,
        at,
        (gap, share, down - up, math.log1p(depth), down, up, math.log1p(nb * b + na * (1 - a))),
    )


@njit
def mean(sums: Ints, count: int, column: int, first: int, end: int) -> float:
    """Mean share of one over a window's quotes that have it."""
    return over(total(sums, column, first, end) / SHARE_UNIT, float(total(sums, count, first, end)))


@njit
def fill_flow(
    i: int, begin: int, first: int, quotes: Quotes, room: Scratch, marks: Ints, at: int, out: Floats
) -> None:
    """Fill the group `flow`: the newest quote `i` against its recent past; `begin`: sums' start."""
    _, bid, ask, bids, asks, volumes = quotes
    sums = room[0]
    last, hour, four, day = marks[0], marks[1], marks[4], marks[24]
    depth, volume = math.log1p(bids[i] + asks[i]), math.log1p(volumes[i])
    at = put(
        out,
        at,
        (
            volume,
            volume - math.log1p(volumes[begin + four - 1]) if four > first else np.nan,
            volume - math.log1p(volumes[begin + day - 1]) if day > first else np.nan,
        ),
    )
    near = mean(sums, DEEP, IMBALANCE, hour, last)
    share = over(bids[i] - asks[i], bids[i] + asks[i])
    at = put(out, at, (near, mean(sums, DEEP, IMBALANCE, four, last), share - near))
    for mark in (hour, four):
        j = begin + mark - 1
        out[at] = depth - math.log1p(bids[j] + asks[j]) if mark > first else np.nan
        at += 1
    wide = mean(sums, SIDED, SPREAD, four, last)
    at = put(out, at, (wide, over(ask[i] - bid[i], wide)))
    # The first quote of a look-back has nothing to be compared with.
    beyond = (max(hour, first + 1), max(four, first + 1))
    for mark in beyond:
        out[at] = mean(sums, FLOWS, FLOW, mark, last) if mark < last else np.nan
        at += 1
    hourly, daily = float(last - hour), float(last - day)
    at = put(out, at, (hourly, daily, math.log((1 + hourly) / (1 + daily / 24))))
    a, z = sums[day, PRICED], sums[last, PRICED]
    moved = total(room[4], CHANGES, a + 1, z) / (z - a - 1) if z - a >= 3 else np.nan
    put(out, at, (moved, volume - depth))


@njit
def fill_quality(
    known_at: Floats,
    begin: int,
    span: tuple[int, int],
    newest: int,
    room: Scratch,
    quotes: int,
    as_of: float,
    at: int,
    out: Floats,
) -> None:
    """Fill the group `quality`: how old, how often and how complete the look-back's quotes are."""
    sums, (first, last) = room[0], span
    n = last - first
    if n == 0:
        out[at + 2] = 0.0
        return
    age = as_of - known_at[begin + last - 1]
    lived = known_at[begin + last - 1] - known_at[begin + first]
    put(
        out,
        at,
        (
            math.log1p(age),
            math.log1p(as_of - known_at[newest]) if newest >= 0 else np.nan,
            math.log1p(n),
            math.log1p(as_of - known_at[begin + first]),
            math.log1p(max(largest_gap(room[1], quotes, first, last), age)),
            math.log1p(over(age * (n - 1), lived)),
            total(sums, SIDED, first, last) / n,
            total(sums, PRICED, first, last) / n,
            total(sums, DEEP, first, last) / n,
        ),
    )


@njit
def fill_row(
    known_at: Floats,
    quotes: Quotes,
    begin: int,
    sizes: tuple[int, int],
    room: Scratch,
    marks: Ints,
    as_of: float,
    at: tuple[int, int, int, int],
    out: Floats,
) -> None:
    """Fill the four groups of one row; `sizes`: quotes and prices that the sums hold."""
    known = known_at[begin : begin + sizes[0]]
    last = known_by(known, 0, sizes[0], as_of)
    first = known_by(known, 0, last, as_of - LOOKBACK_S)
    recent = hours_back(known, first, last, as_of, marks)
    a, z = room[0][first, PRICED], room[0][last, PRICED]
    newest = -1
    if z > a:
        newest = begin + known_by(room[0][: last + 1, PRICED], 0, last + 1, z - 1) - 1
    fill_quality(known_at, begin, (first, last), newest, room, sizes[0], as_of, at[3], out)
    if last == first:
        return
    fill_book(begin + last - 1, newest, quotes, at[0], out)
    fill_flow(begin + last - 1, begin, first, quotes, room, marks, at[2], out)
    if z > a:
        fill_series(room, sizes[1], a, recent, marks, as_of, at[1], out)


@njit
def quote_features(
    starts: Ints,
    known_at: Floats,
    quotes: Quotes,
    rows: tuple[Ints, Ints],
    asked: tuple[Ints, Floats],
    at: tuple[int, int, int, int],
    out: Floats,
) -> None:
    """Fill `out` with NaN, then book, series, flow and quality.

    `quotes` = price, bid, ask, bid depth, ask depth, volume; `rows` = rows by market, starts per
    market that is asked about; `asked` = market and instant per row; `at` = the groups' columns.
    """
    order, bounds = rows
    market, as_of = asked
    longest = 0
    for g in range(len(bounds) - 1):
        m = market[order[bounds[g]]]
        longest = max(longest, starts[m + 1] - starts[m])
    room = scratch(longest)
    marks = np.empty(25, dtype=np.int64)
    for g in range(len(bounds) - 1):
        mine = order[bounds[g] : bounds[g + 1]]
        m = market[mine[0]]
        oldest = newest = as_of[mine[0]]
        for row in mine:
            oldest, newest = min(oldest, as_of[row]), max(newest, as_of[row])
        begin = known_by(known_at, starts[m], starts[m + 1], oldest - LOOKBACK_S)
        end = known_by(known_at, begin, starts[m + 1], newest)
        prices = sum_quotes(known_at, quotes, begin, end, room)
        sum_prices(prices, room)
        averages(prices, room)
        grow(prices, room)
        for row in mine:
            for column in range(out.shape[1]):
                out[row, column] = np.nan
            fill_row(
                known_at,
                quotes,
                begin,
                (end - begin, prices),
                room,
                marks,
                as_of[row],
                at,
                out[row],
            )
