"""`manage.py experts`: who forecasts, in which state, on what evidence; move, review, compare."""

import getpass
import json
from datetime import datetime
from typing import IO, Any, Final, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from rich.console import Console
from rich.table import Table

from mlops import lifecycle, listing, review, scores, versions
from mlops.models import ExpertTransition
from mlops.scores import Comparison
from predictions import registry
from predictions.models import Algorithm, Expert, ExpertState, Horizon, ModelVersion

S = ExpertState
STATE_OF: Final = {"suspend": S.SUSPENDED, "probation": S.PROBATION, "deprecate": S.DEPRECATED}
MOVES: Final = ("promote", *STATE_OF, "rollback", "override")
# Heading → the figure under it.
COLUMNS: Final = {
    "expert": "slug",
    "state": "state",
    "v": "version",
    "weight": "weight",
    "live events": "events",
    "evidence": "e_value",
    "Brier": "brier",
    "price": "brier_price",
    "learned: skill": "training_skill",
    "learned: evidence": "training_evidence",
    "last move": "last_move",
    "why": "why",
}
WIDTH: Final = 140


class Command(BaseCommand):
    help = "List the experts; move one with a reason; review all; compare with challengers."
    requires_system_checks: list[str] = []  # noqa: RUF012 - Django's contract; no page is needed

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Here `--version` is the version to serve, not that of Django."""
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("verb", nargs="?", choices=[*MOVES, "review", "compare"])
        parser.add_argument("slug", nargs="?", help="an expert; for compare: a horizon")
        parser.add_argument("--reason", default="")
        parser.add_argument("--to", default="", choices=["", *S.values])
        which = parser.add_mutually_exclusive_group()
        which.add_argument(
            "--version",
            type=int,
            metavar="N",
            help="promote: serve this version; default: what it served when taken out of service",
        )
        which.add_argument("--newest", action="store_true", help="promote: serve the newest one")
        parser.add_argument("--json", action="store_true")

    def handle(self, *_args: Any, **options: Any) -> None:
        registry.ensure_experts()
        verb, now = options["verb"], timezone.now()
        said: dict[str, Any] = {}
        lines: list[str] = []
        if verb == "review" and options["slug"]:
            raise CommandError("experts review looks at all; name nobody", returncode=2)
        if verb == "review":
            done = review.run(as_of=now)
            said["review"], lines = done.as_json(), _of_review(done)
        elif verb == "compare":
            found = _compared(options["slug"] or str(Horizon.OUTCOME), as_of=now)
            said["comparison"], lines = found and found.as_json(), [_of_comparison(found)]
        elif verb:
            lines = _move(verb, options, as_of=now)
        if options["json"]:
            rows = listing.experts(as_of=now)
            self.stdout.write(json.dumps({"experts": rows, "said": lines, **said}))
        elif verb:
            self.stdout.write("\n".join(lines))
        else:
            rows = listing.experts(as_of=now)
            Console(file=cast(IO[str], self.stdout), width=WIDTH).print(_table(rows))
            self.stdout.write(_in_short(rows))


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(title="Experts", box=None, padding=(0, 1, 0, 0))
    for heading in COLUMNS:
        table.add_column(heading, overflow="fold", no_wrap=heading in ("expert", "state"))
    for row in rows:
        moved = (row["last_move"] or "")[: len("2026-11-21T09:40")].replace("T", " ")
        unasked = {} if row["events"] else {"e_value": None}
        shown = row | {"last_move": moved} | unasked
        table.add_row(*(_shown(shown[name]) for name in COLUMNS.values()))
    return table


def _shown(value: Any) -> str:
    if value is None or value == "":
        return "–"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _in_short(rows: list[dict[str, Any]]) -> str:
    """What the outcome's forecasts are now."""
    gate = next(row for row in rows if row["slug"] == registry.GATE)
    if str(Horizon.OUTCOME) not in lifecycle.in_service():
        return f"The gate is {gate['state']}, or no member is ACTIVE: forecasts are the price."
    return f"Forecasts are those of gate v{gate['version']}."


