"""`doctor`: is this installation fit to run, and what is the next step?"""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone
from rich.markup import escape

from config import doctor
from config.kernel import terminal

SIGNS = {doctor.OK: "[green]✓[/]", doctor.WARNING: "[yellow]![/]", doctor.FAILED: "[red]✗[/]"}


class Command(BaseCommand):
    help = (
        "Check the installation. Exit code 0: ready for paper trading, 1: not ready, 2: bad usage."
    )
    requires_system_checks: list[str] = []  # noqa: RUF012 - Django's contract; doctor reports by itself
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the report as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        report = doctor.examine(as_of=timezone.now())
        if options["json"]:
            self.stdout.write(json.dumps(doctor.as_dict(report), indent=2))
        else:
            self.stdout.write(terminal.text(*_shown(report)))
        if not report.ready_for_paper:
            sys.exit(1)


def _shown(report: doctor.Report) -> list[Any]:
    """Findings, verdict, the next step, and what keeps LIVE closed: a line each."""
    colour = "green" if report.ready_for_paper else "red"
    parts = [
        terminal.pairs(
            (SIGNS[f.level], f.check, _note(f.detail, f.remedy)) for f in report.findings
        ),
        f"\n[bold {colour}]{report.verdict}[/]",
        f"Next step: {escape(report.next_step)}",
    ]
    if report.live_gates:
        gates = (("·", escape(g.name), _note(g.sentence, g.remedy)) for g in report.live_gates)
        parts += ["\nBefore LIVE:", terminal.pairs(gates)]
    return parts


def _note(sentence: str, remedy: str) -> str:
    return escape(sentence) + (f"\n[dim]→ {escape(remedy)}[/]" if remedy else "")
