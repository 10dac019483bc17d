"""Live forecasts whose answers are in: what is scored, and what online trust learns from.

The answer of an outcome is a strong resolution; that of a price horizon is the first price known
that much later. An answer is known when we received it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

import numpy as np
from django.db.models import F
from numpy.typing import NDArray

from markets import queries
from markets.core.series import Floats, Ints
from mlops.core import targets
from mlops.core.contracts import LearningConfig
from mlops.core.examples import STRONG
from predictions.core.roster import HORIZON_S, OUTCOME
from predictions.models import Prediction

LOOK_BACK: Final = timedelta(days=60)  # forecasts so long before their answer are not scored
EPOCH_EVERY_S: Final = 60.0  # markets that live for minutes are asked every minute
AT_ONCE: Final = 5_000  # ids in one query
NONE: Final = -1  # the version of a forecast that none made


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """n forecasts in order of `known_at`; times are UTC epoch seconds, `version` -1 is the price.

    `price`, `probability` and `y` are of outcome 0, or the price now and the price ahead; `trust`
    is what `probability` was mixed with the price by.
    """

    prediction: Ints
    market: Ints
    event: Ints
    version: Ints
    as_of: Floats
    known_at: Floats
    price: Floats
    probability: Floats
    cap: Floats
    trust: Floats
    y: Floats

    @property
    def rows(self) -> int:
        """How many forecasts."""
        return len(self.prediction)

    def take(self, rows: Ints | NDArray[np.bool_]) -> Self:
        """Some of the forecasts."""
        return type(self)(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


COLUMNS: Final = (
    "id",
    "market_id",
    "market__event_id",
    "version_id",
    "as_of",
    "price",
    "probability",
    "cap",
    "market__window_s",
    "trust",
)


def known(horizon: str, *, since: datetime, until: datetime, config: LearningConfig) -> Answered:
    """Forecasts whose answer became known in `[since, until)`, one a market and clock tick."""
    if horizon == OUTCOME:
        rows = _thinned(_resolved(since, until), every_s=config.snapshot_every_s)
        y = _floats(row[len(COLUMNS)] for row in rows)
        return _ordered(rows, y, _floats(row[len(COLUMNS) + 1].timestamp() for row in rows))
    ahead = HORIZON_S[horizon]
    every = min(float(config.snapshot_every_s), ahead)
    earliest = since.timestamp() - ahead - config.label_tolerance_s
    # From the start of a tick: what is kept of it must not depend on the span that is asked.
    first = datetime.fromtimestamp(earliest // every * every, tz=UTC)
    rows = _thinned(_due(horizon, first, until - timedelta(seconds=ahead)), every_s=every)
    y, known_at = _later(rows, ahead, until, config)
    good = (known_at >= since.timestamp()) & (known_at < until.timestamp())
    kept = [row for row, is_good in zip(rows, good, strict=True) if is_good]
    return _ordered(kept, y[good], known_at[good])


def corrections(found: Answered, members: int) -> NDArray[np.float32]:
    """What the members said of each forecast, float32[n, members]; NaN where they said nothing."""
    said: dict[int, bytes] = {}
    ids = found.prediction.tolist()
    for low in range(0, len(ids), AT_ONCE):
        part = Prediction.objects.filter(pk__in=ids[low : low + AT_ONCE])
        said.update((key, bytes(body)) for key, body in part.values_list("pk", "corrections"))
    size = 4 * members
    nothing = np.full(members, np.nan, dtype="<f4").tobytes()
    blob = b"".join(said[key] if len(said[key]) == size else nothing for key in ids)
    return np.frombuffer(blob, dtype="<f4").reshape(-1, members)


def _resolved(since: datetime, until: datetime) -> Iterator[tuple[Any, ...]]:
    found = Prediction.objects.filter(
        horizon=OUTCOME,
        price__isnull=False,
        as_of__gte=since - LOOK_BACK,
        as_of__lt=F("market__resolution__resolved_at"),
        market__resolution__received_at__gte=since,
        market__resolution__received_at__lt=until,
        market__resolution__strength__in=STRONG,
    )
    answer = ("market__resolution__payout_0", "market__resolution__received_at")
    rows = found.order_by("market_id", "as_of").values_list(*COLUMNS, *answer)
    # Bound by its own answer: which forecasts count must not depend on the span that is asked.
    yield from (row for row in rows.iterator() if row[4] >= row[-1] - LOOK_BACK)


def _due(horizon: str, since: datetime, until: datetime) -> Iterator[tuple[Any, ...]]:
    found = Prediction.objects.filter(
        horizon=horizon, price__isnull=False, as_of__gte=since, as_of__lt=until
    )
    rows = found.order_by("market_id", "as_of").values_list(*COLUMNS, "market__closed_at")
    yield from rows.iterator()


def _later(
    rows: Sequence[tuple[Any, ...]], ahead: float, until: datetime, config: LearningConfig
) -> tuple[Floats, Floats]:
    """The price ahead of each forecast, and when it was known; NaN where there was none."""
    if not rows:
        return np.empty(0), np.empty(0)
    ids = sorted({row[1] for row in rows})
    place = {market: k for k, market in enumerate(ids)}
    at = _floats(row[4].timestamp() for row in rows)
    closed = _floats(np.inf if row[-1] is None else row[-1].timestamp() for row in rows)
    first = min(row[4] for row in rows)
    latest = np.minimum(at + ahead + config.label_tolerance_s, targets.before(closed))
    return targets.first_price(
        queries.quote_series(ids, since=first, as_of=until),
        np.array([place[row[1]] for row in rows], dtype=np.int64),
        at + ahead,
        until=latest,
    )


def _thinned(rows: Iterable[tuple[Any, ...]], *, every_s: float) -> list[tuple[Any, ...]]:
    """The first forecast of a market in each tick of the clock: a hundred alike count no more.

    Takes the rows one by one: months of forecasts of a market never are in memory together.
    """
    kept: dict[tuple[int, float], tuple[Any, ...]] = {}
    for row in rows:
        every = every_s if row[8] is None else min(EPOCH_EVERY_S, every_s)
        kept.setdefault((row[1], row[4].timestamp() // every), row)
    return list(kept.values())


def _ordered(rows: Sequence[tuple[Any, ...]], y: Floats, known_at: Floats) -> Answered:
    found = Answered(
        prediction=_ints(row[0] for row in rows),
        market=_ints(row[1] for row in rows),
        event=_ints(row[2] for row in rows),
        version=_ints(NONE if row[3] is None else row[3] for row in rows),
        as_of=_floats(row[4].timestamp() for row in rows),
        known_at=known_at,
        price=_floats(row[5] for row in rows),
        probability=_floats(row[6] for row in rows),
        cap=_floats(row[7] for row in rows),
        trust=_floats(1.0 if row[9] is None else row[9] for row in rows),
        y=y,
    )
    return found.take(np.lexsort((found.as_of, found.market, found.known_at)))


def _floats(values: Iterable[Any]) -> Floats:
    return np.fromiter((float(each) for each in values), dtype=np.float64)


def _ints(values: Iterable[int]) -> Ints:
    return np.fromiter(values, dtype=np.int64)
