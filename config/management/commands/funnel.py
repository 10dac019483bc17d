"""`funnel`: where the markets of the last hours stopped, and why."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from config import health
from config.kernel import terminal
from config.pages.words import STAGES, plain
from config.templatetags.figures import age
from trading import queries

UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class Command(BaseCommand):
    help = "Count the markets, signals and intents of a span by the reason they stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--since", default="1h", help="90m, 24h, 7d, or a date and time (UTC)")
        parser.add_argument("--json", action="store_true", help="print the counts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        since = moment(options["since"], before=now)
        rows = queries.funnel(since=since, as_of=now)
        if options["json"]:
            counts = health.funnel_rows(rows)
            body = {"since": since.isoformat(), "as_of": now.isoformat(), "funnel": counts}
            self.stdout.write(json.dumps(body, indent=2))
            return
        shown = []
        for stage, reason, count in rows:
            unit = queries.UNITS[stage]
            of = f"{unit} now" if unit == queries.MARKETS else f"{unit}, {span(since, now)}"
            shown.append((STAGES[stage], plain(reason) if reason else "", f"{count:,}", of))
        headings = ("Stage", "Reason", "Count", "Of")
        self.stdout.write(terminal.text(terminal.table(headings, shown, right=("Count",))))


def span(since: datetime, until: datetime) -> str:
    """How long the funnel looks back, in words."""
    return f"last {age((until - since).total_seconds())}"


def moment(text: str, *, before: datetime) -> datetime:
    """`90m`, `24h`, `7d` before `before`, or a date and time; else `CommandError`, exit code 2."""
    try:
        if found := re.fullmatch(r"(\d+)([mhd])", text):
            return before - timedelta(**{UNITS[found[2]]: int(found[1])})
        if parsed := parse_datetime(text):
            aware = parsed if timezone.is_aware(parsed) else timezone.make_aware(parsed)
            return aware.astimezone(UTC)
    except (ValueError, OverflowError):
        pass  # no moment either: said below
    raise CommandError(f"--since {text}: write 90m, 24h, 7d or 2026-05-31T12:00", returncode=2)
