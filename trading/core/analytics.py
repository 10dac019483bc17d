"""What trading came to, in figures: win rates with their error, returns, falls, forecast scores.

Model space: float64 dollars, UTC epoch seconds. What cannot be said is NaN.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
NAN: Final = float("nan")
DAY_S: Final = 86_400.0
DAYS_A_YEAR: Final = 365
"""These markets trade every day."""
Z_95: Final = 1.959963984540054
CERTAIN: Final = 1e-6
"""Forecasts count as no surer than this in the log loss, or one miss would be infinite."""
BUCKETS: Final = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
"""Edges of the confidence buckets; the last one includes 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trips:
    """n positions that were opened and closed.

    Attributes
    ----------
    gained
        Dollars after all fees.
    paid
        Dollars paid for all its shares, fees included; NaN where none was bought.
    price
        `paid` a share: the share of such trips that must win for nothing to be lost.
    confidence
        Of the signal that opened it; NaN where none did.
    """

    closed_at: Floats
    gained: Floats
    paid: Floats
    price: Floats
    confidence: Floats
    category: NDArray[np.str_]
    asset: NDArray[np.str_]
    strategy: NDArray[np.str_]

    def take(self, rows: Flags) -> "Trips":
        """The given rows."""
        return Trips(**{name: getattr(self, name)[rows] for name in self.__slots__})


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """How trips went; rates in [0, 1], `low` and `high` bound the win rate with 95 % confidence.

    `implied` is the win rate at which the prices paid would have brought nothing.
    """

    trips: int
    wins: int
    rate: float
    low: float
    high: float
    implied: float
    gained: float
    paid: float
    roi: float
    confidence: float


def record(trips: Trips) -> Record:
    """The record of these trips."""
    count, wins = len(trips.gained), int((trips.gained > 0).sum())
    low, high = wilson(wins, count)
    gained, paid = float(trips.gained.sum()), float(np.nansum(trips.paid))
    return Record(
        trips=count,
        wins=wins,
        rate=wins / count if count else NAN,
        low=low,
        high=high,
        implied=_mean(trips.price),
        gained=gained,
        paid=paid,
        roi=gained / paid if paid else NAN,
        confidence=_mean(trips.confidence),
    )


def wilson(wins: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a rate (Wilson 1927); it stays within [0, 1] for few trips too.

    >>> [round(end, 4) for end in wilson(8, 10)]
    [0.4902, 0.9433]
    """
    if not count:
        return NAN, NAN
    rate, z2 = wins / count, Z_95**2
    middle = (rate + z2 / (2 * count)) / (1 + z2 / count)
    spread = math.sqrt(rate * (1 - rate) / count + z2 / (4 * count**2))
    half = Z_95 / (1 + z2 / count) * spread
    return max(middle - half, 0.0), min(middle + half, 1.0)


def by(trips: Trips, keys: NDArray[np.str_]) -> dict[str, Record]:
    """The record of each key, the most trips first."""
    names, counts = np.unique(keys, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return {str(names[i]): record(trips.take(keys == names[i])) for i in order}


def bucket(confidence: Floats) -> NDArray[np.str_]:
    """The bucket of each confidence, "none" where there was no signal.

    >>> bucket(np.array([0.65, 1.0, np.nan])).tolist()
    ['0.60–0.70', '0.95–1.00', 'none']
    """
    edges = np.asarray(BUCKETS)
    place = np.clip(np.searchsorted(edges, confidence, side="right") - 1, 0, len(edges) - 2)
    names = np.array([f"{low:.2f}–{high:.2f}" for low, high in itertools.pairwise(edges)])
    return np.where(np.isnan(confidence), "none", names[place])


def rolling(trips: Trips, days: Sequence[float], *, window: int = 7) -> Iterator[Record]:
    """For the end of each day (epoch seconds) the record of the trips of `window` days."""
    for end in days:
        recent = (trips.closed_at > end - window * DAY_S) & (trips.closed_at <= end)
        yield record(trips.take(recent))


# --- forecasts -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """How n forecasts of resolved markets did; smaller is better, but for `accuracy`."""

    count: int
    brier: float
    log_loss: float
    accuracy: float


def scores(probability: Floats, happened: Floats) -> Scores:
    """Scores of forecasts of outcome 0 against what happened (0 or 1)."""
    if not len(probability):
        return Scores(count=0, brier=NAN, log_loss=NAN, accuracy=NAN)
    p = np.clip(probability, CERTAIN, 1 - CERTAIN)
    surprise = -(happened * np.log(p) + (1 - happened) * np.log1p(-p))
    return Scores(
        count=len(probability),
        brier=float(np.mean((probability - happened) ** 2)),
        log_loss=float(surprise.mean()),
        accuracy=float(np.mean((probability > 0.5) == (happened > 0.5))),
    )


# --- the equity curve ----------------------------------------------------------------------------


def daily_returns(
    at: Floats, equity: Floats, flow_at: Floats, flow: Floats
) -> tuple[Floats, Floats]:
    """Ends of the UTC days after the first (epoch seconds) and the return of each.

    The last point of a day stands for it; days without one are skipped. Dollars paid in (`flow`)
    are no return.
    """
    day = np.floor(at / DAY_S)
    last = np.flatnonzero(np.diff(day, append=np.inf))
    close, when = equity[last], at[last]
    if len(close) <= 1:
        return np.empty(0), np.empty(0)
    paid_in = np.array(
        [
            flow[(flow_at > before) & (flow_at <= now)].sum()
            for before, now in itertools.pairwise(when)
        ]
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        returns = (close[1:] - paid_in) / close[:-1] - 1
    return (day[last][1:] + 1) * DAY_S, returns


def sharpe(returns: Floats) -> float:
    """Mean daily return ÷ its standard deviation, a year's; NaN where nothing varies."""
    spread = float(np.std(returns, ddof=1)) if len(returns) > 1 else 0.0
    return float(np.mean(returns)) / spread * math.sqrt(DAYS_A_YEAR) if spread > 0 else NAN


def sortino(returns: Floats) -> float:
    """The same by the root mean square of the losses alone; NaN without a loss."""
    if not len(returns):
        return NAN
    bad = math.sqrt(float(np.mean(np.minimum(returns, 0.0) ** 2)))
    return float(np.mean(returns)) / bad * math.sqrt(DAYS_A_YEAR) if bad > 0 else NAN


def max_drawdown(equity: Floats) -> float:
    """The deepest fall from a peak before it, 0 to 1; NaN without a point."""
    if not len(equity):
        return NAN
    peak = np.maximum.accumulate(equity)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.nanmax(np.where(peak > 0, 1 - equity / peak, 0.0)))


def max_intraday_drawdown(at: Floats, equity: Floats) -> float:
    """The deepest fall from a peak of the same UTC day."""
    if not len(equity):
        return NAN
    starts = np.flatnonzero(np.diff(np.floor(at / DAY_S), prepend=-np.inf))
    return max(max_drawdown(part) for part in np.split(equity, starts[1:]))


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else NAN
