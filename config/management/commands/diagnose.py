"""`diagnose filters`: why markets are (not) followed, what one rule alone keeps out."""

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from rich.table import Table
from rich.text import Text

from config.kernel import terminal
from config.pages.words import phrase, plain
from config.templatetags.figures import age
from markets import diagnosis
from markets.diagnosis import Diagnosis, Judged
from markets.models import Profile

PROFILES = {**{str(p): str(p.label) for p in Profile}, "": "none (no end announced)"}
DOLLARS = {"depth_usd"}
SECONDS = {"seconds_left"}
FIGURES = ("Markets", "Would pass", "Nearest", "Half at")
FOLLOWED, BREAKS = Text("followed", "bold"), Text("breaks it", "bold")


class Command(BaseCommand):
    help = (
        "Say why markets are (not) followed: by profile and reason, with what-if, or one in full."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=["filters"])
        parser.add_argument("--market", type=int, help="one market's number: rule by rule")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        if options["market"] is not None:
            self._one(options["market"], as_json=options["json"])
            return
        found = diagnosis.diagnose(as_of=now)
        if options["json"]:
            self.stdout.write(json.dumps(asdict(found), default=str, indent=2))
        else:
            self._print(*_funnel(found))
        if found.open and not found.followed:
            raise SystemExit(1)

    def _one(self, market_id: int, *, as_json: bool) -> None:
        try:
            profile, reason, judged = diagnosis.explain(market_id, as_of=timezone.now())
        except LookupError as unknown:
            raise CommandError(str(unknown.args[0]), returncode=2) from None
        if as_json:
            rules = [asdict(rule) for rule in judged]
            body = {"market": market_id, "profile": profile, "reason": reason, "rules": rules}
            self.stdout.write(json.dumps(body, default=str, indent=2))
            return
        verdict = f"left out: {phrase(reason).long}" if reason else "followed"
        self._print(_rules(judged), f"Universe: {PROFILES[profile]}. The market is {verdict}")

    def _print(self, *parts: Any) -> None:
        self.stdout.write(terminal.text(*parts))


def _funnel(found: Diagnosis) -> list[Any]:
    counts: list[tuple[Any, ...]] = []
    last = None
    for profile, reason, count in found.counts:
        label = PROFILES[profile] if profile != last else " "
        counts.append((label, plain(reason) if reason else FOLLOWED, f"{count:,}"))
        last = profile
    relaxed = (
        (
            row.profile or "none",
            plain(row.code),
            f"{row.alone:,}",
            row.bound,
            figure(row.column, row.nearest),
            figure(row.column, row.half),
        )
        for row in found.relaxed
    )
    head = f"{found.followed:,} of {found.open:,} open markets are followed."
    first = terminal.table(("Universe", "Reason", "Markets"), counts, right=FIGURES)
    if not found.relaxed:
        return [head, first]
    headings = ("Universe", "Without this rule alone", "Would pass", "Bound", "Nearest", "Half at")
    return [head, first, "", terminal.table(headings, relaxed, right=FIGURES)]


def _rules(judged: list[Judged]) -> Table:
    verdicts = {True: "passes", False: BREAKS, None: "not looked at"}
    return terminal.table(
        ("Rule", "Value", "Asked for", "Verdict"),
        (
            (plain(rule.code), figure(rule.column, rule.value), rule.bound, verdicts[rule.passed])
            for rule in judged
        ),
    )


def figure(column: str, value: Any) -> str:
    """A value with its unit; unknown says so.

    >>> figure("depth_usd", 1234.5), figure("spread", 0.031), figure("category", None)
    ('$1,234', '0.031', 'unknown')
    """
    if value is None or value == "":
        return "unknown"
    if column in SECONDS:
        return age(value) if value >= 0 else f"{age(-value)} ago"
    if column in DOLLARS:
        return f"${value:,.0f}"
    return f"{value:g}" if isinstance(value, float) else str(value)
