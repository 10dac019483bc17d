"""A resting order in the queue at its price: when it would have been filled, from recorded rows.

Nobody knows where in a queue an order that was never sent would have stood. What is taken here is
the worst place that the records leave open: behind everything visible when it arrived. It moves up
only by what was seen to go: trades printed at its price, and books that show fewer shares there
than it has before it. It is filled only by what came after the queue was gone.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from config.kernel.units import ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A recorded book as the order meets it.

    Attributes
    ----------
    standing
        Shares of others at the order's price, on its side; None where the record does not tell.
    crossing
        Shares of the other side offered at the order's price or better.
    """

    at: datetime
    key: str
    standing: Decimal | None
    crossing: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """A recorded trade whose taker was on the other side, told in prices of the order's outcome."""

    at: datetime
    key: str
    price: Decimal
    shares: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallen:
    """A book showed the queue shorter by `shares` than the trades told until then explain."""

    at: datetime
    shares: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A resting order and its place.

    Attributes
    ----------
    left
        Shares that are not filled yet.
    ahead
        Shares before it at its price; None until a book tells.
    met
        Shares that it has taken of offers which the recorded books still show: nobody took them
        there, so they would be met again.
    """

    is_buy: bool
    price: Decimal
    left: Decimal
    ahead: Decimal | None
    met: Decimal = ZERO
    fallen: tuple[Fallen, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Shares filled at the order's own price, and the recorded row that filled them."""

    key: str
    at: datetime
    shares: Decimal


def replay(
    waiting: Waiting, events: Iterable[Seen | Printed], *, lag: timedelta
) -> tuple[Match, ...]:
    """What fills the order, event by event; the same rows always give the same fills.

    Parameters
    ----------
    lag
        How much later than it happened a trade may be stamped: a book of within this time before
        the stamp may show the queue without it already.
    """
    matches = []
    for event in events:
        if waiting.left <= ZERO:
            break
        waiting, filled = step(waiting, event, lag=lag)
        if filled > ZERO:
            matches.append(Match(key=event.key, at=event.at, shares=filled))
    return tuple(matches)


def step(waiting: Waiting, event: Seen | Printed, *, lag: timedelta) -> tuple[Waiting, Decimal]:
    """The order after one event, and the shares that the event filled."""
    if isinstance(event, Seen):
        return _met(_moved_up(waiting, event), event)
    return _hit(waiting, event, lag=lag)


def _moved_up(waiting: Waiting, book: Seen) -> Waiting:
    """No more can be ahead than all that stands there."""
    standing, ahead = book.standing, waiting.ahead
    if standing is None or (ahead is not None and standing >= ahead):
        return waiting
    if ahead is None:
        return replace(waiting, ahead=standing)
    gone = Fallen(at=book.at, shares=ahead - standing)
    return replace(waiting, ahead=standing, fallen=(*waiting.fallen, gone))


def _met(waiting: Waiting, book: Seen) -> tuple[Waiting, Decimal]:
    """Offers at the order's price or better would have met it when they came; each once."""
    if book.crossing <= ZERO:
        return replace(waiting, met=ZERO), ZERO
    filled = min(waiting.left, max(book.crossing - waiting.met, ZERO))
    left, met = waiting.left - filled, waiting.met + filled
    return replace(waiting, left=left, met=met, ahead=ZERO), filled


def _hit(waiting: Waiting, trade: Printed, *, lag: timedelta) -> tuple[Waiting, Decimal]:
    """A taker serves better prices first, then this queue in its order, then worse prices."""
    better = trade.price > waiting.price if waiting.is_buy else trade.price < waiting.price
    if better:
        return waiting, ZERO
    through = trade.price != waiting.price
    if waiting.ahead is None:
        # Unknown is not nothing: this trade may have been the queue's. A worse price ends it.
        return (replace(waiting, ahead=ZERO) if through else waiting), ZERO
    shares, fallen = _explains(trade, waiting.fallen, lag=lag)
    eaten = min(waiting.ahead, shares)
    filled = min(waiting.left, shares - eaten)
    ahead = ZERO if through else waiting.ahead - eaten
    return replace(waiting, left=waiting.left - filled, ahead=ahead, fallen=fallen), filled


def _explains(
    trade: Printed, fallen: tuple[Fallen, ...], *, lag: timedelta
) -> tuple[Decimal, tuple[Fallen, ...]]:
    """Shares of a trade that no book has shown yet, and the falls that it does not explain.

    A trade may be told after the book that it made: its shares must not shorten the queue twice.
    """
    shares, kept = trade.shares, []
    for fall in fallen:
        explained = min(shares, fall.shares) if fall.at >= trade.at - lag else ZERO
        shares -= explained
        if fall.shares > explained:
            kept.append(replace(fall, shares=fall.shares - explained))
    return shares, tuple(kept)
