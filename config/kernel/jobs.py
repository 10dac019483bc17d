"""Long work as rows: start once, report progress, resume after a crash."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction

from config.kernel.models import Job

SILENT_AFTER = timedelta(minutes=15)


class AlreadyRunning(RuntimeError):
    """Another process does this work now."""


@transaction.atomic
def start(kind: str, key: str, *, as_of: datetime, total: int = 0) -> Job:
    """Begin, or take over a job that went silent (its checkpoint is kept).

    Raises `AlreadyRunning` while another process shows progress.
    """
    running = (
        Job.objects.select_for_update()
        .filter(kind=kind, key=key, status=Job.Status.RUNNING)
        .first()
    )
    if running is not None:
        if as_of - running.beat_at < SILENT_AFTER:
            raise AlreadyRunning(
                f"{kind} {key} has been running since {running.started_at:%Y-%m-%d %H:%M:%S} UTC"
            )
        Job.objects.filter(pk=running.pk).update(beat_at=as_of, total=total)
        running.refresh_from_db()
        return running
    try:
        with transaction.atomic():
            return Job.objects.create(
                kind=kind, key=key, started_at=as_of, beat_at=as_of, total=total
            )
    except IntegrityError:
        raise AlreadyRunning(f"{kind} {key} was started by another process this moment") from None


def advance(job: Job, *, done: int, as_of: datetime, checkpoint: str | None = None) -> None:
    """Report progress, and where to resume."""
    changes: dict[str, Any] = {"done": done, "beat_at": as_of}
    if checkpoint is not None:
        changes["checkpoint"] = checkpoint
    Job.objects.filter(pk=job.pk).update(**changes)


def finish(job: Job, *, as_of: datetime, result: Mapping[str, Any]) -> None:
    """End well; the result is kept as JSON."""
    body = json.dumps(dict(result), default=str)
    Job.objects.filter(pk=job.pk).update(
        status=Job.Status.DONE, finished_at=as_of, beat_at=as_of, result=body
    )


def fail(job: Job, *, as_of: datetime, error: str) -> None:
    """End badly; the checkpoint stays for the next start."""
    Job.objects.filter(pk=job.pk).update(
        status=Job.Status.FAILED, finished_at=as_of, beat_at=as_of, error=error[:4000]
    )


def checkpoint(kind: str, key: str) -> str:
    """Where the last unfinished or failed job of this kind and key stopped, or an empty text."""
    last = Job.objects.filter(kind=kind, key=key).order_by("-id").first()
    return "" if last is None or last.status == Job.Status.DONE else last.checkpoint
