"""Every expert with its state, what its training found, what live answers say, and why it moved."""

import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django.db.models import Max

from mlops import scores, wording
from mlops.core.standing import finite
from mlops.models import ExpertTransition, LearningSettings, TrainingRun
from predictions.models import Algorithm, Expert, ExpertState, Prediction


def experts(*, as_of: datetime) -> list[dict[str, Any]]:
    """A row an expert, as JSON; the live record is over all days."""
    config = LearningSettings.objects.current(as_of=as_of).as_config()
    found = list(Expert.objects.select_related("served").order_by("horizon", "slug"))
    records = scores.live(
        since={expert.slug: date.min for expert in found},
        margin=config.demotion_margin,
        as_of=as_of,
    )
    newest = ExpertTransition.objects.values("expert").annotate(last=Max("pk")).values("last")
    moves = {row.expert_id: row for row in ExpertTransition.objects.filter(pk__in=newest)}
    weights, learned = _weights(found), _learned(found)
    return [
        _state(expert)
        | _live(records[expert.slug])
        | {"weight": weights.get(expert.slug)}
        | learned.get(expert.slug, _taught({}))
        | _moved(moves.get(expert.slug))
        for expert in found
    ]


def _state(expert: Expert) -> dict[str, Any]:
    return {
        "slug": expert.slug,
        "name": expert.name,
        "family": expert.family,
        "horizon": expert.horizon,
        "state": expert.state,
        "version": expert.served and expert.served.number,
        "data_until": expert.served and expert.served.data_until.isoformat(timespec="minutes"),
        "validated_at": expert.validated_at and expert.validated_at.isoformat(timespec="minutes"),
        "note": expert.note,
    }


def _live(record: scores.Record) -> dict[str, Any]:
    return {
        "events": record.events,
        "e_value": finite(record.evidence.e_value),
        "e_worse": finite(record.evidence.e_worse),
        "brier": finite(record.brier_expert),
        "brier_price": finite(record.brier_market),
    }


def _moved(last: ExpertTransition | None) -> dict[str, Any]:
    if last is None:
        return {"last_move": None, "moved_by": None, "rule": "", "why": ""}
    return {
        "last_move": last.moved_at.isoformat(timespec="minutes"),
        "moved_by": last.actor,
        "rule": json.loads(last.evidence).get("rule", ""),
        "why": wording.of_evidence(last.evidence),
    }


def _weights(found: list[Expert]) -> dict[str, float]:
    """What each weighed in the newest forecast by a gate that is in service, by slug."""
    known: dict[str, float] = {}
    active = {expert.slug for expert in found if expert.state == ExpertState.ACTIVE}
    for gate in found:
        if gate.algorithm == Algorithm.GATE and gate.slug in active:
            rows = Prediction.objects.filter(horizon=gate.horizon, version=gate.served)
            newest = rows.order_by("-as_of", "-pk").values_list("weights", flat=True).first()
            shares = json.loads(newest) if newest else {}
            known |= {k: float(v) for k, v in shares.items() if k in active}
    return known


def _learned(found: list[Expert]) -> dict[str, dict[str, Any]]:
    """What the training of the version in service, else the newest, said of each, by slug."""
    said: dict[str, dict[str, Any]] = {}
    for gate in found:
        if gate.algorithm != Algorithm.GATE:
            continue
        made = TrainingRun.objects.filter(horizon=gate.horizon, version__isnull=False)
        run = made.filter(version=gate.served).order_by("-id").first() if gate.served else None
        run = run or made.order_by("-id").first()
        if run is None:
            continue
        figures, card = json.loads(run.metrics), json.loads(run.card)
        said[gate.slug] = _taught(
            {"hold_out": figures.get("out_of_fold") or {}},
            evidence=f"weight {figures['weight']:.3g}" if "weight" in figures else "",
        )
        said |= {slug: _taught(each) for slug, each in card.get("experts", {}).items()}
    return said


def _taught(each: Mapping[str, Any], *, evidence: str = "") -> dict[str, Any]:
    """One expert in a model card; nulls where it was not trained."""
    return {
        "training_skill": (each.get("hold_out") or {}).get("skill"),
        "training_e_value": each.get("e_value"),
        "training_p_value": each.get("p_value"),
        "admitted": each.get("admitted"),
        "route": each.get("route"),
        "training_evidence": evidence or wording.proof(each),
    }
