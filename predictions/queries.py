"""What other apps may read of our forecasts; loads no model."""

from collections.abc import Collection
from datetime import datetime

from django.db.models import OuterRef, Subquery

from markets.models import Market
from predictions.models import Horizon, Prediction


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
    return {row.market_id: row for row in rows}
