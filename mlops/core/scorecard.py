"""An evaluation as plain JSON: the forecast against the price, cut by what matters."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from markets.core.series import Floats, Ints
from mlops.core import metrics, reliability, safety
from mlops.core.snapshots import HORIZONS, Decisions
from predictions.core.cells import BUCKETS
from predictions.core.schema import DOMAINS

EDGES: Final = (0.05, 0.15, 0.35, 0.65, 0.85, 0.95)
PRICES: Final = ("<0.05", "0.05-0.15", "0.15-0.35", "0.35-0.65", "0.65-0.85", "0.85-0.95", "≥0.95")
ALL: Final = "all"
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Decisions with what the market and the model said, and what happened.

    `cell` is domain × scheduled time left, from `predictions.core.cells`; `y` the payout of
    outcome 0, or for a price horizon the later price.
    """

    decisions: Decisions
    model: Floats
    y: Floats
    event: Ints
    cell: Ints
    dataset: NDArray[np.str_]
    hindsight: Flags
    price_inferred: Flags


def report(found: Forecast, *, rng: np.random.Generator, resamples: int) -> dict[str, Any]:
    """Scores by dataset × time left, domain, time left and price bucket; calibration; safety."""
    cuts: dict[str, list[dict[str, Any]]] = {
        cut: [
            {"cut": cut, "name": name, **_score(found, rows, rng=rng, resamples=resamples)}
            for name, rows in parts
        ]
        for cut, parts in _cuts(found)
    }
    datasets = [
        {
            "cut": "dataset",
            "name": f"{dataset} {horizon}",
            "dataset": dataset,
            "horizon": horizon,
            **_score(found, rows, rng=rng, resamples=resamples),
            "single_stamp": bool(found.decisions.own_stamp[rows].all()),
            "hindsight": bool(found.hindsight[rows].any()),
            "price_inferred": bool(found.price_inferred[rows].any()),
        }
        for dataset, horizon, rows in _by_dataset(found)
    ]
    everything = _score(found, _whole(found), rng=rng, resamples=resamples)
    pooled = {"dataset": ALL, "horizon": ALL, **everything}
    calibration = _calibration(found, rng=rng, resamples=resamples)
    cells = [*datasets, *(cell for part in cuts.values() for cell in part)]
    safety.adjust(cells)
    return {
        "datasets": datasets,
        "domains": cuts["domain"],
        "horizons": cuts["time left"],
        "price_buckets": cuts["price"],
        "extremes": cuts["extremes"],
        "pooled": pooled,
        "calibration": calibration,
        "safety": safety.verdict(cells, pooled=pooled, calibration=calibration),
    }


def _whole(found: Forecast) -> Flags:
    return np.ones(found.decisions.rows, dtype=bool)


def _by_dataset(found: Forecast) -> Iterator[tuple[str, str, Flags]]:
    for dataset in np.unique(found.dataset):
        for horizon in np.unique(found.decisions.horizon[found.dataset == dataset]):
            rows = (found.dataset == dataset) & (found.decisions.horizon == horizon)
            yield str(dataset), HORIZONS[horizon], rows


def _cuts(found: Forecast) -> Iterator[tuple[str, list[tuple[str, Flags]]]]:
    price = found.decisions.price
    yield "domain", list(_parts(found.cell // BUCKETS, DOMAINS))
    yield "time left", list(_parts(found.decisions.horizon, HORIZONS))
    yield "price", list(_parts(np.searchsorted(EDGES, price, side="right"), PRICES))
    middle = (price >= EDGES[0]) & (price <= EDGES[-1])
    yield "extremes", list(_parts(middle, ("outside [0.05, 0.95]", "within [0.05, 0.95]")))


def _parts(number: NDArray[Any], names: Sequence[str]) -> Iterator[tuple[str, Flags]]:
    for k in np.unique(number).tolist():
        yield names[int(k)], number == k


def _score(
    found: Forecast, rows: Flags, *, rng: np.random.Generator, resamples: int
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
        "insufficient": scored.events < safety.LIMITS.least_events,
    }


def _calibration(
    found: Forecast, *, rng: np.random.Generator, resamples: int
) -> list[dict[str, Any]]:
    """Calibration of forecast and price by dataset and pooled, where there are enough events."""
    parts = [(ALL, _whole(found))]
    parts += [(str(name), found.dataset == name) for name in np.unique(found.dataset)]
    rows_of = [(name, rows, len(np.unique(found.event[rows]))) for name, rows in parts]
    result = []
    for name, rows, events in rows_of:
        if events < safety.LIMITS.least_events:
            continue
        y, event = found.y[rows], found.event[rows]
        model, market = (
            reliability.measure(p[rows], y, event=event, rng=rng, resamples=resamples).as_json()
            for p in (found.model, found.decisions.price)
        )
        price = {f"{key}_market": value for key, value in market.items()}
        result.append({"name": name, "events": events, **model, **price})
    return result
