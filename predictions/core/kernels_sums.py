"""Running sums of one market's quotes, from which every window's features are one subtraction away.

All sums are integers of fixed point (logits in 2^-20, shares of one in 2^-40, seconds in 1/64) and
wrap around: whatever a sum began with cancels exactly in the difference of two, so a look-back
alone gives the same value as the whole history, in time that does not depend on its length.
"""

import math

import numpy as np
from numpy.typing import NDArray

from predictions.core.compiled import njit
from predictions.core.kernels import before
from predictions.core.logits import CLIP
from predictions.core.schema import EMA_GAP_S, EMA_S, LAGS, SPREADS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Extremes = tuple[np.int64, np.int64, np.int64, np.int64, np.int64]
Scratch = tuple[Ints, Floats, Floats, Ints, Ints, Floats, Ints]

LOGIT_UNIT = 2.0**20
SHARE_UNIT = 2.0**40
TIME_UNIT = 64.0

# Columns of the sums over quotes: row i sums the first i quotes.
PRICED, SIDED, SPREAD, DEEP, IMBALANCE, FLOWS, FLOW = range(7)
# Columns of the sums over prices: row i sums the first i prices.
LEVEL, SQUARE, TIME, TIME_SQUARE, TIME_LEVEL = range(5)
MOVED, RISEN, UPS, CHANGES, ABSOLUTE, NEIGHBOURS, TURNS = range(5, 12)
PRODUCT = 12  # one for each of LAGS
APART = PRODUCT + len(LAGS)  # one for each of SPREADS
WIDTH = APART + len(SPREADS)
# Columns of the tree over prices.
LOW, HIGH, FALL, RISE, JUMP = range(5)


@njit
def logit_of(price: float) -> float:
    """Log odds of a price clipped as everywhere."""
    p = min(max(price, CLIP), 1 - CLIP)
    return math.log(p / (1 - p))


@njit
def fixed(value: float, unit: float) -> np.int64:
    """Fixed point, to the nearest; missing counts nothing."""
    return np.int64(np.rint(value * unit)) if not math.isnan(value) else np.int64(0)


@njit
def scratch(quotes: int) -> Scratch:
    """Room for the longest history: quote sums, gaps, price times, odds, sums, averages, tree."""
    return (
        np.zeros((quotes + 1, 7), dtype=np.int64),
        np.empty(2 * quotes + 2),
        np.empty(quotes + 1),
        np.empty(quotes + 1, dtype=np.int64),
        np.zeros((quotes + 1, WIDTH), dtype=np.int64),
        np.empty((quotes + 1, 3)),
        np.empty((2 * quotes + 2, 5), dtype=np.int64),
    )


@njit
def pressed(bid: Floats, ask: Floats, bids: Floats, asks: Floats, i: int) -> float:
    """What moved at the best bid and ask between two quotes, of the depth they showed, [-1, 1].

    Order-flow imbalance of Cont, Kukanov, Stoikov (2014).
    """
    depth = bids[i] + bids[i - 1] + asks[i] + asks[i - 1]
    if not depth > 0 or math.isnan(bid[i] + bid[i - 1] + ask[i] + ask[i - 1]):
        return np.nan
    # Products, for which way a quote moved is a coin that no processor foresees.
    came = bids[i] * (bid[i] >= bid[i - 1])
    went = bids[i - 1] * (bid[i] <= bid[i - 1])
    offered = asks[i] * (ask[i] <= ask[i - 1])
    withdrawn = asks[i - 1] * (ask[i] >= ask[i - 1])
    flow: float = (came - went - offered + withdrawn) / depth
    return flow


@njit
def sum_quotes(
    known_at: Floats,
    quotes: tuple[Floats, Floats, Floats, Floats, Floats, Floats],
    first: int,
    end: int,
    room: Scratch,
) -> int:
    """Fill the sums over quotes and the prices' times and odds; returns how many prices."""
    price, bid, ask, bids, asks, _ = quotes
    sums, gaps, times, odds = room[0], room[1], room[2], room[3]
    n, m = end - first, 0
    for i in range(first, end):
        k = i - first
        now, then = sums[k + 1], sums[k]
        if not math.isnan(price[i]):
            times[m] = known_at[i]
            odds[m] = fixed(logit_of(price[i]), LOGIT_UNIT)
            m += 1
        now[PRICED] = m
        spread, depth = ask[i] - bid[i], bids[i] + asks[i]
        share = (bids[i] - asks[i]) / depth if depth > 0 else np.nan
        flow = pressed(bid, ask, bids, asks, i) if k > 0 else np.nan
        now[SIDED] = then[SIDED] + (not math.isnan(spread))
        now[SPREAD] = then[SPREAD] + fixed(spread, SHARE_UNIT)
        now[DEEP] = then[DEEP] + (not math.isnan(share))
        now[IMBALANCE] = then[IMBALANCE] + fixed(share, SHARE_UNIT)
        now[FLOWS] = then[FLOWS] + (not math.isnan(flow))
        now[FLOW] = then[FLOW] + fixed(flow, SHARE_UNIT)
        gaps[n + k] = known_at[i] - known_at[i - 1] if k > 0 else 0.0
    for k in range(n - 1, 0, -1):
        gaps[k] = max(gaps[2 * k], gaps[2 * k + 1])
    return m


