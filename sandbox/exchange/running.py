"""A whole stand-in venue in this process: world, exchange, HTTP port, sockets if wanted."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.core.conduct import Conduct
from sandbox.core.world import World
from sandbox.exchange.desk import Exchange
from sandbox.server import VenueServer, serve
from sandbox.sockets import Sockets, open_sockets
from sandbox.venue import StandIn


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """Where it listens, and its exchange."""

    exchange: Exchange
    server: VenueServer
    sockets: Sockets | None

    @property
    def url(self) -> str:
        """Base of all services: /clob, /gamma, /data, /relayer, /rpc, /sandbox."""
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    @property
    def ws_url(self) -> str:
        """Base of the sockets: /ws/user, /ws/market."""
        if self.sockets is None:
            raise RuntimeError("started without sockets; pass sockets=True")
        return f"ws://127.0.0.1:{self.sockets.port}"


@contextmanager
def running_exchange(
    world: World | None = None,
    *,
    journal: Path | None = None,
    conduct: Conduct | None = None,
    clock: Callable[[], float] = time.time,
    sockets: bool = False,
    every_s: float | None = 1.0,
) -> Iterator[Running]:
    """Serve on free ports of this machine until the block ends.

    `clock` gives UTC epoch seconds; the official client signs with the real one. `every_s` is the
    pace of the sockets, None lets only `sockets.step()` move them.
    """
    exchange = Exchange(world or World(7), journal=journal, conduct=conduct)
    server = serve(StandIn(exchange.world, exchange), host="127.0.0.1", port=0, clock=clock)
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="venue", daemon=True
    )
    thread.start()
    opened = (
        open_sockets(exchange.world, clock=clock, every_s=every_s, exchange=exchange)
        if sockets
        else None
    )
    try:
        yield Running(exchange=exchange, server=server, sockets=opened)
    finally:
        if opened is not None:
            opened.close()
        server.shutdown()
        thread.join()
        server.server_close()
        exchange.close()
