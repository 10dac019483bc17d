"""Taker fees as published, each with the day from which it held.

`Market.fees` is the one answer to what a market charges; without it nothing is followed or bought.
"""

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from config.kernel import vendor
from config.kernel.copy_format import Schema
from markets.core.wire_gamma import FeeTerms
from markets.models import FeeSchedule

SCHEDULE: Schema = {
    "condition_key": pl.String,
    "rate": pl.String,
    "exponent": pl.String,
    "taker_only": pl.Boolean,
    "rebate_rate": pl.String,
    "valid_from": pl.Datetime("us", "UTC"),
}


def market_key(venue: str, venue_key: str, condition_id: str | None) -> str:
    """What a market's own schedules are filed under."""
    return condition_id or f"{venue}:{venue_key}"[:80]


def record(terms: Mapping[str, FeeTerms], *, as_of: datetime) -> dict[str, int]:
    """File terms seen at `as_of` as schedules of their own; key → id. Two statements in all.

    What was filed before stays: a fee that changed has two rows, each with its day.
    """
    if not terms:
        return {}
    rows = [
        (key, str(t.rate), str(t.exponent), t.taker_only, str(t.rebate_rate), as_of)
        for key, t in terms.items()
    ]
    frame = pl.DataFrame(rows, schema=dict(SCHEDULE), orient="row").with_columns(
        category=pl.lit(""), source=pl.lit("catalogue")
    )
    key = ["category", "condition_key", "valid_from"]
    vendor.upsert(
        FeeSchedule, frame, key=key, update=["rate", "exponent", "taker_only", "rebate_rate"]
    )
    filed = FeeSchedule.objects.filter(category="", condition_key__in=terms, valid_from=as_of)
    return dict(filed.values_list("condition_key", "pk"))
