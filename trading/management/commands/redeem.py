"""`manage.py redeem`: which payouts are due, on their way and paid; simulated ones are paid now."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from config.kernel import terminal
from config.kernel.modes import SIMULATED
from trading.core.settlement import payout
from trading.models import Position, Redemption
from trading.redeeming import redeem

HEADINGS = ("Status", "Mode", "Market", "Shares", "Payout", "At (UTC)", "Note")
FIGURES = ("Shares", "Payout", "At (UTC)")
SHOWN = 20
"""Payouts of the past that are listed."""


class Command(BaseCommand):
    help = (
        "Show payouts of resolved markets: due, on their way, paid. Simulated ledgers are paid at "
        "once; those of a wallet are carried out by live_guard, in every halt state."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="show, and pay nothing")
        parser.add_argument("--json", action="store_true", dest="as_json")

    def handle(self, **options: Any) -> None:
        now = timezone.now()
        rows = [*_due(now), *_told()]
        paid = 0 if options["dry_run"] else redeem.run(as_of=now)
        if options["as_json"]:
            said = {"paid_now": paid, "payouts": rows}
            self.stdout.write(json.dumps(said, indent=2, default=str))
            return
        self.stdout.write(terminal.here())
        self._print(rows)
        simulated = any(row["status"] == "DUE" and row["mode"] in SIMULATED for row in rows)
        if options["dry_run"] and simulated:
            self.stdout.write("Nothing was paid: this was a dry run.")
        elif paid:
            self.stdout.write(f"Paid {paid} simulated positions.")
        if any(row["status"] == "DUE" and row["mode"] not in SIMULATED for row in rows):
            self.stdout.write("Payouts of a wallet are collected by `manage.py live_guard`.")

    def _print(self, rows: list[dict[str, Any]]) -> None:
        if not rows:
            self.stdout.write("No payout is due, and none was ever paid.")
            return
        shown = [
            (
                _word(row),
                row["mode"],
                row["market"],
                terminal.shares(row["shares"]),
                terminal.dollars(row["payout"]),
                row["at"],
                row["note"],
            )
            for row in rows
        ]
        self.stdout.write(terminal.text(terminal.table(HEADINGS, shown, right=FIGURES)))


def _word(row: dict[str, Any]) -> str:
    """The status for people: nothing was paid for what lost."""
    paid = row["status"] == Redemption.Status.PAID
    return "LOST" if paid and not row["payout"] else str(row["status"])


def _due(now: datetime) -> list[dict[str, Any]]:
    """Positions of resolved markets, with what they are worth."""
    held = Position.objects.filter(shares__gt=0, market__resolution__received_at__lte=now)
    on_their_way = set(
        Redemption.objects.filter(status__in=redeem.OPEN).values_list("mode", "outcome_id")
    )
    return [
        {
            "status": "DUE",
            "mode": position.mode,
            "wallet": position.wallet,
            "market": position.market.question,
            "shares": position.shares,
            "payout": payout(position.shares, _per_share(position)),
            "at": position.market.resolution.received_at,
            "note": position.outcome.name,
        }
        for position in held.select_related("market__resolution", "outcome").order_by("pk")
        if (position.mode, position.outcome_id) not in on_their_way
    ]


def _per_share(position: Position) -> Decimal:
    dollars: Decimal = position.market.resolution.payout_of(position.outcome.index)
    return dollars


def _told() -> list[dict[str, Any]]:
    """Redemptions on their way, then the newest that ended."""
    rows = Redemption.objects.select_related("market").order_by("-pk")
    open_ones = rows.filter(status__in=redeem.OPEN)
    ended = rows.exclude(status__in=redeem.OPEN)[:SHOWN]
    return [
        {
            "status": row.status,
            "mode": row.mode,
            "wallet": row.wallet,
            "market": row.market.question,
            "shares": row.shares,
            "payout": row.payout,
            "at": row.paid_at or row.next_attempt_at or row.created_at,
            "note": row.reason or row.transaction_hash,
        }
        for row in [*open_ones, *ended]
    ]
