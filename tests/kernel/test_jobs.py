"""Long work: once at a time, resumable, fenced off when it was given up for dead."""

import json
from datetime import timedelta

import pytest

from config.kernel import jobs, locks
from config.kernel.models import Job
from tests.factories import NOW

pytestmark = pytest.mark.django_db

SOON = NOW + timedelta(minutes=1)
SILENT = NOW + jobs.SILENT_AFTER


def begin() -> Job:
    return jobs.start("import", "2026-11", as_of=NOW, total=10)


def test_a_job_reports_progress_and_ends() -> None:
    job = begin()

    jobs.advance(job, done=4, as_of=SOON, checkpoint="row 4")
    jobs.finish(job, as_of=SOON, result={"rows": 10, "at": SOON})

    job.refresh_from_db()
    assert (job.status, job.done, job.total, job.finished_at) == ("DONE", 4, 10, SOON)
    assert json.loads(job.result)["rows"] == 10
    assert str(job) == "import 2026-11"


def test_the_same_work_does_not_run_twice_at_once() -> None:
    begin()

    with pytest.raises(jobs.AlreadyRunning, match="since 2026-11-20 12:00:00 UTC"):
        jobs.start("import", "2026-11", as_of=SOON)
    assert jobs.start("import", "2026-12", as_of=SOON).pk


def test_a_silent_job_is_taken_over_with_its_checkpoint() -> None:
    job = begin()
    jobs.advance(job, done=4, as_of=NOW, checkpoint="row 4")

    heir = jobs.start("import", "2026-11", as_of=SILENT, total=6)

    assert heir.pk == job.pk
    assert (heir.checkpoint, heir.total, heir.beat_at) == ("row 4", 6, SILENT)


def test_a_job_that_wakes_up_after_the_take_over_is_told_to_stop() -> None:
    job = begin()
    heir = jobs.start("import", "2026-11", as_of=SILENT)

    with pytest.raises(jobs.NotRunning, match="start it again"):
        jobs.advance(job, done=9, as_of=SILENT)
    with pytest.raises(jobs.NotRunning):
        jobs.finish(job, as_of=SILENT, result={})

    jobs.finish(heir, as_of=SILENT, result={})


def test_a_cancelled_job_stops_at_its_next_report() -> None:
    job = begin()

    jobs.cancel(job, as_of=SOON, reason="not needed")

    with pytest.raises(jobs.NotRunning):
        jobs.advance(job, done=1, as_of=SOON)
    assert jobs.start("import", "2026-11", as_of=SOON).pk != job.pk


def test_a_failed_job_leaves_its_checkpoint_for_the_next_start() -> None:
    job = begin()
    jobs.advance(job, done=4, as_of=SOON, checkpoint="row 4")
    assert jobs.checkpoint("import", "2026-11") == "row 4"

    jobs.fail(job, as_of=SOON, error="x" * 5000)

    job.refresh_from_db()
    assert len(job.error) == 4000
    assert jobs.checkpoint("import", "2026-11") == "row 4"


def test_finished_and_unknown_work_starts_from_the_beginning() -> None:
    job = begin()
    jobs.advance(job, done=10, as_of=SOON, checkpoint="row 10")
    jobs.finish(job, as_of=SOON, result={})

    assert jobs.checkpoint("import", "2026-11") == ""
    assert jobs.checkpoint("import", "never") == ""


def another_process(monkeypatch: pytest.MonkeyPatch, *, lives: bool) -> None:
    """As seen from a process that did not start the job itself."""
    monkeypatch.setattr(locks, "owns", lambda _work: False)
    monkeypatch.setattr(locks, "claim", lambda _work: not lives)


def test_a_dead_owner_is_replaced_at_once_with_its_checkpoint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = begin()
    jobs.advance(job, done=4, as_of=NOW, checkpoint="row 4")

    another_process(monkeypatch, lives=False)
    heir = jobs.start("import", "2026-11", as_of=SOON)

    assert (heir.pk, heir.checkpoint, heir.started_at) == (job.pk, "row 4", SOON)
    with pytest.raises(jobs.NotRunning):
        jobs.advance(job, done=5, as_of=SOON)


def test_a_living_owner_is_respected_until_it_was_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    job = begin()

    another_process(monkeypatch, lives=True)
    with pytest.raises(jobs.AlreadyRunning, match="has been running since"):
        jobs.start("import", "2026-11", as_of=SOON)

    assert jobs.start("import", "2026-11", as_of=SILENT).pk == job.pk


def test_nothing_begins_while_the_last_worker_has_not_let_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = begin()
    jobs.cancel(job, as_of=NOW, reason="not needed")

    another_process(monkeypatch, lives=True)
    with pytest.raises(jobs.AlreadyRunning, match="has not ended yet"):
        jobs.start("import", "2026-11", as_of=SOON)

    assert not Job.objects.filter(status=Job.Status.RUNNING).exists()


def test_work_is_owned_until_it_ends() -> None:
    job = begin()
    assert locks.owns("job:import:2026-11")

    jobs.finish(job, as_of=SOON, result={})

    assert not locks.owns("job:import:2026-11")
