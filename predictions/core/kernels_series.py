"""What the prices of a row's look-back tell: returns, volatility, averages, levels, memory, shape.

Every window is `(as_of - window, as_of]` and its moves are those between two prices of it. `a` and
`z` bound a window's prices: the first of them, and one after the newest.
"""
# ruff: noqa: PLR0917 - compiled functions take arrays by position; a struct would cost a copy

import math

import numpy as np
from numpy.typing import NDArray

from predictions.core.compiled import njit
from predictions.core.kernels import over, put
from predictions.core.kernels_sums import (
    ABSOLUTE,
    APART,
    CHANGES,
    FALL,
    HIGH,
    JUMP,
    LEVEL,
    LOGIT_UNIT,
    LOW,
    MOVED,
    NEIGHBOURS,
    PRICED,
    PRODUCT,
    RISE,
    RISEN,
    SQUARE,
    TIME,
    TIME_LEVEL,
    TIME_SQUARE,
    TIME_UNIT,
    TURNS,
    UPS,
    Scratch,
    extremes,
)
from predictions.core.schema import (
    COLUMN,
    EMA_S,
    HURST_LAGS,
    LAGS,
    SAMPLES,
    SPREADS,
    YEAR_HOURS,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LOG_LAGS = np.log(HURST_LAGS) - np.mean(np.log(HURST_LAGS))
HURST_WEIGHTS = tuple(float(w) for w in LOG_LAGS / np.sum(LOG_LAGS**2))
SEASONAL = COLUMN["seasonal_return"]


@njit
def total(sums: Ints, column: int, a: int, z: int) -> np.int64:
    """A window's sum: exact, for the sums wrap around."""
    sum_: np.int64 = sums[z, column] - sums[a, column]
    return sum_


@njit
def returned(odds: Ints, first: int, then: int, z: int) -> float:
    """Logit now less the newest one of the look-back among the first `then` prices."""
    return (odds[z - 1] - odds[then - 1]) / LOGIT_UNIT if then > first else np.nan


@njit
def volatility(sums: Ints, a: int, z: int, hours: float) -> float:
    """Root of the moves' squares per hour; at least two moves."""
    return math.sqrt(total(sums, MOVED, a + 1, z) / hours) / LOGIT_UNIT if z - a >= 3 else np.nan


@njit
def centred(sums: Ints, x: int, y: int, xy: int, a: int, z: int) -> float:
    """Σ (x − mean) (y − mean) of a window of at least one price, without cancellation.

    The whole parts of the means go in integers, where a sum's wrapping does no harm.
    """
    n = z - a
    sx, sy = total(sums, x, a, z), total(sums, y, a, z)
    mx, my = sx // n, sy // n
    whole = total(sums, xy, a, z) - mx * sy - my * sx + n * mx * my
    return whole - (sx - n * mx) * ((sy - n * my) / n)


@njit
def average(sums: Ints, a: int, z: int) -> float:
    """Mean logit of a window's prices."""
    base = total(sums, LEVEL, a, z)
    return base / (z - a) / LOGIT_UNIT


@njit
def deviation(sums: Ints, odds: Ints, a: int, z: int) -> float:
    """Standard deviations between the newest logit and the window's mean; at least three prices."""
    n = z - a
    if n < 3:
        return np.nan
    spread = math.sqrt(max(centred(sums, LEVEL, LEVEL, SQUARE, a, z) / n, 0.0))
    away = (n * odds[z - 1] - total(sums, LEVEL, a, z)) / n
    return over(away, spread)


@njit
def slope(sums: Ints, a: int, z: int) -> float:
    """Least squares through a window's prices, logit per hour; at least three of them."""
    if z - a < 3:
        return np.nan
    spread = centred(sums, TIME, TIME, TIME_SQUARE, a, z)
    rise = centred(sums, TIME, LEVEL, TIME_LEVEL, a, z)
    return over(rise, spread) * (3600 * TIME_UNIT / LOGIT_UNIT)


@njit
def smooth(sums: Ints, odds: Ints, first: int, z: int) -> tuple[float, ...]:
    """Means of the last 5 and 20 prices, the newest against each, one against the other."""
    now = odds[z - 1] / LOGIT_UNIT
    short = average(sums, z - 5, z) if z - first >= 5 else np.nan
    long = average(sums, z - 20, z) if z - first >= 20 else np.nan
    return short, long, now - short, now - long, short - long


@njit
def exponential(room: Scratch, z: int, as_of: float) -> tuple[float, ...]:
    """The hour's exponential average; the newest logit against those of 5 min, 15 min, 1 h."""
    times, odds, means = room[2], room[3], room[5]
    now = odds[z - 1] / LOGIT_UNIT
    hour = math.exp(-(as_of - times[z - 1]) / EMA_S)
    quarter = hour * hour * hour * hour
    slow = (means[z - 1, 0] - odds[z - 1]) * hour / LOGIT_UNIT
    middle = (means[z - 1, 1] - odds[z - 1]) * quarter / LOGIT_UNIT
    fast = (means[z - 1, 2] - odds[z - 1]) * (quarter * quarter * quarter) / LOGIT_UNIT
    return now + slow, -fast, -middle, -slow, middle - slow


@njit
def ranged(room: Scratch, prices: int, a: int, z: int) -> tuple[float, ...]:
    """Range, place in it, fall from the high, largest fall, rise and move of a day; 3 prices."""
    if z - a < 3:
        return (np.nan, np.nan, np.nan, np.nan, np.nan, np.nan)
    found = extremes(room[6], prices, a, z)
    now, low, high = room[3][z - 1], found[LOW], found[HIGH]
    return (
        (high - low) / LOGIT_UNIT,
        over(float(now - low), float(high - low)),
        (high - now) / LOGIT_UNIT,
        found[FALL] / LOGIT_UNIT,
        found[RISE] / LOGIT_UNIT,
        found[JUMP] / LOGIT_UNIT,
    )


@njit
def percentile(sums: Ints, odds: Ints, first: int, z: int, marks: Ints) -> float:
    """Share of the last day's hourly prices below the newest, ties half; `SAMPLES` needed."""
    below, n, now = 0.0, 0, odds[z - 1]
    for k in range(1, len(marks)):
        j = sums[marks[k], PRICED]
        if j <= first:
            break
        n += 1
        below += 1.0 if odds[j - 1] < now else 0.5 if odds[j - 1] == now else 0.0
    return below / n if n >= SAMPLES else np.nan


@njit
def autocorrelation(sums: Ints, k: int, a: int, z: int) -> float:
    """Σ m_i m_{i-lag} / Σ m² of a day's moves, uncentred; at least three pairs."""
    if z - a - 1 - LAGS[k] < 3:
        return np.nan
    products = total(sums, PRODUCT + k, a + 1 + LAGS[k], z)
    return over(float(products), float(total(sums, MOVED, a + 1, z)))


@njit
def apart(sums: Ints, k: int, a: int, z: int) -> float:
    """Mean square between prices `HURST_LAGS[k]` quotes apart; missing in too short a window."""
    lag = HURST_LAGS[k]
    if z - a <= 2 * lag:
        return np.nan
    column = MOVED if k == 0 else APART + k - 1
    return total(sums, column, a + lag, z) / (z - a - lag)


@njit
def memory(sums: Ints, a: int, z: int) -> tuple[float, ...]:
    """Autocorrelation at each lag, variance ratios (Lo, MacKinlay 1988), Hurst's exponent.

    Hurst: slope of log root mean square between prices `lag` apart against log lag.
    """
    one, slope = apart(sums, 0, a, z), 0.0
    for k in range(len(HURST_LAGS)):
        square = apart(sums, k, a, z)
        slope += HURST_WEIGHTS[k] * 0.5 * math.log(square) if square > 0 else np.nan
    return (
        autocorrelation(sums, 0, a, z),
        autocorrelation(sums, 1, a, z),
        autocorrelation(sums, 2, a, z),
        autocorrelation(sums, 3, a, z),
        over(apart(sums, 1, a, z), HURST_LAGS[1] * one),
        over(apart(sums, 2, a, z), HURST_LAGS[2] * one),
        over(apart(sums, len(SPREADS), a, z), HURST_LAGS[len(SPREADS)] * one),
        slope,
    )


@njit
def surprise(count: np.int64, n: int) -> float:
    """One term of an entropy, in units of log 3."""
    return -count / n * math.log(count / n) / math.log(3.0) if count > 0 else 0.0


@njit
def shape(sums: Ints, odds: Ints, a: int, z: int) -> tuple[float, ...]:
    """Entropy of directions; shares of rises, of their squares, of turns; efficiency; jumps.

    Jumps: 1 − bipower variation / realised variance (Barndorff-Nielsen, Shephard 2004).
    """
    n = z - a - 1
    if n < 3:
        return (np.nan, np.nan, np.nan, np.nan, np.nan, np.nan)
    ups, changes = total(sums, UPS, a + 1, z), total(sums, CHANGES, a + 1, z)
    squares = float(total(sums, MOVED, a + 1, z))
    entropy = surprise(ups, n) + surprise(changes - ups, n) + surprise(n - changes, n)
    bipower = math.pi / 2 * total(sums, NEIGHBOURS, a + 2, z)
    return (
        entropy,
        over(float(ups), float(changes)),
        over(float(total(sums, RISEN, a + 1, z)), squares),
        total(sums, TURNS, a + 2, z) / (n - 1),
        over(float(abs(odds[z - 1] - odds[a])), float(total(sums, ABSOLUTE, a + 1, z))),
        max(1 - over(bipower, squares), 0.0) if squares > 0 else np.nan,
    )


@njit
def fill_series(
    room: Scratch,
    prices: int,
    first: int,
    recent: tuple[int, int],
    marks: Ints,
    as_of: float,
    at: int,
    out: Floats,
) -> None:
    """Fill the group `series` of a row that has a price; `first`: its look-back's first price."""
    quotes, odds, sums = room[0], room[3], room[4]
    z = quotes[marks[0], PRICED]
    five, fifteen = quotes[recent[0], PRICED], quotes[recent[1], PRICED]
    hour, four = quotes[marks[1], PRICED], quotes[marks[4], PRICED]
    half, day = quotes[marks[12], PRICED], quotes[marks[24], PRICED]
    at = put(
        out,
        at,
        (
            returned(odds, first, five, z),
            returned(odds, first, fifteen, z),
            returned(odds, first, hour, z),
            returned(odds, first, four, z),
            returned(odds, first, half, z),
            returned(odds, first, day, z),
        ),
    )
    daily = volatility(sums, day, z, 24.0)
    hourly = (volatility(sums, hour, z, 1.0), volatility(sums, four, z, 4.0))
    at = put(out, at, hourly)
    at = put(out, at, (daily, daily * math.sqrt(YEAR_HOURS)))
    at = put(out, at, smooth(sums, odds, first, z))
    at = put(out, at, exponential(room, z, as_of))
    at = put(out, at, (deviation(sums, odds, four, z), deviation(sums, odds, day, z)))
    at = put(out, at, ranged(room, prices, day, z))
    at = put(out, at, (percentile(quotes, odds, first, z, marks),))
    at = put(out, at, (slope(sums, four, z), slope(sums, day, z)))
    at = put(out, at, memory(sums, day, z))
    put(out, at, shape(sums, odds, day, z))
    if day > first:
        out[SEASONAL] = (odds[quotes[marks[23], PRICED] - 1] - odds[day - 1]) / LOGIT_UNIT
