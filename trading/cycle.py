"""The trading part of a cycle: value, exit, decide, send, settle, mark, look for arbitrage."""

from collections.abc import Mapping
from datetime import datetime

from config.kernel.clocks import Clock, given
from trading.arbitrage import groups, opportunities
from trading.books import ledger, portfolio
from trading.deciding import decide, exits, signals
from trading.market_data import Refresh
from trading.models import Position
from trading.orders import submit
from trading.redeeming import redeem
from trading.settings import TradingSettings
from trading.venue import OrderVenue


def run(
    *,
    as_of: datetime,
    venues: Mapping[str, OrderVenue] | None = None,
    refresh: Refresh | None = None,
    clock: Clock | None = None,
) -> dict[str, int]:
    """One turn; returns how much each step did. With a `clock` every step has its own instant."""
    now = given(clock, as_of)
    mode = TradingSettings.objects.current(as_of=as_of).mode
    if ledger.open_books(mode, as_of=as_of) is not None:
        portfolio.mark_first(mode, as_of=as_of)
    valued = signals.find(as_of=now())
    sold = exits.run(as_of=now(), refresh=refresh, clock=clock)
    intents = decide.run(as_of=now(), refresh=refresh, clock=clock)
    moved = groups.follow(as_of=now(), refresh=refresh, clock=clock)
    report = submit.run(as_of=now(), venues=venues, clock=clock)
    redeemed = redeem.run(as_of=now())
    marked = mark(as_of=now())
    # Last: a failure here holds up nothing else, and legs go out with the next sweep.
    begun = opportunities.run(as_of=now(), refresh=refresh, clock=clock)
    return {
        "signals": valued,
        "exits": sold,
        "intents": intents,
        "expired": report.expired,
        "orders": report.sent,
        "fills": report.fills,
        "redeemed": redeemed,
        "marked": marked,
        "groups": begun,
        "groups_moved": moved,
    }


def mark(*, as_of: datetime) -> int:
    """Put every ledger that is in use on its equity curve; returns how many."""
    modes = at_work(as_of=as_of)
    for mode in sorted(modes):
        portfolio.mark(mode, as_of=as_of)
    return len(modes)


def at_work(*, as_of: datetime) -> set[str]:
    """The modes whose books move: the one in force, and those that hold positions."""
    holding = Position.objects.filter(shares__gt=0).values_list("mode", flat=True)
    return {TradingSettings.objects.current(as_of=as_of).mode, *holding}
