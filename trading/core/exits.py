"""When to get out before the end: a table of rules over what is held, what it pays, what we think.

Getting out costs the venue's fee a second time, so every rule is told what a sale would really
bring: the visible bids walked, the fee off. Nothing here knows the clock or a database.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from config.kernel.units import ONE, ZERO, ask_price, floor_to
from markets.core import book as books
from markets.core.book import Book
from trading.core.fees import taker_fee
from trading.core.rules import BASIS_POINT, SIZE_STEP

HOUR_S, MINUTE_S = 3600, 60


class Rule(StrEnum):
    """Why a position is given up, in the order of importance."""

    STOP = "STOP"
    TIME = "TIME"
    EDGE_GONE = "EDGE_GONE"
    TAKE_PROFIT = "TAKE_PROFIT"


class Kept(StrEnum):
    """Why a position stays although a rule would give it up."""

    DUST = "DUST"
    NO_BIDS = "NO_BIDS"
    OFF_TICK = "OFF_TICK"
    UNKNOWN_RULES = "UNKNOWN_RULES"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitConfig:
    """The values of `ExitSettings`."""

    version: int
    edge_gone: bool
    edge_gone_margin: Decimal
    take_profit: bool
    take_profit_share: Decimal
    stop: bool
    stop_loss: Decimal
    stop_max_spread: Decimal
    time: bool
    max_held_h: int
    before_end_min: int
    retry_after_s: int
    overdue_alert_h: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A position as the rules see it; prices in dollars a share of the outcome held.

    Attributes
    ----------
    entry
        Paid a share, fees included.
    net
        What selling all of it into the visible bids brings a share, fee off; None where nobody
        bids.
    spread
        Best ask − best bid; None where a side is empty.
    believed
        The newest forecast as sizing would use it; None where there is none that counts.
    seconds_left
        To the scheduled end; None where none was announced.
    """

    entry: Decimal
    net: Decimal | None
    spread: Decimal | None
    believed: Decimal | None
    held_s: float
    seconds_left: float | None


Test = Callable[[Held, ExitConfig], str | None]


def _stop(held: Held, config: ExitConfig) -> str | None:
    """A wide book is no price: nobody is stopped out by an empty one."""
    if not config.stop or held.net is None or held.spread is None:
        return None
    if not ZERO < held.spread <= config.stop_max_spread:
        return None
    least = held.entry * (ONE - config.stop_loss)
    if held.net > least:
        return None
    return f"a share brings {held.net:.4f}, paid were {held.entry:.4f}: at {least:.4f} it is sold"


def _time(held: Held, config: ExitConfig) -> str | None:
    if not config.time:
        return None
    if config.max_held_h and held.held_s >= config.max_held_h * HOUR_S:
        return f"held for {held.held_s / HOUR_S:.1f} h, at most {config.max_held_h} h are wanted"
    left = held.seconds_left
    if config.before_end_min and left is not None and left <= config.before_end_min * MINUTE_S:
        return f"{left / MINUTE_S:.0f} min to the scheduled end, out at {config.before_end_min} min"
    return None


def _edge_gone(held: Held, config: ExitConfig) -> str | None:
    if not config.edge_gone or held.net is None or held.believed is None:
        return None
    gained = held.net - held.believed
    if gained < config.edge_gone_margin:
        return None
    return f"a share brings {held.net:.4f} and is worth {held.believed:.4f} by the newest forecast"


def _take_profit(held: Held, config: ExitConfig) -> str | None:
    if not config.take_profit or held.net is None or held.entry >= ONE:
        return None
    wanted = held.entry + config.take_profit_share * (ONE - held.entry)
    if held.net < wanted:
        return None
    return (
        f"a share brings {held.net:.4f}, paid were {held.entry:.4f}: "
        f"{config.take_profit_share:.0%} of what could be won"
    )


RULES: tuple[tuple[Rule, Test], ...] = (
    (Rule.STOP, _stop),
    (Rule.TIME, _time),
    (Rule.EDGE_GONE, _edge_gone),
    (Rule.TAKE_PROFIT, _take_profit),
)


def reasons(held: Held, config: ExitConfig) -> dict[Rule, str]:
    """Every rule that gives the position up, the weightiest first, in a sentence each."""
    said = ((rule, test(held, config)) for rule, test in RULES)
    return {rule: why for rule, why in said if why is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """An order that would sell: `shares` at `limit` or better, filling at `expected` on average.

    `net` is what a share brings after the fee, `depth` the shares bid down to the limit.
    """

    shares: Decimal
    limit: Decimal
    best: Decimal
    expected: Decimal
    fee: Decimal
    net: Decimal
    depth: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketRules:
    """The market's own rules; None where unknown, which is never tradable."""

    tick: Decimal | None
    min_shares: Decimal | None
    fee_rate: Decimal | None
    fee_exponent: Decimal


def sale(
    shares: Decimal, book: Book, rules: MarketRules, *, max_slippage_bps: Decimal
) -> Sale | Kept:
    """How `shares` would be sold into the bids of `book`; or why they cannot be.

    The limit is the worst bid that the bound on slippage admits, rounded up to the grid: never
    less is taken than it says. Whether so few shares can be sold at all says `is_dust`.
    """
    if rules.tick is None or rules.min_shares is None or rules.fee_rate is None:
        return Kept.UNKNOWN_RULES
    whole = floor_to(shares, SIZE_STEP) or shares
    best = book.best_bid
    if best is None or not ZERO < best < ONE:
        return Kept.NO_BIDS
    limit = ask_price(best * (ONE - max_slippage_bps * BASIS_POINT), tick=rules.tick)
    if limit > best:
        return Kept.OFF_TICK
    depth = sum((level.shares for level in book.bids if level.price >= limit), ZERO)
    lot = _lot(whole, depth, rules.min_shares)
    walk = books.walk(book, buy=False, shares=lot, limit=limit)
    if walk.average is None:
        return Kept.NO_BIDS
    fee = taker_fee(walk.shares, walk.average, rate=rules.fee_rate, exponent=rules.fee_exponent)
    return Sale(
        shares=lot,
        limit=limit,
        best=best,
        expected=walk.average,
        fee=fee,
        net=(walk.notional - fee) / walk.shares,
        depth=depth,
    )


def _lot(shares: Decimal, depth: Decimal, minimum: Decimal) -> Decimal:
    """All of it, or so much less that what the bids leave over can be sold later."""
    left_over = shares - depth
    if ZERO < left_over < minimum and shares - minimum >= minimum:
        return shares - minimum
    return shares


def is_dust(shares: Decimal, rules: MarketRules) -> bool:
    """Whether the venue takes no order of so few shares: they stay until the resolution."""
    whole = floor_to(shares, SIZE_STEP)
    return whole <= ZERO or (rules.min_shares is not None and whole < rules.min_shares)
