"""One cycle across the apps: the venue's books, our forecasts, our decisions, on one clock."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import structlog

from config.kernel.clocks import Clock, given
from config.kernel.locks import LeaderLock
from markets import catalog, queries, resolutions, universe
from markets.models import Market
from mlops import trust
from predictions import predict
from predictions.core import roster
from trading import cycle as trading_cycle
from trading import market_data
from trading.models import Position

log = structlog.get_logger()


class CycleRunning(RuntimeError):
    """Another process is inside the same cycle now."""


def run(
    *, as_of: datetime, epochs_only: bool = False, clock: Clock | None = None
) -> dict[str, Any]:
    """Quotes → forecasts → decisions of the tracked markets, or of the up/down epochs among them.

    Returns what each stage did. With a `clock` every stage has its own instant, so that a forecast
    sees the books that were fetched for it; without one all happen at `as_of`. Raises
    `CycleRunning` while another process runs the same cycle; the next slot comes soon enough.
    """
    lock = LeaderLock("fast_cycle" if epochs_only else "cycle")
    if not lock.held():
        raise CycleRunning("another process is inside this cycle; nothing was done")
    try:
        return _stages(as_of, epochs_only=epochs_only, clock=clock)
    finally:
        lock.release()


def _stages(as_of: datetime, *, epochs_only: bool, clock: Clock | None) -> dict[str, Any]:
    now = given(clock, as_of)
    ids = queries.tracked_ids(as_of=as_of)
    if epochs_only:
        epochs = Market.objects.filter(pk__in=ids, window_s__isnull=False)
        ids = list(epochs.values_list("pk", flat=True))
    done: dict[str, Any] = {"tracked": len(ids)}
    done["quotes"] = market_data.from_venue(ids, as_of, clock=clock) if ids else 0
    done["predictions"] = _forecast(ids, as_of=now()) if ids else 0
    return {**done, "trading": trading_cycle.run(as_of=now(), clock=clock)}


def _forecast(ids: Sequence[int], *, as_of: datetime) -> int:
    """Forecast with the trust that each horizon's answers have earned so far."""
    earned = {horizon: trust.current(horizon, as_of=as_of) for horizon in roster.HORIZONS}
    return predict.run(as_of=as_of, market_ids=ids, trust=earned)


def results(*, as_of: datetime) -> int:
    """Ask how markets ended, those with money in them first and with a second source."""
    held = Position.objects.filter(shares__gt=0).values_list("market_id", flat=True)
    return resolutions.check(as_of=as_of, held=frozenset(held))


def everything(*, as_of: datetime, clock: Clock | None = None) -> dict[str, Any]:
    """What the timetable does, once and in order: catalogue, universe, results, cycle.

    A stage that fails is reported under its name and the next one still runs: old markets settle
    even when the catalogue is down.
    """
    now = given(clock, as_of)
    stages: tuple[tuple[str, Callable[[], Any]], ...] = (
        ("catalogue", lambda: catalog.sync(as_of=now())),
        ("universe", lambda: universe.refresh(as_of=now(), clock=clock)),
        ("resolutions", lambda: results(as_of=now())),
        ("cycle", lambda: run(as_of=now(), clock=clock)),
    )
    return {name: _attempt(name, stage) for name, stage in stages}


def _attempt(name: str, stage: Callable[[], Any]) -> Any:
    try:
        return stage()
    except CycleRunning:
        return {"running_elsewhere": True}
    except Exception as failure:
        log.exception("cycle.stage_failed", stage=name)
        return {"error": f"{type(failure).__name__}: {failure}"}
