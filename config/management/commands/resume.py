"""Release halts from a terminal."""

import getpass
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from config.kernel import terminal
from risk import halts
from risk.models import Halt


class Command(BaseCommand):
    help = "Release the open halt, or name which; exits 1 while anything else still stops trading."

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument(
            "--halt", type=int, metavar="ID", help="the halt to release, where several are open"
        )
        which.add_argument("--all", action="store_true", help="release every open halt")
        parser.add_argument("--reason", required=True, help="why, in one sentence")
        parser.add_argument("--json", action="store_true", dest="as_json")

    def handle(self, **options: Any) -> None:
        open_halts = Halt.objects.filter(released_at__isnull=True).order_by("id")
        chosen = self._choose(list(open_halts), halt=options["halt"], everything=options["all"])
        self._release(chosen, reason=options["reason"])
        still = [f"halt {halt.pk}: {halt}" for halt in open_halts.all()] + halts.switches()
        self._tell(chosen, still, as_json=options["as_json"])
        if still and options["halt"] is None:
            raise SystemExit(1)

    def _choose(self, opened: list[Halt], *, halt: int | None, everything: bool) -> list[Halt]:
        """One open halt needs no naming; of several a person says which, or all."""
        if halt is not None:
            chosen = [one for one in opened if one.pk == halt]
            if not chosen:
                raise CommandError(f"halt {halt} is not open; see the list in the admin")
            return chosen
        if len(opened) > 1 and not everything:
            listed = "; ".join(f"--halt {one.pk}: {one}" for one in opened)
            raise CommandError(f"{len(opened)} halts are open, say --all or which: {listed}")
        return opened

    @transaction.atomic
    def _release(self, chosen: list[Halt], *, reason: str) -> None:
        now, actor = timezone.now(), f"cli:{getpass.getuser()}"
        try:
            for halt in chosen:
                halts.release(halt, actor=actor, reason=reason, as_of=now)
        except ValueError as wrong:
            raise CommandError(str(wrong), returncode=2) from wrong
        except halts.NotOpen as late:
            raise CommandError(str(late)) from late

    def _tell(self, chosen: list[Halt], still: list[str], *, as_json: bool) -> None:
        if as_json:
            ids = [halt.pk for halt in chosen]
            self.stdout.write(json.dumps({"released": ids, "still_stopping": still}))
            return
        self.stdout.write(terminal.here())
        for halt in chosen:
            self.stdout.write(f"Released halt {halt.pk}: {halt}")
        for what in still:
            self.stdout.write(f"Still stopping: {what}")
        if not still:
            self.stdout.write("Nothing stops trading now.")
