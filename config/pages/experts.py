"""The experts: how much each counted in the newest cycle, and what speaks for it and against."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.db.models import Count, Max

from config.pages.lines import BAD, GOOD, NEUTRAL, WARN
from config.pages.model_words import ALGORITHMS
from mlops import cards as model_cards
from mlops import lifecycle, review, wording
from mlops.core.contracts import FIXED_SAMPLE
from mlops.core.standing import Standing
from mlops.models import ExpertTransition, LearningSettings, TrainingRun
from predictions.core.contracts import MARKET
from predictions.models import Algorithm, Expert, ExpertState, Family, Horizon, Prediction, Source

MARKS: Final[Mapping[str, str]] = {
    ExpertState.ACTIVE: GOOD,
    ExpertState.SHADOW: "accent",
    ExpertState.PROBATION: WARN,
    ExpertState.SUSPENDED: BAD,
}
# How each forecast came about, the highest rung first.
SOURCES: Final = (
    Source.EXPERTS,
    Source.ENSEMBLE,
    Source.RECALIBRATED,
    Source.PRICE,
    Source.NEUTRAL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """What the newest cycle forecast: outcomes by source, and mean weight by expert, in [0, 1]."""

    sources: Mapping[str, int] = field(default_factory=dict)
    weight: Mapping[str, float] = field(default_factory=dict)

    @property
    def follows_nobody(self) -> bool:
        """Whether every forecast was the price."""
        return bool(self.sources) and set(self.sources) <= {Source.PRICE, Source.NEUTRAL}

    @property
    def shares(self) -> list[dict[str, Any]]:
        """The sources with their shares."""
        total = sum(self.sources.values())
        return [
            {"name": each.label, "count": self.sources[each], "share": self.sources[each] / total}
            for each in SOURCES
            if each in self.sources
        ]


def newest_cycle(*, as_of: datetime) -> Cycle:
    """The newest cycle that forecast outcomes; equal weights are counted by the database."""
    made = Prediction.objects.filter(horizon=Horizon.OUTCOME, as_of__lte=as_of)
    last = made.order_by("-as_of").values_list("as_of", flat=True).first()
    if last is None:
        return Cycle()
    rows = Prediction.objects.filter(as_of=last).values_list("horizon", "source", "weights")
    sources: Counter[str] = Counter()
    forecasts: Counter[str] = Counter()
    weight: dict[str, Counter[str]] = {}
    for horizon, source, told, count in rows.annotate(rows=Count("pk")).order_by():
        forecasts[horizon] += count
        if horizon == Horizon.OUTCOME:
            sources[source] += count
        for slug, share in (json.loads(told) if told else {}).items():
            weight.setdefault(horizon, Counter())[slug] += share * count
    mean = {
        slug: total / forecasts[horizon]
        for horizon, sums in weight.items()
        for slug, total in sums.items()
    }
    ours = {s: mean[s] for s in weight.get(Horizon.OUTCOME, ()) if s != MARKET}
    return Cycle(sources=sources, weight={**mean, MARKET: 1.0 - sum(ours.values())})


def cards() -> dict[str, dict[str, Any]]:
    """Per expert what the training of the gate in service says of it, else the newest with a card.

    After a roll back the two differ.
    """
    runs = TrainingRun.objects.exclude(card="{}")
    newest = runs.values("horizon").annotate(newest=Max("pk")).values_list("newest", flat=True)
    gates = Expert.objects.filter(algorithm=Algorithm.GATE, served__isnull=False)
    found: dict[str, dict[str, Any]] = {}
    for chosen in ({"pk__in": list(newest)}, {"version__in": gates.values("served")}):
        for text in runs.filter(**chosen).order_by("pk").values_list("card", flat=True):
            found |= model_cards.experts(text)
    return found


def last_moves(*slugs: str) -> dict[str, ExpertTransition]:
    """The newest move of each expert, or of the named ones."""
    moves = ExpertTransition.objects.filter(expert__in=slugs) if slugs else ExpertTransition.objects
    newest = moves.values("expert").annotate(newest=Max("pk")).values_list("newest", flat=True)
    rows = ExpertTransition.objects.filter(pk__in=list(newest))
    return {row.expert_id: row for row in rows}


def families(cycle: Cycle, *, as_of: datetime) -> list[dict[str, Any]]:
    """The trained experts by family with evidence, those in service first; the others in a line."""
    config = LearningSettings.objects.current(as_of=as_of).as_config()
    standing = {each.slug: each for each in review.look(config=config, as_of=as_of)}
    told, moves = cards(), last_moves()
    rows = Expert.objects.exclude(algorithm=Algorithm.GATE).order_by("slug")
    found: dict[str, list[Expert]] = {}
    for row in rows:
        found.setdefault(row.family, []).append(row)
    order = list(MARKS)
    listed = []
    for family in (each for each in Family if each in found):
        known = [row for row in found[family] if row.state != ExpertState.UNTRAINED]
        known.sort(key=lambda row: order.index(row.state) if row.state in order else len(order))
        listed.append(
            {
                "name": str(family.label).capitalize(),
                "rows": [
                    expert(
                        row,
                        standing.get(row.slug),
                        told.get(row.slug, {}),
                        move=moves.get(row.slug),
                        weight=cycle.weight.get(
                            MARKET if row.algorithm == Algorithm.PRICE else row.slug
                        ),
                    )
                    for row in known
                ],
                "untrained": [
                    {"row": row, "lacks": lacks(told.get(row.slug, {}))}
                    for row in found[family]
                    if row.state == ExpertState.UNTRAINED
                ],
            }
        )
    return listed


def expert(
    row: Expert,
    standing: Standing | None,
    card: Mapping[str, Any],
    *,
    move: ExpertTransition | None,
    weight: float | None,
) -> dict[str, Any]:
    """One expert's line: live evidence where there is any, else what its training found."""
    live = standing is not None and standing.events > 0
    active = row.state == ExpertState.ACTIVE and row.algorithm != Algorithm.PRICE
    return {
        "row": row,
        "mark": MARKS.get(row.state, NEUTRAL),
        "learns": ALGORITHMS.get(row.algorithm, row.algorithm),
        "note": row.note or by_whom(move),
        "weight": 0.0 if weight is None and active else weight,
        "lacks": lacks(card),
        **(_live(standing) if standing is not None and live else _taught(card)),
    }


