"""What the workers do for learning."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog
from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.utils import timezone

from mlops import collect, drift, review, scores, trust

log = structlog.get_logger(__name__)

GRACE_S = 60  # a training that is asked to stop ends its piece, keeps it, and closes its row


@shared_task(
    queue="learn", acks_late=True, ignore_result=True, soft_time_limit=5400, time_limit=5500
)
def train(**_unknown: Any) -> None:
    """Train again, every horizon for which enough answers came, in a process of its own."""
    _in_a_child("train", "--due", "--horizon", "all")


@shared_task(
    queue="learn", acks_late=True, ignore_result=True, soft_time_limit=5400, time_limit=5500
)
def train_first(**_unknown: Any) -> None:
    """Train as soon as there is enough for a first time; otherwise it leaves at once."""
    if collect.is_first_training_due(as_of=timezone.now()):
        _in_a_child("train", "--due")


@shared_task(queue="learn", acks_late=True, ignore_result=True, soft_time_limit=600, time_limit=660)
def watch_drift(**_unknown: Any) -> None:
    """Compare inputs, forecasts and scores with what the served versions were trained on."""
    drift.check(as_of=timezone.now())


@shared_task(queue="learn", acks_late=True, ignore_result=True, soft_time_limit=600, time_limit=660)
def review_experts(**_unknown: Any) -> None:
    """Score what was answered, let trust follow it, and move experts as the rules say."""
    _each(scores.record, trust.follow, review.run, as_of=timezone.now())


def _each(*jobs: Callable[..., Any], as_of: datetime) -> None:
    """Run each although the one before failed: experts are demoted also where scoring breaks."""
    broken: list[Exception] = []
    for job in jobs:
        try:
            job(as_of=as_of)
        except SoftTimeLimitExceeded:
            raise
        except Exception as failure:
            log.exception("job.failed", job=job.__module__)
            broken.append(failure)
    if broken:
        raise ExceptionGroup("not every part of the review went well", broken)


def _in_a_child(*arguments: str) -> int:
    """Run a management command; if it dies, it dies alone. Its exit code."""
    child = subprocess.Popen(  # noqa: S603 - our own interpreter and program
        [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments],
        cwd=settings.BASE_DIR,
        env=os.environ,
        stdin=subprocess.DEVNULL,
    )
    try:
        code = child.wait()
    except (SoftTimeLimitExceeded, SystemExit, KeyboardInterrupt):
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(timeout=GRACE_S)
        except subprocess.TimeoutExpired:
            child.kill()
        raise
    log.info("training.child_ended", code=code, arguments=arguments)
    return code
