"""Wake-ups for trading: the rows are the queue, losing or doubling a message changes nothing."""

from typing import Any

from celery import shared_task
from django.utils import timezone

from risk import watch as risk_watch
from trading import cycle
from trading.orders import submit
from trading.redeeming import redeem as redemptions
from trading.watching import success, watch


@shared_task(queue="trading", acks_late=True, ignore_result=True, soft_time_limit=25, time_limit=30)
def submit_intents(**_unknown: Any) -> None:
    """Expire, send and follow what is due."""
    submit.run(as_of=timezone.now(), clock=timezone.now)


@shared_task(queue="trading", acks_late=True, ignore_result=True, soft_time_limit=50, time_limit=60)
def redeem(**_unknown: Any) -> None:
    """Turn resolved positions into cash."""
    redemptions.run(as_of=timezone.now())


@shared_task(queue="trading", acks_late=True, ignore_result=True, soft_time_limit=50, time_limit=60)
def mark(**_unknown: Any) -> None:
    """Mark the books; check that they add up, and that decisions become orders."""
    now = timezone.now()
    cycle.mark(as_of=now)
    watch.run(as_of=now)
    success.watch(as_of=now)


@shared_task(queue="trading", acks_late=True, ignore_result=True, soft_time_limit=25, time_limit=30)
def watch_risk(**_unknown: Any) -> None:
    """Halt on drawdown, daily loss, a sudden drop or a gap in the snapshots; release by rule."""
    now = timezone.now()
    risk_watch.run(as_of=now, at_work=cycle.at_work(as_of=now))
