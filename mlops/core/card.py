"""The model card: what a version learned from, how it did against the price, and what drove it."""

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from markets.core.series import Floats, Ints
from mlops.core import drift, metrics
from mlops.core.contracts import LearningConfig
from mlops.core.examples import Examples
from mlops.core.ladder import Climbed
from mlops.core.oof import OutOfFold
from mlops.core.snapshots import HORIZONS
from predictions.core import estimators
from predictions.core.cells import BUCKETS
from predictions.core.estimators import Estimator
from predictions.core.schema import DOMAINS, NAMES

if TYPE_CHECKING:
    from mlops.core.learning import Tested

BUCKET_NAMES: Final = ("<1h", "1-6h", "6-24h", "1-7d", ">7d", "no end announced")
WINDOW_NAMES: Final = ("5 min", "15 min", "1 h", "longer", "longer", "longer")
TENTHS: Final = 10
LIBRARIES: Final = ("numpy", "polars", "numba", "lightgbm", "xgboost-cpu", "scikit-learn")


def cell_name(cell: int) -> str:
    """What a cell stands for, in words.

    >>> cell_name(3 * BUCKETS + 5)
    'sports, no end announced'
    """
    domain = DOMAINS[cell // BUCKETS]
    names = WINDOW_NAMES if domain == "epoch" else BUCKET_NAMES
    return f"{domain}, {names[cell % BUCKETS]}"


def scores(
    tested: Examples,
    found: OutOfFold,
    climbed: Climbed,
    *,
    config: LearningConfig,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Out-of-fold scores of the gate against the price, overall and by part."""

    def of(rows: NDArray[np.bool_]) -> dict[str, Any]:
        return metrics.score(
            tested.y[rows],
            market=tested.price[rows],
            model=climbed.model[rows],
            event=tested.event[rows],
            rng=rng,
            resamples=config.bootstrap,
        ).as_json()

    def parts(number: Ints, names: Mapping[int, str]) -> dict[str, Any]:
        present = sorted(set(np.unique(number).tolist()) & set(names))
        return {names[k]: of(number == k) for k in present}

    return {
        "out_of_fold": of(np.ones(tested.rows, dtype=bool)),
        "folds": parts(found.fold, {int(k): str(k) for k in np.unique(found.fold)}),
        "sources": parts(tested.source, dict(enumerate(tested.sources))),
        "domains": parts(tested.cell // BUCKETS, dict(enumerate(DOMAINS))),
        "buckets": parts(tested.horizon.astype(np.int64), dict(enumerate(HORIZONS))),
        "cells": [{"name": cell_name(each.cell), **each.as_json()} for each in climbed.cells],
        "used": list(climbed.blend.cells),
        "weight": climbed.blend.weight,
        "insufficient": found.folds < config.folds,
    }


def written(
    data: Examples,
    tested: Examples,
    climbed: Climbed,
    *,
    horizon: str,
    scores: Mapping[str, Any],
    trials: int,
) -> dict[str, Any]:
    """The card without its experts and controls."""
    return {
        "horizon": horizon,
        "span": {
            "from": _when(data.as_of.min()),
            "until": _when(data.known_at.max()),
            "rows": data.rows,
            "markets": data.markets,
            "events": data.events,
            "sources": spans(data),
        },
        "trials": trials,
        "folds": len(scores["folds"]),
        "scores": {name: scores[name] for name in ("out_of_fold", "domains", "buckets")},
        "calibration": calibration(tested, climbed.model),
        "rungs": [rung.as_json() for rung in climbed.rungs],
        "profile": drift.Profile.of(data.x, NAMES, events=data.events).as_json(),
        "libraries": {"python": platform.python_version()}
        | {name: version(name) for name in LIBRARIES},
    }


def spans(data: Examples) -> dict[str, float]:
    """Per source the newest answer that was learned, epoch seconds."""
    return {
        name: float(data.known_at[data.source == k].max())
        for k, name in enumerate(data.sources)
        if (data.source == k).any()
    }


def calibration(tested: Examples, model: Floats) -> list[dict[str, float]]:
    """Per tenth of the gate's forecast: rows, events, mean forecast, mean price, how it ended."""
    number = np.minimum((model * TENTHS).astype(np.int64), TENTHS - 1)
    found = []
    for k in np.unique(number):
        rows = number == k
        found.append(
            {
                "from": float(k / TENTHS),
                "to": float((k + 1) / TENTHS),
                "rows": int(rows.sum()),
                "events": len(np.unique(tested.event[rows])),
                "price": float(tested.price[rows].mean()),
                "forecast": float(model[rows].mean()),
                "outcome": float(tested.y[rows].mean()),
            }
        )
    return found


def experts(
    tested: "Mapping[str, Tested]",
    untrained: Mapping[str, Mapping[str, Any]],
    members: Mapping[str, Estimator],
    *,
    rows: Ints,
) -> dict[str, Any]:
    """Per expert what it learned from, proved and was driven by; the untrained with what lacks."""
    found: dict[str, Any] = {
        slug: dict(each) | {"trained": False} for slug, each in untrained.items()
    }
    for (slug, each), count in zip(tested.items(), rows.tolist(), strict=True):
        found[slug] = {
            "trained": True,
            "kind": members[slug].kind,
            "rows": count,
            "events": each.hold_out.events,
            "hold_out": each.hold_out.as_json(),
            "evidence": each.evidence.as_json(),
            "e_value": each.evidence.e_value,
            "threshold": each.threshold,
            "p_value": each.p_value,
            "route": each.route,
            "admitted": each.admitted,
            "reasons": list(() if each.admitted else each.reasons),
            "importance": [
                [name, share] for name, share in estimators.importance(members[slug], NAMES)
            ],
        }
    return found


def _when(epoch_s: float) -> str:
    return datetime.fromtimestamp(float(epoch_s), tz=UTC).isoformat(timespec="seconds")
