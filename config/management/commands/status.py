"""`status`: mode, state, money and freshness on one screen."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone
from rich.markup import escape

from config import health
from config.kernel import terminal
from config.pages import alerts, situation
from config.templatetags.figures import age, percent, usd
from predictions import registry
from predictions.models import Expert, ExpertState


class Command(BaseCommand):
    requires_system_checks: list[str] = []  # noqa: RUF012 - Django's contract; no page is needed
    help = (
        "Print what is going on. Exit code 0: all well; 1: something is halted (also where a "
        "person halted it on purpose), a component is silent, or the fate of an order is unknown."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the reading as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        now = situation.read(as_of=timezone.now())
        raised = alerts.newest(as_of=now.as_of, staff=False)
        gate = Expert.objects.select_related("served").filter(slug=registry.GATE).first()
        serving = _serving(gate)
        if options["json"]:
            more = {
                "gate": gate.state if gate else ExpertState.UNTRAINED.value,
                "serving": serving,
                "alerts": [{"about": a.word, "text": a.name, "age": a.note} for a in raised],
            }
            body = health.describe(now) | more
            self.stdout.write(json.dumps(body, indent=2, default=str))
        else:
            told = [f"Forecasts: {escape(serving)}"] + [
                f"[yellow]! {escape(f'{alert.word}: {alert.name} ({alert.note})')}[/]"
                for alert in raised
            ]
            self.stdout.write(terminal.text(*_shown(now), *told))
        if now.late or now.banner.state != "ACTIVE" or now.unknown_orders:
            sys.exit(1)


def _shown(now: situation.Situation) -> list[Any]:
    """State, halts, books and heartbeats."""
    head = f"[bold]{now.banner.mode} · {now.banner.state.value}[/]  {now.banner.honesty}"
    halts = [f"[red]  {escape(str(halt))}[/] ({halt.opened_by})" for halt in now.banner.halts]
    books = now.equity
    figures = [
        ("Risk equity", usd(books.risk_equity if books else None)),
        ("Cash", usd(books.cash if books else None)),
        ("Open positions, cost", usd(books.open_cost if books else None)),
        ("Redeemable", usd(books.redeemable if books else None)),
        ("Realised, after fees", usd(now.realised_after_fees)),
        ("Fees, all paid", usd(books.fees if books else None)),
        ("Drawdown", percent(books.drawdown if books else None)),
        ("Drawdown since the start", percent(now.drawdown_since_start)),
        ("Orders of unknown fate", str(now.unknown_orders)),
        ("Markets tracked", str(now.tracked)),
        ("Newest price", age(now.data_age_s)),
        ("Newest forecast", age(now.prediction_age_s)),
        ("Messages not understood", str(now.not_understood)),
    ]
    beats = [
        (f"♥ {beat.component}", f"[{'red' if beat.late else 'green'}]{age(beat.age_s)} ago[/]")
        for beat in now.beats
    ]
    return [head, *halts, terminal.pairs([*figures, *beats])]


def _serving(gate: Expert | None) -> str:
    """Whose the forecasts of outcomes are, in a sentence."""
    if gate is None or gate.served is None:
        return "the market price; no gate was trained yet"
    nobody = alerts.nobody_serves()
    if gate.state != ExpertState.ACTIVE:
        return f"the market price; the gate is {gate.state}, `manage.py experts` says why"
    if nobody:
        return "the market price; the gate is ACTIVE, but no member is, see `manage.py experts`"
    return f"{gate.served}, with the experts that are ACTIVE"
