"""What decides an up/down market: the rule of its window at that date, and from where its start."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

HOUR_S, DAY_S = 3_600, 86_400
FIVE_MINUTES_S = 300
ORACLE_WINDOWS_S = frozenset({300, 900, 14_400})
NEW_YORK = ZoneInfo("America/New_York")
NOON = time(12)
# The announcements name days, not hours.
TWAP_SINCE = datetime(2026, 8, 7, tzinfo=UTC)
LONGER_TWAP_SINCE = datetime(2026, 8, 14, tzinfo=UTC)


class Basis(StrEnum):
    """What kind of price decides."""

    ORACLE_SPOT = "ORACLE_SPOT"
    ORACLE_TWAP = "ORACLE_TWAP"
    HOUR_OPEN = "HOUR_OPEN"
    NOON_CLOSE = "NOON_CLOSE"


class Tie(StrEnum):
    """What happens where end and start are equal."""

    UP = "UP"
    SPLIT = "SPLIT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How a window is decided.

    Attributes
    ----------
    twap_s
        Seconds over which the mean is taken; 0 = a single price.
    text
        The rule in a sentence, with its source.
    """

    basis: Basis
    twap_s: int
    tie: Tie
    text: str


SPOT_STREAM = Rule(
    basis=Basis.ORACLE_SPOT,
    twap_s=0,
    tie=Tie.UP,
    text="Chainlink {pair} stream at the end against its price at the start; equal is Up",
)
HOURLY = Rule(
    basis=Basis.HOUR_OPEN,
    twap_s=0,
    tie=Tie.UP,
    text="close of the Binance {binance} 1 h candle against its open; equal is Up",
)
DAILY = Rule(
    basis=Basis.NOON_CLOSE,
    twap_s=0,
    tie=Tie.SPLIT,
    text="close of the Binance {binance} 1 min candle at 12:00 New York time against the same of "
    "the day before; equal pays half to each side",
)


def resolution_rule(window_s: int, *, as_of: datetime) -> Rule | None:
    """The rule under which a window that begins at `as_of` is decided; None for unknown windows.

    >>> resolution_rule(300, as_of=datetime(2026, 8, 10, tzinfo=UTC)).twap_s
    30
    """
    if window_s == HOUR_S:
        return HOURLY
    if window_s == DAY_S:
        return DAILY
    if window_s not in ORACLE_WINDOWS_S:
        return None
    if as_of < TWAP_SINCE:
        return SPOT_STREAM
    short = window_s == FIVE_MINUTES_S and as_of < LONGER_TWAP_SINCE
    twap_s = 30 if short else 60
    return Rule(
        basis=Basis.ORACLE_TWAP,
        twap_s=twap_s,
        tie=Tie.UP,
        text=f"Chainlink {{pair}} mean over {twap_s} s at the end against that at the start; "
        "equal is Up",
    )


def described(rule: Rule, asset: str) -> str:
    """The rule's sentence about one asset.

    >>> described(HOURLY, "btc")
    'close of the Binance BTCUSDT 1 h candle against its open; equal is Up'
    """
    name = asset.upper()
    return rule.text.format(pair=f"{name}/USD", binance=f"{name}USDT")


def start_noon(ends_at: datetime) -> datetime:
    """When the minute opens whose close a daily market must beat: New York's noon a day earlier.

    Where the clocks change in between, that is 23 or 25 hours before the end.

    >>> start_noon(datetime(2026, 11, 1, 17, tzinfo=UTC)).isoformat()
    '2026-10-31T16:00:00+00:00'
    """
    day = ends_at.astimezone(NEW_YORK).date() - timedelta(days=1)
    return datetime.combine(day, NOON, tzinfo=NEW_YORK).astimezone(UTC)
