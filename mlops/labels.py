"""Prediction and resolution → example, dated by when its answer was known; no weak answers."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import numpy as np
import polars as pl
from django.db.models import F, QuerySet
from numpy.typing import NDArray

from markets import queries
from markets.core.series import Floats, Ints, MarketFacts, Snapshots
from markets.history import History
from mlops.core import examples as core
from mlops.core.contracts import LearningConfig
from mlops.core.examples import STRONG, Examples
from mlops.core.snapshots import Clock, Decisions, decisions, horizon_of
from mlops.models import LearningSettings
from predictions.core import features
from predictions.core.cells import cells
from predictions.core.schema import COLUMN
from predictions.models import Horizon, Prediction

ANSWER = tuple(
    f"market__resolution__{column}" for column in ("payout_0", "resolved_at", "received_at")
)
Row = tuple[Any, ...]  # id, market, as_of, price, window_s, then the answer
VECTORS_AT_ONCE = 5_000  # ids in one query
CHUNK = 200_000  # decisions whose vectors are computed at once: bounds memory


def decided(history: History, *, config: LearningConfig) -> Decisions:
    """Every decision point of the history, on the clock of the settings."""
    window_s = floats(history.markets, "window_s")
    allowed = np.where(np.isfinite(window_s), config.max_epoch_quote_age_s, config.max_quote_age_s)
    clock = Clock(
        close_at=floats(history.markets, "close_at"),
        window_s=window_s,
        max_age_s=allowed.astype(np.float64),
        quote_max_age_s=history.max_age_s,
        single_stamp=history.markets["single_stamp"].fill_null(value=False).to_numpy(),
    )
    return decisions(history.series, clock, every_s=config.snapshot_every_s)


def answered(
    history: History, *, until: datetime | None, strengths: Collection[str] = STRONG
) -> NDArray[np.bool_]:
    """Which markets have an answer of these strengths that was known by `until`."""
    strong = history.markets["label_strength"].is_in(list(strengths)).fill_null(value=False)
    known_at = floats(history.markets, "label_known_at")
    known = strong.to_numpy() & np.isfinite(known_at)
    known &= np.isfinite(floats(history.markets, "payout"))
    return known if until is None else known & (known_at <= until.timestamp())


def examples(history: History, *, until: datetime | None, config: LearningConfig) -> Examples:
    """Answered decisions, at most `rows_per_bucket` of a market per bucket of time left.

    Without those at moments that were chosen in hindsight: nobody could have decided then.
    """
    found = decided(history, config=config)
    usable = answered(history, until=until) & ~history.markets["hindsight"].to_numpy()
    found = found.take(usable[found.market])
    found = found.take(core.thinned(found, keep=config.rows_per_bucket))
    event = history.facts.event[found.market]
    names, source = np.unique(history.markets["dataset"].to_numpy(), return_inverse=True)
    asked = Snapshots(market=found.market, as_of=found.as_of)
    return Examples(
        x=vectors(history, asked),
        price=found.price,
        y=floats(history.markets, "payout")[found.market],
        weight=core.weights(event),
        cell=cells(history.facts, asked),
        market=found.market,
        event=event,
        source=source[found.market],
        horizon=found.horizon,
        as_of=found.as_of,
        known_at=floats(history.markets, "label_known_at")[found.market],
        sources=tuple(str(name) for name in names),
    )


def vectors(history: History, asked: Snapshots) -> Floats:
    """The features of every snapshot, float64[rows, k], by the code of live inference."""
    parts = [
        features.compute(
            history.series,
            history.facts,
            Snapshots(market=asked.market[low : low + CHUNK], as_of=asked.as_of[low : low + CHUNK]),
            history.context,
        )
        for low in range(0, asked.rows, CHUNK)
    ]
    return np.concatenate(parts) if parts else np.empty((0, len(features.FEATURES)))


def nothing() -> Examples:
    """No example at all, to join others to."""
    no, none = np.empty(0), np.empty(0, dtype=np.int64)
    return Examples(
        x=np.empty((0, len(features.FEATURES))),
        price=no,
        y=no,
        weight=no,
        cell=none,
        market=none,
        event=none,
        source=none,
        horizon=np.empty(0, dtype=np.int8),
        as_of=no,
        known_at=no,
        sources=(),
    )


def learned(*, as_of: datetime) -> Examples:
    """Our own forecasts whose markets have resolved: the stored vectors, never re-derived ones.

    The cell is that of the forecast: the end announced then is in its vector, even where the market
    was given another one later. The forecasts of one market at a time are thinned as they come.
    """
    keep = LearningSettings.objects.current(as_of=as_of).as_config().rows_per_bucket
    asked = (
        _forecast_and_answered(as_of=as_of)
        .order_by("market_id", "as_of")
        .values_list("id", "market_id", "as_of", "price", "market__window_s", *ANSWER)
    )
    markets = groupby(asked.iterator(), key=lambda row: row[1])
    rows = [row for _, each in markets for row in _few(list(each), keep=keep)]
    ids = sorted({row[1] for row in rows})
    number = {market_id: i for i, market_id in enumerate(ids)}
    found = _as_decisions(rows, np.array([number[row[1]] for row in rows], dtype=np.int64))
    facts = queries.facts(ids, as_of=as_of)
    event = facts.event[found.market]
    x = stored([row[0] for row in rows])
    return Examples(
        x=x,
        price=found.price,
        y=_array(float(row[5]) for row in rows),
        weight=core.weights(event),
        cell=cells_then(facts, found.market, x),
        market=found.market,
        event=event,
        source=np.zeros(found.rows, dtype=np.int64),
        horizon=found.horizon,
        as_of=found.as_of,
        known_at=_array(row[7].timestamp() for row in rows),
        sources=("live",),
    )


def _few(rows: Sequence[Row], *, keep: int) -> list[Row]:
    """Of one market's rows at most `keep` per bucket of time left."""
    found = _as_decisions(rows, np.zeros(len(rows), dtype=np.int64))
    return [rows[k] for k in np.flatnonzero(core.thinned(found, keep=keep)).tolist()]


