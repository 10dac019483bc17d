"""`manage.py backfill`: fetch the past of markets; cut off anywhere, it goes on where it was."""

import json
from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from config.kernel import jobs
from markets import backfill
from markets.adapters.gamma import StuckCursor
from markets.adapters.http import SimulatedVenue, VenueRefused, VenueUnreachable
from markets.backfill import Report, Request
from markets.core.wire import NotUnderstood

MEANING = {
    "found": "ended markets found",
    "markets": "markets looked at",
    "windows": "windows fetched",
    "added": "prices into the database",
    "archived": "prices into the archive",
    "trades": "trades",
    "empty_windows": "windows without a price",
    "asked_coarsely": "windows asked again at a coarser pace",
    "failed": "markets passed over, asked again later",
    "postponed": "markets whose pause after a failure is not over",
}


# Before any venue of this kind; a later first day also keeps dates within what a calendar holds.
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)


class Command(BaseCommand):
    """Exit code 0 when done, 1 where it must be run again, 2 where it was refused."""

    help = "Fetch price history and trades of tracked markets, or of ended ones on request."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which markets, how far back."""
        parser.add_argument(
            "--market", action="append", default=[], help="id, slug or condition id; repeatable"
        )
        parser.add_argument(
            "--resolved-since",
            type=_day,
            help="find markets that ended since this day (2026-08-01, or 90d), for training",
        )
        parser.add_argument("--days", type=_days, help="how far back; else as the settings say")
        parser.add_argument("--limit", type=int, help="so many markets at most")
        parser.add_argument("--no-trades", action="store_true", help="prices only")
        parser.add_argument("--json", action="store_true", help="print the report as JSON")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run with a progress bar on stderr."""
        request = Request(
            markets=tuple(options["market"]),
            resolved_since=options["resolved_since"],
            days=options["days"],
            limit=options["limit"],
            trades=not options["no_trades"],
        )
        try:
            report = _with_a_bar(request, hidden=options["json"])
        except (SimulatedVenue, LookupError) as refused:
            raise CommandError(str(refused), returncode=2) from refused
        except jobs.AlreadyRunning as busy:
            raise CommandError(f"{busy}; wait for it to end", returncode=1) from busy
        except (VenueUnreachable, VenueRefused, NotUnderstood, StuckCursor) as failure:
            raise CommandError(
                f"{failure}. What was fetched is kept; run it again to go on", returncode=1
            ) from failure
        self.stdout.write(json.dumps(report.figures())) if options["json"] else _show(report)


def _with_a_bar(request: Request, *, hidden: bool) -> Report:
    bar = Progress(
        TextColumn("{task.description:.40}"),
        BarColumn(),
        TaskProgressColumn(show_speed=True),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=hidden,
    )
    with bar:
        task = bar.add_task("planning", total=None)
        return backfill.run(
            request,
            clock=timezone.now,
            progress=lambda step, done, total: bar.update(
                task, description=step, completed=done, total=total or None
            ),
        )


def _day(text: str) -> datetime:
    try:
        if text.endswith("d"):
            return timezone.now() - timedelta(days=_days(text[:-1]))
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except (ValueError, ArgumentTypeError):
        raise ArgumentTypeError(f"{text!r} is no day: write 2026-08-01, or 90d") from None
    if day < EARLIEST:
        raise ArgumentTypeError(f"{text} is before the first market; write a day from 2000 on")
    return day


def _days(text: str) -> int:
    longest = (timezone.now() - EARLIEST).days
    if not text.isdecimal() or not 1 <= int(text) <= longest:
        raise ArgumentTypeError(f"{text!r} is no number of days from 1 to {longest:,}")
    return int(text)


def _show(report: Report) -> None:
    table = Table("", "count", title="History")
    figures = report.figures()
    for name, meaning in MEANING.items():
        table.add_row(meaning, f"{figures[name]:,}")
    for reason, count in sorted(report.left_out.items()):
        table.add_row(f"prices left out: {reason.replace('_', ' ')}", f"{count:,}")
    Console().print(table)
