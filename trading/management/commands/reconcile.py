"""`reconcile`: what the books of every wallet say, what is said outside, and the difference."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from config.kernel import terminal
from config.kernel.modes import STORED_MODES
from trading.reconciling import comparison_report
from trading.reconciling.comparison_report import Line

DRIFT = 1
HEADINGS = ("Mode", "Wallet", "What", "Ours", "Theirs", "Cents", "Verdict")
FIGURES = ("Ours", "Theirs", "Cents")


class Command(BaseCommand):
    help = (
        "Print the comparison of every ledger: simulated ones against their own facts, those with "
        "a wallet against the last look of `live_guard` at venue and chain. Differences of cash in "
        "cents. Exit code 1 where something differs and nothing explains it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        modes = [mode.value for mode in STORED_MODES]
        parser.add_argument("--mode", choices=modes, help="one mode; all of them without it")
        parser.add_argument("--json", action="store_true", help="print the lines as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        modes = [options["mode"]] if options["mode"] else [mode.value for mode in STORED_MODES]
        lines = comparison_report.lines(modes, as_of=timezone.now())
        if options["json"]:
            self.stdout.write(json.dumps([line.as_dict() for line in lines], indent=2))
        else:
            self.stdout.write(terminal.here())
            self._show(lines)
        if any(not line.explained for line in lines):
            raise SystemExit(DRIFT)

    def _show(self, lines: list[Line]) -> None:
        if not lines:
            self.stdout.write("No ledger has a booking yet.")
            return
        rows = [
            (
                line.mode,
                line.wallet,
                line.what,
                line.shown(line.ours),
                line.shown(line.theirs),
                line.cents,
                line.verdict,
            )
            for line in lines
        ]
        self.stdout.write(terminal.text(terminal.table(HEADINGS, rows, right=FIGURES)))
