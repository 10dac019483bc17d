"""The timetable: what runs when, and why; kept as rows that an operator may switch off."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from config.celery import QUEUES
from trading.settings import TradingSettings

CANARY_S = 20
CYCLE, FAST_CYCLE = "cycle", "fast cycle"
CHOSEN = {CYCLE: "cycle_s", FAST_CYCLE: "fast_cycle_s"}
"""The slots whose period the trading settings choose, and the setting that does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One line of the timetable: a task, its queue, its period, and the reason for both.

    `demo_s` is the period in a demo world, whose markets live for minutes; None = not in the demo.
    """

    name: str
    task: str
    queue: str
    every_s: int
    demo_s: int | None
    why: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    def period(self, *, demo: bool) -> int | None:
        """Seconds between two runs under this preset."""
        return self.demo_s if demo else self.every_s


TIMETABLE: tuple[Slot, ...] = (
    Slot(
        name="catalogue",
        task="markets.tasks.sync_catalogue",
        queue="ingest",
        every_s=300,
        demo_s=15,
        why="new markets are quoted within one cycle of being listed",
    ),
    Slot(
        name="epochs",
        task="markets.tasks.sync_epochs",
        queue="ingest",
        every_s=30,
        demo_s=10,
        why="up/down windows open every few minutes and hide from the general listing",
    ),
    Slot(
        name="universe",
        task="markets.tasks.refresh_universe",
        queue="ingest",
        every_s=60,
        demo_s=30,
        why="between two catalogue passes markets end and become too thin to follow",
    ),
    Slot(
        name="resolutions",
        task="config.tasks.check_resolutions",
        queue="ingest",
        every_s=60,
        demo_s=10,
        why="a payout waits for nothing but the venue",
    ),
    Slot(
        name="wallets",
        task="markets.tasks.follow_wallets",
        queue="ingest",
        every_s=300,
        demo_s=20,
        why="a whale's trade is news for minutes; a wallet's record grows by the hour",
    ),
    Slot(
        name="wallet scores",
        task="markets.tasks.score_wallets",
        queue="ingest",
        every_s=86_400,
        demo_s=60,
        why="skill changes with events that end, not with every trade",
    ),
    Slot(
        name="cohort moods",
        task="markets.tasks.feel_moods",
        queue="ingest",
        every_s=600,
        demo_s=30,
        why="which way the skilled lean is a feature of the next decision",
    ),
    Slot(
        name="calendar",
        task="markets.tasks.refresh_calendar",
        queue="ingest",
        every_s=3600,
        demo_s=60,
        why="releases move prices at an hour known long before; links follow the universe",
    ),
    Slot(
        name="contract check",
        task="markets.tasks.check_contracts",
        queue="ingest",
        every_s=3600,
        demo_s=120,
        why="a field that the venue renames would go quiet, not wrong",
    ),
    Slot(
        name=CYCLE,
        task="config.tasks.run_cycle",
        queue="predict",
        every_s=300,
        demo_s=10,
        why="quotes, forecasts and decisions on one clock, so that none acts on a stale other",
    ),
    Slot(
        name=FAST_CYCLE,
        task="config.tasks.run_fast_cycle",
        queue="trading",
        every_s=10,
        demo_s=None,
        why="epoch markets are over in minutes; same decision code as the cycle",
    ),
    Slot(
        name="intent sweep",
        task="trading.tasks.submit_intents",
        queue="trading",
        every_s=5,
        demo_s=5,
        why="the row is the queue: an approved intent is sent even when its message was lost",
    ),
    Slot(
        name="redemption",
        task="trading.tasks.redeem",
        queue="trading",
        every_s=120,
        demo_s=10,
        why="what was won becomes cash, in every trading state",
    ),
    Slot(
        name="equity snapshot",
        task="trading.tasks.mark",
        queue="trading",
        every_s=900,
        demo_s=15,
        why="drawdown and daily loss are measured on these points",
    ),
    Slot(
        name="risk watch",
        task="trading.tasks.watch_risk",
        queue="trading",
        every_s=60,
        demo_s=15,
        why="halts open by themselves when money or data go wrong",
    ),
    Slot(
        name="retention",
        task="markets.tasks.retain",
        queue="learn",
        every_s=86_400,
        demo_s=120,
        why="every table stays as large as its window; next month's partitions are made ahead",
    ),
    Slot(
        name="training",
        task="mlops.tasks.train",
        queue="learn",
        every_s=21600,
        demo_s=None,
        why="only with enough new labels; otherwise it leaves at once",
    ),
    Slot(
        name="first training",
        task="mlops.tasks.train_first",
        queue="learn",
        every_s=900,
        demo_s=None,
        why="an empty installation begins to forecast as soon as it has learned enough",
    ),
    Slot(
        name="drift",
        task="mlops.tasks.watch_drift",
        queue="learn",
        every_s=3600,
        demo_s=60,
        why="inputs that moved away from the training are news before the scores are",
    ),
    Slot(
        name="experts",
        task="mlops.tasks.review_experts",
        queue="learn",
        every_s=3600,
        demo_s=60,
        why="answers of a day are scored once it is over; trust follows them by the hour",
    ),
    Slot(
        name="public trades",
        task="markets.tasks.collect_trades",
        queue="ingest",
        every_s=120,
        demo_s=15,
        why="the stream names no wallets and misses what was traded while it was down",
    ),
    Slot(
        name="price history",
        task="markets.tasks.fetch_history",
        queue="learn",
        every_s=1800,
        demo_s=60,
        why="a market is judged by its past too, also by the past in which we were down",
    ),
    Slot(
        name="spot prices",
        task="markets.tasks.record_spot",
        queue="ingest",
        every_s=10,
        demo_s=5,
        why="a source older than half a minute is not believed; the guard reads the consensus",
    ),
    Slot(
        name="funding rates",
        task="markets.tasks.record_funding",
        queue="ingest",
        every_s=300,
        demo_s=30,
        why="the rate moves slowly until it is paid; the funding guard wants its age in minutes",
    ),
    Slot(
        name="opening prices",
        task="markets.tasks.estimate_references",
        queue="ingest",
        every_s=10,
        demo_s=10,
        why="the venue tells the price to beat a minute late, a fifth of the shortest window",
    ),
    *(
        Slot(
            name=f"canary {queue}",
            task="config.tasks.canary",
            queue=queue,
            every_s=CANARY_S,
            demo_s=CANARY_S,
            why="proves that a worker serves the queue; the health page reads it",
            kwargs={"queue": queue},
        )
        for queue in QUEUES
    ),
    Slot(
        name="news",
        task="markets.tasks.refresh_news",
        queue="ingest",
        every_s=300,
        demo_s=30,
        why="headlines move prices within minutes; unchanged feeds cost one short reply",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """Names added, changed, switched off by the preset, deleted, and strangers left alone."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    absent: tuple[str, ...]
    pruned: tuple[str, ...]
    strangers: tuple[str, ...]


