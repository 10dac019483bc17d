"""Moves of experts between states: a table of legal moves, one fact row and one audit event each.

Only ACTIVE experts are served, and what an ACTIVE expert serves is a pointer to one immutable
version; promotion and rollback move the pointer, demotion takes the expert out of service and the
forecast falls back to the market price.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from config.kernel import audit, locks
from mlops.models import ExpertTransition
from predictions import registry
from predictions.models import Expert, ExpertState, ModelVersion

S = ExpertState
MOVES: Mapping[str, frozenset[str]] = {
    S.UNTRAINED: frozenset({S.SHADOW}),
    S.SHADOW: frozenset({S.ACTIVE, S.SUSPENDED, S.DEPRECATED}),
    # ACTIVE → ACTIVE serves another version.
    S.ACTIVE: frozenset({S.ACTIVE, S.PROBATION, S.SUSPENDED, S.DEPRECATED}),
    S.PROBATION: frozenset({S.ACTIVE, S.SUSPENDED, S.DEPRECATED}),
    S.SUSPENDED: frozenset({S.SHADOW, S.DEPRECATED}),
    S.DEPRECATED: frozenset(),
}
# The road to ACTIVE from where an expert may stand; every step leaves its row.
ROAD_TO_ACTIVE: Mapping[str, tuple[str, ...]] = {
    S.UNTRAINED: (S.SHADOW, S.ACTIVE),
    S.SUSPENDED: (S.SHADOW, S.ACTIVE),
}


# Where a new training is served without being asked for: whoever took an expert out of service
# for a cause puts it back by hand.
FOLLOWS_TRAINING = frozenset({S.UNTRAINED, S.ACTIVE})


class IllegalMove(ValueError):
    """The table of moves does not lead there."""


class NothingToServe(ValueError):
    """There is no version to promote or to return to."""


@transaction.atomic
def move(
    slug: str,
    *,
    to: str,
    version: ModelVersion | None,
    evidence: Mapping[str, Any],
    actor: str,
    as_of: datetime,
) -> ExpertTransition:
    """Move an expert one step; state, pointer, fact and audit event change together or not at all.

    `version` is what the expert serves afterwards; a gate's members move with it, each with a row
    of its own. Raises `IllegalMove`.
    """
    locks.hold(f"expert:{slug}")
    expert = Expert.objects.select_for_update(of=("self",)).get(slug=slug)
    before = expert.state
    if to not in MOVES[before]:
        allowed = ", ".join(sorted(MOVES[before])) or "nothing else"
        raise IllegalMove(f"{slug} is {before} and may become {allowed}; not {to}")
    told = json.dumps(dict(evidence), sort_keys=True, default=str)
    followers = registry.members(version) if slug == registry.GATE and version else []
    states = dict(
        Expert.objects.filter(slug__in=[each.expert_id for each in followers]).values_list(
            "slug", "state"
        )
    )
    registry.place(slug, state=to, version=version, actor=actor, as_of=as_of)
    row, *_ = [
        ExpertTransition.objects.create(
            expert_id=who,
            moved_at=as_of,
            before=stood,
            after=to,
            version=what,
            actor=actor,
            evidence=told,
        )
        for who, stood, what in (
            (slug, before, version),
            *((each.expert_id, states[each.expert_id], each) for each in followers),
        )
    ]
    number = None if version is None else version.number
    audit.record(
        "expert.moved",
        actor=actor,
        subject=f"expert:{slug}",
        data={"before": before, "after": to, "version": number, "evidence": dict(evidence)},
        as_of=as_of,
    )
    return row


def follows_training(slug: str) -> bool:
    """Whether a newly trained version may be promoted without a person's word."""
    return Expert.objects.get(slug=slug).state in FOLLOWS_TRAINING


@transaction.atomic
def promote(
    slug: str,
    *,
    version: ModelVersion | None = None,
    evidence: Mapping[str, Any],
    actor: str,
    as_of: datetime,
) -> ExpertTransition:
    """Serve `version` (the newest one by default) from now on.

    Raises `NothingToServe` for an untrained expert, `IllegalMove` for a deprecated one.
    """
    expert = Expert.objects.get(slug=slug)
    chosen = version or expert.versions.order_by("-number").first()
    if chosen is None:
        raise NothingToServe(f"{slug} has no trained version; run `manage.py train` first")
    if chosen.expert_id != slug:
        raise NothingToServe(f"version {chosen} belongs to {chosen.expert_id}, not to {slug}")
    *steps, last = ROAD_TO_ACTIVE.get(expert.state, (S.ACTIVE,))
    for step in steps:
        move(slug, to=step, version=chosen, evidence=evidence, actor=actor, as_of=as_of)
    return move(slug, to=last, version=chosen, evidence=evidence, actor=actor, as_of=as_of)


def demote(
    slug: str, *, to: str, evidence: Mapping[str, Any], actor: str, as_of: datetime
) -> ExpertTransition:
    """Take an expert out of service: PROBATION, SUSPENDED or DEPRECATED; it keeps its version."""
    if to == S.ACTIVE:
        raise IllegalMove(f"{slug}: a demotion does not lead to ACTIVE; use promote")
    served = Expert.objects.select_related("served").get(slug=slug).served
    return move(slug, to=to, version=served, evidence=evidence, actor=actor, as_of=as_of)


@transaction.atomic
def rollback(
    slug: str, *, evidence: Mapping[str, Any], actor: str, as_of: datetime
) -> ExpertTransition:
    """Serve the newest earlier version that ever was active.

    Raises `NothingToServe` where there is none.
    """
    expert = Expert.objects.select_related("served").get(slug=slug)
    number = 0 if expert.served is None else expert.served.number
    earlier = (
        ExpertTransition.objects.filter(expert=expert, after=S.ACTIVE, version__number__lt=number)
        .select_related("version")
        .order_by("-version__number")
        .first()
    )
    if earlier is None:
        raise NothingToServe(
            f"{slug} never served an earlier version; suspend it to fall back to the market price"
        )
    reason = {**evidence, "rolled_back_from": number}
    return promote(slug, version=earlier.version, evidence=reason, actor=actor, as_of=as_of)
