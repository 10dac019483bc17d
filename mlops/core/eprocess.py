"""Evidence that may be looked at after every cohort: betting e-processes on score differences.

A score difference is what the price lost minus what the expert lost: above zero the expert is
better. Under "the expert is no better", wealth is a supermartingale, so the chance that it *ever*
reaches 1/α is at most α (Ville 1939; Choe & Ramdas 2021, comparing sequential forecasters;
Waudby-Smith & Ramdas 2023 for the bets). Markets that are open together are not independent, and
an average of lagged processes is no supermartingale (corrigendum to Henzi & Ziegel 2022): so one
bet a cohort, on the mean over the cohort's events.

A bet is fair only where the forecast could know what the earlier cohorts taught: one that was made
before they were answered shares their surprises, and wealth then grows without skill. So a forecast
counts only where it was made after the previous cohort had closed (`counted`). Nor may a stake know
its own cohort: which events are answered in it, and so how large its difference can be, may depend
on the answers. Stakes are therefore sized by the largest reach of earlier cohorts (`_foreseen`).

What remains assumed is the null itself: that in each cohort, whatever came before it, the expert's
mean gain over the price on what is both asked and answered there is not above zero, also where a
cohort of record reach is scaled down. A price that has not yet heard what earlier cohorts told
breaks that in the expert's favour only if the expert heard it; so does a market whose answer comes
at a time that tells what it is, where the expert leans to the answer that comes first.
"""

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from markets.core.series import Floats, Ints

LARGEST_BET: Final = 0.75  # of what would lose everything; as the source truncates
PRIOR: Final = 0.25  # second moment of a difference before any was seen, per squared reach
LARGEST_EXPONENT: Final = 700.0  # e to more than this is no float
ROUNDING: Final = 1e-9


def brier_differences(market: Floats, expert: Floats, y: Floats) -> Floats:
    """Brier score of the price minus the expert's, per row, in [-1, 1]."""
    return np.square(market - y) - np.square(expert - y)


def brier_reach(market: Floats, expert: Floats) -> Floats:
    """How large a row's Brier difference can be, whatever its answer in [0, 1].

    The difference is linear in the answer, so its extremes are at 0 and 1.
    """
    total = market + expert
    return np.abs(market - expert) * np.maximum(total, 2 - total)


def counted(as_of: Floats, known_at: Floats, *, width_s: float) -> NDArray[np.bool_]:
    """Which forecasts were made after the cohort before that of their answer had closed, bool[n].

    Cohorts are `width_s` seconds of answers, counted from 1970; times are epoch seconds.
    """
    found: NDArray[np.bool_] = as_of >= np.floor(known_at / width_s) * width_s
    return found


def cohort_means(values: Floats, *, cohort: Ints, event: Ints) -> tuple[Ints, Floats, Ints]:
    """Means per cohort in which every event weighs the same.

    Parameters
    ----------
    values
        float64[rows] or float64[rows, k].
    cohort, event
        int64[rows]; an event counts once in each cohort in which it has rows.

    Returns
    -------
    tuple
        The cohorts in order, int64[c]; their means, float64[c] or float64[c, k]; their events.
    """
    # One number tells cohort and event: sorting numbers takes a tenth of sorting pairs.
    cohorts, place = np.unique(cohort, return_inverse=True)
    each, who = np.unique(event, return_inverse=True)
    pairs, number = np.unique(place * len(each) + who, return_inverse=True)
    of = pairs // max(len(each), 1)
    events = np.bincount(of, minlength=len(cohorts))
    share = 1.0 / (np.bincount(number)[number] * events[of][number])
    rows = values.reshape(len(values), int(np.prod(values.shape[1:], dtype=np.int64)))
    means = [
        np.bincount(of[number], share * column, minlength=len(cohorts)).astype(float)
        for column in rows.T
    ]
    shape = (len(cohorts), *values.shape[1:])
    return cohorts, np.column_stack(means).reshape(shape), events


def bets(d: Floats, *, reach: Floats) -> Floats:
    """What is staked on each of `d` [..., n], in [0, 3/4] per reach: mean over second moment.

    `reach` bounds each |d| and was known before it. Only what came before decides a bet, so the
    first is 0.
    """
    total = np.cumsum(d, axis=-1) - d
    square = np.cumsum(d * d, axis=-1) - d * d
    rate = _over(total, PRIOR * reach * reach + square)
    found: Floats = np.clip(rate, 0.0, _over(np.full_like(d, LARGEST_BET), reach))
    found[..., :1] = 0.0
    return found


def wealth(d: Floats, *, reach: Floats | float = 1.0) -> Floats:
    """The e-process after every cohort, for "the expert is better than the price".

    Parameters
    ----------
    d
        float64[..., n], mean score differences per cohort in order of time; leading axes are
        separate processes.
    reach
        A bound of each |d|, which may be known only with it: stakes go by the largest before, so
        where differences can only be small they count for more.

    Raises
    ------
    ValueError
        For a difference that is not finite or beyond its reach.
    """
    return _grow(*_foreseen(d, reach))


