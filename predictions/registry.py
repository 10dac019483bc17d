"""Experts and their versions as rows: registered with signed manifests, pointed at, never changed.

One training of one horizon yields one version of each member and one of the gate that combines
them. Serving follows the gate's pointer (`bundles`): its signed manifest names the members' files
and digests in the order of the combination.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from math import isfinite
from typing import Any, Final

import numpy as np
import structlog
from django.db import transaction
from django.db.models import Max
from numpy.typing import NDArray

from config.kernel import audit, locks
from predictions import artefacts, bundles, proofs
from predictions.artefacts import (
    LibraryMismatch,
    MissingArtefact,
    NotAGate,
    SchemaMismatch,
    TamperedArtefact,
    Unservable,
    WrongHorizon,
)
from predictions.bundles import Standing, examined, forget, load, served, standings
from predictions.core import roster
from predictions.core.ensemble import Blend
from predictions.core.estimators import Estimator
from predictions.core.roster import Role
from predictions.core.schema import FEATURES, SCHEMA_HASH
from predictions.models import (
    Algorithm,
    Expert,
    ExpertState,
    Family,
    Horizon,
    ModelVersion,
    Prediction,
)

__all__ = [
    "LibraryMismatch",
    "MissingArtefact",
    "NotAGate",
    "SchemaMismatch",
    "Span",
    "Standing",
    "TamperedArtefact",
    "Unservable",
    "WrongHorizon",
    "examined",
    "forget",
    "load",
    "served",
    "standings",
]

log = structlog.get_logger(__name__)

MARKET: Final = roster.MARKET.slug
RECALIBRATION: Final = roster.RECALIBRATION.slug
GATE: Final = roster.gate(Horizon.OUTCOME)
GATES: Final = {roster.gate(horizon): horizon for horizon in roster.HORIZONS}
NOT_SERVED: Final = "not served: "
LEFT_OUT: Final = "left out: "
LOCK: Final = "registry"  # held by whoever changes what is served


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What a training saw: decisions from `data_from`, labels learned by `data_until`."""

    data_from: datetime
    data_until: datetime
    rows: int
    events: int


def ensure_experts() -> None:
    """Create the experts that do not exist yet; existing ones keep their state."""
    rows = [_row(roster.MARKET, state=ExpertState.ACTIVE), *map(_row, roster.MEMBERS)]
    rows += [
        Expert(
            slug=slug,
            name=f"Gate: experts and market combined, {Horizon(horizon).label}",
            algorithm=Algorithm.GATE,
            horizon=horizon,
        )
        for slug, horizon in GATES.items()
    ]
    Expert.objects.bulk_create(rows, ignore_conflicts=True)


def _row(role: Role, state: str = ExpertState.UNTRAINED) -> Expert:
    return Expert(
        slug=role.slug,
        name=role.name,
        family=Family(role.family),
        algorithm=Algorithm(role.algorithm),
        horizon=Horizon(role.horizon),
        state=state,
    )


