"""Moves of experts between states: a table of legal moves, one fact row and one audit event each.

Only ACTIVE experts are served, and what an ACTIVE expert serves is a pointer to one immutable
version; promotion and rollback move the pointer, demotion takes the expert out of service and the
forecast falls back to the market price. A gate serves the newest version that its training
accepted; whether a member has weight in it is the member's own state.
"""

import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from django.db import transaction

from config.kernel import locks
from mlops import versions
from mlops.core import standing
from mlops.core.contracts import LearningConfig
from mlops.models import ExpertTransition, LearningSettings
from predictions import artefacts, bundles, registry
from predictions.core import roster
from predictions.models import Algorithm, Expert, ExpertState, Horizon, ModelVersion

S = ExpertState
SECONDS_AN_HOUR: Final = 3600.0
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
# Whose state goes along with its gate's: whoever took an expert out of service for a cause puts it
# back by hand.
FOLLOWS_GATE: Final = frozenset({S.UNTRAINED, S.ACTIVE})
LEARNING: Final = frozenset({S.UNTRAINED, S.SHADOW, S.ACTIVE})


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


@transaction.atomic
def promote(
    slug: str,
    *,
    version: ModelVersion | None = None,
    evidence: Mapping[str, Any],
    actor: str,
    as_of: datetime,
) -> ExpertTransition:
    """Serve `version` from now on; a gate's members follow it.

    By default what it served when it was taken out of service: a later training may have been
    refused for cause. Raises `NothingToServe` for an untrained expert, `IllegalMove` for a
    deprecated one or where an ACTIVE one is promoted to nothing else, `registry.Unservable` for a
    version whose files do not prove themselves.
    """
    expert = _held(slug)
    chosen = version or versions.restored(expert)
    if version is None and expert.state == S.ACTIVE:
        raise IllegalMove(f"{slug} is ACTIVE and serves {chosen}; name another version to serve")
    if chosen is None:
        raise NothingToServe(f"{slug} has no trained version; run `manage.py train` first")
    if chosen.expert_id != slug:
        raise NothingToServe(f"version {chosen} belongs to {chosen.expert_id}, not to {slug}")
    if expert.algorithm == Algorithm.GATE:
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
    if expert.state in FOLLOWS_GATE:
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
    expert = _held(slug)
    if expert.state == S.UNTRAINED:
        raise IllegalMove(f"{slug} was never trained: {_already(expert)}")
    return move(slug, to=to, version=expert.served, evidence=evidence, actor=actor, as_of=as_of)