def worse(d: Floats, *, margin: float, reach: Floats | float = 1.0) -> Floats:
    """The mirror process after every cohort, for "worse than the price by more than `margin`"."""
    if margin < 0:
        raise ValueError(f"a margin is not negative: {margin}")
    scaled, bound = _foreseen(d, reach)
    return _grow(-scaled - margin, bound + margin)


def _grow(x: Floats, bound: Floats) -> Floats:
    logs = np.cumsum(np.log1p(bets(x, reach=bound) * x), axis=-1)
    grown: Floats = np.exp(np.minimum(logs, LARGEST_EXPONENT))
    return grown


def _foreseen(d: Floats, reach: Floats | float) -> tuple[Floats, Floats]:
    """Differences within a bound that was known before each: the largest reach so far, first 1.

    A cohort whose reach is larger than any before is scaled down to that, or it could lose more
    than everything.
    """
    now = np.broadcast_to(np.asarray(reach, dtype=float), d.shape)
    if not np.isfinite(d).all() or not (np.abs(d) <= now + ROUNDING).all():
        raise ValueError("score differences are finite and within their reach")
    bound = _before(np.maximum.accumulate(now, axis=-1), 1.0)
    return d * np.where(now > bound, _over(bound, now), 1.0), bound


def _over(above: Floats, below: Floats) -> Floats:
    """A quotient; 0 where the divisor is: an expert that said the price is no bet."""
    found: Floats = np.divide(above, below, out=np.zeros(above.shape), where=below > 0)
    return found


def confidence_sequence(
    d: Floats, *, level: float = 0.05, reach: Floats | float = 1.0
) -> tuple[Floats, Floats]:
    """Bounds of the mean difference that hold at all times together with chance 1 - `level`.

    Empirical Bernstein with predictable plug-in rates (Waudby-Smith & Ramdas 2023, theorem 2), as
    a running intersection; `d` float64[..., n], both bounds of the same shape, in its unit.
    """
    if not 0 < level < 1:
        raise ValueError(f"a level lies between 0 and 1: {level}")
    d, bound = _foreseen(d, reach)
    seen = np.arange(1, d.shape[-1] + 1)
    mean = np.cumsum(d, axis=-1) / (seen + 1)
    # What is known before a cohort: yesterday's mean, within what today's difference can be.
    expected = np.clip(_before(mean, 0.0), -bound, bound)
    squares = _before(np.cumsum(np.square(d - mean), axis=-1), 0.0)
    variance = (squares + PRIOR * bound**2) / seen
    log_level = np.log(2.0 / level)
    rate = np.sqrt(_over(np.full_like(d, 2.0 * log_level), variance * seen * np.log1p(seen)))
    rate = np.minimum(rate, _over(np.full_like(d, LARGEST_BET), 2.0 * bound))
    scaled = 2.0 * bound * rate
    cost = np.square(_over(d - expected, 2.0 * bound)) * (-np.log1p(-scaled) - scaled)
    weight = np.cumsum(rate, axis=-1)
    centre = _over(np.cumsum(rate * d, axis=-1), weight)
    half = np.where(weight > 0, _over(log_level + np.cumsum(cost, axis=-1), weight), np.inf)
    low = np.maximum.accumulate(np.maximum(centre - half, -1.0), axis=-1)
    high = np.minimum.accumulate(np.minimum(centre + half, 1.0), axis=-1)
    return low, high


def _before(values: Floats, first: float) -> Floats:
    head = np.full((*values.shape[:-1], 1), first)
    return np.concatenate([head, values[..., :-1]], axis=-1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Where two forecasters stand.

    `e_value` and `e_worse` are today's; `peak` and `peak_worse` the highest ever, which answer
    "was a threshold ever crossed" and nothing else. `low` and `high` bound the mean difference at
    all times together; NaN without a cohort.
    """

    cohorts: int
    e_value: float
    peak: float
    e_worse: float
    peak_worse: float
    mean: float
    low: float
    high: float

    def as_json(self) -> dict[str, Any]:
        """Plain numbers; null where a number is not finite."""
        return {name: value if np.isfinite(value) else None for name, value in asdict(self).items()}


def evidence(
    d: Floats, *, margin: float, level: float = 0.05, reach: Floats | float = 1.0
) -> Evidence:
    """Both processes and the interval on one sequence of cohort means, float64[n]."""
    if not len(d):
        nan = float("nan")
        return Evidence(
            cohorts=0,
            e_value=1.0,
            peak=1.0,
            e_worse=1.0,
            peak_worse=1.0,
            mean=nan,
            low=nan,
            high=nan,
        )
    better, poorer = wealth(d, reach=reach), worse(d, margin=margin, reach=reach)
    low, high = confidence_sequence(d, level=level, reach=reach)
    return Evidence(
        cohorts=len(d),
        e_value=float(better[-1]),
        peak=float(better.max()),
        e_worse=float(poorer[-1]),
        peak_worse=float(poorer.max()),
        mean=float(d.mean()),
        low=float(low[-1]),
        high=float(high[-1]),
    )
