"""What other apps may read of our forecasts; loads no model."""

from collections.abc import Collection
from datetime import datetime

import numpy as np
from django.db.models import OuterRef, Subquery

from markets.models import Market
from predictions.core.schema import NAMES, SCHEMA_HASH
from predictions.models import Horizon, Prediction


class OtherSchema(ValueError):
    """A vector was written under another list of features: its numbers have other names."""


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


def vector(prediction: Prediction) -> dict[str, float]:
    """The features that a forecast was made from, by name; NaN = missing.

    Raises `OtherSchema` where the list of features has changed since.
    """
    if prediction.schema_hash != SCHEMA_HASH:
        raise OtherSchema(
            f"forecast {prediction.pk} was made under feature list {prediction.schema_hash[:12]}; "
            f"read it with the release that wrote it"
        )
    values = np.frombuffer(bytes(prediction.vector), dtype="<f8")
    return dict(zip(NAMES, values.tolist(), strict=True))
