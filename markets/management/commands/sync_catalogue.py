"""Read the venue's catalogue once, now."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from rich.console import Console
from rich.table import Table

from markets import catalog, universe
from markets.adapters.gamma import StuckCursor
from markets.adapters.http import SimulatedVenue, VenueRefused, VenueUnreachable
from markets.core.wire import NotUnderstood


class Command(BaseCommand):
    help = "Read events, markets, rules and fees from the venue, then choose what to follow."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument("--limit", type=int, help="stop after about so many markets")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            with _progress() as progress:
                report = catalog.sync(
                    as_of=timezone.now(), limit=options["limit"], progress=progress
                )
            reasons = universe.refresh(as_of=timezone.now(), clock=timezone.now)
        except SimulatedVenue as refused:
            raise CommandError(str(refused), returncode=2) from None
        except (NotUnderstood, StuckCursor, VenueRefused, VenueUnreachable) as cause:
            raise CommandError(
                f"{cause}. What was read is filed; check VENUE_GAMMA_URL and VENUE_CLOB_URL, then "
                "run it again."
            ) from cause
        followed = {reason or "TRACKED": count for reason, count in reasons.items()}
        if options["json"]:
            self.stdout.write(json.dumps(report.figures() | {"universe": followed}))
            return
        Console().print(_table("Catalogue", report.figures()), _table("Universe", followed))


@contextmanager
def _progress() -> Iterator[Callable[[catalog.SyncReport], None]]:
    """One line on the terminal's error side: how many markets, how many a second."""
    began = time.monotonic()
    with Console(stderr=True).status("Reading the catalogue …") as line:

        def tell(report: catalog.SyncReport) -> None:
            line.update(progress_line(report, seconds=time.monotonic() - began))

        yield tell


def progress_line(report: catalog.SyncReport, *, seconds: float) -> str:
    """What the line says after so many seconds."""
    rate = report.markets / seconds if seconds > 0 else 0.0
    refused = f", {report.refused:,} refused" if report.refused else ""
    return f"{report.markets:,} markets of {report.events:,} events{refused} · {rate:,.0f} a second"


def _table(title: str, figures: dict[str, Any]) -> Table:
    table = Table("", "count", title=title)
    for name, value in sorted(figures.items()):
        table.add_row(name, str(value))
    return table