def _already(expert: Expert) -> str:
    """What holds anyway where there is nothing to take out of service."""
    return (
        "forecasts are already the price"
        if expert.algorithm == Algorithm.GATE
        else "it already has no weight"
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
        remedy = (
            "suspend it to fall back to the market price"
            if expert.state == S.ACTIVE
            else _already(expert)
        )
        raise NothingToServe(f"{slug} never served an earlier version; {remedy}")
    reason = {**evidence, "rolled_back_from": number}
    return promote(slug, version=earlier.version, evidence=reason, actor=actor, as_of=as_of)


@transaction.atomic
def override(
    slug: str, *, to: str, evidence: Mapping[str, Any], actor: str, as_of: datetime
) -> ExpertTransition:
    """Make any legal move on a person's word: no evidence is asked, but files still prove it.

    Raises `ValueError` without a reason, `IllegalMove` and `NothingToServe` as the table says.
    """
    if not str(evidence.get("reason", "")).strip():
        raise ValueError(f"{slug}: an override needs a reason")
    expert = _held(slug)
    version = versions.restored(expert) if to == S.ACTIVE else expert.served
    version = version or versions.newest(expert)
    if to == S.ACTIVE and version is None:
        raise NothingToServe(f"{slug} has no trained version; run `manage.py train` first")
    if to == S.ACTIVE and version is not None:
        _prove(version)
    told = {**evidence, "override": True}
    return move(slug, to=to, version=version, evidence=told, actor=actor, as_of=as_of)


def _prove(version: ModelVersion) -> None:
    """The file and its manifest are what was registered; else `registry.Unservable`."""
    body = artefacts.opened(version.manifest)
    artefacts.read(body["file"], body["sha256"])


@transaction.atomic
def after_training(
    version: ModelVersion,
    *,
    experts: Mapping[str, Mapping[str, Any]],
    accepted: bool,
    evidence: Mapping[str, Any],
    actor: str,
    as_of: datetime,
) -> bool:
    """Let the experts of a horizon follow a training; whether its version is served now.

    `version` is the gate's. `experts` says of each trained member whether it was `admitted`, i.e.
    gained on the price out of fold beyond chance, with its figures. Of an accepted version members
    get the pointer; those that learn (UNTRAINED, SHADOW) become ACTIVE where admitted and SHADOW
    where not. Who was taken out of service for a cause stays out. What was not accepted is served
    nowhere, and its members start to be watched.
    """
    members = registry.members(version)
    evidence = {**evidence, "training": True}
    for member in members:
        _learned(
            member,
            found={**evidence, **experts.get(member.expert_id, {})},
            accepted=accepted,
            actor=actor,
            as_of=as_of,
        )
    gate = _held(version.expert_id)
    told: dict[str, Any] = {"evidence": evidence, "actor": actor, "as_of": as_of}
    if not accepted:
        if gate.state == S.UNTRAINED:
            move(gate.slug, to=S.SHADOW, version=version, **told)
        return False
    validate([gate.slug, *(m.expert_id for m in members)], actor=actor, as_of=as_of)
    if gate.state == S.PROBATION:
        # The review decides whether it comes back; if so, with what was learned meanwhile.
        registry.place(gate.slug, state=None, version=version, **told)
    if gate.state not in LEARNING or (gate.state == S.SHADOW and not _watched(gate.slug)):
        return False
    _raise(gate, version, **told)
    return True


def _learned(
    version: ModelVersion,
    *,
    found: Mapping[str, Any],
    accepted: bool,
    actor: str,
    as_of: datetime,
) -> None:
    """One member after a training of its horizon."""
    slug = version.expert_id
    state = _held(slug).state
    told: dict[str, Any] = {"evidence": found, "actor": actor, "as_of": as_of}
    if state == S.UNTRAINED:
        move(slug, to=S.SHADOW, version=version, **told)
        state = S.SHADOW
    if not accepted:
        return
    if state == S.SHADOW and found.get("admitted") and _watched(slug):
        move(slug, to=S.ACTIVE, version=version, **told)
    else:
        registry.place(slug, state=None, version=version, **told)


def validate(
    slugs: Collection[str], *, actor: str, as_of: datetime, proved: Collection[str] = ()
) -> None:
    """Note that these experts learned, or held on new data, now.

    Those whom live answers put on probation are left out: only live answers speak for them, as
    they did for those in `proved`.
    """
    doubted = _doubted(set(slugs) - set(proved))
    registry.validate(set(slugs) - doubted, actor=actor, as_of=as_of)


def _doubted(slugs: Collection[str]) -> set[str]:
    """Which of them are on probation by a statistical rule."""
    moves = ExpertTransition.objects.filter(
        expert__in=slugs, expert__state=S.PROBATION, after=S.PROBATION
    )
    last = {move.expert_id: move for move in moves.order_by("id")}
    return {slug for slug, move in last.items() if rule_of(move) in standing.STATISTICAL}


def validated_at(expert: Expert) -> datetime:
    """When it last learned, or held on new data; the beginning of time where neither.

    On probation a version that it was given since speaks for it only where `validate` said so.
    """
    never = datetime.min.replace(tzinfo=UTC)
    version = None if expert.state == S.PROBATION else expert.served
    made = never if version is None else version.created_at
    return max(expert.validated_at or never, made)


def idle_h(expert: Expert, *, as_of: datetime) -> float:
    """Hours since it last learned, or held on new data."""
    idle = (as_of - validated_at(expert)).total_seconds() / SECONDS_AN_HOUR
    return idle if idle > -1 else float("inf")  # stamped by a clock that was ahead: says nothing


def expired(expert: Expert, *, config: LearningConfig, as_of: datetime) -> bool:
    """Whether that is too long ago for anything to rest on it."""
    return standing.expired(idle_h(expert, as_of=as_of), config)


def rule_of(last: ExpertTransition) -> str:
    """By which rule of the review a move was made; "" where by none."""
    return str(json.loads(last.evidence).get("rule", ""))


def by_person(last: ExpertTransition) -> bool:
    """Whether a person made a move: those of a training or of the review say so."""
    return not {"rule", "training"} & set(json.loads(last.evidence))


def _watched(slug: str) -> bool:
    """Whether an expert waits in SHADOW for evidence, not for the person who put it there."""
    last = ExpertTransition.objects.filter(expert=slug).order_by("-id").first()
    return last is None or not by_person(last)


def in_service() -> tuple[str, ...]:
    """The horizons that are forecast by experts: an ACTIVE gate with an ACTIVE member."""
    active = Expert.objects.filter(state=S.ACTIVE).exclude(algorithm=Algorithm.PRICE)
    found = set(active.values_list("horizon", "algorithm"))
    gates = {horizon for horizon, algorithm in found if algorithm == Algorithm.GATE}
    members = {horizon for horizon, algorithm in found if algorithm != Algorithm.GATE}
    return tuple(horizon for horizon in Horizon.values if horizon in gates & members)


def may_trade_live(*, as_of: datetime) -> tuple[str, ...]:
    """What stands in the way of live trading as far as experts go; empty: nothing does.

    Asks for an expert in service on outcomes, whose version loads and is fresh enough.
    """
    if Horizon.OUTCOME not in in_service():
        return ("no expert is in service: every forecast is the market price",)
    config = LearningSettings.objects.current(as_of=as_of).as_config()
    gate = Expert.objects.select_related("served").get(slug=roster.gate(Horizon.OUTCOME))
    against = []
    examined = bundles.examined(horizon=Horizon.OUTCOME)
    if examined.refusal:
        against.append(examined.refusal)
    if expired(gate, config=config, as_of=as_of):
        against.append(
            f"{gate.slug} was neither trained nor validated for {config.expiry_h} hours; train"
        )
    return tuple(against)
