"""`manage.py train`: learn from everything that was known by a moment, and serve what deserves it.

A second training ends at once with SKIPPED_LOCKED; SIGTERM ends one after the pieces under way, and
the next one goes on from there.
"""

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
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
from predictions.core import roster

ALL = "all"
WIDTH = 120  # a table of figures is not wrapped to a narrow pipe


class Command(BaseCommand):
    help = "Train the experts and their gate on the archive and on our own answered forecasts."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--until", default="", help="only what was known by then (ISO, UTC)")
        parser.add_argument("--seed", type=int, default=None, help="default: learning settings")
        parser.add_argument(
            "--horizon",
            default=roster.OUTCOME,
            choices=[*roster.HORIZONS, ALL],
            help="what is forecast; default: the outcome",
        )
        parser.add_argument(
            "--due", action="store_true", help="only where enough answers came since the last time"
        )
        parser.add_argument("--json", action="store_true", help="print the runs as JSON")

    def handle(self, *_args: Any, **options: Any) -> None:
        until = moment(options["until"])
        if options["seed"] is not None and not 0 <= options["seed"] <= train.LARGEST_SEED:
            raise CommandError(f"--seed is 0 to {train.LARGEST_SEED}", returncode=2)
        console = Console(
            file=cast(IO[str], self.stderr if options["json"] else self.stdout), width=WIDTH
        )
        wanted = options["horizon"]
        horizons = list(roster.HORIZONS) if wanted == ALL else [wanted]
        failed = False
        with _asked_to_stop():
            for horizon in horizons:
                asked = {} if options["due"] else {"until": until, "seed": options["seed"]}
                row = self._train(horizon, console, **asked)
                if row is None:
                    console.print(f"{horizon}: too few new answers, nothing to do")
                    continue
                self._show(row, console, as_json=options["json"])
                failed |= row.status != TrainingRun.Status.SUCCEEDED
        if failed:
            sys.exit(1)

    def _train(self, horizon: str, console: Console, **asked: Any) -> TrainingRun | None:
        """Train as asked; where nothing is asked for, only if it is due."""
        try:
            with Progress(console=console, transient=True) as bar:
                task = bar.add_task(f"walk-forward, {horizon}", total=None)

                def progress(done: int, total: int) -> None:
                    bar.update(task, completed=done, total=total)

                begin = train.run if asked else train.when_due
                return begin(
                    horizon=horizon,
                    as_of=timezone.now(),
                    clock=timezone.now,
                    progress=progress,
                    **asked,
                )
        except jobs.AlreadyRunning as refusal:
            raise CommandError(f"SKIPPED_LOCKED: {refusal}", returncode=1) from refusal

    def _show(self, row: TrainingRun, console: Console, *, as_json: bool) -> None:
        scores = json.loads(row.metrics)
        if as_json:
            body = {
                "run": row.pk,
                "horizon": row.horizon,
                "status": row.status,
                "version": row.version and row.version.number,
                "error": row.error,
                "seed": row.seed,
                "code_version": row.code_version,
                "dataset": row.dataset_id,
                "trials": row.trials,
                "metrics": scores,
                "card": json.loads(row.card),
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


@contextmanager
def _asked_to_stop() -> Iterator[None]:
    """SIGTERM ends a training like Ctrl-C: its row says so and its finished pieces are kept."""

    def stop(_signal: int, _frame: Any) -> None:
        raise KeyboardInterrupt("asked to stop")

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


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
    try:
        day = parse_date(text) if len(text) == 10 else None
        found = parse_datetime(f"{text}T00:00:00+00:00" if day else text)
        if found is not None and timezone.is_naive(found):
            found = timezone.make_aware(found, timezone.get_default_timezone())
        at = found and found.astimezone(UTC)
    except (OverflowError, ValueError):  # a day or an hour that there is not
        at = None
    if at is None:
        raise CommandError(
            f"{text!r} is no moment; write it like 2026-07-20 or 2026-07-20T12:00Z", returncode=2
        )
    return at
