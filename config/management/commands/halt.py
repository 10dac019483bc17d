"""Stop trading from a terminal."""

import getpass
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from risk import halts
from risk.models import SEVERITY, Halt, TradingState


class Command(BaseCommand):
    help = "Halt trading at once. Cancels, redemption and settlement keep running."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--reason", required=True, help="why, in one sentence")
        parser.add_argument(
            "--state",
            choices=[s.value for s in SEVERITY if s != TradingState.ACTIVE],
            default=TradingState.HALTED.value,
            help="what stays permitted (default: HALTED, only cancels)",
        )
        parser.add_argument("--scope", choices=Halt.Scope.values, default=Halt.Scope.GLOBAL.value)
        parser.add_argument(
            "--key", default="", help="which mode, strategy or market id, where the scope is one"
        )
        parser.add_argument("--json", action="store_true", dest="as_json")

    def handle(self, **options: Any) -> None:
        now = timezone.now()
        try:
            halt = halts.open_halt(
                "MANUAL",
                state=options["state"],
                reason=options["reason"],
                actor=f"cli:{getpass.getuser()}",
                as_of=now,
                scope=options["scope"],
                scope_key=options["key"],
            )
        except ValueError as wrong:
            raise CommandError(str(wrong), returncode=2) from wrong
        if options["as_json"]:
            self.stdout.write(
                json.dumps(
                    {
                        "halt": halt.pk,
                        "state": halt.state,
                        "scope": halt.scope,
                        "key": halt.scope_key,
                        "reason": halt.reason,
                        "opened_at": halt.opened_at.isoformat(),
                        "opened_by": halt.opened_by,
                    }
                )
            )
        else:
            self.stdout.write(
                f"Halt {halt.pk}: {halt}. End it with: manage.py resume --halt {halt.pk} --reason …"
            )
