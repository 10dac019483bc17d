"""Taker fees as published, each with the day from which it held.

`Market.fees` is the one answer to what a market charges; without it nothing is followed or bought.
"""

from collections.abc import Mapping
from datetime import datetime

from markets.core.wire_gamma import FeeTerms
from markets.models import FeeSchedule, Market


def market_key(market: Market) -> str:
    """What a market's own schedules are filed under."""
    return market.condition_id or f"{market.venue}:{market.venue_key}"


def record(
    terms: Mapping[str, FeeTerms], current: Mapping[str, FeeSchedule | None], *, as_of: datetime
) -> dict[str, FeeSchedule]:
    """File the terms seen at `as_of` where they differ from the current ones; key → schedule."""
    kept = {
        key: schedule
        for key, wanted in terms.items()
        if (schedule := current.get(key)) is not None and says(schedule, wanted)
    }
    fresh = [_schedule(key, terms[key], as_of=as_of) for key in terms if key not in kept]
    FeeSchedule.objects.bulk_create(
        fresh,
        update_conflicts=True,
        unique_fields=["category", "condition_key", "valid_from"],
        update_fields=["rate", "exponent", "taker_only", "rebate_rate"],
    )
    return kept | {schedule.condition_key: schedule for schedule in fresh}


def says(schedule: FeeSchedule, terms: FeeTerms) -> bool:
    """Whether the filed schedule has these terms."""
    return (schedule.rate, schedule.exponent, schedule.taker_only, schedule.rebate_rate) == (
        terms.rate,
        terms.exponent,
        terms.taker_only,
        terms.rebate_rate,
    )


def _schedule(key: str, terms: FeeTerms, *, as_of: datetime) -> FeeSchedule:
    return FeeSchedule(
        condition_key=key,
        rate=terms.rate,
        exponent=terms.exponent,
        taker_only=terms.taker_only,
        rebate_rate=terms.rebate_rate,
        valid_from=as_of,
        source="catalogue",
    )
