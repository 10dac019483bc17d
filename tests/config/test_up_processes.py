"""One command starts every process, keeps it alive, and ends it without a trace."""

import http.client
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.core.management import get_commands
from websockets.sync.client import connect

from config import last_started
from config.env import LAST_STARTED, ROOT
from tests.support.services import free_port, wait_for

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

EVERY_SECOND = """
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from config import beat
PeriodicTask.objects.all().delete()
i, _ = IntervalSchedule.objects.get_or_create(every=1, period="seconds")
PeriodicTask.objects.create(name="tick", task="tests.tick", interval=i, queue="ingest")
"""


def environment(state: Path) -> dict[str, str]:
    outside = ("DATABASE_URL", "REDIS_URL", "MODE", "TEST_DB_SUFFIX", "COVERAGE_FILE")
    kept = {k: v for k, v in os.environ.items() if k not in outside and not k.startswith("COV_")}
    own = {"STATE_DIR": str(state), "DJANGO_SETTINGS_MODULE": "config.settings.dev"}
    return {**kept, **own, "PYTHONUNBUFFERED": "1"}


@pytest.fixture(scope="module", autouse=True)
def the_developers_own_installation_stays_the_last_started() -> Iterator[None]:
    before = LAST_STARTED.read_bytes() if LAST_STARTED.exists() else None
    yield
    if before is None:
        LAST_STARTED.unlink(missing_ok=True)
    else:
        LAST_STARTED.write_bytes(before)


@pytest.fixture
def state(migrated, tmp_path) -> Path:
    shutil.copy(migrated, tmp_path)
    return tmp_path


def answers(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def pongs(url: str) -> bool:
    """Whether a websocket answers a text PING."""
    try:
        with connect(url) as line:
            line.send("PING")
            return line.recv(timeout=10) == "PONG"
    except OSError:
        return False


def group(session_env: str) -> dict[int, str]:
    """Living processes that were started with this STATE_DIR: pid → command line."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if session_env.encode() not in (entry / "environ").read_bytes().split(b"\0"):
                continue
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            dead = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
        except OSError:
            continue
        if command and not dead:
            found[int(entry.name)] = command
    return found


def test_one_command_runs_a_demo_restarts_what_dies_and_leaves_nothing_behind(state):
    port, log = free_port(), state / "up.log"
    argv = [sys.executable, "manage.py", "up", "--demo", "--no-browser", "--port", str(port)]
    mine = f"STATE_DIR={state}"
    with log.open("wb") as out:
        parent = subprocess.Popen(
            argv, cwd=ROOT, env=environment(state), stdout=out, stderr=subprocess.STDOUT
        )
    try:
        wait_for(lambda: "Oddsmith is running" in log.read_text(), what="the card", timeout_s=60)
        card = log.read_text()
        assert f"http://127.0.0.1:{port}/" in card
        assert "DEMO: nothing is real" in card
        assert answers(port, "/live") == 200
        assert answers(port, "/health") in (200, 503)

        running = " ".join(group(mine).values())
        assert "sandbox --port" in running
        assert ("stream_markets" in running) is ("stream_markets" in get_commands())
        pinned = dict(line.split("=", 1) for line in LAST_STARTED.read_text().splitlines())
        for name in last_started.ADDRESSES:
            assert urlsplit(pinned[name]).hostname == "127.0.0.1", name
        wait_for(lambda: pongs(pinned["VENUE_WS_URL"]), what="the venue's socket")

        web = [p for p, c in group(mine).items() if "granian" in c and os.getpgid(p) == p]
        os.kill(web[0], signal.SIGKILL)
        wait_for(lambda: "web ended with code -9" in log.read_text(), what="the notice")
        wait_for(lambda: answers(port, "/live") == 200, what="the page again", timeout_s=30)

        parent.send_signal(signal.SIGTERM)
        assert parent.wait(timeout=40) == 0
    finally:
        parent.kill()
        parent.wait()
    wait_for(lambda: not group(mine), what="the end of every process", timeout_s=5)
    password = re.search(r"password\W+(\S+)", log.read_text())
    assert password is not None
    assert password.group(1) not in stored_passwords(state)


def stored_passwords(state: Path) -> list[str]:
    with sqlite3.connect(state / "oddsmith.sqlite3") as database:
        return [row[0] for row in database.execute("SELECT password FROM auth_user")]


@pytest.fixture
def beats(state) -> Iterator[list[subprocess.Popen]]:
    argv = [sys.executable, "manage.py", "shell", "-v0", "-c", EVERY_SECOND]
    subprocess.run(argv, cwd=ROOT, env=environment(state), check=True)
    command = [sys.executable, "-m", "celery", "-A", "config.clock", "beat", "--pidfile", ""]
    running = []
    for name in ("first", "second"):
        with (state / f"{name}.log").open("wb") as log:
            running.append(
                subprocess.Popen(command, cwd=ROOT, env=environment(state), stdout=log, stderr=log)
            )
    yield running
    for process in running:
        process.kill()
        process.wait()


def sent(state: Path) -> list[float]:
    """When each message was written, in order."""
    times = []
    for file in (state / "broker" / "messages").glob("*.msg"):
        try:
            body = json.loads(file.read_text())
        except (OSError, ValueError):
            continue
        task = body["headers"].get("task")
        if task == "tests.tick":
            times.append(file.stat().st_mtime)
    return sorted(times)


def leader(state: Path, beats: list[subprocess.Popen]) -> subprocess.Popen | None:
    held = f"{(state / 'beat.lock').stat().st_ino} " if (state / "beat.lock").exists() else ""
    for line in Path("/proc/locks").read_text().splitlines():
        fields = line.split()
        if held and fields[1] == "FLOCK" and fields[5].endswith(f":{held.strip()}"):
            return next((b for b in beats if b.pid == int(fields[4])), None)
    return None


def test_when_the_leading_beat_is_killed_no_slot_is_doubled(state, beats):
    wait_for(lambda: len(sent(state)) >= 3, what="three ticks", timeout_s=40)
    first = leader(state, beats)
    assert first is not None

    first.kill()
    killed_at = time.time()
    wait_for(lambda: len([t for t in sent(state) if t > killed_at]) >= 3, what="the standby")

    times = sent(state)
    gaps = [later - sooner for sooner, later in pairwise(times)]
    assert min(gaps) > 0.7, gaps