def register(
    *,
    members: Mapping[str, Estimator],
    blend: Blend,
    span: Span,
    seed: int,
    trials: int,
    actor: str,
    as_of: datetime,
    horizon: str = Horizon.OUTCOME,
    spans: Mapping[str, Span] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> ModelVersion:
    """Store a training's artefacts and return the gate's version; nothing is served by this.

    `spans` tells what a member saw where its slice is smaller than the whole; `extra` (JSON) goes
    into the manifests, e.g. the data's digest and the code version. Raises `Unservable` where
    no child process could use what was made, `ValueError` for members of another horizon.
    """
    slugs = _in_order(members, blend, horizon)
    ensure_experts()
    common: dict[str, Any] = {
        "horizon": str(horizon),
        "schema_hash": SCHEMA_HASH,
        "features": len(FEATURES),
        "seed": seed,
        "trials": trials,
        "libraries": artefacts.versions(),
        "extra": dict(extra or {}),
    }
    blobs = {slug: members[slug].to_bytes() for slug in slugs}
    foreign = [(members[s].kind, blob) for s, blob in blobs.items() if members[s].native]
    proofs.prove(foreign, features=len(FEATURES))
    with transaction.atomic():
        locks.hold(LOCK)
        named = []
        for slug, blob in blobs.items():
            seen = (spans or {}).get(slug, span)
            about = _about(slug) | {"kind": members[slug].kind}
            row = _add(slug, blob, common | about, span=seen, as_of=as_of)
            named.append(
                {"slug": slug, "version": row.number, "file": row.file, "sha256": row.sha256}
                | about
            )
        together = {"algorithm": str(Algorithm.GATE), "members": named}
        together["order"] = list(blend.experts)
        gate = roster.gate(horizon)
        version = _add(gate, blend.to_bytes(), common | together, span=span, as_of=as_of)
        audit.record(
            "version.registered",
            actor=actor,
            subject=f"expert:{gate}",
            data={"version": version.number, "sha256": version.sha256, "members": list(blobs)},
            as_of=as_of,
        )
    return version


def _in_order(members: Mapping[str, Estimator], blend: Blend, horizon: str) -> list[str]:
    """The members as the blend orders them, then those that it does not name."""
    strangers = set(members) - {role.slug for role in roster.members(horizon)}
    if strangers:
        raise ValueError(
            f"{', '.join(sorted(strangers))} do not forecast {horizon}; one version, one horizon"
        )
    named = [slug for slug in blend.experts if slug in members]
    return named + sorted(set(members) - set(named))


def _about(slug: str) -> dict[str, Any]:
    """What part of the universe a member was trained for, as JSON."""
    role = roster.BY_SLUG[slug]
    part = asdict(role.slice)
    bounds = {name: part[name] if isfinite(part[name]) else None for name in ("low", "high")}
    return {
        "algorithm": role.algorithm,
        "family": role.family,
        "slice": part | bounds | {"domains": list(role.slice.domains)},
    }


def members(version: ModelVersion) -> list[ModelVersion]:
    """The versions of the experts that a gate's version combines."""
    named = artefacts.opened(version.manifest).get("members", [])
    return [
        ModelVersion.objects.get(expert_id=each["slug"], number=each["version"]) for each in named
    ]


def order(version: ModelVersion) -> tuple[str, ...]:
    """Whose corrections a forecast of this gate's version holds, in their order."""
    return tuple(artefacts.opened(version.manifest)["order"])


def corrections(row: Prediction) -> NDArray[np.float32]:
    """What each member of the version said, float32[k] on the logit scale; NaN = nothing."""
    return np.frombuffer(bytes(row.corrections), dtype="<f4")


@transaction.atomic
def place(
    slug: str,
    *,
    state: str | None,
    version: ModelVersion | None,
    actor: str,
    as_of: datetime,
    evidence: Mapping[str, Any] | None = None,
) -> None:
    """Set an expert's state (None: as it is) and what it serves; whether it may is decided above.

    The one writer of both: one audit event each time, none where nothing was asked to change.
    Raises `Unservable` where a gate that becomes ACTIVE could not be loaded, `ValueError` for a
    version of another expert. Taking a version out of service opens no file.
    """
    locks.hold(LOCK)
    if version is not None and version.expert_id != slug:
        raise ValueError(f"{version} is not a version of {slug}; pass one of its own")
    if slug in GATES and state == ExpertState.ACTIVE and version is not None:
        load(version, horizon=GATES[slug])
    before = Expert.objects.select_related("served").get(pk=slug)
    if state is None and before.served == version:
        return
    after = ExpertState(before.state if state is None else state)
    Expert.objects.filter(pk=slug).update(state=after, served=version, note="")
    audit.record(
        "expert.served" if state is None else "expert.moved",
        actor=actor,
        subject=f"expert:{slug}",
        data={
            "before": before.state,
            "after": after,
            "served_before": None if before.served is None else before.served.number,
            "served_after": None if version is None else version.number,
            "sha256": None if version is None else version.sha256,
            "evidence": dict(evidence or {}),
        },
        as_of=as_of,
    )


@transaction.atomic
def challenge(gate: str, *, version: ModelVersion | None, actor: str, as_of: datetime) -> None:
    """Let a version forecast the share of events that the settings give to challengers; None ends.

    Raises `Unservable` for a version that could not serve, `ValueError` for that of another gate.
    """
    locks.hold(LOCK)
    if version is not None:
        if version.expert_id != gate or gate not in GATES:
            raise ValueError(f"{version} is not a version of the gate {gate}; pass one of its own")
        load(version, horizon=GATES[gate])
    before = Expert.objects.select_related("challenger").get(pk=gate)
    if before.challenger == version:
        return
    Expert.objects.filter(pk=gate).update(challenger=version)
    audit.record(
        "expert.challenged",
        actor=actor,
        subject=f"expert:{gate}",
        data={
            "before": None if before.challenger is None else before.challenger.number,
            "after": None if version is None else version.number,
        },
        as_of=as_of,
    )


def revalidate(
    version: ModelVersion, *, evidence: Mapping[str, Any], actor: str, as_of: datetime
) -> None:
    """Say that a version was found as good as before under the libraries of this installation.

    It may serve again although it was trained with other releases; another release ends that.
    """
    seal = bundles.revalidation(version)
    audit.record(
        bundles.REVALIDATED,
        actor=actor,
        subject=f"version:{version.pk}",
        data={"seal": seal, "libraries": artefacts.minors(), "evidence": dict(evidence)},
        as_of=as_of,
    )


@transaction.atomic
def validate(slugs: Collection[str], *, actor: str, as_of: datetime) -> None:
    """Note that these experts learned, or held on new data, now; one audit event for all."""
    locks.hold(LOCK)
    if Expert.objects.filter(slug__in=slugs).update(validated_at=as_of):
        audit.record(
            "experts.validated",
            actor=actor,
            subject="experts",
            data={"experts": sorted(slugs)},
            as_of=as_of,
        )


def note(standing: Standing, *, horizon: str = Horizon.OUTCOME) -> None:
    """Say in the experts' notes what is not served and which member is left out; or that all is."""
    said = f"{NOT_SERVED}{standing.refusal}"[:400] if standing.refusal else ""
    notes = {slug: f"{LEFT_OUT}{why}"[:400] for slug, why in standing.missing.items()}
    about = Expert.objects.filter(horizon=horizon)
    for row in about.exclude(note="") if not said and not notes else about:
        own = said if row.algorithm == Algorithm.GATE and row.served_id else notes.get(row.slug, "")
        if row.note != own and (own or row.note.startswith((NOT_SERVED, LEFT_OUT))):
            about.filter(pk=row.pk).update(note=own)


def _add(
    slug: str, blob: bytes, common: Mapping[str, Any], *, span: Span, as_of: datetime
) -> ModelVersion:
    last = ModelVersion.objects.filter(expert_id=slug).aggregate(last=Max("number"))["last"] or 0
    file = f"{slug}/{last + 1:05d}-{sha256(blob).hexdigest()[:16]}"
    body = dict(common) | {"slug": slug, "number": last + 1, "file": file}
    body |= {"data_from": span.data_from.isoformat(), "data_until": span.data_until.isoformat()}
    body |= {"rows": span.rows, "events": span.events}
    body["sha256"] = artefacts.write(file, blob)
    return ModelVersion.objects.create(
        expert_id=slug,
        number=last + 1,
        horizon=body["horizon"],
        file=file,
        sha256=body["sha256"],
        schema_hash=body["schema_hash"],
        manifest=artefacts.seal(body),
        data_from=span.data_from,
        data_until=span.data_until,
        rows=span.rows,
        events=span.events,
        trials=body["trials"],
        seed=body["seed"],
        created_at=as_of,
    )
