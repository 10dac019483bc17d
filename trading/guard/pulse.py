"""Heartbeats from a thread of their own: a round that waits for an answer is no dead guard.

The venue cancels everything that rests after ten seconds without one, and a single request may take
as long. The thread has a connection of its own and touches no database; it beats only while the
rounds go on, so a guard that hangs falls silent all the same.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

import structlog

from config.kernel.clocks import Clock
from trading.venue import VenueFailure, WrongHeartbeat

log = structlog.get_logger()
HUNG_AFTER_S: Final = 60.0
"""A step that takes longer counts as hung: then the venue shall cancel what rests."""
AGAIN_S: Final = 1.0
"""Seconds until a beat that was not heard is tried again."""


class Line(Protocol):
    """A connection that is used for heartbeats alone."""

    def beat(self, heartbeat_id: str) -> str:
        """Send one; returns the id to send next. Raises `WrongHeartbeat` or a `VenueFailure`."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class Beating(Protocol):
    """Whatever can beat."""

    def beat(self, heartbeat_id: str) -> str:
        """Send one; returns the id to send next."""
        ...


def accepted(line: Beating, heartbeat_id: str) -> str:
    """One beat; with the id that the venue names where ours was not the right one."""
    try:
        return line.beat(heartbeat_id)
    except WrongHeartbeat as wrong:
        # A reply that was lost was accepted all the same: the venue is one id ahead.
        return line.beat(wrong.expected)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A beat that the venue accepted: the id of the next, and when it was sent."""

    following: str
    at: datetime


@dataclass(slots=True, kw_only=True)
class Pulse:
    """Keeps one venue's dead-man switch from firing between two turns of the rounds."""

    open_line: Callable[[], Line]
    clock: Clock
    ticks: Callable[[], float] = time.monotonic
    heard: Heard | None = None
    every_s: float | None = None
    """None: nothing rests at the venue, so nothing is sent."""
    _id: str | None = None
    _line: Line | None = None
    _felt: float = 0.0
    _over: bool = False
    _news: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def felt(self) -> None:
        """The rounds go on."""
        self._felt = self.ticks()

    def wanted(self, heartbeat_id: str, *, every_s: float) -> None:
        """Beat from now on, the first time with this id; the thread begins with the first wish."""
        begins = self.every_s is None
        self.every_s = every_s
        if self._id is None:
            self._id = heartbeat_id
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
            self._thread.start()
        elif begins:
            self._news.set()

    def rest(self) -> None:
        """Nothing rests at the venue: beat no more until it is wanted again."""
        self.every_s = None

    def end(self) -> None:
        """Stop for good; waits for a beat that is on its way."""
        self._over = True
        self._news.set()
        if self._thread is not None:
            self._thread.join(timeout=10.0)

    def take_turn(self) -> float | None:
        """Beat where it is wanted and the rounds go on; returns the seconds until the next turn."""
        every_s, began = self.every_s, self.ticks()
        if every_s is None:
            return None
        if began - self._felt > HUNG_AFTER_S:
            log.error("heartbeat.withheld", reason="the rounds hang", seconds=began - self._felt)
            return every_s
        at = self.clock()
        try:
            self._line = self._line or self.open_line()
            self._id = accepted(self._line, self._id or "")
        except (VenueFailure, WrongHeartbeat) as trouble:
            log.warning("heartbeat.not_accepted", reason=str(trouble))
            return AGAIN_S
        except Exception:
            # A thread that died would be silent for ever, and nobody would know.
            log.exception("heartbeat.broke")
            return AGAIN_S
        self.heard = Heard(following=self._id, at=at)
        return max(every_s - (self.ticks() - began), 0.0)

    def _run(self) -> None:
        try:
            while not self._over:
                self._news.wait(self.take_turn())
                self._news.clear()
        finally:
            if self._line is not None:
                self._line.close()