def by_whom(move: ExpertTransition | None) -> str:
    """Who moved an expert where it is, and why; "" where a training did."""
    if move is None or "training" in json.loads(move.evidence):
        return ""
    who = f"by {move.actor} on {move.moved_at:%Y-%m-%d %H:%M}"
    why = wording.of_evidence(move.evidence)
    return f"{who}: {why}" if why else who


def moved_by_hand(move: ExpertTransition | None) -> bool:
    """Whether a person made the move."""
    return move is not None and lifecycle.by_person(move)


def lacks(card: Mapping[str, Any]) -> str:
    """What an expert without a version had of what it needs; "" where that is not known."""
    if card.get("trained") or "need" not in card:
        return ""
    return f"{card.get('rows') or 0:,} of {card['need']:,} rows"


def _live(standing: Standing) -> dict[str, Any]:
    return {
        "from": "live",
        "events": standing.events,
        "skill": standing.skill,
        "e_value": standing.evidence.e_value,
        "e_worse": standing.evidence.e_worse,
    }


def _taught(card: Mapping[str, Any]) -> dict[str, Any]:
    if not card.get("trained"):
        return {"from": ""}
    held = card.get("hold_out", {})
    return {
        "from": "training",
        "events": held.get("events") or card.get("events"),
        "skill": held.get("skill"),
        "e_value": card.get("e_value"),
        "e_worse": card.get("evidence", {}).get("e_worse"),
        "threshold": card.get("threshold"),
        "first_p": card.get("p_value") if card.get("route") == FIXED_SAMPLE else None,
    }
