"""The trading part of a cycle: value, decide, send, settle, mark."""

from collections.abc import Mapping
from datetime import datetime

from trading import decide, ledger, portfolio, redeem, signals, submit
from trading.market_data import Refresh, from_venue
from trading.models import Position
from trading.settings import TradingSettings
from trading.venue import OrderVenue


def run(
    *,
    as_of: datetime,
    venues: Mapping[str, OrderVenue] | None = None,
    refresh: Refresh = from_venue,
) -> dict[str, int]:
    """One turn; returns how much each step did."""
    mode = TradingSettings.objects.current(as_of=as_of).mode
    if ledger.open_books(mode, as_of=as_of) is not None:
        portfolio.mark_first(mode, as_of=as_of)
    valued = signals.find(as_of=as_of)
    intents = decide.run(as_of=as_of, refresh=refresh)
    report = submit.run(as_of=as_of, venues=venues)
    redeemed = redeem.run(as_of=as_of)
    marked = mark(as_of=as_of)
    return {
        "signals": valued,
        "intents": intents,
        "expired": report.expired,
        "orders": report.sent,
        "fills": report.fills,
        "redeemed": redeemed,
        "marked": marked,
    }


def mark(*, as_of: datetime) -> int:
    """Put every ledger that is in use on its equity curve; returns how many."""
    modes = {TradingSettings.objects.current(as_of=as_of).mode}
    modes |= set(Position.objects.filter(shares__gt=0).values_list("mode", flat=True))
    for mode in sorted(modes):
        portfolio.mark(mode, as_of=as_of)
    return len(modes)
