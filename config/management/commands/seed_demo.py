"""Fill a demo at once: a cycle, the simulated past, a model trained on it, another cycle."""

import json
import tempfile
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from config import cycle, demo
from markets import history
from mlops import train


class Command(BaseCommand):
    help = "Train on the simulated past and run cycles, so that a demo has content at once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--hours", type=float, default=6.0, help="of simulated past")
        parser.add_argument("--seed", type=int, default=7, help="of the world")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.ENV.mode != "DEMO":
            raise CommandError(
                "this is for a demo only: start it through `up --demo`, or set MODE=DEMO",
                returncode=2,
            )
        demo.apply(as_of=timezone.now())
        report = {"first": cycle.everything(as_of=timezone.now(), clock=timezone.now)}
        with tempfile.TemporaryDirectory() as folder:
            call_command(
                "sandbox", history=Path(folder), hours=options["hours"], seed=options["seed"]
            )
            past = history.load(Path(folder))
        now = timezone.now()
        run = train.run(until=now, seed=options["seed"], as_of=now, history=past)
        report["training"] = {"status": run.status, "error": run.error}
        report["second"] = cycle.everything(as_of=timezone.now(), clock=timezone.now)
        self.stdout.write(json.dumps(report, default=str))
