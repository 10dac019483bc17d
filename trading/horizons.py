"""How far away a market's end is, in words: light enough for every process."""

from datetime import datetime

from markets.models import Market
from trading.core import profiles


def of(market: Market, *, as_of: datetime) -> str:
    """The market's horizon: an up/down epoch, or by the time left to its scheduled end."""
    return profiles.horizon_of(seconds_left(market, as_of=as_of), is_epoch=market.is_epoch)


def seconds_left(market: Market, *, as_of: datetime) -> float | None:
    """To the scheduled end; None where none was announced."""
    end = market.scheduled_end_at
    return None if end is None else (end - as_of).total_seconds()
