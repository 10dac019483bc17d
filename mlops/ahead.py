"""Examples of the price horizons: the first price known some time after a decision is the answer.

They need no resolution, so they are many more than those of the outcome, and they are known soon:
the label span of one is the horizon and at most the tolerance.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from numpy.typing import NDArray

from markets import queries
from markets.core.series import Floats, QuoteSeries, Snapshots
from markets.history import History
from mlops import labels
from mlops.core import examples as core
from mlops.core import targets
from mlops.core.contracts import LearningConfig
from mlops.core.examples import Examples
from mlops.core.snapshots import Decisions, horizon_of
from predictions.core import features
from predictions.core.cells import cells
from predictions.core.roster import HORIZON_S
from predictions.models import Horizon, Prediction

MARKETS_AT_ONCE = 500  # in one query of quotes


def examples(
    history: History, *, horizon: str, until: datetime | None, config: LearningConfig
) -> Examples:
    """Decisions of the history whose price `horizon` later was known by `until`."""
    found = labels.decided(history, config=config)
    found = found.take(~history.markets["hindsight"].to_numpy()[found.market])
    close = labels.floats(history.markets, "close_at")[found.market]
    later, known_at = _labelled(history.series, found, close, horizon=horizon, config=config)
    good = _answered(later, known_at, until=until)
    found, later, known_at = found.take(good), later[good], known_at[good]
    kept = core.thinned(found, keep=config.rows_per_bucket)
    found, later, known_at = found.take(kept), later[kept], known_at[kept]
    event = history.facts.event[found.market]
    names, source = np.unique(history.markets["dataset"].to_numpy(), return_inverse=True)
    asked = Snapshots(market=found.market, as_of=found.as_of)
    return Examples(
        x=labels.vectors(history, asked),
        price=found.price,
        y=later,
        weight=core.weights(event),
        cell=cells(history.facts, asked),
        market=found.market,
        event=event,
        source=source[found.market],
        horizon=found.horizon,
        as_of=found.as_of,
        known_at=known_at,
        sources=tuple(str(name) for name in names),
    )


def learned(*, horizon: str, as_of: datetime, config: LearningConfig) -> Examples:
    """Our own stored forecasts with the price that came `horizon` later; never re-derived vectors.

    Of each market's forecasts the first in every step of the decision clock.
    """
    parts = [
        _part(rows, horizon=horizon, as_of=as_of, config=config)
        for rows in _forecasts(horizon=horizon, as_of=as_of, config=config)
    ]
    return core.together(parts) if parts else labels.nothing()


def _forecasts(*, horizon: str, as_of: datetime, config: LearningConfig) -> Iterator[Floats]:
    """Forecasts that may have an answer: (id, market, as_of, price, closed) float64[n, 5].

    Cut where a market ends, so that one part asks for few markets' quotes and few are in memory.
    """
    latest = as_of - timedelta(seconds=HORIZON_S[horizon])
    asked = _kept().filter(as_of__lte=latest)
    found: list[tuple[int, int, float, float, float]] = []
    last, markets = (-1, -1), 0
    rows = asked.order_by("market_id", "as_of").values_list(
        "id", "market_id", "as_of", "price", "market__closed_at"
    )
    for key, market, at, price, closed in rows.iterator():
        step = (market, int(at.timestamp() // config.snapshot_every_s))
        if step != last and price is not None:
            if market != last[0] and (markets := markets + 1) > MARKETS_AT_ONCE:
                yield np.array(found, dtype=np.float64)
                found, markets = [], 1
            last = step
            end = np.inf if closed is None else closed.timestamp()
            found.append((key, market, at.timestamp(), price, end))
    if found:
        yield np.array(found, dtype=np.float64)


def _part(rows: Floats, *, horizon: str, as_of: datetime, config: LearningConfig) -> Examples:
    """Examples of some markets; markets and events are numbered by their keys, alike in all."""
    ids, market = np.unique(rows[:, 1].astype(np.int64), return_inverse=True)
    at, end = rows[:, 2], rows[:, 4]
    since = labels.moment(float(at.min()))
    series = queries.quote_series(ids.tolist(), since=since, as_of=as_of)
    facts = queries.facts(ids.tolist(), as_of=as_of)
    left = np.where(np.isfinite(end), end, facts.scheduled_end_at[market]) - at
    found = Decisions(
        market=market,
        as_of=at,
        price=rows[:, 3],
        horizon=horizon_of(left, epoch=np.isfinite(facts.window_s[market])),
        own_stamp=np.zeros(len(rows), dtype=bool),
    )
    later, known_at = _labelled(series, found, end, horizon=horizon, config=config)
    good = np.flatnonzero(_answered(later, known_at, until=as_of))
    good = good[core.thinned(found.take(good), keep=config.rows_per_bucket)]
    found, event = found.take(good), facts.event[market[good]]
    x = labels.stored([int(key) for key in rows[good, 0]])
    return Examples(
        x=x,
        price=found.price,
        y=later[good],
        weight=core.weights(event),
        cell=labels.cells_then(facts, found.market, x),
        market=ids[found.market],
        event=event,
        source=np.zeros(found.rows, dtype=np.int64),
        horizon=found.horizon,
        as_of=found.as_of,
        known_at=known_at[good],
        sources=("live",),
    )


def _labelled(
    series: QuoteSeries, found: Decisions, close: Floats, *, horizon: str, config: LearningConfig
) -> tuple[Floats, Floats]:
    since = found.as_of + HORIZON_S[horizon]
    until = np.minimum(since + config.label_tolerance_s, targets.before(close))
    price, known_at = targets.first_price(series, found.market, since, until=until)
    return targets.target(price), known_at


def _answered(later: Floats, known_at: Floats, *, until: datetime | None) -> NDArray[np.bool_]:
    good = np.isfinite(later)
    return good if until is None else good & (known_at <= until.timestamp())


def _kept() -> QuerySet[Prediction]:
    """Forecasts with a vector and a price."""
    found: QuerySet[Prediction] = Prediction.objects.filter(
        horizon=Horizon.OUTCOME, schema_hash=features.SCHEMA_HASH, price__gt=0, price__lt=1
    ).exclude(vector=b"")
    return found


def count_since(since: datetime, *, horizon: str, as_of: datetime, config: LearningConfig) -> int:
    """How many markets had prices `horizon` later in `(since, as_of]` that teach something new.

    Training takes `rows_per_bucket` decisions of a market per bucket of time left, so one that was
    forecast that many steps earlier says nearly what it said: a universe that stays is not new.
    """
    later = timedelta(seconds=HORIZON_S[horizon])
    steps = timedelta(seconds=config.rows_per_bucket * config.snapshot_every_s)
    before = _kept().filter(market=OuterRef("market"), as_of__lte=since - later - steps)
    still_open = Q(market__closed_at__isnull=True) | Q(market__closed_at__gt=F("as_of") + later)
    found = _kept().filter(still_open, as_of__gt=since - later, as_of__lte=as_of - later)
    return found.filter(~Exists(before)).values("market").distinct().count()
