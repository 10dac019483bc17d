"""What of a cycle is written at length: vectors and prices ahead that say something new.

A vector is by far the largest part of a forecast, and a market's next one says nearly the same:
training keeps a few of them per market. So the outcome's forecast keeps its vector when it is the
market's first in an interval of the clock, when it moves away from the price (a trade may follow,
and a trade knows what it was made from), and once a minute where a market lives for minutes. A
price `horizon` ahead is written `PARTS` times in its horizon: a day ahead changes little in five
minutes.
"""

from datetime import UTC, datetime
from typing import Final

import numpy as np
from django.db.models import Exists, OuterRef
from numpy.typing import NDArray

from markets.core.series import Floats, Ints
from markets.models import Market
from predictions.core import roster
from predictions.core.contracts import PredictionConfig
from predictions.core.ensemble import PRICE
from predictions.models import Horizon, Prediction

Flags = NDArray[np.bool_]

PARTS: Final = 12  # rows of a price horizon in the time that it looks ahead, at most
# Training asks epochs 14, 10, 5, 2 and 1 minutes and 30 s before their end
# (`mlops.core.snapshots`): it takes those of full minutes left and of 30 s; others are their like.
EPOCH_EVERY_S: Final = 60.0
EPOCH_LAST_S: Final = 30.0


def every_s(horizon: str, config: PredictionConfig) -> float:
    """Seconds between two vectors of a market, or between two of its rows of a price horizon."""
    if horizon == Horizon.OUTCOME:
        return float(config.vector_every_s)
    return roster.HORIZON_S[horizon] / PARTS


def opened(as_of: datetime, *, every: float) -> datetime:
    """When the interval of the clock (UTC, multiples of `every` seconds) around `as_of` began."""
    return datetime.fromtimestamp(as_of.timestamp() // every * every, tz=UTC)


def due(
    market_id: Ints, epoch_end: Floats, *, horizon: str, config: PredictionConfig, as_of: datetime
) -> Flags:
    """Which markets have no vector since one was due, or no row of the price horizon.

    It is due where the interval around `as_of` began, of an epoch (NaN: none) at its last mark too.
    One probe of an index per market: the first row of an interval is the one that was kept.
    """
    every = every_s(horizon, config)
    if every <= 0:
        return np.ones(len(market_id), dtype=bool)
    since = np.full(len(market_id), opened(as_of, every=every).timestamp())
    if horizon == Horizon.OUTCOME:
        since = np.fmax(since, mark(epoch_end, as_of=as_of.timestamp()))
    found = np.ones(len(market_id), dtype=bool)
    # Epochs end together, on the minute: the distinct moments are few.
    for moment in np.unique(since).tolist():
        here = since == moment
        found[here] = _without(market_id[here], horizon, moment, as_of)
    return found


def mark(epoch_end: Floats, *, as_of: float) -> Floats:
    """The last moment by `as_of` with full minutes left or `EPOCH_LAST_S`; UTC epoch seconds."""
    left = epoch_end - as_of
    minutes = np.ceil(left / EPOCH_EVERY_S) * EPOCH_EVERY_S
    return np.asarray(epoch_end - np.where(left <= EPOCH_LAST_S, EPOCH_LAST_S, minutes))


def _without(market_id: Ints, horizon: str, since: float, as_of: datetime) -> Flags:
    begun = datetime.fromtimestamp(since, tz=UTC)
    rows = Prediction.objects.filter(
        market=OuterRef("pk"), horizon=horizon, as_of__gte=begun, as_of__lt=as_of
    )
    if horizon == Horizon.OUTCOME:
        rows = rows.exclude(vector=b"")
    there = Market.objects.filter(Exists(rows), pk__in=market_id.tolist())
    return ~np.isin(market_id, list(there.values_list("pk", flat=True)))


def moved(
    source: NDArray[np.str_], price: Floats, probability: Floats, config: PredictionConfig
) -> Flags:
    """Which forecasts say something else than the price, by `vector_min_move` or more."""
    away = np.abs(probability - price) >= config.vector_min_move
    return np.asarray(away & (source != PRICE))
