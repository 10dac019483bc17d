"""`manage.py experts`: who forecasts, in which state, serving what; promote, suspend, roll back."""

import getpass
import json
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from rich.console import Console
from rich.table import Table

from mlops import lifecycle
from predictions import registry
from predictions.models import Expert, ExpertState


class Command(BaseCommand):
    help = "List the experts, or move one: promote, suspend or rollback with a reason."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("verb", nargs="?", choices=["promote", "suspend", "rollback"])
        parser.add_argument("slug", nargs="?")
        parser.add_argument("--reason", default="")
        parser.add_argument("--json", action="store_true")

    def handle(self, *_args: Any, **options: Any) -> None:
        registry.ensure_experts()
        if options["verb"]:
            self._move(options["verb"], options["slug"], reason=options["reason"])
        rows = [_row(expert) for expert in Expert.objects.select_related("served").order_by("slug")]
        if options["json"]:
            self.stdout.write(json.dumps({"experts": rows}))
            return
        table = Table(title="Experts")
        for name in ("slug", "name", "state", "version", "data until"):
            table.add_column(name)
        for row in rows:
            table.add_row(*(str(row[name] or "–") for name in row))
        Console(file=cast(IO[str], self.stdout), width=120).print(table)

    def _move(self, verb: str, slug: str | None, *, reason: str) -> None:
        if not slug or not reason.strip():
            raise CommandError(
                f"experts {verb} SLUG --reason TEXT: a move needs an expert and a reason",
                returncode=2,
            )
        told: dict[str, Any] = {
            "evidence": {"reason": reason},
            "actor": getpass.getuser(),
            "as_of": timezone.now(),
        }
        try:
            if verb == "promote":
                lifecycle.promote(slug, **told)
            elif verb == "suspend":
                lifecycle.demote(slug, to=ExpertState.SUSPENDED, **told)
            else:
                lifecycle.rollback(slug, **told)
        except (
            lifecycle.IllegalMove,
            lifecycle.NothingToServe,
            registry.Unservable,
        ) as refusal:
            raise CommandError(str(refusal), returncode=1) from refusal
        except Expert.DoesNotExist as refusal:
            known = ", ".join(Expert.objects.order_by("slug").values_list("slug", flat=True))
            raise CommandError(f"no expert {slug}; there are {known}", returncode=2) from refusal


def _row(expert: Expert) -> dict[str, Any]:
    return {
        "slug": expert.slug,
        "name": expert.name,
        "state": expert.state,
        "version": expert.served and expert.served.number,
        "data_until": expert.served and expert.served.data_until.isoformat(timespec="minutes"),
    }
