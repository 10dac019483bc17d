"""Serve the stand-in venue, or write its past as files."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from django.core.management.base import BaseCommand, CommandError, CommandParser

from sandbox import history
from sandbox.core import http_faults
from sandbox.core.families import PRESETS
from sandbox.core.faults import parse
from sandbox.core.world import World
from sandbox.server import NotLoopback, serve
from sandbox.sockets import Sockets, open_sockets
from sandbox.venue import StandIn

T = TypeVar("T")


class Command(BaseCommand):
    help = (
        "A simulated venue on this machine: /gamma, /clob, /data, /spot, /rpc and /feeds. "
        "With --history, write the world's past there and leave."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8799)
        parser.add_argument("--ws-port", type=int, help="a websocket port too (0: any free one)")
        parser.add_argument("--faults", default="{}", help='socket faults, e.g. {"loss": 0.1}')
        parser.add_argument(
            "--http-faults",
            default="[]",
            help='request faults, e.g. [{"wrong": "limited", "prefix": "/clob", "times": 3}]',
        )
        parser.add_argument("--seed", type=int, default=7)
        parser.add_argument("--speed", choices=sorted(PRESETS), default="demo")
        parser.add_argument("--history", type=Path, help="folder to write; no server is started")
        parser.add_argument("--hours", type=float, default=6.0, help="length of that history")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        world = World(options["seed"], options["speed"])
        if options["history"] is not None:
            self._write(world, options)
        else:
            self._serve(world, options)

    def _write(self, world: World, options: dict[str, Any]) -> None:
        until = int(time.time())
        since = until - int(options["hours"] * 3600)
        counts = history.write(options["history"], world, since=since, until=until)
        if options["json"]:
            self.stdout.write(json.dumps({"folder": str(options["history"]), "rows": counts}))
        else:
            rows = ", ".join(f"{name} {n:,}" for name, n in counts.items())
            self.stdout.write(f"simulated history in {options['history']}: {rows}")

    def _serve(self, world: World, options: dict[str, Any]) -> None:
        host, port = options["host"], options["port"]
        faults = self._said("faults", options, parse)
        http = self._said("http-faults", options, http_faults.parse)
        try:
            server = serve(StandIn(world), host=host, port=port)
        except NotLoopback as refused:
            raise CommandError(str(refused), returncode=2) from None
        except (OSError, OverflowError) as taken:
            raise _unusable("port", port, taken) from None
        server.faults.set(*http)
        sockets = None
        try:
            if options["ws_port"] is not None:
                sockets = _sockets(world, host, options["ws_port"])
                sockets.disturb(faults)
            self._announce(f"http://{host}:{server.server_address[1]}", sockets)
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            pass
        finally:
            server.server_close()
            if sockets is not None:
                sockets.close()

    def _announce(self, page: str, sockets: Sockets | None) -> None:
        signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        self.stdout.write(f"stand-in venue (simulated) on {page}")
        if sockets is not None:
            self.stdout.write(f"its sockets on {sockets.market_url} and {sockets.prices_url}")
        self.stdout.flush()

    def _said(self, name: str, options: dict[str, Any], read: Callable[[Any], T]) -> T:
        try:
            return read(json.loads(options[name.replace("-", "_")]))
        except ValueError as wrong:
            raise CommandError(f"--{name}: {wrong}", returncode=2) from None


def _sockets(world: World, host: str, port: int) -> Sockets:
    try:
        return open_sockets(world, host=host, port=port)
    except (OSError, OverflowError) as taken:
        raise _unusable("ws-port", port, taken) from None


def _unusable(option: str, port: int, taken: Exception) -> CommandError:
    why = getattr(taken, "strerror", None) or "a port is 0 to 65535"
    return CommandError(f"port {port} cannot be used ({why}); choose another with --{option}")
