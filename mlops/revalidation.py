"""A served version on answers that came after its data: does it still hold against the price?"""

from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import structlog
from django.db import transaction

from config.kernel import audit
from markets.core.series import Floats
from mlops import answers, lifecycle
from mlops.answers import Answered
from mlops.core import cohorts, eprocess
from mlops.core.contracts import LearningConfig
from mlops.models import LearningSettings
from predictions import bundles, registry
from predictions.core import roster
from predictions.models import Expert, ExpertState, ModelVersion

log = structlog.get_logger(__name__)

ACTOR: Final = "review"
LOOK_BACK: Final = timedelta(days=14)  # older answers say little about how it does now
OUT: Final = (ExpertState.SUSPENDED, ExpertState.DEPRECATED)


def run(horizon: str, *, as_of: datetime) -> bool:
    """Validate what a horizon's gate serves; whether it held on enough new answers.

    It holds where its mean Brier score over events is not worse than the price's by the margin and
    its forecasts are not worse beyond chance. What is judged is decided by the gate's state: while
    it is in service what was served, else what its members say. On probation only answers since
    then count. A version that was trained with other libraries may serve again after that.
    """
    config = LearningSettings.objects.current(as_of=as_of).as_config()
    gate = Expert.objects.select_related("served").get(slug=roster.gate(horizon))
    if gate.served is None or gate.state in OUT:
        return False
    try:
        figures = _figures(gate, gate.served, config=config, as_of=as_of)
    except registry.Unservable as refusal:
        log.warning("validation.refused", expert=gate.slug, why=str(refusal))
        return False
    log.info("version.examined", expert=gate.slug, **figures)
    if not figures["holds"]:
        return False
    _held(gate, gate.served, figures, as_of=as_of)
    return True


def due(horizon: str, *, config: LearningConfig, as_of: datetime) -> bool:
    """Whether half of the time to expiry is over, or another library asks for it."""
    gate = Expert.objects.select_related("served").filter(slug=roster.gate(horizon)).first()
    if gate is None or gate.served is None:
        return False
    idle = lifecycle.idle_h(gate, as_of=as_of)
    try:
        return idle > config.expiry_h / 2 or bool(bundles.outdated(gate.served))
    except registry.Unservable:
        return False


def _figures(
    gate: Expert, version: ModelVersion, *, config: LearningConfig, as_of: datetime
) -> dict[str, Any]:
    since = max(version.data_until, as_of - LOOK_BACK)
    if gate.state == ExpertState.PROBATION:
        since = max(since, gate.transitions.latest("id").moved_at)
    found = answers.known(version.horizon, since=since, until=as_of, config=config)
    found = found.take(found.version == version.pk)
    served = gate.state == ExpertState.ACTIVE and not bundles.outdated(version)
    if served:
        p = found.probability
    else:
        move = _shadow(version, found)
        rows, p = cohorts.said(found.price, move, event=found.event, cap=found.cap)
        found = found.take(rows)
    both = np.column_stack(
        [
            eprocess.brier_differences(found.price, p, found.y),
            eprocess.brier_reach(found.price, p),
        ]
    ).reshape(-1, 2)
    day = np.floor(found.known_at / 86_400).astype(np.int64)
    _, means, events = eprocess.cohort_means(both, cohort=day, event=found.event)
    evidence = eprocess.evidence(means[:, 0], margin=config.demotion_margin, reach=means[:, 1])
    count = int(events.sum())
    gain = float((means[:, 0] * events).sum() / count) if count else None
    holds = (
        gain is not None
        and count >= config.reliability_events
        and gain >= -config.demotion_margin
        and evidence.peak_worse < config.evidence_to_demote
    )
    return {"holds": holds, "events": count, "gain": gain, "e_worse": evidence.e_worse}


def _shadow(version: ModelVersion, found: Answered) -> Floats:
    """The mean of its members' corrections; NaN where none said anything."""
    moves = answers.corrections(found, len(registry.order(version))).astype(np.float64)
    said = np.isfinite(moves)
    count = said.sum(axis=1)
    mean = np.where(said, moves, 0.0).sum(axis=1) / np.maximum(count, 1)
    return np.where(count > 0, mean, np.nan)


@transaction.atomic
def _held(gate: Expert, version: ModelVersion, figures: dict[str, Any], *, as_of: datetime) -> None:
    versions = [version, *registry.members(version)]
    for each in versions:
        if bundles.outdated(each):
            registry.revalidate(each, evidence=figures, actor=ACTOR, as_of=as_of)
    pointing = Expert.objects.filter(served__in=versions).values_list("slug", flat=True)
    lifecycle.validate(list(pointing), actor=ACTOR, as_of=as_of, proved=[gate.slug])
    audit.record(
        "version.validated",
        actor=ACTOR,
        subject=f"expert:{gate.slug}",
        data={"version": version.number, **figures},
        as_of=as_of,
    )
