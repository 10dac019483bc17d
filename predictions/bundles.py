"""What is served now: the versions that the gates point at, proven and loaded once per process.

A pointer is a row, a bundle is immutable: a swap is one more version in the cache and one row that
names it. One query reads every pointer and every state, so that whoever forecasts with the answer
forecasts from exactly one version per horizon, whatever is swapped meanwhile.
"""

import json
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

import numpy as np
import structlog

from config.kernel.models import DomainEvent
from predictions import artefacts, proofs
from predictions.artefacts import (
    LibraryMismatch,
    MissingArtefact,
    NotAGate,
    SchemaMismatch,
    TamperedArtefact,
    Unservable,
    WrongHorizon,
)
from predictions.core import roster
from predictions.core.ensemble import Blend, Bundle
from predictions.core.estimators import KINDS, Estimator, parse
from predictions.core.schema import FEATURES, SCHEMA_HASH
from predictions.models import Algorithm, Expert, ExpertState, Horizon, ModelVersion

log = structlog.get_logger(__name__)

KEPT: Final = (
    3  # bundles of one horizon: what is served, its challenger, what a rollback returns to
)
REVALIDATED: Final = "version.revalidated"
# A gate in these states forecasts the price; what its members say is kept to be scored.
SHADOWING: Final = frozenset({ExpertState.SHADOW, ExpertState.PROBATION})

