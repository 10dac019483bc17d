"""`manage.py replay PATH`: the cycle over recorded history, with a report."""

import json
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.table import Table

from markets.history import BadHistory
from mlops import backtest, report
from mlops.models import Backtest, LearningSettings


class Command(BaseCommand):
    help = "Replay recorded history through forecast, decision, gate and settlement (BACKTEST)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path, help="folder with markets.parquet, prices.parquet …")
        parser.add_argument("--dataset", action="append", required=True, help="repeat for several")
        parser.add_argument(
            "--from", dest="since", type=_day, help="first decision, e.g. 2025-12-01"
        )
        parser.add_argument(
            "--to", dest="until", type=_day, help="no decision from this instant on"
        )
        parser.add_argument(
            "--seed", type=int, help="of intervals and models; the settings' by default"
        )
        parser.add_argument("--json", action="store_true", help="print the whole report as JSON")

    def handle(self, *_args: Any, **options: Any) -> None:
        now = timezone.now()
        seed = options["seed"]
        if seed is None:
            seed = LearningSettings.objects.current(as_of=now).seed
        try:
            stored = backtest.run(
                options["path"],
                datasets=options["dataset"],
                since=options["since"],
                until=options["until"],
                seed=seed,
                rng=np.random.default_rng(seed),
                as_of=now,
                clock=timezone.now,
            )
        except (BadHistory, backtest.NothingToReplay) as problem:
            raise CommandError(str(problem), returncode=1) from None
        folder = Path(settings.ENV.state_dir) / stored.folder
        if options["json"]:
            self.stdout.write((folder / "report.json").read_text(encoding="utf-8"))
            return
        show(stored, folder)


def show(stored: Backtest, folder: Path) -> None:
    body = json.loads(stored.result)
    console = Console(soft_wrap=True)
    console.print(f"[bold]{stored.name}[/] — BACKTEST: simulated orders on recorded prices")
    if body["summary"]["insufficient"]:
        events = body["summary"]["traded_events"]
        console.print(f"[yellow]insufficient[/]: {events} traded events, a verdict needs 30")
    table = Table("strategy", "trades", "events", "fees $", "P&L $", "95 %", "drawdown %")
    for row in body["strategies"]:
        span = f"{row['pnl_low']} … {row['pnl_high']}"
        figures = (row["trades"], row["traded_events"], row["fees"], row["pnl"], span)
        table.add_row(row["name"], *map(str, figures), row["max_drawdown_pct"])
    console.print(table)
    scores = body["summary"]
    console.print(
        f"Brier {_figure(scores['brier_model'])} (market {_figure(scores['brier_market'])}) on "
        f"{scores['rows']:,} decisions in {scores['events']:,} events; "
        f"assumptions: {body['assumptions']['name']}"
    )
    console.print(*[str(folder / name) for name in report.FILES], sep="\n")


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.5f}"


def _day(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found
