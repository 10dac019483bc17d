"""Examples → candidate version → gate: seed, data and code kept, nothing promoted without a row."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version

import structlog
from django.conf import settings
from django.db.models import Q

from config.kernel import jobs
from config.kernel.models import Job
from markets import archive
from markets.history import History
from mlops import (
    ahead,
    cards,
    champion,
    checkpoints,
    drift,
    labels,
    revalidation,
    tracking,
    training_record,
)
from mlops.core import gates, learning
from mlops.core.contracts import LearningConfig
from mlops.core.examples import Examples, joined
from mlops.core.learning import Refused, SuspectedLeak, Trained
from mlops.models import LearningSettings, TrainingRun
from mlops.training_record import ACTOR
from predictions import artefacts
from predictions.core import combination, roster
from predictions.core.ensemble import Bundle
from predictions.core.roster import OUTCOME
from predictions.core.schema import SCHEMA_HASH
from predictions.models import ModelVersion, PredictionSettings

__all__ = ["Refused", "SuspectedLeak", "code_version", "fit", "run", "when_due"]

log = structlog.get_logger(__name__)

KIND = "train"
KEY = "one"  # of the job: one training at a time, whatever its horizon
LARGEST_SEED = 2**31 - 1
MOST_WORKERS = 2
SEEN = "seen_until"  # in the metrics of a run

Progress = Callable[[int, int], None]
Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """One run under way."""

    row: TrainingRun
    job: Job
    config: LearningConfig
    now: Clock
    actor: str
    progress: Progress
    workers: int
    folders: list[checkpoints.Folder] = field(default_factory=list)

    def report(self, done: int, total: int) -> None:
        jobs.advance(self.job, done=done, as_of=self.now())
        self.progress(done, total)


def run(
    *,
    until: datetime | None,
    seed: int | None,
    as_of: datetime,
    horizon: str = OUTCOME,
    history: History | None = None,
    clock: Clock | None = None,
    progress: Progress = lambda _done, _total: None,
    actor: str = ACTOR,
    workers: int | None = None,
) -> TrainingRun:
    """Train one horizon on what was known by `until`; one training at a time.

    `clock` is the edge's: it dates what happens while the training runs (default: all at `as_of`).
    The run is a row whatever happens: REFUSED with the reason where the data or the result does not
    deserve a model, FAILED, told as an alert and raised again where something broke. A run that was
    killed leaves its finished pieces to the next one. Raises `jobs.AlreadyRunning`.
    """
    config = LearningSettings.objects.current(as_of=as_of).as_config()
    if seed is not None and not 0 <= seed <= LARGEST_SEED:
        # Before the job begins: one that could write no row would be RUNNING for ever.
        raise ValueError(f"a seed is 0 to {LARGEST_SEED}, not {seed}")
    if horizon not in roster.HORIZONS:
        raise ValueError(f"a horizon is one of {', '.join(roster.HORIZONS)}, not {horizon}")
    now = clock or (lambda: as_of)
    job = jobs.start(KIND, KEY, as_of=as_of)
    _bury(as_of=as_of)
    row = TrainingRun.objects.create(
        started_at=as_of,
        metrics=json.dumps(_bound(until, as_of)),
        horizon=horizon,
        seed=config.seed if seed is None else seed,
        code_version=code_version(),
    )
    work = _Work(
        row=row,
        job=job,
        config=config,
        now=now,
        actor=actor,
        progress=progress,
        workers=workers or min(os.cpu_count() or 1, MOST_WORKERS),
    )
    doubted = False
    with _ending(work):
        data = gather(until=until, as_of=as_of, config=config, history=history, horizon=horizon)
        minimums = gates.minimums(data, config=config)
        row.metrics = json.dumps({**json.loads(row.metrics), "minimums": minimums})
        doubted = _train(work, data, as_of=as_of)
    if doubted:
        revalidation.run(horizon, as_of=now())
    return row


@contextmanager
def _ending(work: _Work) -> Iterator[None]:
    """End row and job however the work ends; finished pieces go where nobody needs them again."""
    row = work.row
    try:
        yield
    except Refused as refusal:
        _end(work, TrainingRun.Status.REFUSED, error=str(refusal))
    except BaseException as failure:
        _end(work, TrainingRun.Status.FAILED, error=repr(failure))
        if isinstance(failure, Exception):
            training_record.alert(row, as_of=work.now())
        raise
    else:
        _end(work, TrainingRun.Status.SUCCEEDED)
    for folder in work.folders:
        folder.remove()


def when_due(
    horizon: str = OUTCOME,
    *,
    as_of: datetime,
    clock: Clock | None = None,
    progress: Progress = lambda _done, _total: None,
) -> TrainingRun | None:
    """Train a horizon where it is due; else see whether what it serves still holds, and None."""
    if is_due(horizon, as_of=as_of):
        return run(
            until=None, seed=None, as_of=as_of, horizon=horizon, clock=clock, progress=progress
        )
    revalidation.run(horizon, as_of=as_of)
    return None


def is_due(horizon: str, *, as_of: datetime) -> bool:
    """Whether enough answers came since the last training, or drift asks for another one."""
    if horizon == OUTCOME and drift.asks_for_training(as_of=as_of):
        return True
    config = LearningSettings.objects.current(as_of=as_of).as_config()
    last = (
        TrainingRun.objects.filter(horizon=horizon, started_at__lte=as_of)
        .filter(Q(status=TrainingRun.Status.SUCCEEDED) | Q(status=TrainingRun.Status.REFUSED))
        .order_by("-id")
        .first()
    )
    if last is None:
        return True
    seen = _seen(last)
    if horizon == OUTCOME:
        fresh = labels.count_since(seen, as_of=as_of)
    else:
        fresh = ahead.count_since(seen, horizon=horizon, as_of=as_of, config=config)
    if fresh < config.min_new_labels:
        log.info("training.skipped", horizon=horizon, since=seen.isoformat(), new=fresh)
        return False
    return True


def _bury(*, as_of: datetime) -> None:
    """Whoever holds the job trains alone: rows that still run are those of processes that died."""
    dead = TrainingRun.objects.filter(status=TrainingRun.Status.RUNNING)
    dead.update(status=TrainingRun.Status.FAILED, finished_at=as_of, error="its process died")


def _bound(until: datetime | None, as_of: datetime) -> dict[str, str]:
    return {SEEN: (as_of if until is None else min(until, as_of)).isoformat()}


def _seen(row: TrainingRun) -> datetime:
    """Up to when a training could see answers; rows that do not say so saw them to their start."""
    said = cards.read(row.metrics).get(SEEN)
    return datetime.fromisoformat(said) if isinstance(said, str) else row.started_at


def gather(
    *,
    until: datetime | None,
    as_of: datetime,
    config: LearningConfig,
    history: History | None,
    horizon: str = OUTCOME,
) -> Examples:
    """Imported history and our own answered forecasts, as known by `until`."""
    limit = as_of if until is None else min(until, as_of)
    if history is None:
        history = archive.load(until=limit, leave_out=labels.forecast_names(as_of=limit))
    if horizon == OUTCOME:
        found = labels.examples(history, until=limit, config=config)
        return joined(found, labels.learned(as_of=limit))
    found = ahead.examples(history, horizon=horizon, until=limit, config=config)
    return joined(found, ahead.learned(horizon=horizon, as_of=limit, config=config))


def fit(
    data: Examples,
    *,
    config: LearningConfig,
    seed: int,
    cap: float,
    horizon: str = OUTCOME,
    workers: int = MOST_WORKERS,
) -> Bundle | None:
    """A bundle that was fitted and is registered nowhere; None where training would be refused.

    `cap` is the largest weight of the correction: the setting that served versions have too.
    """
    try:
        trained = learning.learn(
            data,
            config=config,
            cap=cap,
            seed=seed,
            horizon=horizon,
            workers=workers,
            controlled=False,
        )
    except Refused:
        return None
    digest = _digest(trained)
    return Bundle(
        horizon=horizon,
        schema_hash=SCHEMA_HASH,
        # As in service: who was not admitted has no say.
        members={
            slug: member
            for slug, member in trained.members.items()
            if trained.experts[slug].admitted
        },
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


def _train(work: _Work, data: Examples, *, as_of: datetime) -> bool:
    """Whether what stays in service is to be validated, for the contest did not."""
    row, config = work.row, work.config
    learning.check(data, horizon=row.horizon, config=config)
    row.dataset = training_record.dataset(data, as_of=as_of)
    row.save(update_fields=["dataset", "metrics"])
    trained = _learn(work, data, as_of=as_of)
    contest = champion.contest(
        trained.tested,
        trained.model,
        learned=data.events,
        horizon=row.horizon,
        config=config,
        as_of=as_of,
    )
    bound = {SEEN: json.loads(row.metrics)[SEEN]}
    row.metrics, row.trials = json.dumps({**trained.scores, **bound}), trained.trials
    row.card = training_record.card(trained, contest.as_json())
    training_record.prove(trained)
    training_record.settle(row, data, trained, contest, actor=work.actor, as_of=work.now())
    return trained.accepted and not contest.takes_over and not contest.champion_held


def _learn(work: _Work, data: Examples, *, as_of: datetime) -> Trained:
    row, config = work.row, work.config
    forecasting = PredictionSettings.objects.current(as_of=as_of).as_config()
    slugs = [role.slug for role in roster.members(row.horizon)]
    work.folders.append(
        checkpoints.opened(
            {
                "data": row.dataset_id,
                "schema": SCHEMA_HASH,
                "seed": row.seed,
                "code": row.code_version,
                "horizon": row.horizon,
                "folds": config.folds,
                "embargo": config.embargo_days,
                "rows": [config.min_events, config.min_expert_rows, config.max_fit_rows],
                "tuning": config.tuning_trials,
                "libraries": artefacts.versions(),
            },
            as_of=as_of,
        )
    )
    return learning.learn(
        data,
        config=config,
        cap=forecasting.correction_cap,
        seed=row.seed,
        horizon=row.horizon,
        active=training_record.active(row.horizon),
        seen=ModelVersion.objects.filter(expert__slug__in=slugs).values_list(
            "expert_id", flat=True
        ),
        earlier=training_record.earlier(row),
        fixed=combination.fixed_weights(slugs, forecasting),
        workers=work.workers,
        store=work.folders[-1],
        progress=work.report,
    )


def _end(work: _Work, status: TrainingRun.Status, *, error: str = "") -> None:
    ended, row = work.now(), work.row
    if status == TrainingRun.Status.FAILED:
        row.version = None  # what it may have registered was rolled back
    row.status, row.finished_at, row.error = status, ended, error
    row.save(update_fields=["status", "finished_at", "error", "metrics"])
    if status == TrainingRun.Status.SUCCEEDED:
        jobs.finish(work.job, as_of=ended, result={"training_run": row.pk})
    else:
        jobs.fail(work.job, as_of=ended, error=error)
    tracking.record(row, uri=work.config.mlflow_uri)
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
