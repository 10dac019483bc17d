"""Which version of which expert is served; artefacts are proven before they are loaded.

One training yields one version of each member and one of the gate that combines them. Serving
follows the gate's pointer: its signed manifest names the members' files and digests.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

import structlog
from django.db import transaction
from django.db.models import Max

from config.kernel import audit, locks
from predictions import artefacts
from predictions.artefacts import (
    LibraryMismatch,
    SchemaMismatch,
    TamperedArtefact,
    Unservable,
    WrongHorizon,
)
from predictions.core.ensemble import Blend, Bundle
from predictions.core.estimators import Estimator, parse
from predictions.core.schema import FEATURES, SCHEMA_HASH
from predictions.models import Algorithm, Expert, ExpertState, Horizon, ModelVersion

__all__ = [
    "LibraryMismatch",
    "SchemaMismatch",
    "Span",
    "TamperedArtefact",
    "Unservable",
    "WrongHorizon",
]

log = structlog.get_logger(__name__)

MARKET: Final = "market-price"
RECALIBRATION: Final = "recalibration"
LIGHTGBM: Final = "lightgbm-residual"
GATE: Final = "gate"
EXPERTS: Final = (
    (MARKET, "Market price", Algorithm.PRICE, ExpertState.ACTIVE),
    (RECALIBRATION, "Recalibrated price", Algorithm.RECALIBRATION, ExpertState.UNTRAINED),
    (LIGHTGBM, "LightGBM on the residual", Algorithm.LIGHTGBM, ExpertState.UNTRAINED),
    (GATE, "Gate: experts and market combined", Algorithm.GATE, ExpertState.UNTRAINED),
)
NOT_SERVED: Final = "not served: "

_loaded: dict[tuple[int, str], Bundle] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What a training saw: decisions from `data_from`, labels learned by `data_until`."""

    data_from: datetime
    data_until: datetime
    rows: int
    events: int


def ensure_experts() -> None:
    """Create the experts that do not exist yet; existing ones keep their state."""
    for slug, name, algorithm, state in EXPERTS:
        Expert.objects.get_or_create(
            slug=slug,
            defaults={"name": name, "algorithm": algorithm, "state": state},
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
    extra: Mapping[str, Any] | None = None,
) -> ModelVersion:
    """Store a training's artefacts and return the gate's version; nothing is served by this.

    `extra` (JSON) goes into the manifests, e.g. the data's digest and the code version. Raises
    `TamperedArtefact` where a child process cannot use what was written.
    """
    ensure_experts()
    common: dict[str, Any] = {
        "horizon": str(horizon),
        "schema_hash": SCHEMA_HASH,
        "data_from": span.data_from.isoformat(),
        "data_until": span.data_until.isoformat(),
        "rows": span.rows,
        "events": span.events,
        "seed": seed,
        "trials": trials,
        "libraries": artefacts.versions(),
        "extra": dict(extra or {}),
    }
    blobs = {slug: estimator.to_bytes() for slug, estimator in members.items()}
    for slug, blob in blobs.items():
        if members[slug].native:
            artefacts.try_in_a_child(members[slug].kind, blob, len(FEATURES))
    with transaction.atomic():
        locks.hold("registry")
        named = [
            {
                "slug": slug,
                "kind": members[slug].kind,
                "version": (row := _add(slug, blob, common, span=span, as_of=as_of)).number,
                "file": row.file,
                "sha256": row.sha256,
            }
            for slug, blob in sorted(blobs.items())
        ]
        gate = _add(GATE, blend.to_bytes(), common | {"members": named}, span=span, as_of=as_of)
        audit.record(
            "version.registered",
            actor=actor,
            subject=f"expert:{GATE}",
            data={"version": gate.number, "sha256": gate.sha256, "members": sorted(blobs)},
            as_of=as_of,
        )
    return gate


def members(version: ModelVersion) -> list[ModelVersion]:
    """The versions of the experts that a gate's version combines."""
    named = artefacts.opened(version.manifest).get("members", [])
    return [
        ModelVersion.objects.get(expert_id=each["slug"], number=each["version"]) for each in named
    ]


@transaction.atomic
def serve(slug: str, version: ModelVersion, *, actor: str, as_of: datetime) -> Expert:
    """Point an expert at one of its versions; a gate's members move with it.

    Raises `Unservable` where a gate's version could not be loaded, `ValueError` for a version of
    another expert. Serving an earlier version is the rollback.
    """
    locks.hold("registry")
    if version.expert_id != slug:
        raise ValueError(f"{version} is not a version of {slug}; pass one of its own")
    pointers = [version]
    if slug == GATE:
        load(version, horizon=version.horizon)
        pointers += members(version)
    for pointer in pointers:
        before = Expert.objects.get(pk=pointer.expert_id).served
        Expert.objects.filter(pk=pointer.expert_id).update(served=pointer, note="")
        audit.record(
            "expert.served",
            actor=actor,
            subject=f"expert:{pointer.expert_id}",
            data={
                "before": before.number if before else None,
                "after": pointer.number,
                "sha256": pointer.sha256,
            },
            as_of=as_of,
        )
    return Expert.objects.select_related("served").get(pk=slug)


