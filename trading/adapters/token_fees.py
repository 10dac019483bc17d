"""What a taker of a token pays, as the catalogue has it: the venue's trades do not say."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from decimal import Decimal

from config.kernel.units import ONE
from markets.models import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Fees:
    """shares × rate × (p (1 − p))^exponent."""

    rate: Decimal
    exponent: Decimal = ONE


FeesOf = Callable[[Collection[str]], dict[str, Fees]]
"""Token ids → fees; the fees of one that is missing are not known."""


def of_catalogue(token_ids: Collection[str]) -> dict[str, Fees]:
    """The schedules that the catalogue names for these tokens."""
    rows = Outcome.objects.filter(asset_id__in=set(token_ids), market__fees__isnull=False)
    found = rows.values_list("asset_id", "market__fees__rate", "market__fees__exponent")
    return {str(token): Fees(rate=rate, exponent=exponent) for token, rate, exponent in found}
