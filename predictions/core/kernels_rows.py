"""What a row tells apart from its quotes: time and kind of market, then what its features imply."""
# ruff: noqa: PLR0917 - compiled functions take arrays by position; a struct would cost a copy

import math

import numpy as np
from numpy.typing import NDArray

from predictions.core.compiled import njit
from predictions.core.kernels import over, put
from predictions.core.schema import COLUMN, REGIMES, TICK

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Facts = tuple[Floats, Floats, Floats, Floats]

MID, LOGIT = COLUMN["mid"], COLUMN["logit"]
VARIANCE, SPREAD, WIDTH = COLUMN["outcome_variance"], COLUMN["spread"], COLUMN["spread_logit"]
IMBALANCE, DEPTH = COLUMN["depth_imbalance"], COLUMN["depth_log"]
RETURN_5M, RETURN_15M = COLUMN["return_5m"], COLUMN["return_15m"]
RETURN_1H, RETURN_4H, RETURN_24H = (COLUMN[f"return_{span}"] for span in ("1h", "4h", "24h"))
VOLATILITY_1H, VOLATILITY_24H = COLUMN["volatility_1h"], COLUMN["volatility_24h"]
MEMORY, AWAY, GAP_1H = (COLUMN[n] for n in ("autocorrelation_1", "deviation_24h", "ema_gap_1h"))
FLOW_1H, SIDED, LEFT = COLUMN["order_flow_1h"], COLUMN["two_sided_share"], COLUMN["hours_left"]


@njit
def bounded(value: float, high: float) -> float:
    """The value within [0, high]; NaN stays NaN."""
    if math.isnan(value) or math.isnan(high):
        return np.nan
    return min(max(value, 0.0), high)


@njit
def tell_facts(facts: Facts, kinds: Floats, m: int, t: float, at: int, out: Floats) -> None:
    """Fill the part of `context` that needs no quote: of market `m` at instant `t`."""
    opens_at, ends_at, epoch_at, window_s = facts
    opened = t - opens_at[m]
    opened = np.nan if opened < 0 else opened
    left = ends_at[m] - t
    left = 0.0 if left < 0 else left
    window = window_s[m] if window_s[m] > 0 else np.nan
    epoch = t - epoch_at[m]
    k = put(
        out, at, (math.log1p(opened), math.log1p(left), left / 3600, over(opened, opened + left))
    )
    k = put(out, k, (bounded(epoch / window, 1.0), bounded(window - epoch, window)))
    # The epoch began on a Thursday: day 2 and 3 of each seven are Saturday and Sunday.
    days = t / 86400
    day, week = 2 * math.pi * (days % 1), 2 * math.pi * ((days // 1) % 7) / 7
    k = put(out, k, (math.sin(day), math.cos(day), math.sin(week), math.cos(week)))
    out[k] = 1.0 if (days // 1) % 7 in (2.0, 3.0) else 0.0
    for kind in range(kinds.shape[1]):
        out[k + 1 + kind] = kinds[m, kind]


@njit
def sign(value: float) -> float:
    """−1, 0 or 1; NaN stays NaN."""
    return math.copysign(1.0, value) if value != 0 and not math.isnan(value) else value


@njit
def regime(ratio: float) -> float:
    """−1 calm, 0 normal, 1 volatile, by the last hour's volatility against the day's."""
    if math.isnan(ratio):
        return np.nan
    return -1.0 if ratio < REGIMES[0] else 1.0 if ratio > REGIMES[1] else 0.0


@njit
def derive(row: Floats, at: int) -> None:
    """Fill the group `derived` of one row from its other features."""
    hour, four, day = row[RETURN_1H], row[RETURN_4H], row[RETURN_24H]
    daily, spread, width = row[VOLATILITY_24H], row[SPREAD], row[WIDTH]
    to_end = daily * math.sqrt(row[LEFT])
    ratio = over(row[VOLATILITY_1H], daily)
    scaled = (over(hour, daily), over(four, 2 * daily), over(day, math.sqrt(24.0) * daily))
    momentum = (scaled[0] + scaled[1] + scaled[2]) / 3
    k = put(
        row,
        at,
        (
            abs(row[MID] - 0.5),
            abs(row[LOGIT]),
            hour - four / 4,
            row[RETURN_5M] - row[RETURN_15M] / 3,
            to_end,
            over(abs(row[LOGIT]), to_end),
            over(over(spread, row[VARIANCE]), row[VOLATILITY_1H]),
            sign(hour) * sign(day),
            row[IMBALANCE] * spread / 2,
            ratio,
            regime(ratio),
            row[DEPTH] - math.log(max(spread, 0.0) + TICK) if not math.isnan(spread) else np.nan,
        ),
    )
    k = put(row, k, scaled)
    put(
        row,
        k,
        (
            momentum,
            momentum * row[SIDED],
            over(hour, width),
            -row[AWAY] * max(-row[MEMORY], 0.0) if not math.isnan(row[MEMORY]) else np.nan,
            over(-row[GAP_1H], daily),
            row[FLOW_1H] * row[IMBALANCE],
            row[IMBALANCE] * hour,
            over(row[VARIANCE], row[LEFT]),
            over(width, to_end),
        ),
    )


@njit
def tell_missing(
    runs: Ints, sizes: Floats, counts: Floats, at: int, share: int, row: Floats
) -> None:
    """Fill the share of each group's features that are missing, and of all of them."""
    for group in range(len(counts)):
        counts[group] = 0
    for r in range(len(runs)):
        # Counted from the start of a part of its own, or no compiler takes several at once.
        part, missing = row[runs[r, 0] : runs[r, 1]], 0
        for column in range(len(part)):
            missing += math.isnan(part[column])
        counts[runs[r, 2]] += missing
    total = every = 0.0
    for group in range(len(sizes)):
        total += counts[group]
        every += sizes[group]
        row[at + group] = counts[group] / sizes[group]
    row[share] = total / every


@njit
def finish(
    facts: Facts,
    kinds: Floats,
    asked: tuple[Ints, Floats],
    runs: Ints,
    at: tuple[int, int, int, int],
    out: Floats,
) -> None:
    """Fill what facts tell, then the group `derived`, then how much of each group is missing.

    `facts` = opening, scheduled end, start of the epoch, its length; `kinds`: float64[markets, 5],
    whether exclusive, of politics, sports, crypto, finance; `asked` = market and instant per row;
    `runs` = int64[runs, 3], columns of one group that are counted: from, to, group; `at` = the
    columns where facts, derived and the groups' shares start, and of the whole share.
    """
    market, as_of = asked
    sizes = np.zeros(runs[len(runs) - 1, 2] + 1)
    for r in range(len(runs)):
        sizes[runs[r, 2]] += runs[r, 1] - runs[r, 0]
    counts = np.zeros(len(sizes))
    for row in range(len(out)):
        tell_facts(facts, kinds, market[row], as_of[row], at[0], out[row])
        derive(out[row], at[1])
        tell_missing(runs, sizes, counts, at[2], at[3], out[row])
