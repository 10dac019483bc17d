"""Challengers against champions on live answers: who is proven better serves, who is worse ends."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog
from django.db import transaction

from mlops import lifecycle, scores
from mlops.core.contracts import LearningConfig
from mlops.scores import Comparison
from predictions import registry
from predictions.core import roster
from predictions.models import Expert, ExpertState, ModelVersion

log = structlog.get_logger(__name__)

ACTOR: Final = "review"
TOOK_OVER: Final = "took over"
ENDED: Final = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a live comparison ended."""

    horizon: str
    challenger: str
    verdict: str


def settle(*, config: LearningConfig, as_of: datetime) -> tuple[Outcome, ...]:
    """Decide every comparison on which there is evidence; the others go on."""
    found = []
    for horizon in roster.HORIZONS:
        compared = scores.compare(horizon, as_of=as_of)
        if compared is None:
            continue
        if compared.evidence.e_value >= config.evidence_to_promote:
            verdict = TOOK_OVER
        elif compared.evidence.peak_worse >= config.evidence_to_demote:
            verdict = ENDED
        else:
            continue
        if _end(horizon, compared, verdict, as_of=as_of):
            found.append(Outcome(horizon=horizon, challenger=compared.challenger, verdict=verdict))
    return tuple(found)


def _end(horizon: str, compared: Comparison, verdict: str, *, as_of: datetime) -> bool:
    """The challenger's pointer goes; where it took over, the gate serves it."""
    gate = Expert.objects.select_related("challenger").get(slug=roster.gate(horizon))
    try:
        with transaction.atomic():
            registry.challenge(gate.slug, version=None, actor=ACTOR, as_of=as_of)
            if verdict == TOOK_OVER and gate.challenger is not None:
                _serve(gate, gate.challenger, compared.as_json(), as_of=as_of)
    except (lifecycle.IllegalMove, registry.Unservable) as refusal:
        log.warning("contest.refused", expert=gate.slug, why=str(refusal))
        return False
    return True


def _serve(
    gate: Expert, version: ModelVersion, figures: Mapping[str, Any], *, as_of: datetime
) -> None:
    if gate.state != ExpertState.ACTIVE:
        raise lifecycle.IllegalMove(f"{gate.slug} is {gate.state}; nobody takes over from it")
    evidence = {"rule": "challenger", **figures}
    lifecycle.promote(gate.slug, version=version, evidence=evidence, actor=ACTOR, as_of=as_of)
