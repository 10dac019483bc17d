"""Compiled kernels of the features of order books and public trades."""
# ruff: noqa: PLR0917 - compiled functions take arrays by position; a struct would cost a copy
# ruff: noqa: C901 - one pass over the trades serves many features, which costs branches

import math

import numpy as np
from numpy.typing import NDArray

from predictions.core.compiled import njit
from predictions.core.kernels import known_by

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@njit
def look_back(
    known_at: Floats, first: int, end: int, as_of: float, lookback_s: float, most: int
) -> tuple[int, int]:
    """What a row at `as_of` may see: known by then, young enough, not too many."""
    last = known_by(known_at, first, end, as_of)
    oldest = known_by(known_at, first, last, as_of - lookback_s)
    return max(oldest, last - most), last


@njit
def paid(side: Floats, usd: float) -> float:
    """Mean price of trading `usd` dollars against the levels of a side; NaN where they lack."""
    left, shares = usd, 0.0
    for k in range(side.shape[0]):
        if math.isnan(side[k, 0]) or side[k, 0] <= 0:
            break
        dollars = min(left, side[k, 0] * side[k, 1])
        left -= dollars
        shares += dollars / side[k, 0]
        if left <= 0:
            return float(usd / shares)
    return math.nan


@njit
def cumulated(side: Floats, out: Floats) -> tuple[float, float, float]:
    """Shares, their mean price and the last price of a side; log depth by level into `out`."""
    shares, dollars, worst = 0.0, 0.0, math.nan
    for k in range(side.shape[0]):
        if not math.isnan(side[k, 0]):
            shares += side[k, 1]
            dollars += side[k, 0] * side[k, 1]
            worst = side[k, 0]
        out[k] = math.log1p(shares)
    return shares, dollars / shares if shares > 0 else math.nan, worst


@njit
def one_book(bids: Floats, asks: Floats, impact_usd: Floats, out: Floats) -> None:
    """The columns of one book, in the order of the schema, but for its toxicity."""
    n = bids.shape[0]
    bid, ask = bids[0, 0], asks[0, 0]
    if math.isnan(bid) and math.isnan(ask):
        return
    below, mean_bid, low = cumulated(bids, out[:n])
    above, mean_ask, high = cumulated(asks, out[n : 2 * n])
    if below + above > 0:
        out[2 * n + 1] = (below - above) / (below + above)
    if not ask > bid:
        return
    mid = (bid + ask) / 2
    width = 100 * ((mid - low) + (high - mid))
    out[2 * n] = math.log1p((below + above) / width)
    if below > 0 and above > 0:
        out[2 * n + 2] = (mean_bid * above + mean_ask * below) / (below + above) - mid
    k = 2 * n + 3
    for j in range(len(impact_usd)):
        out[k + j] = paid(asks, impact_usd[j]) - mid
        out[k + len(impact_usd) + j] = mid - paid(bids, impact_usd[j])


@njit
def toxicity(bids: Floats, asks: Floats, first: int, last: int) -> float:
    """|Net| over gross order flow at the best levels, after Cont, Kukanov & Stoikov (2014).

    What is added to the bid or taken from the ask counts up, the reverse down; a side that is
    missing in one of two successive books says nothing of them.
    """
    net = gross = 0.0
    for i in range(first + 1, last):
        change = 0.0
        now, was = bids[i, 0], bids[i - 1, 0]
        if not math.isnan(now[0] - was[0]):
            change += (now[1] if now[0] >= was[0] else 0.0) - (was[1] if now[0] <= was[0] else 0.0)
        now, was = asks[i, 0], asks[i - 1, 0]
        if not math.isnan(now[0] - was[0]):
            change -= (now[1] if now[0] <= was[0] else 0.0) - (was[1] if now[0] >= was[0] else 0.0)
        net += change
        gross += abs(change)
    return abs(net) / gross if gross > 0 else math.nan


@njit
def book_features(
    starts: Ints,
    known_at: Floats,
    bids: Floats,
    asks: Floats,
    market: Ints,
    as_of: Floats,
    lookback_s: float,
    most: int,
    impact_usd: Floats,
    out: Floats,
    age: Floats,
) -> None:
    """Fill the columns of the newest book and of how the last ones changed."""
    for row in range(len(market)):
        m = market[row]
        first, last = look_back(known_at, starts[m], starts[m + 1], as_of[row], lookback_s, most)
        if last == first:
            continue
        age[row] = math.log1p(as_of[row] - known_at[last - 1])
        one_book(bids[last - 1], asks[last - 1], impact_usd, out[row])
        out[row, -1] = toxicity(bids, asks, first, last)


