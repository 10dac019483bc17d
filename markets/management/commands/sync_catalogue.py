"""Read the venue's catalogue once, now."""

import json
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
            report = catalog.sync(as_of=timezone.now(), limit=options["limit"])
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


def _table(title: str, figures: dict[str, Any]) -> Table:
    table = Table("", "count", title=title)
    for name, value in sorted(figures.items()):
        table.add_row(name, str(value))
    return table
