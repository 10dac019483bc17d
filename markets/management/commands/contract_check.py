"""Does the venue still speak as recorded?"""

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone
from rich.console import Console
from rich.table import Table

from markets import contract_check
from markets.adapters import http, samples
from markets.contract_check import Finding


class Command(BaseCommand):
    help = (
        "Sample every kind of the venue's messages and hold it against its recorded shape. "
        "Exit code 1: a field vanished or changed its type; 2: the venue does not answer."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="for machines")
        parser.add_argument(
            "--listen", type=float, default=samples.LISTEN_S, help="seconds on the stream; 0 = skip"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = contract_check.run(as_of=timezone.now(), listen_s=options["listen"])
        except http.SimulatedVenue as wrong:
            self.stderr.write(str(wrong))
            raise SystemExit(2) from None
        if options["json"]:
            self.stdout.write(json.dumps([asdict(finding) for finding in found]))
        else:
            self._show(found)
        if all(finding.missing for finding in found):
            self.stderr.write("the venue does not answer; check the network and VENUE_…_URL")
            raise SystemExit(2)
        if any(finding.drifts for finding in found):
            raise SystemExit(1)

    def _show(self, found: list[Finding]) -> None:
        table = Table("message", "rows seen", "verdict", title="The venue's messages")
        for finding in found:
            changes = "; ".join(f"{d.field or 'message'} {d.what}" for d in finding.drifts)
            verdict = finding.missing or changes or "as recorded"
            table.add_row(finding.source, str(finding.rows or ""), verdict)
        Console(file=self.stdout, width=110, highlight=False).print(table)  # type: ignore[arg-type]
