"""Stop trading from a terminal."""

import getpass
import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError
from django.utils import timezone

from config.kernel import terminal
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
        try:
            halt = self._open(options)
        except ValueError as wrong:
            raise CommandError(str(wrong), returncode=2) from wrong
        except OperationalError as away:
            if not is_away(away):
                raise
            self._by_file(away, options)
            return
        self._tell(halt, as_json=options["as_json"])

    def _open(self, options: dict[str, Any]) -> Halt:
        return halts.open_halt(
            "MANUAL",
            state=options["state"],
            reason=options["reason"],
            actor=f"cli:{getpass.getuser()}",
            as_of=timezone.now(),
            scope=options["scope"],
            scope_key=options["key"],
        )

    def _by_file(self, away: Exception, options: dict[str, Any]) -> None:
        """Without a database everything is halted by a file, which every process asks first."""
        path = settings.ENV.state_dir / halts.SWITCH_FILE
        why = str(away).strip().splitlines()[0]
        if (options["state"], options["scope"]) != (TradingState.HALTED, Halt.Scope.GLOBAL):
            raise CommandError(
                f"the database does not answer ({why}), and without it only everything can be "
                f"halted: leave --state and --scope out"
            )
        try:
            path.write_text(f"{timezone.now():%Y-%m-%d %H:%M:%S} UTC: {options['reason']}\n")
        except OSError as trouble:
            raise CommandError(
                f"neither the database ({why}) nor {path} can be written ({trouble}); stop the "
                "processes themselves"
            ) from trouble
        if options["as_json"]:
            self.stdout.write(json.dumps({"file": str(path), "reason": options["reason"]}))
            return
        self.stdout.write(terminal.here())
        self.stdout.write(
            f"The database does not answer ({why}); the file {path} halts everything that runs "
            "with this state folder. Delete it to resume."
        )

    def _tell(self, halt: Halt, *, as_json: bool) -> None:
        if as_json:
            told = {
                "halt": halt.pk,
                "state": halt.state,
                "scope": halt.scope,
                "key": halt.scope_key,
                "reason": halt.reason,
                "opened_at": halt.opened_at.isoformat(),
                "opened_by": halt.opened_by,
            }
            self.stdout.write(json.dumps(told))
            return
        self.stdout.write(terminal.here())
        self.stdout.write(
            f"Halt {halt.pk}: {halt}. End it with: manage.py resume --halt {halt.pk} --reason …"
        )


def is_away(failure: OperationalError) -> bool:
    """Whether the database does not answer at all; one without tables answers."""
    return "no such table" not in str(failure)