def _as_decisions(rows: Sequence[Row], market: Ints) -> Decisions:
    at, closed = (_array(row[k].timestamp() for row in rows) for k in (2, 6))
    epoch = np.array([row[4] is not None for row in rows], dtype=bool)
    return Decisions(
        market=market,
        as_of=at,
        price=_array(row[3] for row in rows),
        horizon=horizon_of(closed - at, epoch=epoch),
        own_stamp=np.zeros(len(rows), dtype=bool),
    )


def forecast_names(*, as_of: datetime) -> set[str]:
    """Archive keys and condition ids of the markets in `learned`, whose stored vectors count."""
    markets = _forecast_and_answered(as_of=as_of).values_list(
        "market__venue", "market__venue_key", "market__condition_id"
    )
    return {
        name
        for venue, key, condition in markets.distinct()
        for name in (key, f"{venue}:{key}", condition)
        if name
    }


def count_since(since: datetime, *, as_of: datetime) -> int:
    """How many strong answers to markets that `learned` can use came in `(since, as_of]`."""
    found = _forecast_and_answered(as_of=as_of).filter(market__resolution__received_at__gt=since)
    return int(found.values("market_id").distinct().count())


def _forecast_and_answered(*, as_of: datetime) -> QuerySet[Prediction]:
    found: QuerySet[Prediction] = Prediction.objects.filter(
        horizon=Horizon.OUTCOME,
        price__gt=0,
        price__lt=1,
        schema_hash=features.SCHEMA_HASH,
        market__resolution__received_at__lte=as_of,
        market__resolution__strength__in=STRONG,
        as_of__lt=F("market__resolution__resolved_at"),
    ).exclude(vector=b"")
    return found


def stored(ids: list[int]) -> Floats:
    """The vectors of these forecasts, in this order."""
    x = np.empty((len(ids), len(features.FEATURES)))
    for low in range(0, len(ids), VECTORS_AT_ONCE):
        part = ids[low : low + VECTORS_AT_ONCE]
        rows = Prediction.objects.filter(id__in=part).values_list("id", "vector")
        vector = {key: bytes(body) for key, body in rows}
        flat = np.frombuffer(b"".join(vector[key] for key in part), dtype="<f8")
        x[low : low + len(part)] = flat.reshape(len(part), -1)
    return x


def cells_then(facts: MarketFacts, market: Ints, x: Floats) -> Ints:
    """Cells by the time left that the vectors hold; category and window never change."""
    rows = len(market)
    left = x[:, COLUMN["hours_left"]] * 3600
    each = replace(
        facts,
        market_id=facts.market_id[market],
        event=facts.event[market],
        category=tuple(facts.category[m] for m in market),
        opens_at=facts.opens_at[market],
        # Seconds from the decision; a part in 10⁶ more is the division by 3600, not a fact.
        scheduled_end_at=np.round(left, 6),
        window_s=facts.window_s[market],
        epoch_start_at=facts.epoch_start_at[market],
        reference_price=facts.reference_price[market],
        exclusive=facts.exclusive[market],
    )
    return cells(each, Snapshots(market=np.arange(rows), as_of=np.zeros(rows)))


def _array(values: Iterable[float]) -> Floats:
    return np.fromiter(values, dtype=np.float64)


def floats(frame: pl.DataFrame, name: str) -> Floats:
    """A column as float64, NaN where null."""
    return frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy()


def moment(epoch_s: float) -> datetime:
    """Aware UTC of epoch seconds."""
    return datetime.fromtimestamp(epoch_s, tz=UTC)
