"""Examples → candidate version → gate: seed, data and code kept, nothing promoted without a row."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import structlog
from django.conf import settings

from config.kernel import jobs
from config.kernel.models import Job
from markets import archive
from markets.history import History
from mlops import labels, lifecycle
from mlops.core import learning
from mlops.core.contracts import LearningConfig
from mlops.core.examples import Examples, joined
from mlops.core.learning import Refused, SuspectedLeak, Trained
from mlops.models import Dataset, LearningSettings, TrainingRun
from predictions import registry
from predictions.core.ensemble import Bundle
from predictions.core.schema import SCHEMA_HASH
from predictions.models import Horizon, ModelVersion, PredictionSettings

__all__ = ["Refused", "SuspectedLeak", "code_version", "fit", "run", "when_due"]

log = structlog.get_logger(__name__)

KIND = "train"
LARGEST_SEED = 2**31 - 1
ACTOR = "training"

Progress = Callable[[int, int], None]
Clock = Callable[[], datetime]


def run(
    *,
    until: datetime | None,
    seed: int | None,
    as_of: datetime,
    history: History | None = None,
    clock: Clock | None = None,
    progress: Progress = lambda _done, _total: None,
    actor: str = ACTOR,
) -> TrainingRun:
    """Train on what was known by `until` and serve the result; one training at a time.

    `clock` is the edge's: it dates what happens while the training runs (default: all at `as_of`).
    The run is a row whatever happens: REFUSED with the reason where the data or the result does not
    deserve a model, FAILED and raised again where something broke. Raises `jobs.AlreadyRunning`.
    """
    config = LearningSettings.objects.current(as_of=as_of).as_config()
    if seed is not None and not 0 <= seed <= LARGEST_SEED:
        # Before the job begins: one that could write no row would be RUNNING for ever.
        raise ValueError(f"a seed is 0 to {LARGEST_SEED}, not {seed}")
    now = clock or (lambda: as_of)
    job = jobs.start(KIND, str(Horizon.OUTCOME), as_of=as_of)
    row = TrainingRun.objects.create(
        started_at=as_of,
        seed=config.seed if seed is None else seed,
        code_version=code_version(),
    )

    def report(done: int, total: int) -> None:
        jobs.advance(job, done=done, as_of=now())
        progress(done, total)

    try:
        data = gather(until=until, as_of=as_of, config=config, history=history)
        _train(row, data, config=config, report=report, as_of=as_of, now=now, actor=actor)
    except Refused as refusal:
        _end(row, job, TrainingRun.Status.REFUSED, now=now, error=str(refusal))
    except BaseException as failure:
        _end(row, job, TrainingRun.Status.FAILED, now=now, error=repr(failure))
        raise
    else:
        _end(row, job, TrainingRun.Status.SUCCEEDED, now=now)
    return row


def when_due(*, as_of: datetime, clock: Clock | None = None) -> TrainingRun | None:
    """Train where enough answers came since the last training; None where not."""
    config = LearningSettings.objects.current(as_of=as_of).as_config()
    last = TrainingRun.objects.filter(status=TrainingRun.Status.SUCCEEDED).order_by("-id").first()
    if (
        last is not None
        and labels.count_since(last.started_at, as_of=as_of) < config.min_new_labels
    ):
        log.info("training.skipped", since=last.started_at.isoformat())
        return None
    return run(until=None, seed=None, as_of=as_of, clock=clock)


def gather(
    *, until: datetime | None, as_of: datetime, config: LearningConfig, history: History | None
) -> Examples:
    """Imported history and our own answered forecasts, as known by `until`."""
    limit = as_of if until is None else min(until, as_of)
    if history is None:
        history = archive.load(until=limit, leave_out=labels.forecast_names(as_of=limit))
    found = labels.examples(history, until=limit, config=config)
    return joined(found, labels.learned(as_of=limit))


def fit(data: Examples, *, config: LearningConfig, seed: int, cap: float) -> Bundle | None:
    """A bundle that was fitted and is registered nowhere; None where training would be refused.

    `cap` is the largest weight of the correction: the setting that served versions have too.
    """
    try:
        trained = learning.learn(data, config=config, cap=cap, seed=seed)
    except Refused:
        return None
    digest = _digest(trained)
    return Bundle(
        horizon=Horizon.OUTCOME,
        schema_hash=SCHEMA_HASH,
        members=trained.members,
        blend=trained.blend,
        version=None,
        label=f"not registered sha256:{digest[:12]}",
        sha256=digest,
        data_until=float(data.known_at.max()),
    )


def _digest(trained: Trained) -> str:
    """SHA-256 of everything that decides the forecasts."""
    found = hashlib.sha256(trained.blend.to_bytes())
    for name, member in sorted(trained.members.items()):
        found.update(name.encode() + member.to_bytes())
    return found.hexdigest()


def _train(
    row: TrainingRun,
    data: Examples,
    *,
    config: LearningConfig,
    report: Progress,
    as_of: datetime,
    now: Clock,
    actor: str,
) -> None:
    cap = PredictionSettings.objects.current(as_of=as_of).as_config().correction_cap
    learning.check(data, config=config)
    row.dataset = _dataset(data, as_of=as_of)
    row.save(update_fields=["dataset"])
    trained = learning.learn(data, config=config, cap=cap, seed=row.seed, progress=report)
    row.metrics = json.dumps(trained.scores)
    row.version = _register(row, data, trained, as_of=now())
    row.save(update_fields=["metrics", "version"])
    if not lifecycle.follows_training(registry.GATE):
        log.warning("version.not_promoted", version=row.version.number)
        return
    lifecycle.promote(
        registry.GATE,
        version=row.version,
        evidence={"training_run": row.pk, **_summary(trained)},
        actor=actor,
        as_of=now(),
    )


def _register(
    row: TrainingRun, data: Examples, trained: Trained, *, as_of: datetime
) -> ModelVersion:
    return registry.register(
        members=trained.members,
        blend=trained.blend,
        span=registry.Span(
            data_from=labels.moment(float(data.as_of.min())),
            data_until=labels.moment(float(data.known_at.max())),
            rows=data.rows,
            events=data.events,
        ),
        seed=row.seed,
        trials=len(learning.EXPERTS),
        actor=ACTOR,
        as_of=as_of,
        extra={
            "data_digest": row.dataset_id,
            "code_version": row.code_version,
            "training_run": row.pk,
        },
    )


def _dataset(data: Examples, *, as_of: datetime) -> Dataset:
    found, _ = Dataset.objects.get_or_create(
        digest=data.digest(),
        defaults={
            "built_at": as_of,
            "learned_from": labels.moment(float(data.as_of.min())),
            "learned_until": labels.moment(float(data.known_at.max())),
            "rows": data.rows,
            "events": data.events,
            "source": ", ".join(
                name for k, name in enumerate(data.sources) if np.any(data.source == k)
            )[:300],
        },
    )
    return found


def _summary(trained: Trained) -> dict[str, Any]:
    overall = trained.scores["out_of_fold"]
    return {
        "skill": overall["skill"],
        "skill_low": overall["skill_low"],
        "skill_high": overall["skill_high"],
        "events": overall["events"],
        "weight": trained.blend.weight,
        "cells": list(trained.blend.cells),
        "insufficient": trained.scores["insufficient"],
    }


def _end(
    row: TrainingRun, job: Job, status: TrainingRun.Status, *, now: Clock, error: str = ""
) -> None:
    ended = now()
    row.status, row.finished_at, row.error = status, ended, error
    row.save(update_fields=["status", "finished_at", "error"])
    if status == TrainingRun.Status.SUCCEEDED:
        jobs.finish(job, as_of=ended, result={"training_run": row.pk})
    else:
        jobs.fail(job, as_of=ended, error=error)
    log.info("training.ended", run=row.pk, status=str(status), error=error)


def code_version() -> str:
    """The commit that runs, or the release where there is no repository."""
    git = shutil.which("git")
    if git is not None:
        found = subprocess.run(  # noqa: S603 - a fixed command of ours
            [git, "-C", str(settings.BASE_DIR), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
        if found.returncode == 0:
            return found.stdout.strip()
    try:
        return version("oddsmith")
    except PackageNotFoundError:
        return "unknown"
