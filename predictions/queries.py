"""What other apps may read of our forecasts; loads no model."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db.models import OuterRef, Subquery

from markets.models import Market
from predictions.core import roster
from predictions.core.contracts import MARKET
from predictions.models import Horizon, Prediction, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How much one voice counted in a forecast; `weight` in [0, 1], all of them sum to 1."""

    slug: str
    name: str
    weight: float


def latest(
    market_ids: Collection[int], *, as_of: datetime, horizon: str = Horizon.OUTCOME
) -> dict[int, Prediction]:
    """The newest forecast of each market made by `as_of`; a market without one is absent."""
    newest = (
        Prediction.objects.filter(market=OuterRef("pk"), horizon=horizon, as_of__lte=as_of)
        .order_by("-as_of")
        .values("pk")[:1]
    )
    keys = Market.objects.filter(pk__in=market_ids).values_list(Subquery(newest), flat=True)
    rows = Prediction.objects.filter(pk__in=[key for key in keys if key is not None])
    return {row.market_id: row for row in rows.select_related("version")}


def ahead(market_id: int, *, as_of: datetime) -> dict[str, Prediction]:
    """The newest forecast of one market per horizon, nearest first and the outcome last."""
    order = (*roster.HORIZON_S, Horizon.OUTCOME)
    found = {
        horizon: latest([market_id], as_of=as_of, horizon=horizon).get(market_id)
        for horizon in order
    }
    return {horizon: row for horizon, row in found.items() if row is not None}


def shares(row: Prediction) -> list[Share]:
    """The effective weights of a forecast, largest first, the market among them."""
    names = {MARKET: roster.MARKET.name} | {r.slug: r.name for r in roster.MEMBERS}
    told: dict[str, float] = json.loads(row.weights) if row.weights else {}
    found = [Share(slug=s, name=names.get(s, s), weight=w) for s, w in told.items()]
    return sorted(found, key=lambda share: -share.weight)


def origin(row: Prediction) -> str:
    """What produced a forecast, in words: its rung and, where a model had a say, the version."""
    said = Source(row.source).label
    if row.version is None or row.source in (Source.PRICE, Source.NEUTRAL):
        return str(said)
    return f"{said} (version {row.version.number})"