Key = tuple[int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What forecasts one horizon: nothing at all where no gate has a version.

    Attributes
    ----------
    bundle
        With `active` members for the weights; none of them where it only shadows.
    challenger
        What forecasts its share of events instead.
    refusal
        Why the version that should be served is not, or only shadows; "" where it is.
    missing
        Why members of the served version are left out, by slug.
    """

    bundle: Bundle | None = None
    challenger: Bundle | None = None
    refusal: str = ""
    missing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Loaded:
    bundle: Bundle
    files: Mapping[str, str]  # of the members that are gone, by slug


_cache: dict[str, OrderedDict[Key, _Loaded]] = {}
_lock = threading.RLock()


def load(version: ModelVersion, *, horizon: str = Horizon.OUTCOME, shadow: bool = False) -> Bundle:
    """The gate's version with all its members that are there, from the process cache or its files.

    Raises `NotAGate`, `WrongHorizon`, `SchemaMismatch`, `LibraryMismatch` (not for a `shadow`) or
    `TamperedArtefact`, each before anything of the artefact is parsed here.
    """
    return _load(version, horizon=horizon, shadow=shadow).bundle


def forget() -> None:
    """Empty the process cache: the next load reads and proves the files again."""
    with _lock:
        _cache.clear()


def served(*, horizon: str = Horizon.OUTCOME) -> Bundle | None:
    """What forecasts are made with now; None where the price alone is left. Writes nothing."""
    bundle = examined(horizon=horizon).bundle
    return bundle if bundle is not None and bundle.active else None


def examined(*, horizon: str = Horizon.OUTCOME) -> Standing:
    """What stands for one horizon."""
    return standings([horizon]).get(horizon, Standing())


def standings(horizons: Iterable[str] = roster.HORIZONS) -> dict[str, Standing]:
    """What stands for each of the horizons whose gate has a version. One query."""
    return of(list(Expert.objects.select_related("served", "challenger")), horizons)


def of(experts: Sequence[Expert], horizons: Iterable[str]) -> dict[str, Standing]:
    """What stands by these rows, read at one instant; of files only those not yet loaded."""
    active = frozenset(e.slug for e in experts if e.state == ExpertState.ACTIVE)
    asked = set(horizons)
    return {
        gate.horizon: _standing(gate, gate.served, active)
        for gate in experts
        if gate.algorithm == Algorithm.GATE
        and gate.horizon in asked
        and gate.served is not None
        and gate.state in {ExpertState.ACTIVE, *SHADOWING}
    }


def _standing(gate: Expert, version: ModelVersion, active: frozenset[str]) -> Standing:
    try:
        found = _load(version, horizon=gate.horizon, shadow=True)
        refusal = outdated(version)
    except Unservable as unservable:
        log.warning("version.refused", expert=gate.slug, version=version.pk, why=str(unservable))
        return Standing(refusal=str(unservable))
    except Exception as cause:
        # Whatever it is, it may not cost the other horizons, nor the price.
        log.exception("version.failed", expert=gate.slug, version=version.pk)
        return Standing(refusal=f"it cannot be loaded: {cause!r}")
    if refusal:
        log.warning("version.shadowed", expert=gate.slug, version=version.pk, why=refusal)
    follows = gate.state == ExpertState.ACTIVE and not refusal
    return Standing(
        bundle=replace(found.bundle, active=active if follows else frozenset()),
        challenger=_challenger(gate, active) if follows else None,
        refusal=refusal,
        missing={slug: f"{file} is gone" for slug, file in found.files.items()},
    )


def _challenger(gate: Expert, active: frozenset[str]) -> Bundle | None:
    """The version that is compared, with the members that have weight: what wins then serves."""
    if gate.challenger is None:
        return None
    try:
        bundle = load(gate.challenger, horizon=gate.horizon)
    except Unservable as refusal:
        log.warning(
            "challenger.refused", expert=gate.slug, version=gate.challenger_id, why=str(refusal)
        )
        return None
    except Exception:
        log.exception("challenger.failed", expert=gate.slug, version=gate.challenger_id)
        return None
    return replace(bundle, active=active)


def outdated(version: ModelVersion) -> str:
    """Why a version may only shadow: a library's minor release changed; "" where it may serve."""
    change = artefacts.changed(artefacts.opened(version.manifest)["libraries"])
    if not change or _revalidated(version):
        return ""
    return f"{change}; it shadows until it is re-validated or trained again"


def _revalidated(version: ModelVersion) -> bool:
    said = DomainEvent.objects.filter(kind=REVALIDATED, subject=f"version:{version.pk}")
    seal = revalidation(version)
    return any(json.loads(data).get("seal") == seal for data in said.values_list("data", flat=True))


def revalidation(version: ModelVersion) -> str:
    """What a re-validation of a version under the installed libraries is known by."""
    return artefacts.mac(f"revalidated {version.sha256} {sorted(artefacts.minors().items())}")


def _load(version: ModelVersion, *, horizon: str, shadow: bool) -> _Loaded:
    body = artefacts.opened(version.manifest)
    _refuse(version, body, horizon=horizon)
    if not shadow and (change := outdated(version)):
        raise LibraryMismatch(change)
    key = (version.pk, sha256(version.manifest.encode()).hexdigest())
    with _lock:
        kept = _cache.setdefault(horizon, OrderedDict())
        found = kept.get(key)
        if found is None or any(artefacts.exists(file) for file in found.files.values()):
            found = _read(version, body)
            kept[key] = found
        kept.move_to_end(key)
        while len(kept) > KEPT:
            kept.popitem(last=False)
        return found


def _refuse(version: ModelVersion, body: Mapping[str, Any], *, horizon: str) -> None:
    gate = roster.gate(body["horizon"])
    if {version.expert_id, body["slug"]} != {gate}:
        raise NotAGate(f"{version} belongs to {version.expert_id}; point the gate at its own")
    if body["horizon"] != horizon:
        raise WrongHorizon(f"{version} forecasts {body['horizon']}, not {horizon}; train for it")
    if body["schema_hash"] != SCHEMA_HASH:
        raise SchemaMismatch(f"{version} was trained on another feature list; train again")


def _read(version: ModelVersion, body: Mapping[str, Any]) -> _Loaded:
    """Digests first, then a child process, then this one."""
    blend = artefacts.read(body["file"], body["sha256"])
    blobs: dict[str, tuple[str, bytes]] = {}
    files: dict[str, str] = {}
    for member in body["members"]:
        try:
            blob = artefacts.read(member["file"], member["sha256"])
            blobs[member["slug"]] = (member["kind"], blob)
        except MissingArtefact as gone:
            files[member["slug"]] = member["file"]
            log.warning("member.missing", expert=member["slug"], why=str(gone))
    foreign = [
        (kind, blob) for kind, blob in blobs.values() if kind in KINDS and KINDS[kind].native
    ]
    proofs.prove(foreign, features=len(FEATURES))
    bundle = Bundle(
        horizon=body["horizon"],
        schema_hash=body["schema_hash"],
        members={slug: _parsed(slug, kind, blob) for slug, (kind, blob) in blobs.items()},
        blend=_blended(blend),
        version=version.pk,
        label=f"{body['slug']} v{version.number} sha256:{body['sha256'][:12]}",
        sha256=body["sha256"],
        data_until=datetime.fromisoformat(body["data_until"]).timestamp(),
    )
    return _Loaded(bundle, files)


def _parsed(slug: str, kind: str, blob: bytes) -> Estimator:
    """The estimator, used before threads share it: whatever it builds late is built then.

    For one row and for more: compiled walks of trees differ.
    """
    try:
        estimator = parse(kind, blob)
        for rows in (1, 2):
            cell = np.zeros(rows, dtype=np.int64)
            estimator.correction(np.zeros((rows, len(FEATURES))), np.zeros(rows), cell)
    except Exception as cause:
        raise TamperedArtefact(f"{slug} ({kind}) cannot be used: {cause!r}; train again") from cause
    return estimator


def _blended(blob: bytes) -> Blend:
    try:
        return Blend.from_bytes(blob)
    except Exception as cause:
        raise TamperedArtefact(f"the blend cannot be read: {cause!r}; train again") from cause
