"""One parent for all processes of an installation: start, watch, restart, stop cleanly."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO

STARTS_PER_MINUTE = 5
MINUTE_S = 60.0
DELAYS_S = (0.5, 1.0, 2.0, 4.0, 8.0)
LOOK_EVERY_S = 0.2
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A process to keep running; its output goes to `log`, `grace_s` is its time to end by itself.

    With `once` it is a piece of work: run to its end, announced with these words, not repeated.
    """

    name: str
    argv: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    # A stop takes less than ten seconds; a task that is cut is found again by its row.
    grace_s: float = 6.0
    once: str = ""


class GaveUp(RuntimeError):
    """A program died too often; the message names it and where its last words are."""


@dataclass(slots=True)
class Backoff:
    """Allows five restarts a minute, each after a longer wait."""

    restarts: deque[float] = field(default_factory=deque)

    def delay(self, now: float) -> float | None:
        """Seconds to wait before the restart at `now`, or None when there were too many."""
        while self.restarts and now - self.restarts[0] >= MINUTE_S:
            self.restarts.popleft()
        if len(self.restarts) >= STARTS_PER_MINUTE:
            return None
        self.restarts.append(now)
        return DELAYS_S[min(len(self.restarts), len(DELAYS_S)) - 1]


@dataclass(slots=True)
class Child:
    """A program and its present process, if any; `due_at` is when the next start may happen."""

    program: Program
    process: subprocess.Popen[bytes] | None = None
    backoff: Backoff = field(default_factory=Backoff)
    due_at: float = 0.0
    finished: bool = False


class Supervisor:
    """Keeps programs running until it is asked to stop."""

    def __init__(
        self, *, announce: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._announce = announce
        self._clock = clock
        self._children: list[Child] = []
        self.stopping = False

    def start(self, program: Program) -> None:
        """Begin a program and keep it running from now on."""
        child = Child(program)
        self._children.append(child)
        self._spawn(child)

    def install_signals(self) -> None:
        """SIGTERM and SIGINT ask for a clean stop."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask_to_stop)

    def _ask_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stopping = True

    def look(self) -> None:
        """Notice the dead, restart those whose wait is over; raises `GaveUp` for a hopeless one."""
        now = self._clock()
        for child in self._children:
            if child.process is not None and child.process.poll() is not None:
                self._bury(child, now)
            elif child.process is None and now >= child.due_at and not child.finished:
                self._spawn(child)

    def run(self) -> None:
        """Look after the children until a stop is asked for."""
        while not self.stopping:
            self.look()
            time.sleep(LOOK_EVERY_S)

    def wait_until(self, ready: Callable[[], bool], *, timeout_s: float) -> bool:
        """Look after the children until `ready`, a stop or the deadline; whether it is ready."""
        deadline = self._clock() + timeout_s
        while not self.stopping and self._clock() < deadline:
            if ready():
                return True
            self.look()
            time.sleep(LOOK_EVERY_S / 2)
        return False

    def stop(self) -> None:
        """End every child, the last started first asked; whatever outlives its grace is killed."""
        self.stopping = True
        alive = [c for c in reversed(self._children) if c.process is not None]
        for child in alive:
            _signal(child, signal.SIGTERM)
        deadline = self._clock() + max((c.program.grace_s for c in alive), default=0.0)
        for child in alive:
            _wait(child, deadline - self._clock())
        for child in alive:
            # Also what a dead leader left behind in its process group.
            _signal_group(child, signal.SIGKILL)
            _wait(child, 5.0)
            child.process = None

    def pids(self) -> dict[str, int]:
        """Process ids of the running children, by name."""
        return {c.program.name: c.process.pid for c in self._children if c.process is not None}

    def _spawn(self, child: Child) -> None:
        program = child.program
        program.log.parent.mkdir(parents=True, exist_ok=True)
        with program.log.open("ab") as log:
            child.process = spawn(program.argv, environment=program.environment, log=log)

    def _bury(self, child: Child, now: float) -> None:
        process, program = child.process, child.program
        code = process.returncode if process is not None else 0
        _signal_group(child, signal.SIGKILL)
        child.process = None
        if program.once:
            child.finished = True
            failed = f"{program.name} failed with code {code}; its log says why: {program.log}"
            self._announce(failed if code else program.once)
            return
        delay = child.backoff.delay(now)
        if delay is None:
            raise GaveUp(
                f"{program.name} ended {STARTS_PER_MINUTE + 1} times within a minute "
                f"(last exit code {code}); its log says why: {program.log}"
            )
        child.due_at = now + delay
        self._announce(f"{program.name} ended with code {code}; starting it again in {delay:g} s")


def spawn(
    argv: Sequence[str], *, environment: Mapping[str, str], log: IO[bytes]
) -> subprocess.Popen[bytes]:
    """A process in a group of its own (Ctrl-C reaches only the parent), ended with its parent."""
    return subprocess.Popen(  # noqa: S603 - our own programs, no shell
        list(argv),
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - one thread
    )


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _signal(child: Child, number: signal.Signals) -> None:
    if child.process is not None and child.process.poll() is None:
        child.process.send_signal(number)


def _signal_group(child: Child, number: signal.Signals) -> None:
    if child.process is None or not hasattr(os, "killpg"):
        return
    try:
        os.killpg(child.process.pid, number)
    except (ProcessLookupError, PermissionError):
        return


def _wait(child: Child, seconds: float) -> None:
    if child.process is None:
        return
    try:
        child.process.wait(timeout=max(seconds, 0.0))
    except subprocess.TimeoutExpired:
        return
