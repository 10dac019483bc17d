"""The stand-in venue's websocket port: market channel and spot prices; faults on command.

A step brings every connection to the clock's present second. In production shape a step happens
each second; a test calls `step()` itself and needs no sleeping. This edge alone reads the clock.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, TypeVar

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from sandbox.core.faults import Faults, Wire
from sandbox.core.world import World
from sandbox.exchange.desk import Exchange
from sandbox.market_channel import Market
from sandbox.price_channel import Prices
from sandbox.server import LOOPBACK, NotLoopback
from sandbox.user_channel import User

STEP_S = 1.0
ANSWER_WITHIN_S = 30.0
SLOW_READER_S = 10.0
LARGEST_FRAME = 1_000_000
MARKET_PATH, PRICES_PATH, USER_PATH = "/ws/market", "/prices", "/ws/user"
T = TypeVar("T")


class Sockets:
    """A running websocket port; all methods may be called from any thread.

    `connections` counts the open ones, `faults` are those in force.
    """

    def __init__(
        self, world: World, *, clock: Callable[[], float], exchange: Exchange | None = None
    ) -> None:
        self.world = world
        self.exchange = exchange
        self.faults = Faults()
        self.second = int(clock())
        self.steps = 0
        self._clock = clock
        self._channels: dict[ServerConnection, tuple[Channel, Wire]] = {}
        self._count = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sockets", daemon=True)
        self._server: Server | None = None

    @property
    def connections(self) -> int:
        """How many are open now."""
        return len(self._channels)

    @property
    def port(self) -> int:
        """The port that was bound."""
        if self._server is None:
            raise RuntimeError("the socket port is not open; use open_sockets")
        return int(next(iter(self._server.sockets)).getsockname()[1])

    @property
    def market_url(self) -> str:
        """Address of the market channel."""
        return f"ws://127.0.0.1:{self.port}{MARKET_PATH}"

    @property
    def prices_url(self) -> str:
        """Address of the price socket."""
        return f"ws://127.0.0.1:{self.port}{PRICES_PATH}"

    @property
    def user_url(self) -> str:
        """Address of the user channel."""
        return f"ws://127.0.0.1:{self.port}{USER_PATH}"

    def open(self, host: str, port: int, *, every_s: float | None) -> None:
        """Bind and answer; raises `OSError` for a port in use."""
        self._thread.start()
        try:
            self._ask(self._open(host, port, every_s))
        except OSError:
            self._end()
            raise

    def step(self) -> None:
        """Bring every connection to the clock's present second; returns when all is sent."""
        self._ask(self._step())

    def disturb(self, faults: Faults) -> None:
        """These faults from now on, in place of those before."""
        self.faults = faults

    def cut(self) -> int:
        """Break every connection without a farewell; how many there were."""
        return self._ask(self._cut())

    def close(self) -> None:
        """Close every connection and the port."""
        self._ask(self._close())
        self._end()

    def _ask(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(ANSWER_WITHIN_S)

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(ANSWER_WITHIN_S)
        self._loop.close()

    async def _open(self, host: str, port: int, every_s: float | None) -> None:
        self._server = await serve(
            self._talk,
            host,
            port,
            process_request=self._admit,
            compression=None,
            ping_interval=None,
            max_size=LARGEST_FRAME,
            close_timeout=1,
        )
        self._pacer = asyncio.create_task(self._pace(every_s)) if every_s else None

    async def _pace(self, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s - self._clock() % every_s)
            await self._step()

    async def _close(self) -> None:
        if self._pacer is not None:
            self._pacer.cancel()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _cut(self) -> int:
        there = list(self._channels)
        for connection in there:
            connection.transport.abort()
        for connection in there:
            await connection.wait_closed()
        return len(there)

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        if self.faults.refusing:
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "refusing on command\n")
        if request.path.split("?")[0] not in CHANNELS:
            return connection.respond(HTTPStatus.NOT_FOUND, "no such channel\n")
        return None

    async def _talk(self, connection: ServerConnection) -> None:
        path = connection.request.path.split("?")[0] if connection.request else ""
        self._count += 1
        channel, wire = CHANNELS[path](self), Wire(self.world.seed, self._count)
        self._channels[connection] = channel, wire
        try:
            async for frame in connection:
                text = frame if isinstance(frame, str) else frame.decode("utf-8", "replace")
                if text.strip().upper() == "PING":
                    if not self.faults.deaf:
                        await connection.send("PONG")
                    continue
                answer = channel.hear(text, second=self.second, faults=self.faults)
                await self._send(connection, wire.pass_on(answer, self.faults, step=self.steps))
        except ConnectionClosed:
            pass
        finally:
            del self._channels[connection]

    async def _step(self) -> None:
        now = self._clock()
        before, self.second = self.second, int(now)
        self.steps += 1
        if self.exchange is not None:
            self.exchange.advance(now)
        sends = []
        for connection, (channel, wire) in list(self._channels.items()):
            frames = channel.said(before, self.second)
            ready = wire.pass_on(frames, self.faults, step=self.steps)
            sends.append(self._send(connection, ready))
        await asyncio.gather(*sends)

    async def _send(self, connection: ServerConnection, frames: list[bytes]) -> None:
        """Send, or break with a reader who does not read."""
        try:
            async with asyncio.timeout(SLOW_READER_S):
                for frame in frames:
                    await connection.send(frame.decode("utf-8", "replace"))
        except TimeoutError:
            connection.transport.abort()
        except ConnectionClosed:
            return


Channel = Market | Prices | User
CHANNELS: dict[str, Callable[[Sockets], Channel]] = {
    MARKET_PATH: lambda sockets: Market(sockets.world, sockets.exchange),
    PRICES_PATH: lambda sockets: Prices(sockets.world),
    USER_PATH: lambda sockets: User(sockets.exchange),
}


def open_sockets(
    world: World,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    clock: Callable[[], float] = time.time,
    every_s: float | None = STEP_S,
    exchange: Exchange | None = None,
) -> Sockets:
    """A bound, answering websocket port; port 0 picks a free one.

    `every_s` None steps only when `step()` is called. Raises `NotLoopback` for any other address
    than this machine's own, `OSError` for a port in use.
    """
    if host not in LOOPBACK:
        raise NotLoopback(f"the stand-in venue listens on 127.0.0.1 only, not on {host}")
    sockets = Sockets(world, clock=clock, exchange=exchange)
    sockets.open(host, port, every_s=every_s)
    return sockets
