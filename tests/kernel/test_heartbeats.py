"""Heartbeats: late after two periods, never before."""

from datetime import timedelta

import pytest

from config.kernel import heartbeats
from config.kernel.models import Heartbeat
from tests.factories import NOW

pytestmark = pytest.mark.django_db


def test_a_beat_replaces_the_one_before() -> None:
    heartbeats.beat("worker", period_s=10, as_of=NOW, note="x" * 300)
    heartbeats.beat("worker", period_s=20, as_of=NOW + timedelta(seconds=10))

    row = Heartbeat.objects.get()
    assert (str(row), row.period_s, row.note) == ("worker", 20, "")


def test_a_component_is_late_after_two_periods() -> None:
    heartbeats.beat("beat", period_s=10, as_of=NOW)
    row = Heartbeat.objects.get()

    assert not row.is_late(as_of=NOW + timedelta(seconds=20))
    assert row.is_late(as_of=NOW + timedelta(seconds=21))