@njit
def sum_prices(prices: int, room: Scratch) -> None:
    """Fill the sums over prices."""
    times, odds, sums = room[2], room[3], room[4]
    last = move = np.int64(0)
    for i in range(prices):
        now, then = sums[i + 1], sums[i]
        q, t = odds[i], np.int64(times[i] * TIME_UNIT)
        now[LEVEL] = then[LEVEL] + q
        now[SQUARE] = then[SQUARE] + q * q
        now[TIME] = then[TIME] + t
        now[TIME_SQUARE] = then[TIME_SQUARE] + t * t
        now[TIME_LEVEL] = then[TIME_LEVEL] + t * q
        last, move = move, (q - odds[i - 1] if i > 0 else np.int64(0))
        now[MOVED] = then[MOVED] + move * move
        now[RISEN] = then[RISEN] + (move * move if move > 0 else 0)
        now[UPS] = then[UPS] + (move > 0)
        now[CHANGES] = then[CHANGES] + (move != 0)
        now[ABSOLUTE] = then[ABSOLUTE] + abs(move)
        now[NEIGHBOURS] = then[NEIGHBOURS] + abs(move * last)
        now[TURNS] = then[TURNS] + (move * last < 0)
        for k in range(len(LAGS)):
            j = i - LAGS[k]
            pair = move * (odds[j] - odds[j - 1]) if j >= 1 else 0
            now[PRODUCT + k] = then[PRODUCT + k] + pair
        for k in range(len(SPREADS)):
            j = i - SPREADS[k]
            apart = q - odds[j] if j >= 0 else 0
            now[APART + k] = then[APART + k] + apart * apart


@njit
def averages(prices: int, room: Scratch) -> None:
    """Exponential averages of the price as it stood, up to each price; a long gap starts anew."""
    times, odds, means = room[2], room[3], room[5]
    for i in range(prices):
        gap = times[i] - times[i - 1] if i > 0 else np.inf
        if gap > EMA_GAP_S:
            means[i, 0] = means[i, 1] = means[i, 2] = odds[i]
            continue
        hour = math.exp(-gap / EMA_S)
        quarter = hour * hour * hour * hour
        for k, kept in enumerate((hour, quarter, quarter * quarter * quarter)):
            means[i, k] = kept * means[i - 1, k] + (1 - kept) * odds[i - 1]


@njit
def merge(tree: Ints, left: int, right: int, into: int) -> None:
    """Extremes of two neighbouring stretches of prices, from the extremes of each."""
    fall = max(tree[left, FALL], tree[right, FALL], tree[left, HIGH] - tree[right, LOW])
    rise = max(tree[left, RISE], tree[right, RISE], tree[right, HIGH] - tree[left, LOW])
    tree[into, LOW] = min(tree[left, LOW], tree[right, LOW])
    tree[into, HIGH] = max(tree[left, HIGH], tree[right, HIGH])
    tree[into, FALL] = fall
    tree[into, RISE] = rise
    tree[into, JUMP] = max(tree[left, JUMP], tree[right, JUMP])


@njit
def grow(prices: int, room: Scratch) -> None:
    """Build the tree over prices: leaf i is node `prices + i`, node k joins 2 k and 2 k + 1."""
    odds, tree = room[3], room[6]
    for i in range(prices):
        leaf = tree[prices + i]
        leaf[LOW] = leaf[HIGH] = odds[i]
        leaf[FALL] = leaf[RISE] = 0
        leaf[JUMP] = abs(odds[i] - odds[i - 1]) if i > 0 else 0
    for k in range(prices - 1, 0, -1):
        merge(tree, 2 * k, 2 * k + 1, k)


@njit
def extremes(tree: Ints, prices: int, first: int, end: int) -> Extremes:
    """Lowest, highest, largest fall, rise and single move of the prices `[first, end)`.

    At least one; the move into the first price came from outside and does not count.
    """
    low = high = tree[prices + first, LOW]
    fall = rise = jump = np.int64(0)
    tail_low, tail_high = np.int64(2**62), np.int64(-(2**62))
    tail_fall = tail_rise = np.int64(0)
    left, right = prices + first + 1, prices + end
    while left < right:
        if left & 1:
            node = tree[left]
            fall = max(fall, node[FALL], high - node[LOW])
            rise = max(rise, node[RISE], node[HIGH] - low)
            low, high = min(low, node[LOW]), max(high, node[HIGH])
            jump = max(jump, node[JUMP])
            left += 1
        if right & 1:
            right -= 1
            node = tree[right]
            tail_fall = max(tail_fall, node[FALL], node[HIGH] - tail_low)
            tail_rise = max(tail_rise, node[RISE], tail_high - node[LOW])
            tail_low, tail_high = min(tail_low, node[LOW]), max(tail_high, node[HIGH])
            jump = max(jump, node[JUMP])
        left, right = left // 2, right // 2
    fall = max(fall, tail_fall, high - tail_low)
    rise = max(rise, tail_rise, tail_high - low)
    return min(low, tail_low), max(high, tail_high), fall, rise, jump


@njit
def largest_gap(gaps: Floats, quotes: int, first: int, end: int) -> float:
    """Longest silence between successive quotes of `[first, end)`, seconds."""
    left, right, gap = quotes + first + 1, quotes + end, 0.0
    while left < right:
        if left & 1:
            gap = max(gap, gaps[left])
            left += 1
        if right & 1:
            right -= 1
            gap = max(gap, gaps[right])
        left, right = left // 2, right // 2
    return gap


@njit
def hours_back(
    known_at: Floats, first: int, last: int, as_of: float, marks: Ints
) -> tuple[int, int]:
    """Where each of the last hours began: `marks[k]` = quotes known k hours ago; 5 and 15 min."""
    marks[0] = last
    five = before(known_at, first, last, as_of - 300.0)
    fifteen = before(known_at, first, five, as_of - 900.0)
    mark = fifteen
    for k in range(1, len(marks)):
        mark = before(known_at, first, mark, as_of - 3600.0 * k)
        marks[k] = mark
    return five, fifteen
