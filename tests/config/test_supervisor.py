"""The parent of all processes restarts the dead, gives up clearly, leaves no orphans."""

import os
import signal
import sys
from pathlib import Path

import pytest

from config.supervisor import Backoff, GaveUp, Program, Supervisor
from tests.support.services import wait_for

SLEEPER = "import time; time.sleep(60)"


def program(tmp_path: Path, code: str, **more) -> Program:
    argv = (sys.executable, "-S", "-c", code)
    return Program(name="child", argv=argv, log=tmp_path / "logs" / "child.log", grace_s=3, **more)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return "Z" in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(said):
    parent = Supervisor(announce=said.append)
    yield parent
    parent.stop()


def test_restarts_wait_longer_each_time_and_end_after_five_in_a_minute():
    backoff = Backoff()

    delays = [backoff.delay(float(t)) for t in range(6)]

    assert delays[:5] == sorted(delays[:5])
    assert delays[0] < delays[4]
    assert delays[5] is None


def test_a_quiet_minute_forgives():
    backoff = Backoff()
    for t in range(5):
        backoff.delay(float(t))

    assert backoff.delay(64.0) == 0.5


def test_a_killed_child_is_started_again(supervisor, said, tmp_path):
    supervisor.start(program(tmp_path, SLEEPER))
    first = supervisor.pids()["child"]

    os.kill(first, signal.SIGKILL)

    def restarted() -> bool:
        supervisor.look()
        return supervisor.pids().get("child", first) != first

    wait_for(restarted, what="the restarted child")
    assert "starting it again in 0.5 s" in said[0]


def test_a_hopeless_child_is_given_up_with_its_log_named(said, tmp_path):
    moment = [0.0]
    parent = Supervisor(announce=said.append, clock=lambda: moment[0])
    parent.start(program(tmp_path, "raise SystemExit(3)"))

    def hopeless() -> bool:
        moment[0] += 0.5
        try:
            parent.look()
        except GaveUp as reason:
            said.append(str(reason))
            return True
        return False

    wait_for(hopeless, what="giving up", timeout_s=15)
    assert "last exit code 3" in said[-1]
    assert "child.log" in said[-1]
    assert len(said) == 6


def test_work_that_is_done_once_is_announced_and_not_repeated(supervisor, said, tmp_path):
    supervisor.start(program(tmp_path, "print('hello')", once="the work is done"))

    assert supervisor.wait_until(lambda: bool(said), timeout_s=10)
    supervisor.look()

    assert said == ["the work is done"]
    assert supervisor.pids() == {}
    assert (tmp_path / "logs" / "child.log").read_text() == "hello\n"


def test_failed_work_says_where_its_log_is(supervisor, said, tmp_path):
    supervisor.start(program(tmp_path, "raise SystemExit(1)", once="never said"))

    supervisor.wait_until(lambda: bool(said), timeout_s=10)

    assert "failed with code 1" in said[0]


def test_stopping_ends_grandchildren_and_those_that_ignore_the_signal(supervisor, tmp_path):
    pids = tmp_path / "pids"
    code = (
        "import os,signal,subprocess,sys,time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"c = subprocess.Popen([sys.executable, '-S', '-c', {SLEEPER!r}])\n"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{c.pid}}')\n"
        "time.sleep(60)\n"
    )
    stubborn = Program(
        name="child", argv=(sys.executable, "-S", "-c", code), log=tmp_path / "log", grace_s=0.2
    )
    supervisor.start(stubborn)
    wait_for(lambda: pids.exists() and " " in pids.read_text(), what="the grandchild")

    supervisor.stop()

    for pid in map(int, pids.read_text().split()):
        wait_for(lambda pid=pid: gone(pid), what="the end of the group", timeout_s=5)


def test_a_signal_asks_for_a_clean_stop(supervisor, tmp_path):
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    try:
        supervisor.install_signals()
        supervisor.start(program(tmp_path, SLEEPER))
        os.kill(os.getpid(), signal.SIGTERM)
        supervisor.run()
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])

    assert supervisor.stopping
    assert not supervisor.wait_until(lambda: True, timeout_s=1)
