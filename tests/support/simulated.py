"""A demo installation pointed at the simulated venue, on a clock that the test moves.

The fixture `clock` serves HTTP alone; a test that listens asks for `sockets` too and calls
`sockets.step()` after moving the clock, or for `running_sockets`, which speak by themselves.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from config import installation
from predictions import registry
from sandbox.core.conduct import Conduct
from sandbox.core.world import World
from sandbox.exchange.desk import Exchange
from sandbox.server import serve
from sandbox.sockets import Sockets, open_sockets
from sandbox.venue import StandIn

MODE = "DEMO"
SEED = 7
# A power of two: the pace is kept by a remainder, which such a step leaves exactly zero.
FAST_S = 1 / 32
NOON = int(datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp())


@dataclass
class Clock:
    """The one clock of the test: the venue reads it, our code is told it."""

    second: int = NOON
    exchange: Exchange | None = None

    def __call__(self) -> float:
        return float(self.second)

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.second, UTC)


@pytest.fixture
def clock(monkeypatch: Any, tmp_path: Path) -> Iterator[Clock]:
    """A demo installation pointed at the simulated venue, at noon."""
    clock = Clock()
    # The official client stamps its calls with the real time, wherever the test's clock stands.
    clock.exchange = Exchange(World(SEED), conduct=Conduct(clock_skew_s=1e12))
    venue = StandIn(clock.exchange.world, clock.exchange)
    server = serve(venue, host="127.0.0.1", port=0, clock=clock)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    base = f"http://127.0.0.1:{server.server_address[1]}"
    here = replace(
        settings.ENV, mode=MODE, state_dir=tmp_path, artefact_dir=tmp_path / "artefacts",
        archive_dir=tmp_path / "archive",
        venue_gamma_url=f"{base}/gamma", venue_clob_url=f"{base}/clob",
        venue_data_url=f"{base}/data", polygon_rpc_url=f"{base}/rpc",
        spot_url=f"{base}/spot", feeds_url=f"{base}/feeds",
        venue_relayer_url=f"{base}/relayer", geoblock_url=f"{base}/api/geoblock",
    )  # fmt: skip
    monkeypatch.setattr(settings, "ENV", here)
    registry.forget()
    installation.seed(mode=MODE, as_of=clock.now)
    yield clock
    server.shutdown()
    thread.join()
    server.server_close()
    clock.exchange.close()
    registry.forget()


@pytest.fixture
def sockets(clock: Clock, monkeypatch: Any) -> Iterator[Sockets]:
    """The venue's sockets on the test's clock; they speak when the test calls `step()`."""
    yield from _speaking(clock, monkeypatch, every_s=None)


@pytest.fixture
def running_sockets(clock: Clock, monkeypatch: Any) -> Iterator[Sockets]:
    """The venue's sockets from the test's present on, 32 seconds in each one of ours."""
    seconds = count(clock.second)
    yield from _speaking(lambda: float(next(seconds)), monkeypatch, every_s=FAST_S)


def _speaking(
    time: Callable[[], float], monkeypatch: Any, *, every_s: float | None
) -> Iterator[Sockets]:
    sockets = open_sockets(World(SEED), clock=time, every_s=every_s)
    here = replace(
        settings.ENV, venue_ws_url=sockets.market_url, venue_prices_url=sockets.prices_url
    )
    monkeypatch.setattr(settings, "ENV", here)
    yield sockets
    sockets.close()