@njit
def clipped_logit(p: float, clip: float) -> float:
    """ln(p / (1 − p)) of p clipped to [clip, 1 − clip]; NaN stays NaN."""
    if math.isnan(p):
        return p
    p = min(max(p, clip), 1 - clip)
    return math.log(p / (1 - p))


@njit
def window_flow(
    age: Floats,
    usd: Floats,
    taker: Floats,
    shares: Floats,
    window: float,
    span: float,
    out: Floats,
) -> float:
    """Count, volume, buy ratio, imbalance, intensity of a window; returns its mean price.

    Intensity compares with the rate of the whole look-back, which spans `span` seconds. The mean
    price, weighted by shares, is NaN where nothing traded.
    """
    n = buys = sides = 0
    volume = signed = sided = traded = 0.0
    for i in range(len(age) - 1, -1, -1):
        if age[i] > window:
            break
        n += 1
        volume += usd[i]
        traded += shares[i]
        if not math.isnan(taker[i]):
            sides += 1
            buys += taker[i] > 0
            signed += taker[i] * usd[i]
            sided += usd[i]
    out[0], out[1] = math.log1p(n), math.log1p(volume)
    if sides > 0:
        out[2] = buys / sides
    if sided > 0:
        out[3] = signed / sided
    out[4] = math.log1p(n) - math.log1p(len(age) * min(1.0, window / span))
    return volume / traded if traded > 0 else math.nan


@njit
def day_flow(
    age: Floats,
    usd: Floats,
    taker: Floats,
    price: Floats,
    day_s: float,
    large_usd: float,
    out: Floats,
) -> None:
    """Aggressive share, share of large trades and toxicity over a day: three values.

    A taker was aggressive whose trade lies beyond the one before, the way that they traded.
    """
    total = large = beyond = moved = 0.0
    buckets = np.zeros(24)
    sided = 0.0
    for i in range(len(age)):
        if age[i] > day_s:
            continue
        total += usd[i]
        if usd[i] >= large_usd:
            large += usd[i]
        if math.isnan(taker[i]):
            continue
        sided += usd[i]
        buckets[min(23, int(24 * age[i] / day_s))] += taker[i] * usd[i]
        if i > 0:
            moved += usd[i]
            if (price[i] - price[i - 1]) * taker[i] > 0:
                beyond += usd[i]
    if moved > 0:
        out[0] = beyond / moved
    if total > 0:
        out[1] = large / total
    if sided > 0:
        out[2] = np.sum(np.abs(buckets)) / sided


@njit
def trade_features(
    starts: Ints,
    known_at: Floats,
    price: Floats,
    shares: Floats,
    taker: Floats,
    market: Ints,
    as_of: Floats,
    market_price: Floats,
    lookback_s: float,
    most: int,
    windows: Floats,
    large_usd: float,
    clip: float,
    out: Floats,
    age_log: Floats,
) -> None:
    """Fill the columns of trades, row by row."""
    day = np.empty(3)
    means = np.empty(len(windows))
    for row in range(len(market)):
        m, t = market[row], as_of[row]
        first, last = look_back(known_at, starts[m], starts[m + 1], t, lookback_s, most)
        if last == first:
            continue
        age = t - known_at[first:last]
        usd = price[first:last] * shares[first:last]
        span = max(age[0], windows[-1]) if last - first < most else max(age[0], 1.0)
        for k in range(len(windows)):
            means[k] = window_flow(
                age,
                usd,
                taker[first:last],
                shares[first:last],
                windows[k],
                span,
                out[row, 5 * k : 5 * k + 5],
            )
        day[:] = np.nan
        day_flow(age, usd, taker[first:last], price[first:last], windows[-1], large_usd, day)
        k = 5 * len(windows)
        out[row, k] = day[0]
        if not math.isnan(means[1]):
            out[row, k + 1] = clipped_logit(means[1], clip) - clipped_logit(means[-1], clip)
        out[row, k + 2] = price[last - 1] - market_price[row]
        out[row, k + 3], out[row, k + 4] = day[1], day[2]
        age_log[row] = math.log1p(age[-1])
