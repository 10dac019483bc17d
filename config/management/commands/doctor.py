"""`doctor`: is this installation fit to run, and what is the next step?"""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from config import doctor

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
            console = Console()
            with console.capture() as text:
                self._print(console, report)
            self.stdout.write(text.get())
        if not report.ready_for_paper:
            sys.exit(1)

    def _print(self, console: Console, report: doctor.Report) -> None:
        table = Table(box=None, show_header=False, pad_edge=False)
        for finding in report.findings:
            note = escape(finding.detail)
            if finding.remedy:
                note += f"\n[dim]→ {escape(finding.remedy)}[/]"
            table.add_row(SIGNS[finding.level], finding.check, note)
        console.print(table)
        colour = "green" if report.ready_for_paper else "red"
        console.print(f"\n[bold {colour}]{report.verdict}[/]")
        console.print(f"Next step: {escape(report.next_step)}")
        if report.live_gates:
            console.print("\nBefore LIVE:")
            gates = Table(box=None, show_header=False, pad_edge=False)
            for gate in report.live_gates:
                note = f"{escape(gate.sentence)}\n[dim]→ {escape(gate.remedy)}[/]"
                gates.add_row("·", escape(gate.name), note)
            console.print(gates)