@transaction.atomic
def place(
    slug: str, *, state: str, version: ModelVersion | None, actor: str, as_of: datetime
) -> None:
    """Set an expert's state and what it serves together; whether it may is decided above.

    A gate's members take its state and their versions of the same training.
    """
    if version is not None:
        serve(slug, version, actor=actor, as_of=as_of)
    else:
        Expert.objects.filter(pk=slug).update(served=None, state=state)
    move_state(slug, to=ExpertState(state), actor=actor, as_of=as_of)
    if slug == GATE and version is not None:
        for member in members(version):
            move_state(member.expert_id, to=ExpertState(state), actor=actor, as_of=as_of)


@transaction.atomic
def move_state(
    slug: str, *, to: ExpertState, actor: str, as_of: datetime, note: str = ""
) -> tuple[ExpertState, ExpertState]:
    """Move an expert to a state and return (before, after); who may move where is decided above."""
    locks.hold("registry")
    before = ExpertState(Expert.objects.get(pk=slug).state)
    Expert.objects.filter(pk=slug).update(state=to, note=note[:400])
    audit.record(
        "expert.moved",
        actor=actor,
        subject=f"expert:{slug}",
        data={"before": before, "after": to, "note": note},
        as_of=as_of,
    )
    return before, to


def load(version: ModelVersion, *, horizon: str = Horizon.OUTCOME) -> Bundle:
    """The gate's version with all its members, from the process cache or its files.

    Raises `WrongHorizon`, `SchemaMismatch`, `LibraryMismatch` or `TamperedArtefact`, each before
    anything of the artefact is parsed.
    """
    body = artefacts.opened(version.manifest)
    if body["horizon"] != horizon:
        raise WrongHorizon(f"{version} forecasts {body['horizon']}, not {horizon}; train for it")
    if body["schema_hash"] != SCHEMA_HASH:
        raise SchemaMismatch(f"{version} was trained on another feature list; train again")
    artefacts.require_same_minor(body["libraries"])
    key = (version.pk, sha256(version.manifest.encode()).hexdigest())
    if key not in _loaded:
        blend = artefacts.read(body["file"], body["sha256"])
        blobs = {
            m["slug"]: (m["kind"], artefacts.read(m["file"], m["sha256"])) for m in body["members"]
        }
        _loaded.clear()
        _loaded[key] = Bundle(
            horizon=body["horizon"],
            schema_hash=body["schema_hash"],
            members={slug: parse(kind, blob) for slug, (kind, blob) in blobs.items()},
            blend=Blend.from_bytes(blend),
            version=version.pk,
            label=f"{GATE} v{version.number}",
            data_until=datetime.fromisoformat(body["data_until"]).timestamp(),
        )
    return _loaded[key]


def forget() -> None:
    """Empty the process cache: the next load reads and proves the files again."""
    _loaded.clear()


def served(*, horizon: str = Horizon.OUTCOME) -> Bundle | None:
    """What forecasts are made with now; None where the price alone is left.

    The gate must be ACTIVE; members whose expert is not are left out. A version that cannot be
    served is logged and named in the gate's note.
    """
    gate = (
        Expert.objects.select_related("served")
        .filter(algorithm=Algorithm.GATE, horizon=horizon, state=ExpertState.ACTIVE)
        .first()
    )
    if gate is None or gate.served is None:
        return None
    try:
        bundle = load(gate.served, horizon=horizon)
    except Unservable as refusal:
        log.warning("version.refused", expert=gate.slug, version=gate.served_id, why=str(refusal))
        _note(gate, f"{NOT_SERVED}{refusal}")
        return None
    if gate.note.startswith(NOT_SERVED):
        _note(gate, "")
    active = set(
        Expert.objects.filter(slug__in=bundle.members, state=ExpertState.ACTIVE).values_list(
            "slug", flat=True
        )
    )
    return replace(bundle, members={k: v for k, v in bundle.members.items() if k in active})


def _note(gate: Expert, note: str) -> None:
    if gate.note != note[:400]:
        Expert.objects.filter(pk=gate.pk).update(note=note[:400])


def _add(
    slug: str, blob: bytes, common: Mapping[str, Any], *, span: Span, as_of: datetime
) -> ModelVersion:
    last = ModelVersion.objects.filter(expert_id=slug).aggregate(last=Max("number"))["last"] or 0
    file = f"{slug}/{last + 1:05d}-{sha256(blob).hexdigest()[:16]}"
    body = dict(common) | {"slug": slug, "number": last + 1, "file": file}
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
