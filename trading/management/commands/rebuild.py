"""`rebuild`: compare positions and balances with their facts, and put them right."""

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from config.kernel import terminal
from trading.books import rebuild

DIFFERS, REFUSED = 1, 2
HEADINGS = ("Mode", "Wallet", "Outcome", "Column", "Stored", "Facts")
FIGURES = ("Outcome", "Stored", "Facts")


class Command(BaseCommand):
    help = (
        "Compute positions from fills, conversions and payouts, and balances from transfers; "
        "print where the stored ones differ. Exit code 0: all agree, or what could be written was; "
        "1: something differs; 2: nobody said yes to writing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--apply", action="store_true", help="write what the facts say")
        parser.add_argument("--json", action="store_true", help="print the differences as JSON")
        parser.add_argument("--yes", action="store_true", help="do not ask before writing")

    def handle(self, *args: Any, **options: Any) -> None:
        found = rebuild.everything(apply=False, as_of=timezone.now())
        wanted = options["apply"] and bool(found)
        if not options["json"]:
            self.stdout.write(terminal.here())
            self._show(found)
        if wanted and not (options["yes"] or self._agreed(len(found))):
            self.stderr.write("Nothing was changed; answer yes, or give --yes.")
            raise SystemExit(REFUSED)
        left = found
        if wanted:
            rebuild.everything(apply=True, as_of=timezone.now())
            left = rebuild.everything(apply=False, as_of=timezone.now())
        self._end(found, left, wanted=wanted, as_json=options["json"])

    def _agreed(self, count: int) -> bool:
        try:
            said = input(f"Write what the facts say in {count} places? [yes/no] ")
        except EOFError:
            return False
        return said.strip().lower() in {"y", "yes"}

    def _end(
        self,
        found: list[rebuild.Difference],
        left: list[rebuild.Difference],
        *,
        wanted: bool,
        as_json: bool,
    ) -> None:
        if as_json:
            body = {
                "differences": [asdict(difference) for difference in found],
                "applied": wanted,
                "left": [asdict(difference) for difference in left],
            }
            self.stdout.write(json.dumps(body, indent=2, default=str))
        elif wanted:
            self.stdout.write("Written." if not left else f"{len(left)} differences are left:")
            if left:
                self._show(left)
        if left:
            raise SystemExit(DIFFERS)

    def _show(self, found: list[rebuild.Difference]) -> None:
        if not found:
            self.stdout.write("Every position and balance is what its facts say.")
            return
        rows = [
            (row.mode, row.wallet, row.outcome_id, row.column, row.stored, row.computed)
            for row in found
        ]
        self.stdout.write(terminal.text(terminal.table(HEADINGS, rows, right=FIGURES)))
        self.stdout.write("`rebuild --apply` writes what the facts say.")