@transaction.atomic
def sync(*, demo: bool, prune: bool) -> SyncReport:
    """Write the timetable into the schedule, by name.

    Period, task, queue and expiry belong to the timetable, the periods of the two cycles to the
    trading settings once they were saved; *enabled* belongs to the operator and
    is kept. Rows of other names are deleted only with `prune`.
    """
    existing = {row.name: row for row in PeriodicTask.objects.select_related("interval")}
    wanted = {slot.name: slot for slot in TIMETABLE if slot.period(demo=demo) is not None}
    added, changed = [], []
    for name, slot in wanted.items():
        values = _values(slot, demo=demo)
        row = existing.get(name)
        if row is None:
            PeriodicTask.objects.create(name=name, **values)
            added.append(name)
        elif any(getattr(row, column) != value for column, value in values.items()):
            for column, value in values.items():
                setattr(row, column, value)
            row.save()
            changed.append(name)
    ours = {slot.name for slot in TIMETABLE}
    absent = _delete(name for name in existing if name in ours - set(wanted))
    strangers = sorted(name for name in existing if name not in ours and "celery." not in name)
    pruned = _delete(strangers) if prune else ()
    return SyncReport(
        added=tuple(added),
        changed=tuple(changed),
        absent=absent,
        pruned=pruned,
        strangers=() if prune else tuple(strangers),
    )


def _values(slot: Slot, *, demo: bool) -> dict[str, Any]:
    period = slot.period(demo=demo)
    chosen = _chosen().get(slot.name)
    return {
        "task": slot.task,
        "queue": slot.queue,
        **_timing(chosen or period),
        "kwargs": json.dumps(dict(slot.kwargs)),
        "description": slot.why,
    }


def _timing(period: int | None) -> dict[str, Any]:
    interval, _ = IntervalSchedule.objects.get_or_create(
        every=period, period=IntervalSchedule.SECONDS
    )
    # Expires after one period: after downtime nothing stampedes.
    return {"interval": interval, "expire_seconds": period}


def _chosen() -> dict[str, int]:
    """Slot → seconds between decisions as the settings have them; empty before the first save."""
    newest = TradingSettings.objects.order_by("-version").values(*CHOSEN.values()).first()
    return {} if newest is None else {slot: newest[name] for slot, name in CHOSEN.items()}


def follow_settings() -> bool:
    """Give the cycles the periods of the newest trading settings; whether that changed anything."""
    chosen = _chosen()
    changed = [
        row
        for row in PeriodicTask.objects.select_related("interval").filter(name__in=chosen)
        if row.expire_seconds != chosen[row.name]
    ]
    for row in changed:
        for column, value in _timing(chosen[row.name]).items():
            setattr(row, column, value)
        row.save()
    return bool(changed)


def _delete(names: Iterable[str]) -> tuple[str, ...]:
    gone = tuple(sorted(names))
    for row in PeriodicTask.objects.filter(name__in=gone):
        row.delete()
    return gone
