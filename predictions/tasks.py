"""Wake-ups: forecast the universe."""

from typing import Any

from celery import shared_task
from django.utils import timezone

from predictions import predict as forecasts


@shared_task(
    queue="predict", acks_late=True, ignore_result=True, soft_time_limit=110, time_limit=120
)
def predict(**_unknown: Any) -> None:
    """Forecast every followed market as of now."""
    forecasts.run(as_of=timezone.now())
