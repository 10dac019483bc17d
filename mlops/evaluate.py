"""Forecast every decision point of a history as the served version would have, and score it.

Only decisions after the served version's data span count: what it learned from proves nothing.
Without a served version the forecast is the market price, and the result says so.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from markets import history as histories
from markets.core.series import Floats, Ints, Snapshots
from markets.history import History
from mlops import cards, labels, truth
from mlops.core import scorecard
from mlops.core.contracts import LearningConfig
from mlops.core.examples import PRICE_INFERRED, SCORED, STRONG
from mlops.core.scorecard import Forecast
from mlops.core.snapshots import Decisions
from mlops.models import Evaluation, LearningSettings, TrainingRun
from predictions import registry
from predictions.core import ensemble, features
from predictions.core.cells import cells
from predictions.core.coherence import Groups
from predictions.core.contracts import PredictionConfig
from predictions.core.ensemble import Bundle
from predictions.models import PredictionSettings

Flags = NDArray[np.bool_]

CHUNK = 100_000  # decisions forecast at once, about: bounds memory


def run(
    path: Path, *, as_of: datetime, span_per_dataset: bool = False, strong_only: bool = False
) -> dict[str, Any]:
    """Score the served version on the history at `path`: what it said later than it had learned.

    `span_per_dataset` counts decisions later than the version's answers of the same dataset, even
    where it had later answers of others; `strong_only` leaves out answers read off the price.
    Raises `markets.history.BadHistory`.
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
        strong_only=strong_only,
    )
    result = report(found, config=config, history=history, path=path)
    result["version"] = None if bundle is None else bundle.label
    result["decisions_after"] = None if bundle is None else _iso(bundle.data_until)
    result["span_per_dataset"] = span_per_dataset
    result["strong_only"] = strong_only
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


def report(
    found: Forecast, *, config: LearningConfig, history: History, path: Path | None
) -> dict[str, Any]:
    """The scorecard of a forecast, and what of the planted gain it recovered where one was."""
    # The seed is a setting: who evaluates again gets the same interval.
    rng = np.random.Generator(np.random.PCG64(config.seed))
    result = scorecard.report(found, rng=rng, resamples=config.bootstrap)
    result["planted"] = None if path is None else truth.recovered(path, history, found)
    result["notes"] = list(history.notes)
    result["simulated"] = history.simulated
    return result


def _spans(history: History, bundle: Bundle | None, *, per_dataset: bool) -> Floats:
    """Per market the instant until which the version had seen answers, epoch seconds."""
    if bundle is None:
        return np.full(len(history.markets), -np.inf)
    ends = np.full(len(history.markets), bundle.data_until)
    if per_dataset:
        row = TrainingRun.objects.filter(version_id=bundle.version).order_by("-id").first()
        told = {} if row is None else cards.part(cards.read(row.card), "span")
        spans = cards.part(told, "sources")
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
    strong_only: bool = False,
) -> Forecast:
    """What the bundle says at every answered decision later than `after` (per market)."""
    found = labels.decided(history, config=config)
    strengths = STRONG if strong_only else SCORED
    counted = labels.answered(history, until=None, strengths=strengths)[found.market]
    counted &= found.as_of > after[found.market]
    model = found.price
    if bundle is not None:
        model = _said(bundle, history, found, counted, settings=settings)
    found, model = found.take(counted), model[counted]
    cell = cells(history.facts, Snapshots(market=found.market, as_of=found.as_of))
    payout = history.markets["payout"].cast(float).to_numpy()
    inferred = (history.markets["label_strength"] == PRICE_INFERRED).to_numpy()
    return Forecast(
        decisions=found,
        model=model,
        y=payout[found.market],
        event=history.facts.event[found.market],
        cell=cell,
        dataset=history.markets["dataset"].to_numpy().astype(str)[found.market],
        hindsight=history.markets["hindsight"].to_numpy()[found.market],
        price_inferred=inferred[found.market],
    )


def _said(
    bundle: Bundle,
    history: History,
    found: Decisions,
    counted: Flags,
    *,
    settings: PredictionConfig,
) -> Floats:
    """Forecasts of the decisions that count, the price elsewhere.

    As in service they are made together with those of their events' other markets, answered or not.
    """
    asked = Snapshots(market=found.market, as_of=found.as_of)
    groups, model = Groups.of(history.facts, asked), found.price.copy()
    for rows in _parts(np.flatnonzero(np.isin(groups.event, groups.event[counted])), groups):
        some = Snapshots(market=asked.market[rows], as_of=asked.as_of[rows])
        model[rows] = ensemble.forecast(
            bundle,
            features.compute(history.series, history.facts, some, history.context),
            found.price[rows],
            cell=cells(history.facts, some),
            config=settings,
            groups=groups.take(rows),
        ).probability
    return model


def _parts(rows: Ints, groups: Groups) -> list[Ints]:
    """The rows in parts of about `CHUNK`; none cuts through an event at one instant."""
    rows = rows[np.argsort(groups.event[rows], kind="stable")]
    _, first, of = np.unique(groups.event[rows], return_index=True, return_inverse=True)
    edges = np.flatnonzero(np.diff(first[of] // CHUNK)) + 1
    return np.split(rows, edges) if len(rows) else []
