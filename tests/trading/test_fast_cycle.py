"""The fast cycle: the same code for up/down epochs, in a slot and on a queue of its own."""

import pytest
from django_celery_beat.models import PeriodicTask

from config import beat
from tests import factories

pytestmark = pytest.mark.django_db


def slot(name):
    return PeriodicTask.objects.select_related("interval").get(name=name)


def test_the_fast_cycle_runs_every_ten_seconds_apart_from_the_cycle():
    beat.sync(demo=False, prune=False)

    fast, slow = slot("fast cycle"), slot("cycle")

    assert (fast.interval.every, fast.expire_seconds) == (10, 10)
    assert fast.queue != slow.queue


def test_its_period_follows_the_trading_settings():
    beat.sync(demo=False, prune=False)
    factories.trading_settings(fast_cycle_s=5, cycle_s=60)

    assert beat.follow_settings()
    assert not beat.follow_settings()

    assert slot("fast cycle").interval.every == 5
    assert slot("cycle").interval.every == 60


def test_a_timetable_written_anew_keeps_the_period_of_the_settings():
    factories.trading_settings(fast_cycle_s=7)

    beat.sync(demo=False, prune=False)

    assert slot("fast cycle").interval.every == 7


def test_a_demo_whose_cycle_is_as_fast_has_no_fast_cycle():
    beat.sync(demo=True, prune=False)

    assert not PeriodicTask.objects.filter(name="fast cycle").exists()
