"""What the workers do for learning."""

from typing import Any

import structlog
from celery import shared_task
from django.utils import timezone

from config.kernel import jobs
from mlops import train as training

log = structlog.get_logger(__name__)


@shared_task(
    queue="learn", acks_late=True, ignore_result=True, soft_time_limit=1500, time_limit=1800
)
def train(**_unknown: Any) -> None:
    """Train again where enough answers came since the last time."""
    try:
        training.when_due(as_of=timezone.now(), clock=timezone.now)
    except jobs.AlreadyRunning:
        log.info("training.skipped", reason="another one runs")
