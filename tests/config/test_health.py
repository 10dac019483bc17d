"""Health is cheap, honest and silent to strangers."""

import os
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.utils import timezone

from config import health
from config.kernel import heartbeats
from markets.models import SpotTick, StreamSettings
from tests import factories as make

HEAVY = ("numba", "lightgbm", "sklearn", "xgboost", "scipy", "matplotlib", "onnxruntime")


@pytest.fixture(autouse=True)
def broker_folder(settings: Any, tmp_path: Path) -> None:
    settings.CELERY_BROKER_URL = "filesystem://"
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {"data_folder_in": str(tmp_path)}


def a_running_system() -> None:
    now = timezone.now()
    heartbeats.beat("beat", period_s=10, as_of=now)
    make.QuoteFactory(at=now - timedelta(seconds=30))


@pytest.mark.django_db
def test_all_is_well_when_everything_reports() -> None:
    a_running_system()

    report = health.examine(as_of=timezone.now())

    assert report["status"] == "ok", report
    assert set(report["checks"]) == {"database", "broker", "heartbeats", "data", "stream", "spot"}


@pytest.mark.django_db
def test_a_beat_older_than_two_periods_degrades() -> None:
    a_running_system()

    later = timezone.now() + timedelta(seconds=21)
    report = health.examine(as_of=later)

    assert report["status"] == "degraded"
    assert "beat silent" in report["checks"]["heartbeats"]["detail"]


@pytest.mark.django_db
def test_a_silent_stream_degrades_only_where_streams_are_on() -> None:
    a_running_system()
    heartbeats.beat("stream_markets", period_s=5, as_of=timezone.now() - timedelta(minutes=1))

    silent = health.examine(as_of=timezone.now())
    make.revise(StreamSettings, enabled=False)
    off = health.examine(as_of=timezone.now())

    assert silent["status"] == "degraded"
    assert "restart stream_markets" in silent["checks"]["stream"]["detail"]
    assert off["status"] == "ok", off


@pytest.mark.django_db
def test_a_stream_that_never_ran_is_no_failure_and_one_that_beats_is_well() -> None:
    a_running_system()
    never = health.stream(as_of=timezone.now())
    heartbeats.beat("stream_markets", period_s=5, as_of=timezone.now(), note="76 usable")

    beating = health.stream(as_of=timezone.now())

    assert never["ok"]
    assert "polled" in never["detail"]
    assert beating["ok"]
    assert "76 usable" in beating["detail"]


@pytest.mark.django_db
def test_followed_up_down_markets_need_fresh_spot_prices() -> None:
    now = timezone.now()
    before = health.spot(as_of=now)
    make.EpochMarketFactory(asset="btc")
    never = health.spot(as_of=now)
    spot_of("btc", at=now)
    fresh = health.spot(as_of=now)
    stale = health.spot(as_of=now + timedelta(minutes=5))

    assert before["ok"]
    assert (never["ok"], never["never"]) == (False, True)
    assert fresh["ok"], fresh
    assert (stale["ok"], stale["never"]) == (False, False)
    assert "btc" in stale["detail"]


def spot_of(asset: str, *, at: datetime) -> None:
    for source in ("binance", "coinbase"):
        SpotTick.objects.create(
            asset=asset, source=source, interval_s=0, observed_at=at, received_at=at, close=100.0
        )


@pytest.mark.django_db
def test_old_prices_degrade() -> None:
    a_running_system()
    later = timezone.now() + timedelta(hours=1)
    heartbeats.beat("beat", period_s=10, as_of=later)

    report = health.examine(as_of=later)

    assert not report["checks"]["data"]["ok"]
    assert report["status"] == "degraded"


@pytest.mark.django_db
def test_a_broker_that_is_away_degrades_within_its_deadline(settings: Any) -> None:
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"

    begin = time.perf_counter()
    check = health.examine(as_of=timezone.now())["checks"]["broker"]

    assert not check["ok"]
    assert time.perf_counter() - begin < 5


@pytest.mark.django_db
def test_strangers_learn_the_names_of_what_is_missing_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health, "uptime_s", lambda: 61.0)
    heartbeats.beat("worker:predict", period_s=10, as_of=make.ago(3600))

    answer = Client().get("/health")

    assert answer.status_code == 503
    assert answer.json() == {
        "status": "degraded",
        "failing": ["heartbeats", "data"],
        "silent": ["worker:predict"],
    }


@pytest.mark.django_db
def test_a_young_process_without_any_heartbeat_is_starting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health, "uptime_s", lambda: 5.0)

    answer = Client().get("/health")

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "starting",
        "failing": ["heartbeats", "data"],
        "silent": [],
    }


@pytest.mark.django_db
def test_a_young_process_does_not_excuse_what_was_heard_before_and_is_silent() -> None:
    a_running_system()

    report = health.examine(as_of=timezone.now() + timedelta(seconds=21), up_s=5.0)

    assert report["status"] == "degraded"


@pytest.mark.django_db
def test_a_young_process_does_not_excuse_a_broker_that_is_away(settings: Any) -> None:
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"

    assert health.examine(as_of=timezone.now(), up_s=5.0)["status"] == "degraded"


@pytest.mark.django_db
def test_staff_learn_the_components() -> None:
    a_running_system()
    client = Client()
    client.force_login(make.UserFactory())

    answer = client.get("/health")

    assert answer.status_code == 200
    assert answer.json()["checks"]["database"]["ok"]


def test_live_asks_nothing_of_the_database() -> None:
    assert Client().get("/live").json() == {"status": "ok"}


@pytest.mark.process
def test_the_web_process_imports_no_learning_library(tmp_path: Path) -> None:
    code = (
        "import sys, config.wsgi, trading.queries, markets.queries; "
        "from django.urls import get_resolver; get_resolver().url_patterns; "
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    environment = {
        **os.environ,
        "STATE_DIR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "config.settings.dev",
    }

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=django_settings.BASE_DIR, env=environment,
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip

    assert done.stdout.strip() == "[]"
