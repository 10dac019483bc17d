"""Long work as rows: start once, report progress, resume after a crash.

Beside its row, work under way holds a lock that dies with its process: a killed worker is
recognised at once, a living one is respected until it was silent for a quarter of an hour.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction

from config.kernel import locks
from config.kernel.models import Job

SILENT_AFTER = timedelta(minutes=15)


class AlreadyRunning(RuntimeError):
    """Another process does this work now."""


class NotRunning(RuntimeError):
    """The job ended, was cancelled or was taken over: whoever still works on it must stop."""


@transaction.atomic
def start(kind: str, key: str, *, as_of: datetime, total: int = 0) -> Job:
    """Begin, or take over a job whose process died or went silent (its checkpoint is kept).

    A take-over restarts `started_at`, which fences off the silent process should it wake up.
    Raises `AlreadyRunning` while another process shows progress.
    """
    running = (
        Job.objects.select_for_update()
        .filter(kind=kind, key=key, status=Job.Status.RUNNING)
        .first()
    )
    # Claimed by this very process, the lock says nothing: then silence alone counts.
    again = locks.owns(_work(kind, key))
    claimed = locks.claim(_work(kind, key))
    if running is not None:
        if (again or not claimed) and as_of - running.beat_at < SILENT_AFTER:
            raise AlreadyRunning(
                f"{kind} {key} has been running since {running.started_at:%Y-%m-%d %H:%M:%S} UTC"
            )
        Job.objects.filter(pk=running.pk).update(started_at=as_of, beat_at=as_of, total=total)
        running.refresh_from_db()
        return running
    if not claimed:
        raise AlreadyRunning(
            f"the process that worked on {kind} {key} has not ended yet; wait for it, or end it"
        )
    try:
        with transaction.atomic():
            return Job.objects.create(
                kind=kind, key=key, started_at=as_of, beat_at=as_of, total=total
            )
    except IntegrityError:
        locks.give_back(_work(kind, key))
        raise AlreadyRunning(f"{kind} {key} was started by another process this moment") from None


def advance(job: Job, *, done: int, as_of: datetime, checkpoint: str | None = None) -> None:
    """Report progress, and where to resume; raises `NotRunning` where the job is no longer ours."""
    changes: dict[str, Any] = {"done": done, "beat_at": as_of}
    if checkpoint is not None:
        changes["checkpoint"] = checkpoint
    _change(job, **changes)


def finish(job: Job, *, as_of: datetime, result: Mapping[str, Any]) -> None:
    """End well; the result is kept as JSON."""
    body = json.dumps(dict(result), default=str)
    _end(job, status=Job.Status.DONE, finished_at=as_of, beat_at=as_of, result=body)


def fail(job: Job, *, as_of: datetime, error: str) -> None:
    """End badly; the checkpoint stays for the next start."""
    failed = Job.Status.FAILED
    _end(job, status=failed, finished_at=as_of, beat_at=as_of, error=error[:4000])


def cancel(job: Job, *, as_of: datetime, reason: str) -> None:
    """Ask the worker to stop: its next report of progress raises `NotRunning`."""
    _change(job, status=Job.Status.CANCELLED, finished_at=as_of, error=reason[:4000])


def _work(kind: str, key: str) -> str:
    return f"job:{kind}:{key}"


def _end(job: Job, **changes: Any) -> None:
    try:
        _change(job, **changes)
    finally:
        locks.give_back(_work(job.kind, job.key))


def _change(job: Job, **changes: Any) -> None:
    """Compare-and-set: only a running job, only by the process that started or took it over."""
    ours = Job.objects.filter(
        pk=job.pk, status=Job.Status.RUNNING, started_at=job.started_at
    ).update(**changes)
    if not ours:
        raise NotRunning(f"{job} is not running for this process any more; start it again")


def checkpoint(kind: str, key: str) -> str:
    """Where the last unfinished or failed job of this kind and key stopped, or an empty text."""
    last = Job.objects.filter(kind=kind, key=key).order_by("-id").first()
    return "" if last is None or last.status == Job.Status.DONE else last.checkpoint
