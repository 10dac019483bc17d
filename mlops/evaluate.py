"""Forecast every decision point of a history as the served version would have, and score it.

Only decisions after the served version's data span count: what it learned from proves nothing.
Without a served version the forecast is the market price, and the result says so.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from markets import history as histories
from markets.core.series import Floats, Ints, Snapshots
from markets.history import History
from mlops import labels
from mlops.core import metrics
from mlops.core.contracts import LearningConfig
from mlops.core.examples import PRICE_INFERRED, SCORED
from mlops.core.snapshots import HORIZONS, Decisions
from mlops.models import Evaluation, LearningSettings, TrainingRun
from predictions import registry
from predictions.core import ensemble, features
from predictions.core.cells import cells
from predictions.core.contracts import PredictionConfig
from predictions.core.ensemble import Bundle
from predictions.models import PredictionSettings

CHUNK = 100_000  # decisions forecast at once: bounds memory
LEAST_EVENTS = 100  # a cell with fewer is left out of the family of tests


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Decisions with what the market and the model said, and what happened."""

    decisions: Decisions
    model: Floats
    y: Floats
    event: Ints
    dataset: NDArray[np.str_]
    hindsight: NDArray[np.bool_]
    price_inferred: NDArray[np.bool_]


def run(path: Path, *, as_of: datetime, span_per_dataset: bool = False) -> dict[str, Any]:
    """Score the served version on the history at `path`, per dataset and horizon and pooled.

    `span_per_dataset` counts decisions later than the version's answers of the same dataset, even
    where it had later answers of others. Raises `markets.history.BadHistory`.
    """
    bundle = registry.served()
    config = LearningSettings.objects.current(as_of=as_of).as_config()
    history = histories.load(path)
    found = forecast(
        history,
        bundle=bundle,
        config=config,
        settings=PredictionSettings.objects.current(as_of=as_of).as_config(),
        after=_spans(history, bundle, per_dataset=span_per_dataset),
    )
    # The seed is a setting: who evaluates again gets the same interval.
    rng = np.random.Generator(np.random.PCG64(config.seed))
    result = report(found, rng=rng, resamples=config.bootstrap)
    result["version"] = None if bundle is None else bundle.label
    result["decisions_after"] = None if bundle is None else _iso(bundle.data_until)
    result["span_per_dataset"] = span_per_dataset
    result["notes"] = list(history.notes)
    result["simulated"] = history.simulated
    if bundle is None:
        result["note"] = "no version is served: the forecast is the market price"
    elif not found.decisions.rows:
        result["note"] = (
            "no answered decision is later than the version's data; name later history, "
            "or train --until an earlier moment first"
        )
    Evaluation.objects.create(
        evaluated_at=as_of,
        version_id=None if bundle is None else bundle.version,
        source=str(path)[-300:],
        result=json.dumps(result),
    )
    return result


def _spans(history: History, bundle: Bundle | None, *, per_dataset: bool) -> Floats:
    """Per market the instant until which the version had seen answers, epoch seconds."""
    if bundle is None:
        return np.full(len(history.markets), -np.inf)
    ends = np.full(len(history.markets), bundle.data_until)
    if per_dataset:
        row = TrainingRun.objects.filter(version_id=bundle.version).order_by("-id").first()
        spans = {} if row is None else json.loads(row.metrics).get("spans", {})
        datasets = history.markets["dataset"].to_list()
        ends = np.array([spans.get(name, -np.inf) for name in datasets])
    return ends


def _iso(epoch_s: float) -> str:
    return labels.moment(epoch_s).isoformat()


def forecast(
    history: History,
    *,
    bundle: Bundle | None,
    config: LearningConfig,
    settings: PredictionConfig,
    after: Floats,
) -> Forecast:
    """What the bundle says at every answered decision later than `after` (per market)."""
    found = labels.decided(history, config=config)
    counted = labels.answered(history, until=None, strengths=SCORED)[found.market]
    found = found.take(counted & (found.as_of > after[found.market]))
    model = found.price.copy()
    for low in range(0, found.rows if bundle is not None else 0, CHUNK):
        part = slice(low, low + CHUNK)
        asked = Snapshots(market=found.market[part], as_of=found.as_of[part])
        model[part] = ensemble.forecast(
            bundle,
            features.compute(history.series, history.facts, asked),
            found.price[part],
            cell=cells(history.facts, asked),
            config=settings,
        ).probability
    payout = history.markets["payout"].cast(float).to_numpy()
    return Forecast(
        decisions=found,
        model=model,
        y=payout[found.market],
        event=history.facts.event[found.market],
        dataset=history.markets["dataset"].to_numpy().astype(str)[found.market],
        hindsight=history.markets["hindsight"].to_numpy()[found.market],
        price_inferred=(history.markets["label_strength"] == PRICE_INFERRED).to_numpy()[
            found.market
        ],
    )


def report(found: Forecast, *, rng: np.random.Generator, resamples: int) -> dict[str, Any]:
    """Scores per dataset and horizon and over all rows, as plain JSON."""
    cells_: list[dict[str, Any]] = []
    for dataset in np.unique(found.dataset):
        for horizon in np.unique(found.decisions.horizon[found.dataset == dataset]):
            rows = (found.dataset == dataset) & (found.decisions.horizon == horizon)
            scored = _score(found, rows, rng=rng, resamples=resamples)
            cells_.append(
                {
                    "dataset": str(dataset),
                    "horizon": HORIZONS[horizon],
                    **scored,
                    "single_stamp": bool(found.decisions.own_stamp[rows].all()),
                    "hindsight": bool(found.hindsight[rows].any()),
                    "price_inferred": bool(found.price_inferred[rows].any()),
                }
            )
    everything = np.ones(found.decisions.rows, dtype=bool)
    pooled = {
        "dataset": "all",
        "horizon": "all",
        **_score(found, everything, rng=rng, resamples=resamples),
    }
    _judge(cells_)
    return {"datasets": cells_, "pooled": pooled}


def _score(
    found: Forecast, rows: NDArray[np.bool_], *, rng: np.random.Generator, resamples: int
) -> dict[str, Any]:
    scored = metrics.score(
        found.y[rows],
        market=found.decisions.price[rows],
        model=found.model[rows],
        event=found.event[rows],
        rng=rng,
        resamples=resamples,
    )
    moved = found.model[rows] != found.decisions.price[rows]
    return {
        **scored.as_json(),
        "corrected": float(moved.mean()) if len(moved) else 0.0,
        "insufficient": scored.events < LEAST_EVENTS,
    }


def _judge(cells_: list[dict[str, Any]]) -> None:
    # Holm over the cells that have enough events to say anything.
    family = [cell for cell in cells_ if not cell["insufficient"]]
    adjusted = metrics.holm(np.array([cell["p_worse"] for cell in family]))
    for cell in cells_:
        cell["p_worse_holm"] = None
    for cell, p_value in zip(family, adjusted.tolist(), strict=True):
        cell["p_worse_holm"] = p_value
