"""Follow live books: connections to the venue, a clock for them, and one writer to the database.

The event loop never touches the database. Books are state, so a slow database conflates by itself:
the next pass writes what holds then, and no queue grows. One process of an installation leads; a
second one waits. A book that breaks is marked in the database within a second (`stream_rows`).
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import numpy as np
import structlog
from django.db import DatabaseError, close_old_connections, connections

from config.kernel import heartbeats
from config.kernel.clocks import Clock
from config.kernel.locks import LeaderLock
from markets import notices, stream_rows, stream_snapshots, stream_triggers, unknown
from markets.adapters import http, market_socket
from markets.core.contracts import StreamConfig
from markets.core.feed import Feed
from markets.core.feed_terms import FeedRules
from markets.core.wire import NotUnderstood
from markets.core.wire_stream import MarketResolved, NewMarket
from markets.models import IngestSettings, Notice, Outcome, StreamSettings
from markets.stream_rows import Batch, Recorded

log = structlog.get_logger()
COMPONENT = "stream_markets"
BEAT_S = 10
LOOK_S = 0.25
RECORD_S = 1.0
# A leader that cannot write for half a minute makes room for a standby.
FAILED_WRITES = 30
T = TypeVar("T")


class CannotWrite(RuntimeError):
    """The database refused so many writes in a row that another process should lead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to follow and how: token → (market, outcome), first outcomes first."""

    config: StreamConfig
    levels: int
    tokens: dict[str, tuple[int, int]]


@dataclass(slots=True)
class Line:
    """One connection with its books, and the task that keeps it."""

    feed: Feed
    task: asyncio.Task[None] | None = None


@dataclass(slots=True)
class Figures:
    """Counts since the start, for people."""

    messages: int = 0
    rows: int = 0
    gaps: int = 0
    repaired: int = 0
    reconnects: int = 0
    slow: int = 0
    leading: bool = False


class Stream:
    """The running process; `run` ends when `stop` is set."""

    def __init__(
        self,
        *,
        clock: Clock,
        rng: np.random.Generator,
        say: Callable[[dict[str, Any]], None] = lambda _figures: None,
    ) -> None:
        self.stop = asyncio.Event()
        self.figures = Figures()
        self.lines: list[Line] = []
        self.plan: Plan | None = None
        self._clock, self._rng, self._say = clock, rng, say
        self._recorded: dict[str, Recorded] = {}
        self._batch = Batch()
        self._failed_writes = 0
        self._new: list[NewMarket] = []
        self._resolved: list[MarketResolved] = []
        self._leader = LeaderLock(COMPONENT)
        self._database = ThreadPoolExecutor(1, "stream-database")
        self._rest = ThreadPoolExecutor(1, "stream-rest")
        self._beat_at = self._beat_messages = 0.0
        self._url = ""
        self._asking: asyncio.Task[None] | None = None

    def now(self) -> float:
        """Epoch seconds."""
        return self._clock().timestamp()

    async def run(self) -> None:
        """Follow until `stop`; raises `http.SimulatedVenue` where the address may not be used."""
        self._url = market_socket.address()
        self._asking = asyncio.create_task(self._ask_until_stop())
        try:
            while not self.stop.is_set():
                await self._pass()
                await self._rest_for(RECORD_S)
        finally:
            self.stop.set()
            await self._end()

    async def _pass(self) -> None:
        """One look: lead, follow the plan, write what is new, say how it goes."""
        now = self.now()
        for task in (self._asking, *(line.task for line in self.lines)):
            if task is not None and task.done():
                task.result()  # a task that ended by itself is a bug: the process ends with it
        try:
            self.figures.leading = await self._in(self._database, self._leader.held)
            if self.figures.leading:
                if now - self._beat_at >= BEAT_S or self.plan is None:
                    self.plan = await self._in(self._database, lambda: plan(as_of=self._clock()))
                    self._follow(self.plan)
                await self._write()
                if now - self._beat_at >= BEAT_S:
                    await self._beat(now)
            else:
                self._follow(None)
        except DatabaseError as trouble:
            self.figures.slow += 1
            log.warning("stream.database_failed", error=str(trouble))

    def _follow(self, wanted: Plan | None) -> None:
        """Spread the tokens over connections; those that stay keep theirs."""
        tokens = wanted.tokens if wanted is not None and wanted.config.enabled else {}
        size = wanted.config.tokens_per_connection if wanted is not None else 1
        now, placed = self.now(), set()
        keep: list[list[str]] = []
        for line in self.lines:
            stay = [token for token in line.feed.books if token in tokens][:size]
            placed.update(stay)
            keep.append(stay)
        new = [token for token in tokens if token not in placed]
        for some in keep:
            free = max(0, size - len(some))
            some.extend(new[:free])
            new = new[free:]
        while new and wanted is not None:
            self.lines.append(Line(Feed(_rules(wanted.config), rng=self._rng)))
            keep.append(new[:size])
            new = new[size:]
        for line, some in zip(self.lines, keep, strict=True):
            if wanted is not None:
                line.feed.rules = _rules(wanted.config)
            line.feed.follow(some, now)
            if some and line.task is None:
                line.task = asyncio.create_task(self._keep(line))
            elif not some and line.task is not None:
                line.task.cancel()
        self.lines = [line for line in self.lines if line.feed.books]
        # Whoever comes back starts with a whole book, as after a gap.
        self._recorded = {t: was for t, was in self._recorded.items() if t in tokens}

    # -- connections

    async def _keep(self, line: Line) -> None:
        """Keep one connection up, with pauses drawn by the feed."""
        while not self.stop.is_set():
            try:
                async with market_socket.line(self._url) as socket:
                    line.feed.opened(self.now())
                    watching = asyncio.create_task(self._watch(line.feed, socket))
                    try:
                        async for frame in socket:
                            body = frame.encode() if isinstance(frame, str) else frame
                            self._receive(line.feed, body)
                    finally:
                        watching.cancel()
            except market_socket.Failures as trouble:
                log.info("stream.connection_lost", error=repr(trouble))
            dead, silent = line.feed.dead, line.feed.silent
            pause = line.feed.closed(self.now())
            self.figures.reconnects += 1
            if dead:
                await self._note_dead(dead, silent=silent)
            await self._rest_for(pause)

    def _receive(self, feed: Feed, body: bytes) -> None:
        """A frame; one that our own code fails on costs its books, not the process."""
        try:
            feed.receive(body, self.now())
        except Exception as bug:
            log.exception("stream.frame_failed")
            feed.fail(body, repr(bug), self.now())

    async def _watch(self, feed: Feed, socket: Any) -> None:
        """Send what the feed wants sent, and end a connection that is dead."""
        with suppress(*market_socket.Failures):
            while not feed.dead:
                feed.tick(self.now())
                while feed.to_send:
                    await socket.send(feed.to_send.pop(0))
                await asyncio.sleep(LOOK_S)
            # Whoever does not speak will not say goodbye either.
            socket.transport.abort()

    async def _note_dead(self, why: str, *, silent: bool) -> None:
        at = self._clock()
        text = f"A market connection was given up: {why}; its books wait for new snapshots."
        log.warning("stream.silent", reason=why, moved=silent)
        with suppress(DatabaseError):
            await self._in(
                self._database,
                lambda: notices.note(
                    Notice.Kind.STREAM_SILENT,
                    f"market:{at:%Y-%m-%dT%H:%M}",
                    text,
                    as_of=at,
                    subject="market channel",
                    severity=Notice.Severity.WARNING,
                ),
            )

    # -- snapshots and triggers over REST

    async def _ask_until_stop(self) -> None:
        while not self.stop.is_set():
            try:
                await self._ask()
                await self._pull_triggers()
            except (http.VenueUnreachable, http.VenueRefused, NotUnderstood) as trouble:
                log.warning("stream.snapshots_failed", error=str(trouble))
            except DatabaseError as trouble:
                log.warning("stream.database_failed", error=str(trouble))
            except Exception:
                log.exception("stream.trigger_failed")
            await self._rest_for(LOOK_S)

    async def _ask(self) -> None:
        asked: dict[str, tuple[Feed, int]] = {}
        for line in self.lines:
            asked |= {token: (line.feed, n) for token, n in line.feed.to_ask.items()}
            line.feed.to_ask.clear()
        if not asked:
            return
        rows, refused = await self._in(self._rest, lambda: stream_snapshots.ask(list(asked)))
        now = self.now()
        for row in rows:
            if row.token_id in asked:
                feed, question = asked[row.token_id]
                feed.fetched(row, question, now)
        if refused:
            at = self._clock()
            await self._in(
                self._database, lambda: [unknown.refused(wrong, as_of=at) for wrong in refused]
            )

    async def _pull_triggers(self) -> None:
        at = self._clock()
        new, self._new = self._new, []
        ended, self._resolved = self._resolved, []
        if ended:
            await self._in(self._rest, lambda: stream_triggers.resolved(ended, as_of=at))
        if new:
            await self._in(self._rest, lambda: stream_triggers.listed(new, as_of=at))

    # -- the database

    async def _write(self) -> None:
        """Write what is new, behind what could not be written yet; raises `CannotWrite`."""
        batch = self._batch = self._batch.and_then(self._gather())
        at, began = self._clock(), self.now()
        try:
            rows = await self._in(self._database, lambda: stream_rows.write(batch, as_of=at))
        except DatabaseError as trouble:
            self._failed_writes += 1
            self.figures.slow += 1
            log.warning("stream.write_failed", failed=self._failed_writes, error=str(trouble))
            if self._failed_writes >= FAILED_WRITES:
                raise CannotWrite(
                    f"{self._failed_writes} writes in a row failed; look at the database: {trouble}"
                ) from trouble
            return
        self._failed_writes = 0
        self.figures.rows += rows
        self.figures.slow += self.now() - began > RECORD_S
        self._batch = Batch()

    def _gather(self) -> Batch:
        batch = Batch()
        if self.plan is None:
            return batch
        now, config = self.now(), self.plan.config
        for line in self.lines:
            heard = line.feed.take()
            self.figures.messages += heard.messages
            self.figures.gaps += heard.gaps
            self.figures.repaired += heard.repaired
            self._new += heard.new_markets
            self._resolved += heard.resolved
            if heard.trades or heard.ticks or heard.refused:
                batch.heard.append(heard)
            for token, live in line.feed.books.items():
                market_id, index = self.plan.tokens.get(token, (0, 1))
                if index:
                    continue
                row = stream_rows.row_of(
                    market_id,
                    live,
                    self._recorded.setdefault(token, Recorded()),
                    now=now,
                    top_every_s=config.top_every_s,
                    book_every_s=config.book_every_s,
                    levels=self.plan.levels,
                )
                if row is not None:
                    batch.quotes.append(row)
        return batch

    async def _beat(self, now: float) -> None:
        figures = self.figures
        elapsed = now - self._beat_at if self._beat_at else BEAT_S
        rate = (figures.messages - self._beat_messages) / elapsed
        self._beat_at, self._beat_messages = now, figures.messages
        told = {
            "connections": sum(line.feed.is_open for line in self.lines),
            "tokens": sum(len(line.feed.books) for line in self.lines),
            "usable": sum(line.feed.usable for line in self.lines),
            "messages_per_s": round(rate, 1),
            "rows": figures.rows,
            "gaps": figures.gaps,
            "repaired": figures.repaired,
            "reconnects": figures.reconnects,
            "slow_writes": figures.slow,
        }
        note = " · ".join(f"{value} {name}" for name, value in told.items())
        at = self._clock()
        await self._in(
            self._database,
            lambda: heartbeats.beat(COMPONENT, period_s=BEAT_S, as_of=at, note=note),
        )
        self._say(told)

    async def _end(self) -> None:
        tasks = [
            task for task in (self._asking, *(line.task for line in self.lines)) if task is not None
        ]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self.figures.leading:
            with suppress(DatabaseError, CannotWrite):
                await self._write()
        await self._in(self._database, self._leader.release)
        for pool in (self._database, self._rest):
            await self._in(pool, connections.close_all)
            pool.shutdown()

    async def _in(self, pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, _fresh, work)

    async def _rest_for(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), seconds)


def plan(*, as_of: datetime) -> Plan:
    """Settings and tracked tokens as of now, at most as many as the settings allow."""
    config = StreamSettings.objects.current(as_of=as_of).as_config()
    levels = IngestSettings.objects.current(as_of=as_of).as_config().book_levels
    rows = (
        Outcome.objects.filter(market__tracked=True, asset_id__isnull=False)
        .exclude(market__scheduled_end_at__lte=as_of)
        .order_by("index", "market_id")
        .values_list("asset_id", "market_id", "index")
    )
    tokens = {
        str(asset): (market_id, index) for asset, market_id, index in rows[: config.max_tokens]
    }
    return Plan(config=config, levels=levels, tokens=tokens)


def _rules(config: StreamConfig) -> FeedRules:
    return FeedRules(
        snapshot_within_s=config.snapshot_within_s, silent_after_s=config.silent_after_s
    )


def _fresh(work: Callable[[], T]) -> T:
    close_old_connections()
    return work()
