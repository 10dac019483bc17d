"""Named ways to trade: which settings a strategy profile fixes, and how far away an end is.

A profile fixes some of the trading settings; the others stay what their columns say. `DEFAULT`
fixes nothing. `CONSENSUS` trades only where the forecast and a cohort of wallets lean the same way;
`SELECTIVE` only signals of at least MEDIUM strength.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

HOUR_S: Final = 3600.0
DAY_S: Final = 24 * HOUR_S
EPOCH: Final = "epoch"
OPEN_END: Final = "open"
EDGES: Final = (
    ("<1h", HOUR_S),
    ("1-6h", 6 * HOUR_S),
    ("6-24h", DAY_S),
    ("1-7d", 7 * DAY_S),
)
FARTHEST: Final = ">7d"
HORIZONS: Final = (EPOCH, *(name for name, _ in EDGES), FARTHEST, OPEN_END)
"""By time left: up/down epochs apart, `open` where no end was announced."""

DEFAULT, CONSENSUS, SELECTIVE = "DEFAULT", "CONSENSUS", "SELECTIVE"

PROFILES: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        DEFAULT: MappingProxyType({}),
        CONSENSUS: MappingProxyType(
            {
                "require_consensus": " ".join(HORIZONS),
                "s_min": 0.05,
                "m_min": 0.12,
                "conf_min": 0.60,
                "alpha_min": 0.02,
            }
        ),
        SELECTIVE: MappingProxyType({"min_strength": "MEDIUM"}),
    }
)


def horizon_of(seconds_left: float | None, *, is_epoch: bool) -> str:
    """The name of a horizon by the time left to the announced end.

    >>> horizon_of(1800.0, is_epoch=False), horizon_of(None, is_epoch=False)
    ('<1h', 'open')
    """
    if is_epoch:
        return EPOCH
    if seconds_left is None:
        return OPEN_END
    return next((name for name, edge in EDGES if seconds_left < edge), FARTHEST)
