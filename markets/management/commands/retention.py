"""`manage.py retention`: let what is older than the settings keep leave the database."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from io import StringIO
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.table import Table

from config.kernel import jobs
from markets import retention
from markets.retention import Report


class Command(BaseCommand):
    """Exit code 0 when it is done, 1 while another process does it or the archive is at fault."""

    help = "Archive what is older than the history settings keep, then delete it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """--dry-run, --include-imports, --json."""
        parser.add_argument("--dry-run", action="store_true", help="count only")
        parser.add_argument(
            "--include-imports", action="store_true", help="imported history may leave too"
        )
        parser.add_argument("--json", action="store_true", help="print the report as JSON")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run it and print what left, by table."""
        try:
            report = retention.run(
                as_of=timezone.now(),
                clock=timezone.now,
                dry_run=options["dry_run"],
                include_imports=options["include_imports"],
            )
        except (jobs.AlreadyRunning, retention.NotKept) as reason:
            raise CommandError(f"{reason}; run it again later") from reason
        if options["json"]:
            self.stdout.write(json.dumps(asdict(report)))
        else:
            page = StringIO()
            Console(file=page).print(_shown(report))
            self.stdout.write(page.getvalue())


def _shown(report: Report) -> Table:
    table = Table(title="would leave" if report.dry_run else "left")
    for head in ("table", "rows", "new in archive", "months dropped", "postponed"):
        table.add_column(head, justify="left" if head == "table" else "right")
    for name, left in report.tables.items():
        cells = (left.rows, left.archived, left.months, left.postponed)
        table.add_row(name, *(f"{cell:,}" for cell in cells))
    return table
