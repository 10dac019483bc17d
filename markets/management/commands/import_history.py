"""`manage.py import_history PATH`: take a folder of recorded history into database and archive."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from config.kernel import jobs
from markets import importing
from markets.adapters.history_files import BadHistory
from markets.adapters.history_values import BadValue
from markets.importing import Summary


class Command(BaseCommand):
    """Exit code 0 when all is in, 1 when its values are wrong or it must wait, 2 for no history."""

    help = "Import recorded market history; importing it again changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """PATH, --dataset, --json."""
        parser.add_argument("path", type=Path, help="folder with markets.parquet and its siblings")
        parser.add_argument(
            "--dataset", action="append", default=[], help="only this dataset; may be repeated"
        )
        parser.add_argument("--json", action="store_true", help="print the summary as JSON")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run the import with a progress bar on stderr."""
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(show_speed=True),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=options["json"],
        )
        try:
            with bar:
                task = bar.add_task("reading", total=None)
                summary = importing.run(
                    options["path"],
                    datasets=options["dataset"],
                    clock=timezone.now,
                    progress=lambda step, done, total: bar.update(
                        task, description=step, completed=done, total=total
                    ),
                )
        except BadValue as damaged:
            raise CommandError(str(damaged), returncode=1) from damaged
        except BadHistory as wrong:
            raise CommandError(str(wrong), returncode=2) from wrong
        except jobs.AlreadyRunning as busy:
            raise CommandError(f"{busy}; wait for it to end", returncode=1) from busy
        self.stdout.write(json.dumps(asdict(summary))) if options["json"] else _show(summary)


def _show(summary: Summary) -> None:
    table = Table("table", "added", "changed", "written to archive", title="Imported history")
    for name in sorted(summary.added.keys() | summary.archived.keys()):
        counts = (summary.added, summary.changed, summary.archived)
        table.add_row(name, *(f"{c[name]:,}" if name in c else "–" for c in counts))
    console = Console()
    console.print(table)
    for note in summary.notes:
        console.print(note)
