"""Serve the stand-in venue, or write its past as files."""

import json
import signal
import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from sandbox import history
from sandbox.core.families import PRESETS
from sandbox.core.world import World
from sandbox.server import NotLoopback, serve
from sandbox.venue import StandIn


class Command(BaseCommand):
    help = (
        "A simulated venue on this machine: {host}:{port}/gamma and /clob. "
        "With --history, write the world's past there and leave."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8799)
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
        try:
            server = serve(StandIn(world), host=host, port=port)
        except NotLoopback as refused:
            raise CommandError(str(refused), returncode=2) from None
        except (OSError, OverflowError) as taken:
            why = getattr(taken, "strerror", None) or "a port is 0 to 65535"
            raise CommandError(
                f"port {port} cannot be used ({why}); choose another with --port"
            ) from None
        signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        bound = server.server_address[1]
        self.stdout.write(f"stand-in venue (simulated) on http://{host}:{bound}")
        self.stdout.flush()
        try:
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            pass
        finally:
            server.server_close()
