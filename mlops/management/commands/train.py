"""`manage.py train`: learn from everything that was known by a moment, and serve the result."""

import json
import sys
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from config.kernel import jobs
from mlops import train
from mlops.models import TrainingRun

WIDTH = 120  # a table of figures is not wrapped to a narrow pipe


class Command(BaseCommand):
    help = "Train the experts and their gate on the archive and on our own answered forecasts."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--until", default="", help="only what was known by then (ISO, UTC)")
        parser.add_argument("--seed", type=int, default=None, help="default: learning settings")
        parser.add_argument("--json", action="store_true", help="print the run as JSON")

    def handle(self, *_args: Any, **options: Any) -> None:
        until = moment(options["until"])
        if options["seed"] is not None and not 0 <= options["seed"] <= train.LARGEST_SEED:
            raise CommandError(f"--seed is 0 to {train.LARGEST_SEED}", returncode=2)
        console = Console(
            file=cast(IO[str], self.stderr if options["json"] else self.stdout), width=WIDTH
        )
        try:
            with Progress(console=console, transient=True) as bar:
                task = bar.add_task("walk-forward", total=None)

                def progress(done: int, total: int) -> None:
                    bar.update(task, completed=done, total=total)

                row = train.run(
                    until=until,
                    seed=options["seed"],
                    as_of=timezone.now(),
                    clock=timezone.now,
                    progress=progress,
                )
        except jobs.AlreadyRunning as refusal:
            raise CommandError(str(refusal), returncode=1) from refusal
        self._show(row, console, as_json=options["json"])
        if row.status != TrainingRun.Status.SUCCEEDED:
            sys.exit(1)

    def _show(self, row: TrainingRun, console: Console, *, as_json: bool) -> None:
        scores = json.loads(row.metrics)
        if as_json:
            body = {
                "run": row.pk,
                "status": row.status,
                "version": row.version and row.version.number,
                "error": row.error,
                "seed": row.seed,
                "code_version": row.code_version,
                "dataset": row.dataset_id,
                "metrics": scores,
            }
            self.stdout.write(json.dumps(body))
            return
        if row.version is None:
            console.print(f"[bold red]{row.status}[/]: {row.error}")
            return
        console.print(_table(scores))
        overall = scores["out_of_fold"]
        skill, low, high = (share(overall[name]) for name in ("skill", "skill_low", "skill_high"))
        console.print(
            f"{row.version} on {row.version.rows:,} decisions of {row.version.events:,} events, "
            f"known by {row.version.data_until:%Y-%m-%d %H:%M} UTC. Out of fold: skill "
            f"{skill} ({low} to {high}) against the price; "
            f"weight of the experts {scores['weight']:.2f}."
        )
        if not overall["rows"]:
            console.print("No fold had enough events: how far to follow the experts is unknown.")
        if not scores["weight"]:
            console.print("No domain showed evidence: the forecast is the market price.")


def _table(scores: dict[str, Any]) -> Table:
    table = Table(title="Out of fold, by domain and time left")
    for name in ("cell", "events", "log-loss gain", "at least", "Brier gain", "at least", "used"):
        table.add_column(name, justify="right")
    for cell in scores["cells"]:
        used = cell["cell"] in scores["used"]
        table.add_row(
            cell["name"],
            f"{cell['events']:,}",
            *(
                share(cell[name], digits=2)
                for name in ("log_loss_gain", "log_loss_low", "brier_gain", "brier_low")
            ),
            "yes" if used else "no" if cell["enough"] else "too few",
        )
    return table


def share(value: float | None, *, digits: int = 3) -> str:
    """A signed percentage; a dash where there was nothing to score."""
    return "–" if value is None else f"{value:+.{digits}%}"


def moment(text: str) -> Any:
    """An aware UTC datetime of ISO text, None of nothing; bad usage ends with exit code 2."""
    if not text:
        return None
    day = parse_date(text) if len(text) == 10 else None
    found = parse_datetime(f"{text}T00:00:00+00:00" if day else text)
    if found is None:
        raise CommandError(
            f"{text!r} is no moment; write it like 2026-07-20 or 2026-07-20T12:00Z", returncode=2
        )
    return (
        timezone.make_aware(found, timezone.get_default_timezone())
        if timezone.is_naive(found)
        else found
    )
