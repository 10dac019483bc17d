"""Market rows as of an instant → forecasts, each kept with the vector it was made from."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import structlog
from numpy.typing import NDArray

from config.kernel import vendor
from markets import queries as market_queries
from markets.core.series import Snapshots
from markets.models import Market
from predictions import registry
from predictions.core.cells import cells
from predictions.core.contracts import Forecasts, PredictionConfig
from predictions.core.ensemble import MARKET, PRICE, Bundle, forecast
from predictions.core.features import compute, price_at
from predictions.core.schema import LOOKBACK_S, SCHEMA_HASH
from predictions.models import Horizon, Prediction, PredictionSettings

log = structlog.get_logger(__name__)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What we knew about the markets that have a fresh price; n rows."""

    market_id: Ints
    x: Floats
    price: Floats
    cell: Ints


def run(*, as_of: datetime, market_ids: Sequence[int] | None = None) -> int:
    """Forecast the given markets, or the universe, and return how many forecasts are new.

    A market without a price younger than the settings allow is skipped. A second run for the
    same instant adds nothing.
    """
    config = PredictionSettings.objects.current(as_of=as_of).as_config()
    asked = market_queries.tracked_ids(as_of=as_of) if market_ids is None else market_ids
    view = look(asked, as_of=as_of, config=config)
    bundle, refusal = registry.examined(horizon=Horizon.OUTCOME)
    registry.note(refusal, horizon=Horizon.OUTCOME)
    made = forecast(bundle, view.x, view.price, cell=view.cell, config=config)
    added = 0
    if len(view.market_id):
        rows = _rows(view, made, bundle=bundle, config=config, as_of=as_of)
        added = vendor.append(Prediction, rows)
    log.info(
        "predictions.made",
        asked=len(asked),
        without_price=len(set(asked)) - len(view.market_id),
        added=added,
        served=bundle.label if bundle is not None else PRICE,
    )
    return added


def look(market_ids: Sequence[int], *, as_of: datetime, config: PredictionConfig) -> View:
    """The features and prices of markets as they were known at `as_of`."""
    # A market's event is part of its features, so its siblings are read with it.
    events = Market.objects.filter(pk__in=market_ids).values("event")
    known = Market.objects.filter(event__in=events, received_at__lte=as_of)
    ids = list(known.order_by("pk").values_list("pk", flat=True))
    since = as_of - timedelta(seconds=LOOKBACK_S)
    series = market_queries.quote_series(ids, since=since, as_of=as_of)
    facts = market_queries.facts(ids, as_of=as_of)
    at = np.flatnonzero(np.isin(facts.market_id, np.array(market_ids, dtype=np.int64)))
    every = Snapshots(market=at, as_of=np.full(len(at), as_of.timestamp()))
    fresh = np.isfinite(price_at(series, every, config.max_quote_age_s))
    snapshots = Snapshots(market=every.market[fresh], as_of=every.as_of[fresh])
    return View(
        market_id=facts.market_id[snapshots.market],
        x=compute(series, facts, snapshots),
        price=price_at(series, snapshots, config.max_quote_age_s),
        cell=cells(facts, snapshots),
    )


def _rows(
    view: View,
    made: Forecasts,
    *,
    bundle: Bundle | None,
    config: PredictionConfig,
    as_of: datetime,
) -> pl.DataFrame:
    """The forecasts as rows; those that are the price name no version."""
    n = len(view.market_id)
    mixed = json.dumps({name: round(share, 6) for name, share in made.weights.items()})
    alone = json.dumps({MARKET: 1.0})
    is_price = made.source == PRICE
    version = bundle.version if bundle is not None else None
    return pl.DataFrame(
        {
            "market_id": view.market_id,
            "horizon": [str(Horizon.OUTCOME)] * n,
            "as_of": pl.Series([as_of] * n, dtype=pl.Datetime("us", "UTC")),
            "price": made.price,
            "probability": made.probability,
            "sigma": made.sigma,
            "source": made.source.tolist(),
            "version_id": pl.Series([None if p else version for p in is_price], dtype=pl.Int64),
            "weights": [alone if p else mixed for p in is_price],
            "schema_hash": [SCHEMA_HASH] * n,
            "vector": pl.Series([row.tobytes() for row in view.x.astype("<f8")], dtype=pl.Binary),
            "settings_version": pl.Series([config.version] * n, dtype=pl.Int64),
        }
    )
