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

from config.kernel import locks
from mlops.models import ExpertTransition
from predictions import registry
from predictions.models import Algorithm, Expert, ExpertState, ModelVersion

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
    """Move one expert one step; state, pointer, fact and audit event change together or not at all.

    `version` is what the expert serves afterwards. Raises `IllegalMove`, and `registry.Unservable`
    where a gate that becomes ACTIVE could not be loaded.
    """
    before = _held(slug).state
    if to not in MOVES[before]:
        allowed = ", ".join(sorted(MOVES[before])) or "nothing else"
        raise IllegalMove(f"{slug} is {before} and may become {allowed}; not {to}")
    registry.place(
        slug, state=to, version=version, actor=actor, as_of=as_of, evidence=dict(evidence)
    )
    return ExpertTransition.objects.create(
        expert_id=slug,
        moved_at=as_of,
        before=before,
        after=to,
        version=version,
        actor=actor,
        evidence=json.dumps(dict(evidence), sort_keys=True, default=str),
    )


def _held(slug: str) -> Expert:
    """The expert, locked; refuses the market price, which has nothing to move."""
    locks.hold(registry.LOCK)
    expert = Expert.objects.select_related("served").get(slug=slug)
    if expert.algorithm == Algorithm.PRICE:
        raise IllegalMove(
            f"{slug} is the market price itself: every forecast falls back to it, so it is always "
            "in service; suspend the gate to forecast with the price alone"
        )
    return expert


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
    """Serve `version` (the newest one by default) from now on; a gate's members follow it.

    Raises `NothingToServe` for an untrained expert, `IllegalMove` for a deprecated one,
    `registry.Unservable` for a version whose files do not prove themselves.
    """
    expert = _held(slug)
    chosen = version or expert.versions.order_by("-number").first()
    if chosen is None:
        raise NothingToServe(f"{slug} has no trained version; run `manage.py train` first")
    if chosen.expert_id != slug:
        raise NothingToServe(f"version {chosen} belongs to {chosen.expert_id}, not to {slug}")
    if slug == registry.GATE:
        for member in registry.members(chosen):
            _follow(member, evidence=evidence, actor=actor, as_of=as_of)
    return _raise(expert, chosen, evidence=evidence, actor=actor, as_of=as_of)


def _raise(
    expert: Expert,
    version: ModelVersion,
    *,
    evidence: Mapping[str, Any],
    actor: str,
    as_of: datetime,
) -> ExpertTransition:
    """Walk an expert to ACTIVE, one row a step."""
    slug = expert.slug
    *steps, last = ROAD_TO_ACTIVE.get(expert.state, (S.ACTIVE,))
    for step in steps:
        move(slug, to=step, version=version, evidence=evidence, actor=actor, as_of=as_of)
    return move(slug, to=last, version=version, evidence=evidence, actor=actor, as_of=as_of)


def _follow(
    version: ModelVersion, *, evidence: Mapping[str, Any], actor: str, as_of: datetime
) -> None:
    """Let a gate's member serve its version of the same training.

    Its state goes along only where states follow training; one that a person has moved elsewhere
    stays there and gets the pointer alone.
    """
    expert = Expert.objects.get(slug=version.expert_id)
    if expert.state in FOLLOWS_TRAINING:
        _raise(expert, version, evidence=evidence, actor=actor, as_of=as_of)
    else:
        registry.place(
            expert.slug,
            state=None,
            version=version,
            actor=actor,
            as_of=as_of,
            evidence=dict(evidence),
        )


@transaction.atomic
def demote(
    slug: str, *, to: str, evidence: Mapping[str, Any], actor: str, as_of: datetime
) -> ExpertTransition:
    """Take an expert out of service: PROBATION, SUSPENDED or DEPRECATED; it keeps its version.

    A gate's members stay as they are: they serve through it alone.
    """
    if to == S.ACTIVE:
        raise IllegalMove(f"{slug}: a demotion does not lead to ACTIVE; use promote")
    return move(
        slug, to=to, version=_held(slug).served, evidence=evidence, actor=actor, as_of=as_of
    )


@transaction.atomic
def rollback(
    slug: str, *, evidence: Mapping[str, Any], actor: str, as_of: datetime
) -> ExpertTransition:
    """Serve the newest earlier version that ever was active.

    Raises `NothingToServe` where there is none, `registry.Unservable` as `promote` does.
    """
    expert = _held(slug)
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
