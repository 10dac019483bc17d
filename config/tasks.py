"""What the workers do across the apps."""

from typing import Any

import structlog
from celery import shared_task
from django.utils import timezone

from config import cycle
from config.beat import CANARY_S
from config.kernel import heartbeats

log = structlog.get_logger()


@shared_task(
    queue="predict", acks_late=True, ignore_result=True, soft_time_limit=110, time_limit=120
)
def run_cycle(**_unknown: Any) -> None:
    """Quotes, forecasts and decisions of everything tracked."""
    _run(epochs_only=False)


@shared_task(queue="trading", acks_late=True, ignore_result=True, soft_time_limit=25, time_limit=30)
def run_fast_cycle(**_unknown: Any) -> None:
    """The same for up/down epochs, which are over in minutes."""
    _run(epochs_only=True)


@shared_task(queue="ingest", acks_late=True, ignore_result=True, soft_time_limit=50, time_limit=60)
def check_resolutions(**_unknown: Any) -> None:
    """Ask how the markets that may have ended did end."""
    cycle.results(as_of=timezone.now())


def _run(*, epochs_only: bool) -> None:
    try:
        cycle.run(as_of=timezone.now(), epochs_only=epochs_only, clock=timezone.now)
    except cycle.CycleRunning:
        log.info("cycle.skipped", epochs_only=epochs_only)


@shared_task(acks_late=True, ignore_result=True, soft_time_limit=5, time_limit=10)
def canary(*, queue: str, **_unknown: Any) -> None:
    """Prove that a worker serves this queue."""
    heartbeats.beat(f"worker:{queue}", period_s=CANARY_S, as_of=timezone.now())
