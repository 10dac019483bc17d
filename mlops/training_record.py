"""What a training leaves behind: its data's name, versions, cohort scores, the model card, moves.

Versions, scores and moves are one transaction: a training that broke has registered nothing, so it
has also not used up the one look that an expert has at a fixed sample.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import structlog
from django.db import transaction

from config.kernel import audit
from mlops import labels, lifecycle
from mlops.champion import Contest
from mlops.core.examples import Examples
from mlops.core.learning import Trained
from mlops.models import CohortScore, Dataset, TrainingRun
from predictions import proofs, registry
from predictions.core import roster
from predictions.core.schema import FEATURES
from predictions.models import Algorithm, Expert, ExpertState, ModelVersion

log = structlog.get_logger(__name__)

ACTOR: Final = "training"
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def dataset(data: Examples, *, as_of: datetime) -> Dataset:
    """The row of these examples, named by their content."""
    found, _ = Dataset.objects.get_or_create(
        digest=data.digest(),
        defaults={
            "built_at": as_of,
            "learned_from": labels.moment(float(data.as_of.min())),
            "learned_until": labels.moment(float(data.known_at.max())),
            "rows": data.rows,
            "events": data.events,
            "source": ", ".join(
                name for k, name in enumerate(data.sources) if np.any(data.source == k)
            )[:300],
        },
    )
    return found


def prove(trained: Trained) -> None:
    """Let a child process use the artefacts now: in the transaction that would hold up everybody.

    Raises as `proofs.prove` does.
    """
    foreign = [(each.kind, each.to_bytes()) for each in trained.members.values() if each.native]
    proofs.prove(foreign, features=len(FEATURES))


@transaction.atomic
def settle(
    row: TrainingRun,
    data: Examples,
    trained: Trained,
    contest: Contest,
    *,
    actor: str,
    as_of: datetime,
) -> None:
    """Register what was trained, let the experts follow it and end the run, or nothing of that.

    Raises what `registry.register` and `lifecycle.after_training` raise. Files that were written
    for a version without a row are swept by `pruning`.
    """
    held = active(row.horizon)
    version = _versions(row, data, trained, as_of=as_of)
    row.version, row.status, row.finished_at = version, TrainingRun.Status.SUCCEEDED, as_of
    row.save(update_fields=["metrics", "trials", "card", "version", "status", "finished_at"])
    accepted = trained.accepted and contest.takes_over
    lifecycle.after_training(
        version,
        experts=trained.card["experts"],
        accepted=accepted,
        actor=actor,
        as_of=as_of,
        evidence={
            "training_run": row.pk,
            "reasons": list(trained.reasons),
            "contest": contest.as_json(),
            **_summary(trained),
        },
    )
    if not accepted:
        log.warning("version.not_promoted", version=version.number, why=contest.reason)
    challenges = trained.accepted and not contest.takes_over
    gate = roster.gate(row.horizon)
    if challenges and contest.champion_held:
        # What stays in service just gained on new data: it does not expire for lack of it.
        lifecycle.validate([gate, *sorted(held)], actor=actor, as_of=as_of)
    challenger = version if challenges else None
    registry.challenge(gate, version=challenger, actor=actor, as_of=as_of)


def earlier(row: TrainingRun) -> int:
    """How many trainings of the horizon judged experts before this one, whatever came of them."""
    ended = (TrainingRun.Status.SUCCEEDED, TrainingRun.Status.REFUSED)
    before = TrainingRun.objects.filter(horizon=row.horizon, status__in=ended)
    return before.exclude(pk=row.pk).count()


def active(horizon: str) -> frozenset[str]:
    """Members that are in service: they keep their place without new evidence."""
    experts = Expert.objects.filter(horizon=horizon, state=ExpertState.ACTIVE)
    return frozenset(
        experts.exclude(algorithm__in=(Algorithm.PRICE, Algorithm.GATE)).values_list(
            "slug", flat=True
        )
    )


def _versions(
    row: TrainingRun, data: Examples, trained: Trained, *, as_of: datetime
) -> ModelVersion:
    """Register every member and the gate, and their out-of-fold cohorts; the gate's version."""
    version = registry.register(
        members=trained.members,
        blend=trained.blend,
        span=_span(data),
        spans=_spans(data, trained),
        seed=row.seed,
        trials=trained.trials,
        actor=ACTOR,
        as_of=as_of,
        horizon=row.horizon,
        extra={
            "data_digest": row.dataset_id,
            "code_version": row.code_version,
            "training_run": row.pk,
        },
    )
    _cohorts(version, trained, horizon=row.horizon, as_of=as_of)
    return version


def _span(data: Examples) -> registry.Span:
    return registry.Span(
        data_from=labels.moment(float(data.as_of.min())),
        data_until=labels.moment(float(data.known_at.max())),
        rows=data.rows,
        events=data.events,
    )


def _spans(data: Examples, trained: Trained) -> dict[str, registry.Span]:
    """What each member learned from: its slice of the examples."""
    found = {}
    for slug in trained.members:
        role = roster.BY_SLUG.get(slug)
        if role is not None:
            mine = np.flatnonzero(role.slice.covers(data.x, data.cell))
            found[slug] = _span(data.take(mine))
    return found


def _cohorts(gate: ModelVersion, trained: Trained, *, horizon: str, as_of: datetime) -> None:
    version = {member.expert_id: member for member in registry.members(gate)}
    CohortScore.objects.bulk_create(
        CohortScore(
            expert_id=slug,
            version=version[slug],
            horizon=horizon,
            source=CohortScore.Source.OUT_OF_FOLD,
            cohort=(EPOCH + timedelta(days=int(day))).date(),
            scored_at=as_of,
            events=int(events),
            brier_market=market,
            brier_expert=expert,
            log_loss_market=log_market,
            log_loss_expert=log_expert,
            reach=reach,
        )
        for slug, each in trained.experts.items()
        for day, events, market, expert, log_market, log_expert, reach in zip(
            each.cohorts.day,
            each.cohorts.events,
            each.cohorts.brier_market,
            each.cohorts.brier_expert,
            each.cohorts.log_loss_market,
            each.cohorts.log_loss_expert,
            each.cohorts.reach,
            strict=True,
        )
    )


def _summary(trained: Trained) -> dict[str, Any]:
    """The evidence that a move of the gate is written with."""
    overall = trained.scores["out_of_fold"]
    return {
        "skill": overall["skill"],
        "skill_low": overall["skill_low"],
        "skill_high": overall["skill_high"],
        "events": overall["events"],
        "admitted": [slug for slug, each in trained.experts.items() if each.admitted],
        "trials": trained.trials,
        "insufficient": trained.scores["insufficient"],
    }


def alert(row: TrainingRun, *, as_of: datetime) -> None:
    """Tell that a training broke: no version came of it and nobody may overlook that."""
    text = f"Training of {row.horizon} failed, nothing was saved: {row.error}"[:500]
    audit.alert(f"training:{row.pk}", text=text, actor=ACTOR, as_of=as_of)


def card(trained: Trained, contest: dict[str, Any]) -> str:
    """The model card as JSON text."""
    body = trained.card | {"contest": contest, "reasons": list(trained.reasons)}
    return json.dumps(body, default=lambda value: value.item())
