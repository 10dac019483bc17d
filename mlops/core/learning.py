"""One training as a pure function: examples in, experts and their gate out, with the evidence.

Experts are fitted on everything; how far to follow them is fitted on what they said out of fold.
The ladder is climbed only on evidence (a booster joins the recalibration only where it improves on
it beyond its interval), and a cell is corrected only where both scores gain beyond theirs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from markets.core.series import Floats
from mlops.core import evidence, metrics, oof
from mlops.core.contracts import LearningConfig
from mlops.core.evidence import CellEvidence
from mlops.core.examples import Examples
from mlops.core.oof import Factory, OutOfFold
from predictions.core.cells import BUCKETS
from predictions.core.ensemble import Blend
from predictions.core.estimators import Estimator, Recalibration, ResidualBooster
from predictions.core.logits import corrected
from predictions.core.schema import DOMAINS

EXPERTS: Final[Mapping[str, Factory]] = {
    Recalibration.kind: Recalibration,
    ResidualBooster.kind: ResidualBooster,
}
BUCKET_NAMES: Final = ("<1h", "1-6h", "6-24h", "1-7d", ">7d", "no end announced")
WINDOW_NAMES: Final = ("5 min", "15 min", "1 h", "longer", "longer", "longer")
FIRST_RUNG: Final = (Recalibration.kind,)
FOLDS_PER_SOURCE_ERA: Final = 2  # the configured folds are a minimum: eras far apart need more


class Refused(ValueError):
    """The data or the result does not deserve a model; the message says what and what to do."""


class SuspectedLeak(Refused):
    """Too good to be true out of fold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """Experts fitted on all examples, the gate, and what they proved out of fold."""

    members: dict[str, Estimator]
    blend: Blend
    cells: tuple[CellEvidence, ...]
    scores: dict[str, Any]


