"""Which version an expert serves when nobody names one, and what speaks against serving one."""

import json

from mlops.models import ExpertTransition, TrainingRun
from predictions.models import Algorithm, Expert, ExpertState, ModelVersion


def newest(expert: Expert) -> ModelVersion | None:
    """The last one that a training registered, accepted or not."""
    found: ModelVersion | None = expert.versions.order_by("-number").first()
    return found


def numbered(expert: Expert, number: int) -> ModelVersion | None:
    """Its version of that number; None where there is none."""
    found: ModelVersion | None = expert.versions.filter(number=number).first()
    return found


def restored(expert: Expert) -> ModelVersion | None:
    """What it served when it was taken out of service; else what it points at, else the newest.

    A member follows its gate's pointer, so only a gate goes back to what it was.
    """
    if expert.algorithm == Algorithm.GATE and expert.state != ExpertState.ACTIVE:
        out = (
            ExpertTransition.objects.filter(expert=expert, before=ExpertState.ACTIVE)
            .exclude(after=ExpertState.ACTIVE)
            .select_related("version")
            .order_by("-id")
            .first()
        )
        if out is not None and out.version is not None:
            served: ModelVersion = out.version
            return served
    return expert.served or newest(expert)


def doubts(version: ModelVersion, *, before: ModelVersion | None) -> tuple[str, ...]:
    """What a person should know before `version` serves instead of `before`, a sentence each."""
    found = []
    if before is not None and version.events < before.events:
        found.append(
            f"{version} learned from {version.events:,} events, {before} from {before.events:,}"
        )
    run = TrainingRun.objects.filter(version=version).order_by("-id").first()
    if run is not None and json.loads(run.metrics).get("weight") == 0:
        found.append(
            f"{version} gives no expert any weight: its forecasts are the price (training {run.pk})"
        )
    return tuple(found)
