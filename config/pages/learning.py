"""What forecasts, how well, and on what evidence: collecting, experts, trainings, drift."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from config.pages import alerts, experts, live_skill
from config.pages.experts import MARKS, Cycle
from config.pages.lines import BAD, GOOD, NEUTRAL, WARN, Line, ago
from config.pages.model_words import part
from mlops import collect, lifecycle, trust
from mlops.collect import Progress
from mlops.models import DriftReport, LearningSettings, TrainingRun
from predictions.core import roster
from predictions.models import Algorithm, Expert, ExpertState, Horizon

TRAININGS: Final = 12
PHASES: Final = {
    collect.OFF: ("ML switched off", WARN, "forecasts are the market price; data is collected"),
    collect.COLLECTING: ("Collecting", WARN, "forecasts are the market price until it is enough"),
    collect.READY: ("Ready to train", GOOD, "the first training is due"),
    collect.FORECASTING: ("In service", GOOD, "a trained gate forecasts"),
}
STATUS: Final[Mapping[str, str]] = {
    TrainingRun.Status.SUCCEEDED: GOOD,
    TrainingRun.Status.REFUSED: WARN,
    TrainingRun.Status.FAILED: BAD,
}
VERDICTS: Final[Mapping[str, str]] = {
    DriftReport.Verdict.QUIET: GOOD,
    DriftReport.Verdict.WATCH: WARN,
    DriftReport.Verdict.ACT: BAD,
}
THE_PRICE: Final = "every forecast is the price"


@login_required
def page(request: HttpRequest) -> HttpResponse:
    """Everything on one page."""
    now = timezone.now()
    found, cycle = collect.progress(as_of=now), experts.newest_cycle(as_of=now)
    word, mark, note = phase(found, cycle, as_of=now)
    staff = bool(getattr(request.user, "is_staff", False))
    shown: dict[str, Any] = {
        "nav": "learning",
        "progress": found,
        "begins": word in BEGINNING,
        "phase": {"word": word, "mark": mark, "note": note},
        "live": live_skill.read(as_of=now),
        "alerts": alerts.newest(as_of=now, staff=staff),
        "nobody": alerts.nobody_serves(),
        "sources": cycle.shares,
        "gates": gates(as_of=now),
        "families": experts.families(cycle, as_of=now),
        "trainings": trainings(as_of=now),
        "drift": drift(as_of=now),
    }
    return render(request, "pages/learning.html", shown)


BEGINNING: Final = frozenset({PHASES[collect.COLLECTING][0], PHASES[collect.READY][0]})


def phase(found: Progress, cycle: Cycle, *, as_of: datetime) -> tuple[str, str, str]:
    """Whether a model forecasts outcomes: a word, its mark, and why forecasts are the price."""
    gate = Expert.objects.filter(slug=roster.gate(Horizon.OUTCOME)).first()
    if found.phase == collect.OFF or gate is None or gate.state == ExpertState.UNTRAINED:
        return PHASES[found.phase]
    if found.phase != collect.FORECASTING:
        told = experts.last_moves(gate.slug).get(gate.slug)
        who = "by training" if told and not experts.by_whom(told) else experts.by_whom(told)
        mark = MARKS.get(gate.state, NEUTRAL)
        return gate.state.capitalize(), mark, " · ".join(filter(None, (who, THE_PRICE)))
    if Horizon.OUTCOME not in lifecycle.in_service():
        return "No active expert", BAD, f"the gate has nobody to combine: {THE_PRICE}"
    if trust.current(Horizon.OUTCOME, as_of=as_of) == 0:
        return "Not trusted", BAD, f"neither trained nor held on new data in time: {THE_PRICE}"
    if cycle.follows_nobody:
        return "In service", WARN, f"following nobody: {THE_PRICE}"
    return PHASES[found.phase]


def gates(*, as_of: datetime) -> list[Line]:
    """The gate of each horizon: what it serves, and how much live answers let it be trusted."""
    rows = Expert.objects.filter(algorithm=Algorithm.GATE).select_related("served").order_by("slug")
    order = list(Horizon)
    found = []
    for gate in sorted(rows, key=lambda row: order.index(Horizon(row.horizon))):
        version = gate.served
        told = ["not trained yet"]
        if version is not None:
            told = [
                f"version {version.number}",
                f"{version.events:,} events, known by {version.data_until:%Y-%m-%d %H:%M}",
            ]
            if gate.state == ExpertState.ACTIVE:
                told.append(f"trust {trust.current(gate.horizon, as_of=as_of):.0%}")
        found.append(
            Line(
                name=str(Horizon(gate.horizon).label).capitalize(),
                note=gate.note or " · ".join(told),
                word=gate.state.lower(),
                mark=MARKS.get(gate.state, NEUTRAL),
            )
        )
    return found


def trainings(*, as_of: datetime) -> list[dict[str, Any]]:
    """The newest trainings and what came of each."""
    rows = TrainingRun.objects.select_related("version").order_by("-id")[:TRAININGS]
    return [
        {
            "row": row,
            "began": ago(row.started_at, as_of=as_of),
            "took_s": (row.finished_at - row.started_at).total_seconds()
            if row.finished_at
            else None,
            "mark": STATUS.get(row.status, NEUTRAL),
        }
        for row in rows
    ]


def drift(*, as_of: datetime) -> list[Line]:
    """The newest look of each kind at the outcome's version."""
    config = LearningSettings.objects.current(as_of=as_of).as_config()
    found = []
    for kind in DriftReport.Kind:
        row = (
            DriftReport.objects.filter(kind=kind, horizon=Horizon.OUTCOME, checked_at__lte=as_of)
            .order_by("-checked_at")
            .first()
        )
        if row is not None:
            answers = kind == DriftReport.Kind.CALIBRATION
            need = config.reliability_events if answers else config.drift_min_rows
            short = row.verdict == DriftReport.Verdict.INSUFFICIENT and row.rows < need
            told = [part(row.worst)] if row.worst else []
            told.append(f"{row.rows:,} of {need:,} rows" if short else f"{row.rows:,} rows")
            found.append(
                Line(
                    name=str(kind.label).capitalize(),
                    note=" · ".join([*told, ago(row.checked_at, as_of=as_of)]),
                    word="too few" if short else row.verdict.lower(),
                    mark=VERDICTS.get(row.verdict, NEUTRAL),
                )
            )
    return found
