"""One cycle across the apps, against the stand-in venue over HTTP."""

import json
from dataclasses import replace
from io import StringIO

import httpx
import pytest
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone

from config import cycle, installation, tasks
from config.kernel.locks import LeaderLock
from markets.adapters import clob_data
from markets.adapters.clob_data import ClobData
from markets.models import Market, Quote, RawMessage, Resolution
from predictions.models import Prediction
from risk.models import EquityPoint
from tests.support.services import free_port
from tests.support.simulated import Clock, clock
from trading.models import Signal

__all__ = ["clock"]

pytestmark = [pytest.mark.django_db]


def point_at(monkeypatch, tmp_path, port: int) -> None:
    base = f"http://127.0.0.1:{port}"
    monkeypatch.setattr(
        settings,
        "ENV",
        replace(
            settings.ENV,
            mode="DEMO",
            state_dir=tmp_path,
            venue_gamma_url=f"{base}/gamma",
            venue_clob_url=f"{base}/clob",
        ),
    )


@pytest.fixture
def venue(clock) -> Clock:
    """The simulated venue at a noon that never moves: what is open and what ended is certain."""
    return clock


@pytest.fixture
def silent_venue(monkeypatch, tmp_path) -> None:
    point_at(monkeypatch, tmp_path, free_port())
    installation.seed(mode="DEMO", as_of=timezone.now())


def test_one_cycle_lists_quotes_forecasts_and_says_why_nothing_trades(venue):
    report = cycle.everything(as_of=venue.now)

    assert not [r for r in report.values() if isinstance(r, dict) and "error" in r]
    tracked = Market.objects.filter(tracked=True).count()
    assert tracked > 10
    assert report["cycle"]["tracked"] == tracked
    assert Quote.objects.values("market").distinct().count() >= tracked
    assert Prediction.objects.count() == report["cycle"]["predictions"] > 10
    # Without a model the forecast is the price: everything is weighed, nothing is traded.
    assert Signal.objects.count() == Prediction.objects.count()
    assert not Signal.objects.filter(reason="PASSED").exists()
    assert EquityPoint.objects.filter(mode="DEMO").exists()
    assert not Resolution.objects.exists()
    assert set(Market.objects.values_list("origin", flat=True)) == {"SANDBOX"}


def test_a_reply_about_books_that_makes_no_sense_does_not_stop_the_payouts(venue, monkeypatch):
    cycle.everything(as_of=venue.now)
    garbage = httpx.MockTransport(lambda _request: httpx.Response(200, content=b"null"))
    monkeypatch.setattr(
        clob_data, "connect", lambda: ClobData("https://venue.example", transport=garbage)
    )

    report = cycle.run(as_of=venue.now)

    assert report["quotes"] == 0
    assert "redeemed" in report["trading"]
    assert RawMessage.objects.filter(source="clob.books").exists()


def test_the_fast_cycle_looks_at_epochs_only(venue):
    cycle.everything(as_of=venue.now)

    report = cycle.run(as_of=venue.now, epochs_only=True)

    epochs = Market.objects.filter(tracked=True, window_s__isnull=False).count()
    assert 0 < report["tracked"] <= epochs


def test_a_cycle_in_another_process_is_not_doubled(venue):
    other = LeaderLock("cycle")
    assert other.held()

    with pytest.raises(cycle.CycleRunning):
        cycle.run(as_of=venue.now)
    tasks.run_cycle()
    report = cycle.everything(as_of=venue.now)

    assert report["cycle"] == {"running_elsewhere": True}
    assert not Prediction.objects.exists()
    other.release()


def test_the_tasks_run_what_they_name(venue):
    venue.second = int(timezone.now().timestamp())  # the tasks are edges: they read the real clock
    cycle.everything(as_of=venue.now)
    before = Prediction.objects.count()

    tasks.run_cycle()
    tasks.run_fast_cycle()

    assert Prediction.objects.count() > before


def test_the_command_prints_each_stage(venue):
    venue.second = int(timezone.now().timestamp())
    out = StringIO()
    call_command("run_cycle", stdout=out)
    assert "catalogue" in out.getvalue()
    assert "predictions" in out.getvalue()

    fast = StringIO()
    call_command("run_cycle", fast=True, json=True, stdout=fast)
    assert set(json.loads(fast.getvalue())) == {"cycle"}


def test_a_stage_that_fails_is_named_and_the_others_still_run(silent_venue):
    out = StringIO()

    with pytest.raises(SystemExit) as left:
        call_command("run_cycle", json=True, stdout=out)

    report = json.loads(out.getvalue())
    assert left.value.code == 1
    assert "error" in report["catalogue"]
    assert report["cycle"]["predictions"] == 0
    assert EquityPoint.objects.exists()
