"""The timetable as rows: upserted by name, an operator's choice kept, one leader ticking."""

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from config import beat
from config.celery import QUEUES, app
from config.kernel.models import Heartbeat
from config.scheduler import LeaderScheduler
from tests import factories

pytestmark = pytest.mark.django_db


def test_every_slot_becomes_a_row_that_expires_after_one_period():
    report = beat.sync(demo=False, prune=False)

    rows = {row.name: row for row in PeriodicTask.objects.select_related("interval")}
    assert set(report.added) == set(rows) == {slot.name for slot in beat.TIMETABLE}
    for slot in beat.TIMETABLE:
        assert rows[slot.name].interval.every == slot.every_s == rows[slot.name].expire_seconds
        assert rows[slot.name].description == slot.why


def test_a_second_run_changes_nothing():
    beat.sync(demo=False, prune=False)

    assert beat.sync(demo=False, prune=False) == beat.SyncReport(
        added=(), changed=(), absent=(), pruned=(), strangers=()
    )


def test_what_an_operator_disabled_stays_disabled_and_periods_come_from_the_timetable():
    beat.sync(demo=False, prune=False)
    hour, _ = IntervalSchedule.objects.get_or_create(every=1, period=IntervalSchedule.HOURS)
    PeriodicTask.objects.filter(name="cycle").update(enabled=False, interval=hour)

    report = beat.sync(demo=False, prune=False)

    row = PeriodicTask.objects.get(name="cycle")
    assert report.changed == ("cycle",)
    assert (row.enabled, row.interval.every, row.interval.period) == (False, 300, "seconds")


def test_the_demo_runs_faster_and_without_what_needs_days():
    beat.sync(demo=False, prune=False)

    report = beat.sync(demo=True, prune=False)

    assert PeriodicTask.objects.get(name="cycle").interval.every == 10
    assert set(report.absent) == {s.name for s in beat.TIMETABLE if s.demo_s is None}


def test_the_trading_settings_choose_the_period_of_the_cycle():
    factories.trading_settings(cycle_s=45)

    beat.sync(demo=False, prune=False)

    row = PeriodicTask.objects.get(name="cycle")
    assert (row.interval.every, row.expire_seconds) == (45, 45)
    assert PeriodicTask.objects.get(name="catalogue").interval.every == 300


@pytest.mark.django_db(transaction=True)  # the scheduler closes connections
def test_a_new_period_of_the_cycle_holds_without_a_restart(own_state):
    beat.sync(demo=False, prune=False)
    scheduler = LeaderScheduler(app=app, lazy=False)
    scheduler.tick()
    assert scheduler.schedule["cycle"].schedule.run_every == timedelta(seconds=300)

    factories.trading_settings(cycle_s=45)
    scheduler.last_beat_at = None
    scheduler.tick()

    assert scheduler.schedule["cycle"].schedule.run_every == timedelta(seconds=45)
    scheduler.leader.release()


def test_strangers_are_deleted_only_on_request():
    interval, _ = IntervalSchedule.objects.get_or_create(every=9, period=IntervalSchedule.SECONDS)
    PeriodicTask.objects.create(name="my own", task="x", interval=interval)

    assert beat.sync(demo=False, prune=False).strangers == ("my own",)
    assert beat.sync(demo=False, prune=True).pruned == ("my own",)
    assert not PeriodicTask.objects.filter(name="my own").exists()


def test_every_task_of_the_timetable_exists_on_the_queue_that_it_names():
    app.loader.import_default_modules()

    for slot in beat.TIMETABLE:
        assert slot.task in app.tasks, slot.task
        assert slot.queue in QUEUES
        declared = getattr(app.tasks[slot.task], "queue", None)
        assert declared in (None, slot.queue), f"{slot.task} declares {declared}"


def test_every_queue_has_a_canary():
    canaries = {s.kwargs["queue"] for s in beat.TIMETABLE if s.task == "config.tasks.canary"}
    assert canaries == set(QUEUES)


def test_a_canary_leaves_a_heartbeat_for_its_queue():
    from config.tasks import canary

    canary(queue="learn")

    assert Heartbeat.objects.get().component == "worker:learn"


def test_the_command_prints_what_it_did():
    out = StringIO()
    call_command("sync_beat", json=True, stdout=out)
    assert "cycle" in json.loads(out.getvalue())["added"]

    again = StringIO()
    call_command("sync_beat", stdout=again)
    assert "already" in again.getvalue()


def test_the_command_lists_names_for_people():
    out = StringIO()
    call_command("sync_beat", demo=True, stdout=out)
    assert "added: catalogue" in out.getvalue()


@pytest.fixture
def own_state(tmp_path: Path, monkeypatch) -> None:
    from dataclasses import replace

    monkeypatch.setattr(settings, "ENV", replace(settings.ENV, state_dir=tmp_path))


@pytest.mark.django_db(transaction=True)  # the scheduler closes connections
def test_a_run_is_written_down_before_its_message_goes_out(own_state):
    beat.sync(demo=True, prune=False)
    scheduler = LeaderScheduler(app=app, lazy=False)
    scheduler.tick()
    entry = scheduler.schedule["cycle"]

    reserved = scheduler.reserve(entry)

    # A heap that is built anew starts from this run, not from the one before.
    assert scheduler.schedule["cycle"].last_run_at == reserved.last_run_at
    assert PeriodicTask.objects.get(name="cycle").last_run_at is not None
    assert Heartbeat.objects.filter(component="beat").exists()
    scheduler.leader.release()


@pytest.mark.django_db(transaction=True)  # the scheduler closes connections
def test_the_second_beat_waits_and_reads_the_rows_anew_when_it_takes_over(own_state):
    beat.sync(demo=True, prune=False)
    first = LeaderScheduler(app=app, lazy=False)
    second = LeaderScheduler(app=app, lazy=False)
    first.tick()
    assert second.tick() == LeaderScheduler.STANDBY_S
    assert not second.leading
    ran = first.reserve(first.schedule["cycle"]).last_run_at

    first.leader.release()
    second.tick()

    assert second.leading
    assert second.schedule["cycle"].last_run_at == ran
    second.leader.release()


def test_no_long_work_stands_in_the_way_of_trading() -> None:
    limits = {
        slot.task: app.tasks[slot.task].time_limit
        for slot in beat.TIMETABLE
        if slot.queue != "learn" and slot.task in app.tasks
    }

    assert {task: limit for task, limit in limits.items() if limit is None or limit > 300} == {}
