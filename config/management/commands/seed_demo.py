"""Fill a demo at once: a cycle, the simulated past, a model trained on it, another cycle."""

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from config import first_content


class Command(BaseCommand):
    help = "Train on the simulated past and run cycles, so that a demo has content at once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--hours", type=float, default=first_content.PAST_HOURS, help="of simulated past"
        )
        parser.add_argument("--seed", type=int, default=7, help="of the world")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.ENV.mode != "DEMO":
            raise CommandError(
                "this is for a demo only: start it through `up --demo`, or set MODE=DEMO",
                returncode=2,
            )
        report = first_content.fill(
            as_of=timezone.now(),
            seed=options["seed"],
            hours=options["hours"],
            clock=timezone.now,
        )
        self.stdout.write(json.dumps(report, default=str))
