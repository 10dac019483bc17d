"""One cycle across the apps: the venue's books, our forecasts, our decisions, on one clock."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog

from config.kernel.locks import LeaderLock
from markets import catalog, queries, quotes, resolutions, universe
from markets.models import Market
from predictions import predict
from trading import cycle as trading_cycle

log = structlog.get_logger()


class CycleRunning(RuntimeError):
    """Another process is inside the same cycle now."""


def run(*, as_of: datetime, epochs_only: bool = False) -> dict[str, Any]:
    """Quotes → forecasts → decisions of the tracked markets, or of the up/down epochs among them.

    Returns what each stage did. Raises `CycleRunning` while another process runs the same cycle;
    the next slot comes soon enough.
    """
    lock = LeaderLock("fast_cycle" if epochs_only else "cycle")
    if not lock.held():
        raise CycleRunning("another process is inside this cycle; nothing was done")
    try:
        return _stages(as_of, epochs_only=epochs_only)
    finally:
        lock.release()


def _stages(as_of: datetime, *, epochs_only: bool) -> dict[str, Any]:
    ids = queries.tracked_ids(as_of=as_of)
    if epochs_only:
        epochs = Market.objects.filter(pk__in=ids, window_s__isnull=False)
        ids = list(epochs.values_list("pk", flat=True))
    done: dict[str, Any] = {"tracked": len(ids)}
    done["quotes"] = quotes.refresh(ids, as_of=as_of) if ids else 0
    done["predictions"] = predict.run(as_of=as_of, market_ids=ids) if ids else 0
    return {**done, "trading": trading_cycle.run(as_of=as_of)}


def everything(*, as_of: datetime) -> dict[str, Any]:
    """What the timetable does, once and in order: catalogue, universe, results, cycle.

    A stage that fails is reported under its name and the next one still runs: old markets settle
    even when the catalogue is down.
    """
    stages: tuple[tuple[str, Callable[[], Any]], ...] = (
        ("catalogue", lambda: catalog.sync(as_of=as_of)),
        ("universe", lambda: universe.refresh(as_of=as_of)),
        ("resolutions", lambda: resolutions.check(as_of=as_of)),
        ("cycle", lambda: run(as_of=as_of)),
    )
    return {name: _attempt(name, stage) for name, stage in stages}


def _attempt(name: str, stage: Callable[[], Any]) -> Any:
    try:
        return stage()
    except Exception as failure:
        log.exception("cycle.stage_failed", stage=name)
        return {"error": f"{type(failure).__name__}: {failure}"}
