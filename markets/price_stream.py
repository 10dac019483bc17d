"""Follow the venue's own price stream: a hint every second, kept every few."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from asgiref.sync import sync_to_async
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, WebSocketException

from config.kernel.clocks import Clock
from config.kernel.locks import LeaderLock
from markets import polling, spot, unknown
from markets.adapters import venue_prices
from markets.adapters.exchange import SourceOff
from markets.adapters.fetch import FetchFailed
from markets.adapters.http import SimulatedVenue, is_local
from markets.core.wire import NotUnderstood
from markets.models import ContextSettings, SpotSettings

log = structlog.get_logger()
# Windows begin on whole multiples of five seconds, so the price at a boundary is always kept.
KEEP_EVERY_S = 5
CLOCKS_DIFFER = timedelta(seconds=5)
SOURCE = "stream.rtds"
FLUSH_EVERY_S = 2.0
COMPONENT = "price_stream"
STANDBY_S = 2.0
# One tick a second and symbol is usual; connections were seen to stay open and go silent.
SILENT_AFTER_S = 15.0
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
NETWORK = (OSError, WebSocketException, InvalidHandshake, TimeoutError)


class Silent(Exception):
    """The stream is connected and says nothing."""


@dataclass(slots=True)
class Kept:
    """The first price of each stretch of `KEEP_EVERY_S`, per asset and source, until flushed."""

    assets: Collection[str]
    ticks: list[spot.Tick] = field(default_factory=list)
    refused: list[NotUnderstood] = field(default_factory=list)
    _last: dict[tuple[str, str], int] = field(default_factory=dict)

    def take(self, frame: bytes, *, received_at: datetime) -> bool:
        """Keep what is wanted of a frame; whether it held any price."""
        try:
            said = venue_prices.read(frame)
        except NotUnderstood as wrong:
            self.refused.append(wrong)
            return False
        except Exception as bug:
            log.exception("price_stream.frame_failed")
            self.refused.append(NotUnderstood(SOURCE, f"our reader failed: {bug!r}", frame))
            return False
        for one in said:
            held_at = one.price.observed_at
            if held_at > received_at + CLOCKS_DIFFER:
                # Believed, it would silence its asset until that moment comes.
                reason = (
                    f"a price of {one.asset} is stamped {held_at:%Y-%m-%d %H:%M:%S}, ahead of us"
                )
                self.refused.append(NotUnderstood(SOURCE, reason, frame))
                continue
            stretch = int(held_at.timestamp()) // KEEP_EVERY_S
            key = one.asset, one.source
            if one.asset in self.assets and stretch > self._last.get(key, -1):
                self._last[key] = stretch
                self.ticks.append(
                    spot.Tick(
                        asset=one.asset,
                        source=one.source,
                        price=float(one.price.price),
                        observed_at=held_at,
                        received_at=received_at,
                    )
                )
        return bool(said)

    def drain(self) -> tuple[list[spot.Tick], list[NotUnderstood]]:
        """What was kept since the last time."""
        ticks, refused = self.ticks, self.refused
        self.ticks, self.refused = [], []
        return ticks, refused


async def follow(
    stop: asyncio.Event,
    *,
    clock: Clock,
    url: str | None = None,
    silent_after_s: float = SILENT_AFTER_S,
    wait_s: float = FIRST_WAIT_S,
    flush_every_s: float = FLUSH_EVERY_S,
) -> str:
    """Follow the stream until `stop` is set, reconnecting whenever it breaks or goes silent.

    Returns why it ended: at once where the source is off or may not be used. Never raises on
    network trouble.
    """
    off, address, assets = await sync_to_async(_prepare)(clock())
    if off and url is None:
        log.info("price_stream.off", reason=off)
        return off
    log.info("price_stream.followed", note=venue_prices.POLYBOLT_OFF)
    kept = Kept(assets=assets)
    leader = LeaderLock(COMPONENT)
    try:
        await _while_leading(leader, stop)
        session = partial(
            _session,
            url or address,
            kept,
            stop,
            clock,
            silent_after_s=silent_after_s,
            flush_every_s=flush_every_s,
        )
        await _reconnect(session, kept, stop, clock, wait_s)
    finally:
        await sync_to_async(leader.release)()
    return "stopped"


async def _while_leading(leader: LeaderLock, stop: asyncio.Event) -> None:
    """Wait in second place: two processes would hold two connections and count failures twice."""
    while not stop.is_set() and not await sync_to_async(leader.held)():
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), STANDBY_S)


async def _reconnect(
    session: Callable[[], Awaitable[None]],
    kept: Kept,
    stop: asyncio.Event,
    clock: Clock,
    wait_s: float,
) -> None:
    wait = wait_s
    while not stop.is_set():
        try:
            await session()
        except (*NETWORK, Silent) as trouble:
            heard = await sync_to_async(_flush)(kept, clock, f"{trouble!r}")
            wait = wait_s if heard else min(wait * 2, LONGEST_WAIT_S)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), wait)


async def _session(
    url: str,
    kept: Kept,
    stop: asyncio.Event,
    clock: Clock,
    *,
    silent_after_s: float,
    flush_every_s: float,
) -> None:
    """One connection, until it breaks, falls silent or `stop` is set."""
    # A stand-in on this machine is never behind a proxy.
    proxy: Any = None if is_local(url) else True
    async with connect(url, proxy=proxy, open_timeout=5, close_timeout=2) as socket:
        await socket.send(venue_prices.subscription())
        loop = asyncio.get_running_loop()
        spoke_at = pinged_at = flushed_at = loop.time()
        while not stop.is_set():
            with suppress(TimeoutError):
                message = await asyncio.wait_for(socket.recv(), flush_every_s / 4)
                frame = message.encode() if isinstance(message, str) else message
                if kept.take(frame, received_at=clock()):
                    spoke_at = loop.time()
            now = loop.time()
            if now - flushed_at >= flush_every_s:
                await sync_to_async(_flush)(kept, clock, "")
                flushed_at = now
            if now - pinged_at >= venue_prices.PING_EVERY_S:
                await socket.send(venue_prices.PING)
                pinged_at = now
            if now - spoke_at >= silent_after_s:
                raise Silent(f"no price for {silent_after_s:g} s")
        await sync_to_async(_flush)(kept, clock, "")


def _prepare(as_of: datetime) -> tuple[str, str, tuple[str, ...]]:
    """Why the stream is not followed ("" = it is), its address, the assets of interest."""
    config = SpotSettings.objects.current(as_of=as_of).as_config()
    if spot.VENUE not in config.sources:
        return "the spot settings do not name the venue", "", config.assets
    try:
        return "", venue_prices.address(), config.assets
    except (SourceOff, SimulatedVenue) as why:
        return str(why), "", config.assets


def _flush(kept: Kept, clock: Clock, error: str) -> bool:
    """Write what was kept and how the stream is doing; whether there was anything."""
    ticks, refused = kept.drain()
    for wrong in refused:
        unknown.refused(wrong, as_of=clock())
    added = spot.store(ticks)
    if not added and not error:
        return False
    down_after = ContextSettings.objects.current(as_of=clock()).source_down_after
    key, name = spot.state_key(spot.VENUE), "spot prices of the venue's stream"
    with polling.asking(key, name=name, down_after=down_after, now=clock) as state:
        if error:
            raise FetchFailed(error)
        state.items = len(ticks)
    return bool(added)
