"""`intents`: what waits for a person, a yes, a no."""

import json
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from config.kernel import terminal
from trading import market_data
from trading.approving import intents, waiting
from trading.approving.waiting import Waiting
from trading.core.approval import MAY_DECIDE
from trading.models import TradeIntent

SHOWN = 8
"""Digits of an id in the list; any unambiguous beginning names an intent."""
MOST = 50
HEADINGS = (
    "Id", "Left", "Status", "What", "At most", "Offered", "Edge at limit", "Then", "Now", "Yes",
    "Market",
)  # fmt: skip
FIGURES = ("Id", "Left", "At most", "Offered", "Edge at limit", "Then", "Now", "Yes")
LEGEND = (
    "Edge at limit: what the risk gate judges at a yes; it must be above zero, and is void "
    "where nothing is offered. Offered: shares to be had at once within the limit. Then, now: the "
    "forecast against the price of its day."
)


class Command(BaseCommand):
    help = (
        "List the intents that wait for a person, approve one, reject some. Exits 1 where an "
        "answer came too late or the risk gate no longer agrees, 2 where the line makes no sense."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        listed = verbs.add_parser("list", help="what waits, what could be approved now first")
        which = listed.add_mutually_exclusive_group()
        which.add_argument("--pending", action="store_true", help="only what waits (the default)")
        which.add_argument("--all", action="store_true", help=f"the newest {MOST}, decided or not")
        listed.add_argument("--json", action="store_true", dest="as_json")
        for verb, count, meaning in (
            ("approve", 1, "say yes; the risk gate is asked again"),
            ("reject", "+", "say no"),
        ):
            said = verbs.add_parser(verb, help=meaning)
            said.add_argument("ids", nargs=count, metavar="ID", help="an id or its beginning")
            said.add_argument("--reason", required=True, help="why, in one sentence")
            said.add_argument(
                "--user", required=True, help="who you are; needs the right to decide"
            )
            said.add_argument("--json", action="store_true", dest="as_json")

    def handle(self, **options: Any) -> None:
        if not options["as_json"]:
            self.stdout.write(terminal.here())
        if options["verb"] == "list":
            self._list(everything=options["all"], as_json=options["as_json"])
            return
        person = _person(options["user"])
        if not options["reason"].strip():
            raise CommandError("--reason: say why in one sentence", returncode=2)
        chosen = [_named(text) for text in options["ids"]]
        if options["verb"] == "approve":
            self._approve(chosen[0], person, options)
        else:
            self._reject(chosen, person, options)

    def _list(self, *, everything: bool, as_json: bool) -> None:
        now = timezone.now()
        if everything:
            newest = TradeIntent.objects.order_by("-created_at").values_list("pk", flat=True)[:MOST]
            rows = TradeIntent.objects.filter(pk__in=list(newest)).order_by("-created_at")
            found = waiting.looked_at(rows, as_of=now)
        else:
            found = waiting.queue(as_of=now)
        if as_json:
            self.stdout.write(json.dumps([_row(it) for it in found], indent=2, default=str))
            return
        if not found:
            self.stdout.write("Nothing waits for a person.")
            return
        pending = [it for it in found if it.intent.status == TradeIntent.Status.PENDING]
        for stop in dict.fromkeys(it.stopped for it in pending if it.stopped):
            self.stdout.write(f"HALTED, nothing it covers can be approved: {stop}")
        self.stdout.write(
            terminal.text(terminal.table(HEADINGS, map(_cells, found), right=FIGURES))
        )
        self.stdout.write(LEGEND)

    def _approve(self, intent: TradeIntent, person: Any, options: dict[str, Any]) -> None:
        try:
            result = intents.approve(
                intent,
                user=person,
                reason=options["reason"],
                as_of=timezone.now(),
                refresh=market_data.from_venue,
                clock=timezone.now,
            )
        except (intents.NotPending, intents.SaidYesBefore, intents.Stopped) as late:
            raise CommandError(str(late)) from late
        self._tell([result], as_json=options["as_json"])
        if result.status == TradeIntent.Status.REJECTED:
            raise SystemExit(1)

    def _reject(self, chosen: list[TradeIntent], person: Any, options: dict[str, Any]) -> None:
        now = timezone.now()
        done = intents.reject_many(
            chosen, user=person, reason=options["reason"], as_of=now, clock=timezone.now
        )
        self._tell([*done.rejected, *done.late], as_json=options["as_json"])
        if done.late:
            raise SystemExit(1)

    def _tell(self, rows: list[TradeIntent], *, as_json: bool) -> None:
        told = [
            {
                "id": str(row.pk),
                "status": row.status,
                "reason": row.reason,
                "market": str(row.market),
            }
            for row in rows
        ]
        if as_json:
            self.stdout.write(json.dumps(told, indent=2))
            return
        for row in told:
            why = f" ({row['reason']})" if row["reason"] else ""
            self.stdout.write(f"{row['id'][:SHOWN]} {row['status']}{why}: {row['market']}")


def _person(name: str) -> Any:
    """The user of this name who may decide; else `CommandError`, exit code 2."""
    user = get_user_model().objects.filter(username=name, is_active=True).first()
    if user is None:
        raise CommandError(f"--user {name}: there is no such active user", returncode=2)
    if not user.has_perm(MAY_DECIDE):
        raise CommandError(
            f"--user {name}: lacks the right {MAY_DECIDE}; an admin grants it", returncode=2
        )
    return user


def _named(text: str) -> TradeIntent:
    """The one intent whose id begins so, a waiting one first; else `CommandError`, exit code 2."""
    wanted = text.replace("-", "").lower()
    if not wanted or not set(wanted) <= set("0123456789abcdef"):
        raise CommandError(
            f"{text}: an id is hexadecimal; see manage.py intents list", returncode=2
        )
    pending = TradeIntent.objects.filter(status=TradeIntent.Status.PENDING)
    for rows in (pending, TradeIntent.objects.order_by("-created_at")):
        found = [pk for pk in rows.values_list("pk", flat=True) if pk.hex.startswith(wanted)]
        if len(found) > 1:
            some = ", ".join(str(pk)[: len(text) + 4] for pk in found[:3])
            raise CommandError(f"{text}: {len(found)} intents begin so ({some} …)", returncode=2)
        if found:
            return TradeIntent.objects.select_related("market", "outcome").get(pk=found[0])
    raise CommandError(f"{text}: no intent begins so; see manage.py intents list", returncode=2)


def _row(it: Waiting) -> dict[str, Any]:
    row = it.intent
    return {
        "id": str(row.pk),
        "status": row.status,
        "mode": row.mode,
        "purpose": row.purpose,
        "market": str(row.market),
        "outcome": row.outcome.name,
        "side": row.side,
        "shares": row.shares,
        "limit_price": row.limit_price,
        "cost_at_most": it.cost,
        "edge_then": it.edge_then,
        "edge_now": it.edge_now,
        "edge_at_limit": it.edge_at_limit,
        "offered": it.offered,
        "depth": it.depth,
        "stopped": it.stopped,
        "seconds_left": round(it.seconds_left, 1),
        "approvals": len(it.yeses),
        "approvals_needed": row.approvals_needed,
        "expires_at": row.expires_at.isoformat(),
        "reason": row.reason,
    }


def _cells(it: Waiting) -> tuple[str, ...]:
    row = it.intent
    return (
        str(row.pk)[:SHOWN],
        f"{it.seconds_left:.0f} s" if row.status == TradeIntent.Status.PENDING else "",
        row.status,
        f"{row.side} {row.shares:.2f} {row.outcome.name} @ {row.limit_price:.3f} {row.type}",
        f"${it.cost:,.2f}",
        _offered(it),
        terminal.NOTHING if it.nothing_there else _edge(it.edge_at_limit),
        _edge(it.edge_then),
        _edge(it.edge_now),
        f"{len(it.yeses)}/{row.approvals_needed}",
        str(row.market),
    )


def _offered(it: Waiting) -> str:
    if it.intent.status != TradeIntent.Status.PENDING:
        return ""
    if it.intent.post_only:
        return "rests"
    return "nothing" if it.nothing_there else f"{it.offered:.2f}"


def _edge(value: float | None) -> str:
    return "" if value is None else f"{value:+.3f}"
