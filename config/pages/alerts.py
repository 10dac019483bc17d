"""Alerts of the last day: what the watch, the review, drift and trainings raised, weighed."""

import json
from datetime import datetime, timedelta
from typing import Any, Final

from django.urls import reverse

from config.kernel import audit
from config.kernel.models import DomainEvent
from config.pages.lines import BAD, NEUTRAL, WARN, Line, ago
from markets.models import Notice
from mlops import lifecycle
from predictions.core import roster
from predictions.models import Algorithm, Expert, ExpertState, Horizon

DAY: Final = timedelta(days=1)
READ: Final = 100  # of the newest
SHOWN: Final = 5
# What big and skilled wallets do is news of a market, shown there, and not a fault of ours.
NOISE: Final = (
    Notice.Kind.WHALE_TRADE,
    Notice.Kind.INFORMED_WALLET,
    Notice.Kind.EVENT_AHEAD,
)
OURS: Final = {
    "expert": "Experts",
    "experts": "Experts",
    "drift": "Drift",
    "forecast": "Forecasts",
    "training": "Training",
    "scores": "Scores",
}


def newest(*, as_of: datetime, staff: bool, most: int = SHOWN) -> list[Line]:
    """What was raised in the last day: of our own experts first, then the newest."""
    rows = audit.standing().filter(happened_at__gt=as_of - DAY, happened_at__lte=as_of)
    for kind in NOISE:
        rows = rows.exclude(subject__startswith=f"{kind.value}:")
    found = sorted(rows.order_by("-id")[:READ], key=lambda row: _topic(row.subject) not in OURS)
    return [_line(row, staff=staff, as_of=as_of) for row in found[:most]]


def nobody_serves() -> str:
    """One sentence where no expert is in service although some were trained; "" otherwise."""
    if Horizon.OUTCOME in lifecycle.in_service():
        return ""
    rows = Expert.objects.filter(horizon=Horizon.OUTCOME).exclude(algorithm=Algorithm.PRICE)
    states = dict(rows.values_list("slug", "state"))
    if set(states.values()) <= {ExpertState.UNTRAINED}:
        return ""
    gate = states.get(roster.gate(Horizon.OUTCOME), ExpertState.UNTRAINED)
    who = "No active expert" if gate == ExpertState.ACTIVE else f"The gate is {gate.lower()}"
    return f"{who}: every forecast of an outcome is the market price, nothing trades on it."


def _topic(subject: str) -> str:
    return subject.partition(":")[0]


def _line(row: DomainEvent, *, staff: bool, as_of: datetime) -> Line:
    topic = _topic(row.subject)
    words = dict(Notice.Kind.choices)
    return Line(
        name=_text(row),
        note=" · ".join(filter(None, (words.get(topic), ago(row.happened_at, as_of=as_of)))),
        word=OURS.get(topic, "Look").lower(),
        mark=BAD if topic in OURS else WARN if topic in words else NEUTRAL,
        link=reverse("admin:kernel_domainevent_change", args=[row.pk]) if staff else "",
    )


def _text(row: DomainEvent) -> str:
    told: dict[str, Any] = json.loads(row.data)
    return str(told.get("text") or row.subject)
