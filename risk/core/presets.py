"""Named sets of limits, to be taken over whole: a person saves them as the next version."""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

SMALL_ACCOUNT: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "max_market": Decimal("0.15"),
        "max_event": Decimal("0.15"),
        "max_category": Decimal("0.30"),
        "max_total": Decimal("0.60"),
        "max_day": Decimal("0.60"),
        "max_order_usd": Decimal(50),
        "max_positions": 4,
        "max_per_asset": 1,
    }
)
"""A few hundred dollars: four positions at most, each large enough for the venue's minimum."""

PRESETS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType({"small account": SMALL_ACCOUNT})
