"""What the workers do for risk."""

from typing import Any

from celery import shared_task
from django.utils import timezone

from risk import watch as watching


@shared_task(queue="trading", acks_late=True, ignore_result=True, soft_time_limit=25, time_limit=30)
def watch(**_unknown: Any) -> None:
    """Halt on drawdown, daily loss, a sudden drop or a gap in the snapshots; release by rule."""
    watching.run(as_of=timezone.now())
