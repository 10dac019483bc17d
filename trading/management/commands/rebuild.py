"""`rebuild`: compare positions with their fills and redemptions, and put them right."""

import json
from dataclasses import asdict
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone
from rich.console import Console
from rich.table import Table

from trading import rebuild


class Command(BaseCommand):
    help = (
        "Compute positions from fills and redemptions and print where the stored ones differ. "
        "Exit code 1 where something differs and --apply is not given."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--apply", action="store_true", help="write what the facts say")
        parser.add_argument("--json", action="store_true", help="print the differences as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        found = rebuild.positions(apply=options["apply"], as_of=timezone.now())
        if options["json"]:
            rows = [asdict(difference) for difference in found]
            body = {"differences": rows, "applied": options["apply"] and bool(found)}
            self.stdout.write(json.dumps(body, indent=2, default=str))
        else:
            self._show(found, applied=options["apply"])
        if found and not options["apply"]:
            raise SystemExit(1)

    def _show(self, found: list[rebuild.Difference], *, applied: bool) -> None:
        console = Console(file=cast(IO[str], self.stdout))
        if not found:
            console.print("Every position is what its fills and redemptions say.")
            return
        table = Table("Mode", "Outcome", "Column", "Stored", "From the facts", box=None)
        for row in found:
            table.add_row(
                row.mode, str(row.outcome_id), row.column, str(row.stored), str(row.computed)
            )
        console.print(table)
        console.print("Written." if applied else "Nothing was changed; --apply writes it.")
