"""Write the timetable into the schedule."""

import json
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from config import beat


class Command(BaseCommand):
    help = "Upsert the timetable by name; what an operator disabled stays disabled."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--demo", action="store_true", help="use the demo periods")
        parser.add_argument("--prune", action="store_true", help="delete rows of other names")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        demo = options["demo"] or settings.ENV.mode == "DEMO"
        report = asdict(beat.sync(demo=demo, prune=options["prune"]))
        if options["json"]:
            self.stdout.write(json.dumps(report))
            return
        for what, names in report.items():
            if names:
                self.stdout.write(f"{what}: {', '.join(names)}")
        if not any(report.values()):
            self.stdout.write("the schedule is the timetable already")
