"""A training that breaks: it breaks alone, leaves nothing half, and the next one goes on."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from config.kernel import jobs
from config.kernel.models import DomainEvent, Job
from markets.history import History
from mlops import revalidation, tasks, train
from mlops.core import gates
from mlops.core.learning import FIXED_SAMPLE
from mlops.models import CohortScore, ExpertTransition, TrainingRun
from predictions import registry
from predictions.core import estimators
from predictions.models import Expert, ModelVersion
from tests.mlops.worlds import world

# Of this many events no test learns to the end: what breaks here breaks while it learns.
UNLEARNED = 310
NOW = datetime(2026, 6, 1, tzinfo=UTC)
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("small_trainings")]


def trained(history: History, **knobs) -> TrainingRun:
    return train.run(until=None, seed=7, as_of=NOW, history=history, **knobs)


def test_a_broken_training_is_a_failed_row_and_frees_the_next_one() -> None:
    def broken(_done: int, _total: int) -> None:
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        trained(world(events=UNLEARNED), progress=broken)

    assert TrainingRun.objects.get().status == TrainingRun.Status.FAILED
    assert trained(world(events=300)).status == TrainingRun.Status.SUCCEEDED


def test_nan_training_marks_failed_and_alerts(monkeypatch) -> None:
    monkeypatch.setattr(
        estimators.Recalibration, "correction", lambda _self, x, _logit, _cell: x[:, 0] * np.nan
    )

    with pytest.raises(gates.NotFinite):
        trained(world(events=UNLEARNED))

    row = TrainingRun.objects.get()
    alert = DomainEvent.objects.get(kind="alert.raised")
    assert row.status == TrainingRun.Status.FAILED
    assert row.version is None
    assert "not finite" in row.error
    assert alert.subject == f"training:{row.pk}"


def test_a_training_whose_process_was_killed_is_told_as_failed_by_the_next() -> None:
    killed = TrainingRun.objects.create(
        started_at=NOW - timedelta(days=1), status="RUNNING", seed=1, code_version="t"
    )

    train.run(until=None, seed=None, as_of=NOW)

    killed.refresh_from_db()
    assert (killed.status, killed.error) == (TrainingRun.Status.FAILED, "its process died")
    assert killed.finished_at == NOW


def test_dead_trainer_lock_recovers() -> None:
    left = jobs.start(train.KIND, train.KEY, as_of=NOW - timedelta(hours=1))

    row = trained(world(events=300))

    assert row.status == TrainingRun.Status.SUCCEEDED
    left.refresh_from_db()
    assert left.status == Job.Status.DONE


@pytest.mark.one_database  # bad usage ends before a row
def test_a_training_of_the_worker_that_breaks_breaks_alone(monkeypatch) -> None:
    assert tasks._in_a_child("train", "--horizon", "nonsense") == 2

    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(tasks, "_in_a_child", lambda *arguments: asked.append(arguments))
    tasks.train(unknown="tolerated")
    tasks.train_first()

    assert asked == [("train", "--due", "--horizon", "all")]


def test_a_training_that_breaks_at_its_last_step_registers_nothing_and_was_no_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = DomainEvent.objects.count()

    def broken(*_args: object, **_named: object) -> None:
        raise RuntimeError("power cut")

    with monkeypatch.context() as patched:
        patched.setattr(registry, "challenge", broken)
        with pytest.raises(RuntimeError):
            trained(world(events=300, slope=2.0))

    row = TrainingRun.objects.get()
    assert (row.status, row.version) == (TrainingRun.Status.FAILED, None)
    assert not ModelVersion.objects.exists()
    assert not CohortScore.objects.exists()
    assert not ExpertTransition.objects.exists()
    assert registry.served() is None
    (told,) = DomainEvent.objects.order_by("id")[before:]
    assert told.subject == f"training:{row.pk}"

    again = trained(world(events=300, slope=2.0))
    assert json.loads(again.card)["experts"]["recalibration"]["route"] == FIXED_SAMPLE


def test_a_validation_that_breaks_leaves_the_training_as_it_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trained(world(events=600, slope=2.0))

    def broken(*_args: object, **_named: object) -> None:
        raise RuntimeError("power cut")

    monkeypatch.setattr(revalidation, "run", broken)
    with pytest.raises(RuntimeError):
        trained(world(events=630, slope=2.0))

    row = TrainingRun.objects.latest("id")
    assert row.status == TrainingRun.Status.SUCCEEDED
    assert Expert.objects.get(slug="gate").challenger == row.version
    assert Job.objects.latest("id").status == Job.Status.DONE
