"""`manage.py stream_markets`: follow live books and prices until told to stop."""

import asyncio
import json
import math
import signal
from typing import Any

import numpy as np
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from markets import price_stream
from markets.adapters import http
from markets.stream import CannotWrite, Stream


class Command(BaseCommand):
    help = (
        "Follow the live books of every tracked market: tops, whole books, trades and ticks go to "
        "the database. One process leads; a second one waits to take over."
    )
    # Checks would load the pages, 40 MB of them.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--seconds", type=float, default=None, help="stop after so long")
        parser.add_argument("--json", action="store_true", help="one line of figures a heartbeat")

    def handle(self, *_args: Any, **options: Any) -> None:
        seconds = options["seconds"]
        if seconds is not None and not (math.isfinite(seconds) and seconds > 0):
            raise CommandError("--seconds must be positive and finite", returncode=2)
        try:
            asyncio.run(self._run(seconds, as_json=options["json"]))
        except (http.SimulatedVenue, CannotWrite) as refusal:
            raise CommandError(str(refusal), returncode=1) from refusal

    async def _run(self, seconds: float | None, *, as_json: bool) -> None:
        stream = Stream(
            clock=timezone.now,
            rng=np.random.default_rng(),
            say=self._figures if as_json else lambda _told: None,
        )
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stream.stop.set)
        if seconds is not None:
            loop.call_later(seconds, stream.stop.set)
        prices = asyncio.create_task(price_stream.follow(stream.stop, clock=timezone.now))
        try:
            await stream.run()
        finally:
            stream.stop.set()
            await prices

    def _figures(self, told: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(told))
        self.stdout.flush()
