"""Serve the stand-in venue, or write its past as files."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from django.core.management.base import BaseCommand, CommandError, CommandParser

from sandbox import history, planted
from sandbox.core import conduct, http_faults
from sandbox.core.families import PRESETS
from sandbox.core.faults import parse
from sandbox.core.planted import WORLDS
from sandbox.core.world import World
from sandbox.exchange.desk import Exchange
from sandbox.server import NotLoopback, serve
from sandbox.sockets import Sockets, open_sockets
from sandbox.venue import StandIn

MOST_HOURS = 24 * 31  # a world's month is more than anybody waits for
LAST = 4_102_444_800  # 2100-01-01
LARGEST_SEED = 2**31 - 1

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
        parser.add_argument(
            "--conduct",
            default="{}",
            help='how the exchange behaves, e.g. {"accept_drop": 0.15, "ghosts": 0.1}',
        )
        parser.add_argument(
            "--journal", type=Path, help="file that keeps accounts, orders and balances"
        )
        parser.add_argument("--seed", type=int, default=7)
        parser.add_argument("--speed", choices=sorted(PRESETS), default="demo")
        parser.add_argument("--history", type=Path, help="folder to write; no server is started")
        parser.add_argument("--hours", type=float, default=6.0, help="length of that history")
        parser.add_argument("--until", type=int, help="end of it, epoch seconds (default: now)")
        parser.add_argument(
            "--planted",
            choices=WORLDS,
            help="with --history: markets with a known truth and this inefficiency in the price",
        )
        parser.add_argument("--events", type=int, default=4000, help="planted markets to write")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["planted"] is not None and options["history"] is None:
            raise CommandError("--planted writes files: name a folder with --history", returncode=2)
        if not 0 <= options["seed"] <= LARGEST_SEED:
            raise CommandError(f"--seed is 0 to {LARGEST_SEED}", returncode=2)
        if options["history"] is not None:
            self._write(options)
        else:
            self._serve(World(options["seed"], options["speed"]), options)

    def _write(self, options: dict[str, Any]) -> None:
        counts = _written(options)
        if options["json"]:
            self.stdout.write(json.dumps({"folder": str(options["history"]), "rows": counts}))
        else:
            rows = ", ".join(f"{name} {n:,}" for name, n in counts.items())
            self.stdout.write(f"simulated history in {options['history']}: {rows}")

    def _serve(self, world: World, options: dict[str, Any]) -> None:
        host, port = options["host"], options["port"]
        faults = self._said("faults", options, parse)
        http = self._said("http-faults", options, http_faults.parse)
        exchange = self._exchange(world, options)
        try:
            server = serve(StandIn(world, exchange), host=host, port=port)
        except NotLoopback as refused:
            raise CommandError(str(refused), returncode=2) from None
        except (OSError, OverflowError) as taken:
            raise _unusable("port", port, taken) from None
        server.faults.set(*http)
        sockets = None
        try:
            if options["ws_port"] is not None:
                sockets = _sockets(exchange, host, options["ws_port"])
                sockets.disturb(faults)
            self._announce(f"http://{host}:{server.server_address[1]}", sockets)
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            pass
        finally:
            server.server_close()
            if sockets is not None:
                sockets.close()
            exchange.close()

    def _exchange(self, world: World, options: dict[str, Any]) -> Exchange:
        behaviour = self._said("conduct", options, conduct.parse)
        try:
            exchange = Exchange(world, journal=options["journal"])
        except (OSError, ValueError, KeyError) as wrong:
            raise CommandError(
                f"--journal: {options['journal']} cannot be used ({wrong}); move it away",
                returncode=2,
            ) from None
        exchange.behave(behaviour, now=time.time())
        return exchange

    def _announce(self, page: str, sockets: Sockets | None) -> None:
        signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        self.stdout.write(f"stand-in venue (simulated) on {page}")
        if sockets is not None:
            self.stdout.write(f"its sockets on {sockets.market_url} and {sockets.prices_url}")
            self.stdout.write(f"users hear of their orders on {sockets.user_url}")
        self.stdout.flush()

    def _said(self, name: str, options: dict[str, Any], read: Callable[[Any], T]) -> T:
        try:
            return read(json.loads(options[name.replace("-", "_")]))
        except ValueError as wrong:
            raise CommandError(f"--{name}: {wrong}", returncode=2) from None


def _written(options: dict[str, Any]) -> dict[str, int]:
    """Rows per file of the folder that the options ask for."""
    folder, seed = options["history"], options["seed"]
    world, events, hours = options["planted"], options["events"], options["hours"]
    until = int(time.time()) if options["until"] is None else options["until"]
    if world is not None and events < 1:
        raise CommandError("--events: at least one market is needed", returncode=2)
    if not 0 < hours <= MOST_HOURS:  # also where it is no number
        raise CommandError(f"--hours is more than 0, at most {MOST_HOURS}", returncode=2)
    since = until - int(hours * 3600)
    if not 0 <= since < until <= LAST:
        raise CommandError(f"--until and --hours lie between 0 and {LAST} (epoch)", returncode=2)
    try:
        if world is not None:
            return planted.write(folder, world, events=events, seed=seed)
        return history.write(folder, World(seed, options["speed"]), since=since, until=until)
    except OSError as refused:
        raise CommandError(
            f"{folder} cannot be written ({refused.strerror or refused})", returncode=2
        ) from refused


def _sockets(exchange: Exchange, host: str, port: int) -> Sockets:
    try:
        return open_sockets(exchange.world, host=host, port=port, exchange=exchange)
    except (OSError, OverflowError) as taken:
        raise _unusable("ws-port", port, taken) from None


def _unusable(option: str, port: int, taken: Exception) -> CommandError:
    why = getattr(taken, "strerror", None) or "a port is 0 to 65535"
    return CommandError(f"port {port} cannot be used ({why}); choose another with --{option}")
