"""How an expert did against the price, out of fold: scores per day, and evidence per cohort.

The expert's forecast uses half of the cap: whether it gains is judged here, how far to follow it is
fitted by the gate. Every event counts once in a cohort, and a cohort is one bet. Live answers are
counted by the same `said`.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from markets.core.series import Floats, Ints
from mlops.core import eprocess, metrics
from mlops.core.examples import Examples, weights
from mlops.core.splits import DAY_S
from predictions.core.logits import corrected

HALF: Final = 0.5  # of the cap: how far an expert is followed where it is judged
LEAST_EVENTS: Final = 30  # with fewer, a standard error by event is a guess


@dataclass(frozen=True, slots=True)
class Cohorts:
    """Scores of one expert and of the price on the same events, per UTC day of the answer.

    Attributes
    ----------
    day
        int64[n], days since 1970.
    events
        int64[n].
    brier_market, brier_expert, log_loss_market, log_loss_expert
        float64[n], means over the day's events.
    reach
        float64[n], how far apart the Brier scores could have been, whatever the answers.
    """

    day: Ints
    events: Ints
    brier_market: Floats
    brier_expert: Floats
    log_loss_market: Floats
    log_loss_expert: Floats
    reach: Floats


def said(
    price: Floats, move: Floats, *, event: Ints, cap: Floats | float
) -> tuple[NDArray[np.bool_], Floats]:
    """The rows of events about which an expert spoke, and its probability there at half of the cap.

    Where it is silent it says the price: how many rows of an event lie in a slice that follows the
    price depends on where the price went, so a mean over these rows alone would not be fair.

    Parameters
    ----------
    price, move, event
        [n]: prices, the expert's corrections (log odds; NaN: it said nothing), event numbers.
    cap
        Of each row, or of all.

    Returns
    -------
    tuple
        bool[n], and a probability for each row that is kept.
    """
    spoke = np.isfinite(move)
    p = corrected(price, HALF * cap * np.where(spoke, move, 0.0))
    rows = np.isin(event, event[spoke])
    return rows, p[rows]


def daily(tested: Examples, move: Floats, *, cap: float) -> Cohorts:
    """Scores per day of one expert's out-of-fold corrections, float64[n], NaN: it said nothing."""
    rows, expert = said(tested.price, move, event=tested.event, cap=cap)
    y, price = tested.y[rows], tested.price[rows]
    losses = np.column_stack(
        [loss(p, y) for loss in (metrics.brier, metrics.log_loss) for p in (price, expert)]
        + [eprocess.brier_reach(price, expert)]
    )
    if not rows.any():
        none, nothing = np.empty(0, dtype=np.int64), np.empty(0)
        return Cohorts(none, none, *[nothing] * 5)
    day, means, events = eprocess.cohort_means(
        losses,
        cohort=np.floor(tested.known_at[rows] / DAY_S).astype(np.int64),
        event=tested.event[rows],
    )
    return Cohorts(
        day=day,
        events=events,
        brier_market=means[:, 0],
        brier_expert=means[:, 1],
        log_loss_market=means[:, 2],
        log_loss_expert=means[:, 3],
        reach=means[:, 4],
    )


def p_value(tested: Examples, move: Floats, *, cap: float, cohort_s: float) -> float:
    """One-sided p of "no better than the price" in log loss, one look; every event weighs the same.

    The larger of two: clustered by event, and by cohort of the answer,
    because events that are open together share its surprises; each by Student's t with one degree
    of freedom less than clusters. 1 below `LEAST_EVENTS` events, and in one cohort. Surprises that
    last longer than a cohort are not covered.
    """
    rows, expert = said(tested.price, move, event=tested.event, cap=cap)
    y, price, event = tested.y[rows], tested.price[rows], tested.event[rows]
    weight = weights(event)
    events = round(float(weight.sum()))
    if events < LEAST_EVENTS:
        return 1.0
    gain = metrics.log_loss(price, y) - metrics.log_loss(expert, y)
    mean = float(weight @ gain) / events
    off = weight * (gain - mean) / events
    cohort = np.floor(tested.known_at[rows] / cohort_s).astype(np.int64)
    return max(_one_sided(mean, off, cluster) for cluster in (event, cohort))


def _one_sided(mean: float, off: Floats, cluster: Ints) -> float:
    """P(t ≥ mean / error), the error from the sums of `off` per cluster (CR1)."""
    from scipy.special import stdtr  # noqa: PLC0415 - pages import this module, and only training fits

    _, number = np.unique(cluster, return_inverse=True)
    sums = np.bincount(number, off)
    free = len(sums) - 1
    error = float(np.sqrt(np.sum(sums**2) * len(sums) / free)) if free else 0.0
    return float(stdtr(free, -mean / error)) if error else 1.0


def evidence(
    tested: Examples, move: Floats, *, cap: float, cohort_s: float, margin: float
) -> eprocess.Evidence:
    """The e-process of "better than the price" over cohorts of `cohort_s` seconds.

    Of forecasts that were made after the previous cohort had closed (`eprocess.counted`).
    """
    fresh = eprocess.counted(tested.as_of, tested.known_at, width_s=cohort_s)
    heard = np.where(fresh, move, np.nan)
    rows, expert = said(tested.price, heard, event=tested.event, cap=cap)
    y, price = tested.y[rows], tested.price[rows]
    both = np.column_stack(
        [eprocess.brier_differences(price, expert, y), eprocess.brier_reach(price, expert)]
    )
    if not rows.any():
        return eprocess.evidence(np.empty(0), margin=margin)
    _, means, _ = eprocess.cohort_means(
        both,
        cohort=np.floor(tested.known_at[rows] / cohort_s).astype(np.int64),
        event=tested.event[rows],
    )
    return eprocess.evidence(means[:, 0], margin=margin, reach=means[:, 1])
