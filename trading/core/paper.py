"""How an order meets a book: what it takes at once, and whether the rest may wait there."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from config.kernel.units import ONE, ZERO, decimal
from markets.core.book import Book, Level
from trading.core.amounts import RESTING
from trading.core.fees import fee_if_known
from trading.core.queue import Waiting
from trading.venue import Execution, Ticket

Floats = NDArray[np.float64]
GRID = 1e-7
"""Finer than any difference between two prices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What an order took of the first book it met; `rests` where the others wait on."""

    taken: tuple[Execution, ...] = ()
    rests: bool = False
    reason: str = ""

    @property
    def shares(self) -> Decimal:
        """Shares taken."""
        return sum((trade.shares for trade in self.taken), ZERO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """When an order ends by itself, how, and why."""

    at: datetime
    status: str
    reason: str


def usable(book: Book) -> bool:
    """Whether somebody would really have traded at these prices."""
    if book.spread is not None and book.spread <= ZERO:
        return False
    return all(ZERO < level.price < ONE for level in (*book.bids, *book.asks))


def arrive(ticket: Ticket, book: Book) -> Arrival:
    """Meet a book of the ticket's outcome, as its type demands.

    FOK takes all or nothing; post-only takes nothing and is refused where it would; FAK and the
    resting types take what is within the limit, and of the latter the rest waits.
    """
    offered = crossing(ticket, book)
    if ticket.post_only and offered > ZERO:
        return Arrival(reason="post-only, and it would have crossed the book it met")
    if ticket.type == "FOK" and offered < ticket.shares:
        return Arrival(reason=f"all or nothing: {_offered(ticket, offered)}")
    taken = _take(ticket, book)
    filled = sum((trade.shares for trade in taken), ZERO)
    rests = ticket.type in RESTING and filled < ticket.shares
    return Arrival(
        taken=taken,
        rests=rests,
        reason="" if rests or filled == ticket.shares else _offered(ticket, filled),
    )


def _offered(ticket: Ticket, shares: Decimal) -> str:
    return f"{shares} of {ticket.shares} shares were offered up to {ticket.price}"


def place_in_queue(
    ticket: Ticket, book: Book, arrival: Arrival, *, hidden: Decimal | None
) -> Waiting:
    """Behind all that stands at its price; what it took on arrival is still shown, so it is met."""
    return Waiting(
        is_buy=ticket.is_buy,
        price=ticket.price,
        left=ticket.shares - arrival.shares,
        ahead=standing(ticket, book, hidden=hidden),
        met=arrival.shares,
    )


def crossing(ticket: Ticket, book: Book) -> Decimal:
    """Shares of the other side within the ticket's limit."""
    return sum((level.shares for level in _near(ticket, book)), ZERO)


def standing(ticket: Ticket, book: Book, *, hidden: Decimal | None) -> Decimal | None:
    """Shares of others at the ticket's price on its own side; None where nobody can tell.

    `hidden` are the shares on that side below the recorded levels, at most all of which stand
    there; None where that is unknown too.
    """
    side: Sequence[Level] = book.bids if ticket.is_buy else book.asks
    for level in side:
        if level.price == ticket.price:
            return level.shares
        passed = level.price < ticket.price if ticket.is_buy else level.price > ticket.price
        if passed:
            return ZERO
    return hidden if side else ZERO


def without(ticket: Ticket, book: Book, taken: Iterable[tuple[Decimal, Decimal]]) -> Book:
    """The book without what our own orders took of it before, as (price, shares) of the ticket.

    Nobody really took it, so it is still shown; it is not there a second time. Emptied levels
    stay, with no shares.
    """
    gone: dict[Decimal, Decimal] = {}
    for price, shares in taken:
        gone[price] = gone.get(price, ZERO) + shares
    if not gone:
        return book
    side = book.asks if ticket.is_buy else book.bids
    left = tuple(
        replace(level, shares=max(level.shares - gone.get(level.price, ZERO), ZERO))
        for level in side
    )
    return replace(book, asks=left) if ticket.is_buy else replace(book, bids=left)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """Where an order rests in the book of outcome 0: a bid for the other outcome is an ask here."""

    is_bid: bool
    price: float

    @classmethod
    def of(cls, ticket: Ticket) -> "Spot":
        """The ticket's place."""
        first = ticket.outcome_index == 0
        price = ticket.price if first else ONE - ticket.price
        return cls(is_bid=ticket.is_buy == first, price=float(price))


def look(spot: Spot, levels: Floats, total: float | None) -> tuple[Decimal | None, Decimal] | None:
    """`standing` and `crossing` of one recorded book at a spot; None for a book that cannot be.

    Parameters
    ----------
    levels
        float64[2, n, 2]: bids then asks of outcome 0, best first, (price, shares), NaN padded.
    total
        Shares on all levels of the spot's side, recorded or not; None where unknown.

    Raises
    ------
    ArithmeticError
        Where an amount is absurd.
    """
    price = levels[:, :, 0]
    known = price[np.isfinite(price)]
    if not ((known > 0) & (known < 1)).all() or price[0, 0] >= price[1, 0]:
        return None
    own, other = (0, 1) if spot.is_bid else (1, 0)
    # How much better than the spot each level of its own side is; the other side crosses at ≤ 0.
    better = (price[own] - spot.price) * (1 if spot.is_bid else -1)
    beyond = (price[other] - spot.price) * (1 if spot.is_bid else -1)
    crossing = decimal(float(levels[other, beyond <= GRID, 1].sum()))
    here = np.abs(better) <= GRID
    if here.any():
        return decimal(float(levels[own, here, 1].sum())), crossing
    if (better < 0).any() or not np.isfinite(better).any():
        return ZERO, crossing
    if total is None:
        return None, crossing
    return max(decimal(total - float(np.nansum(levels[own, :, 1]))), ZERO), crossing


def within(
    executions: Sequence[Execution], booked: Mapping[str, Decimal], shares: Decimal
) -> tuple[tuple[Execution, ...], Decimal]:
    """The executions that may be told beside those booked, and what is filled with them.

    Rows of the past that are recorded late tell another story than the one already booked; an
    order is never filled beyond its size for that.
    """
    filled = sum(booked.values(), ZERO)
    told = []
    for execution in executions:
        if execution.trade_id in booked:
            told.append(execution)
            continue
        part = min(execution.shares, shares - filled)
        if part > ZERO:
            told.append(execution if part == execution.shares else replace(execution, shares=part))
            filled += part
    return tuple(told), filled


def _near(ticket: Ticket, book: Book) -> list[Level]:
    """Levels that the ticket would take from, best first."""
    if ticket.is_buy:
        return [level for level in book.asks if level.price <= ticket.price]
    return [level for level in book.bids if level.price >= ticket.price]


def _take(ticket: Ticket, book: Book) -> tuple[Execution, ...]:
    """One trade per level, best first, never beyond the limit or the visible shares."""
    trades: list[Execution] = []
    left = ticket.shares
    for number, level in enumerate(_near(ticket, book)):
        shares = min(level.shares, left)
        if shares <= ZERO:
            continue
        left -= shares
        trades.append(
            Execution(
                trade_id=f"paper-{ticket.order_id}-{number}",
                price=level.price,
                shares=shares,
                fee=fee_if_known(
                    shares, level.price, rate=ticket.fee_rate, exponent=ticket.fee_exponent
                ),
                observed_at=book.observed_at,
            )
        )
    return tuple(trades)