def _move(verb: str, options: dict[str, Any], *, as_of: datetime) -> list[str]:
    """Make one move; what came of it and what to know about it, a line each."""
    slug, reason, to = options["slug"], options["reason"], options["to"]
    if not slug or not reason.strip() or (verb == "override" and not to):
        more = " --to STATE" if verb == "override" else ""
        raise CommandError(
            f"experts {verb} SLUG{more} --reason TEXT: a move needs an expert and a reason",
            returncode=2,
        )
    if verb != "promote" and (options["newest"] or options["version"] is not None):
        raise CommandError("--version and --newest belong to promote", returncode=2)
    expert = Expert.objects.select_related("served").filter(slug=slug).first()
    if expert is None:
        known = ", ".join(Expert.objects.order_by("slug").values_list("slug", flat=True))
        raise CommandError(f"no expert {slug}; there are {known}", returncode=2)
    before = versions.restored(expert)
    told: dict[str, Any] = {
        "evidence": {"reason": reason},
        "actor": getpass.getuser(),
        "as_of": as_of,
    }
    try:
        if verb == "promote":
            moved = lifecycle.promote(slug, version=_asked(expert, options), **told)
        elif verb == "rollback":
            moved = lifecycle.rollback(slug, **told)
        elif verb == "override":
            moved = lifecycle.override(slug, to=to, **told)
        else:
            moved = lifecycle.demote(slug, to=STATE_OF[verb], **told)
    except (lifecycle.IllegalMove, lifecycle.NothingToServe, registry.Unservable) as refusal:
        raise CommandError(str(refusal), returncode=1) from refusal
    return [_of_move(expert, moved), *_warnings(moved, before=before)]


def _asked(expert: Expert, options: dict[str, Any]) -> ModelVersion | None:
    """The version that was asked for; None where none was."""
    number = options["version"]
    if options["newest"]:
        return versions.newest(expert)
    if number is None:
        return None
    found = versions.numbered(expert, number)
    if found is None:
        numbers = expert.versions.order_by("number").values_list("number", flat=True)
        there = ", ".join(map(str, numbers)) or "none yet"
        raise CommandError(
            f"{expert.slug} has no version {number}; there are {there}", returncode=2
        )
    return found


def _of_move(expert: Expert, moved: ExpertTransition) -> str:
    """From where to where, and what follows from the next cycle on."""
    gate = expert.algorithm == Algorithm.GATE
    if moved.after != S.ACTIVE:
        follows = (
            "forecasts are the price from the next cycle"
            if gate
            else "it has no weight from the next cycle"
        )
    elif expert.horizon in lifecycle.in_service():
        follows = f"{moved.version} serves from the next cycle"
    else:
        missing = "no member" if gate else "no gate"
        follows = f"{moved.version} is chosen, but {missing} is ACTIVE: forecasts stay the price"
    return f"{expert.slug}: {expert.state} → {moved.after}; {follows}"


def _warnings(moved: ExpertTransition, *, before: ModelVersion | None) -> list[str]:
    if moved.after != S.ACTIVE or moved.version is None:
        return []
    return [f"warning: {doubt}" for doubt in versions.doubts(moved.version, before=before)]


def _of_review(done: review.Review) -> list[str]:
    lines = [f"{each.slug} → {each.to} ({each.rule})" for each in done.moved]
    lines += [f"{each.slug}: {each.rule}, left for the next review" for each in done.waiting]
    lines += [f"{slug} was not moved: {why}" for slug, why in done.refused.items()]
    lines += [f"{horizon}: what is served held on new data" for horizon in done.validated]
    lines += [
        f"{each.horizon}: challenger {each.challenger} {each.verdict}" for each in done.contests
    ]
    lines += [f"alert raised: {subject}" for subject in done.alerts]
    return lines or ["reviewed: nobody is to be moved"]


def _compared(horizon: str, *, as_of: datetime) -> Comparison | None:
    if horizon not in Horizon.values:
        raise CommandError(
            f"{horizon} is no horizon; there are {', '.join(Horizon.values)}", returncode=2
        )
    return scores.compare(horizon, as_of=as_of)


def _of_comparison(found: Comparison | None) -> str:
    if found is None:
        return "Nothing to compare: no version in service has a challenger on this horizon."
    if not found.days:
        return f"{found.challenger} challenges {found.champion}: no day with answers of both yet."
    return (
        f"{found.challenger} against {found.champion}, {found.days} days: Brier points gained on "
        f"the price {found.challenger_gain:+.5f} on {found.challenger_events:,} events against "
        f"{found.champion_gain:+.5f} on {found.champion_events:,}; evidence that the challenger "
        f"is better {found.evidence.e_value:.3g}, worse {found.evidence.e_worse:.3g}"
    )
