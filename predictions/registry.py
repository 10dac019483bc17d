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
    NotAGate,
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
    "NotAGate",
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
LOCK: Final = "registry"  # held by whoever changes what is served

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
        locks.hold(LOCK)
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
    if slug == GATE and state == ExpertState.ACTIVE and version is not None:
        load(version, horizon=version.horizon)
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


def load(version: ModelVersion, *, horizon: str = Horizon.OUTCOME) -> Bundle:
    """The gate's version with all its members, from the process cache or its files.

    Raises `NotAGate`, `WrongHorizon`, `SchemaMismatch`, `LibraryMismatch` or `TamperedArtefact`,
    each before anything of the artefact is parsed.
    """
    body = artefacts.opened(version.manifest)
    if {version.expert_id, body["slug"]} != {GATE}:
        raise NotAGate(f"{version} belongs to {version.expert_id}; point the gate at its own")
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
            label=f"{GATE} v{version.number} sha256:{body['sha256'][:12]}",
            sha256=body["sha256"],
            data_until=datetime.fromisoformat(body["data_until"]).timestamp(),
        )
    return _loaded[key]


def forget() -> None:
    """Empty the process cache: the next load reads and proves the files again."""
    _loaded.clear()


def served(*, horizon: str = Horizon.OUTCOME) -> Bundle | None:
    """What forecasts are made with now; None where the price alone is left. Writes nothing."""
    return examined(horizon=horizon)[0]


def examined(*, horizon: str = Horizon.OUTCOME) -> tuple[Bundle | None, str]:
    """What is served, and why the version that should be cannot be used ("": it can).

    The gate must be ACTIVE; members whose expert is not are left out.
    """
    gate = (
        Expert.objects.select_related("served")
        .filter(algorithm=Algorithm.GATE, horizon=horizon, state=ExpertState.ACTIVE)
        .first()
    )
    if gate is None or gate.served is None:
        return None, ""
    try:
        bundle = load(gate.served, horizon=horizon)
    except Unservable as refusal:
        log.warning("version.refused", expert=gate.slug, version=gate.served_id, why=str(refusal))
        return None, str(refusal)
    active = set(
        Expert.objects.filter(slug__in=bundle.members, state=ExpertState.ACTIVE).values_list(
            "slug", flat=True
        )
    )
    members = {k: v for k, v in bundle.members.items() if k in active}
    return replace(bundle, members=members), ""


def note(refusal: str, *, horizon: str = Horizon.OUTCOME) -> None:
    """Name in the gate's note why its version is not served; take the note away once it is."""
    said = f"{NOT_SERVED}{refusal}"[:400] if refusal else ""
    gates = Expert.objects.filter(algorithm=Algorithm.GATE, horizon=horizon)
    if said:
        gates.filter(state=ExpertState.ACTIVE).exclude(note=said).update(note=said)
    elif gates.filter(note__startswith=NOT_SERVED).exists():
        gates.filter(note__startswith=NOT_SERVED).update(note="")


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