def learn(
    data: Examples,
    *,
    config: LearningConfig,
    cap: float,
    seed: int,
    experts: Mapping[str, Factory] = EXPERTS,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Trained:
    """Train and judge; the same examples and seed give the same bytes.

    Raises `Refused` for too little data or one class only, `SuspectedLeak`, `oof.NotFinite`.
    """
    check(data, config=config)
    rng = np.random.Generator(np.random.PCG64(seed))
    found = oof.walk(
        data,
        experts,
        folds=config.folds * FOLDS_PER_SOURCE_ERA,
        embargo_days=config.embargo_days,
        min_events=config.min_events,
        seed=seed,
        progress=progress,
    )
    tested = data.take(found.rows)
    alone = {name: found.corrections[:, k] for k, name in enumerate(found.experts)}
    _refuse_a_leak(tested, alone, limit=config.max_skill)
    chosen = _rung(tested, alone, config=config, cap=cap, rng=rng)
    # Half the cap: the sign of the gain is judged, its size is fitted by the blend.
    move = cap / 2 * _mean(alone, chosen)
    judged = _judge(tested, corrected(tested.price, move), config=config, rng=rng)
    blend = Blend.fit(
        {name: alone[name] for name in chosen},
        tested.price,
        tested.y,
        event=tested.event,
        cell=tested.cell,
        cap=cap,
        allowed=frozenset(each.cell for each in judged if each.positive),
    )
    weight = np.where(np.isin(tested.cell, blend.cells), blend.weight, 0.0)
    model = corrected(tested.price, weight * _mean(alone, chosen))
    scores = _scores(tested, found, model, config=config, rng=rng) | {
        "experts": list(chosen),
        "weight": blend.weight,
        "cells": [{"name": cell_name(each.cell), **each.as_json()} for each in judged],
        "used": list(blend.cells),
        "spans": _spans(data),
    }
    members = {name: oof.fit(make(), data, seed=seed) for name, make in experts.items()}
    return Trained(members=members, blend=blend, cells=judged, scores=scores)


def _mean(alone: Mapping[str, Floats], chosen: Sequence[str]) -> Floats:
    return np.asarray(np.mean([alone[name] for name in chosen], axis=0), dtype=np.float64)


def _judge(
    tested: Examples, model: Floats, *, config: LearningConfig, rng: np.random.Generator
) -> tuple[CellEvidence, ...]:
    return evidence.judge(
        tested.y,
        market=tested.price,
        model=model,
        cell=tested.cell,
        event=tested.event,
        min_events=config.min_cell_events,
        level=config.evidence_level,
        resamples=config.bootstrap,
        rng=rng,
    )


def _spans(data: Examples) -> dict[str, float]:
    """Per source the newest answer that was learned, epoch seconds."""
    return {
        name: float(data.known_at[data.source == k].max())
        for k, name in enumerate(data.sources)
        if (data.source == k).any()
    }


def cell_name(cell: int) -> str:
    """What a cell stands for, in words.

    >>> cell_name(3 * BUCKETS + 5)
    'sports, no end announced'
    """
    domain = DOMAINS[cell // BUCKETS]
    names = WINDOW_NAMES if domain == "epoch" else BUCKET_NAMES
    return f"{domain}, {names[cell % BUCKETS]}"


def check(data: Examples, *, config: LearningConfig) -> None:
    """Refuse examples that cannot teach: too few, one class only, or numbers that are none."""
    for name, least, have in (
        ("labelled decisions", config.min_rows, data.rows),
        ("resolved events", config.min_events, data.events),
    ):
        if have < least:
            raise Refused(
                f"{have} {name}, at least {least} are needed; import more history or wait for "
                "resolutions (learning settings hold the minimum)"
            )
    for name, column in (("price", data.price), ("payout", data.y), ("weight", data.weight)):
        if not np.isfinite(column).all():
            bad = np.count_nonzero(~np.isfinite(column))
            raise oof.NotFinite(f"{bad} examples have a {name} that is not a finite number")
    if np.isinf(data.x).any():
        raise oof.NotFinite("a feature is infinite; find the kernel that divides by zero")
    if data.y.min() == data.y.max():
        raise Refused(f"every answer is {data.y[0]:g}: one class teaches nothing; add other data")


def _refuse_a_leak(tested: Examples, alone: Mapping[str, Floats], *, limit: float) -> None:
    for name, correction in alone.items():
        if not tested.rows:
            continue
        reference = metrics.brier(tested.price, tested.y)
        ours = metrics.brier(corrected(tested.price, correction), tested.y)
        skill = 1 - float((tested.weight * ours).sum() / (tested.weight * reference).sum())
        if skill > limit:
            raise SuspectedLeak(
                f"{name} beats the market price by {skill:.1%} out of fold, more than "
                f"{limit:.0%}: a feature or price knows the answer; audit the newest data first"
            )


def _rung(
    tested: Examples,
    alone: Mapping[str, Floats],
    *,
    config: LearningConfig,
    cap: float,
    rng: np.random.Generator,
) -> tuple[str, ...]:
    """The experts to follow: all of them only where they improve on the first rung."""
    first = tuple(name for name in FIRST_RUNG if name in alone) or tuple(alone)
    if len(first) == len(alone) or not tested.rows:
        return first
    base = corrected(tested.price, cap / 2 * _mean(alone, first))
    more = corrected(tested.price, cap / 2 * _mean(alone, tuple(alone)))
    whole = evidence.judge(
        tested.y,
        market=base,
        model=more,
        cell=np.zeros(tested.rows, dtype=np.int64),
        event=tested.event,
        min_events=config.min_events,
        level=config.evidence_level,
        resamples=config.bootstrap,
        rng=rng,
    )[0]
    return tuple(alone) if whole.positive else first


def _scores(
    tested: Examples,
    found: OutOfFold,
    model: Floats,
    *,
    config: LearningConfig,
    rng: np.random.Generator,
) -> dict[str, Any]:
    def of(rows: NDArray[np.bool_]) -> dict[str, Any]:
        return metrics.score(
            tested.y[rows],
            market=tested.price[rows],
            model=model[rows],
            event=tested.event[rows],
            rng=rng,
            resamples=config.bootstrap,
        ).as_json()

    return {
        "out_of_fold": of(np.ones(tested.rows, dtype=bool)),
        "folds": {str(k): of(found.fold == k) for k in np.unique(found.fold)},
        "sources": {
            name: of(tested.source == k)
            for k, name in enumerate(tested.sources)
            if (tested.source == k).any()
        },
        "insufficient": found.folds < config.folds,
    }
