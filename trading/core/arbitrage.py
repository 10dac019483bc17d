"""Sets of outcomes that pay more than they cost, whatever happens.

A bundle is what is bought together, one share of each leg a set; its floor is what one set pays at
least. Both sides of a market pay one dollar. Of outcomes that exclude each other and exhaust an
event one Yes pays; of the Nos of n that exclude each other n − 1 pay. Where A implies B, Yes on B
and No on A pay one dollar.

Fees are the venue's, level by level. A fill at the limits of all legs still pays: the last set
taken is the dearest, and it costs less than its floor.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum

from config.kernel.units import ONE, ZERO, floor_to, pay, receive
from markets.core.book import Book, Level
from trading.core.arbitrage_terms import ArbitrageConfig
from trading.core.fees import taker_fee
from trading.core.rules import MARKETABLE_MINIMUM, SIZE_STEP


class Kind(StrEnum):
    """What makes the payout certain."""

    PAIR = "PAIR"
    EXCLUSIVE_SET = "EXCLUSIVE_SET"
    EXCLUSIVE_NO = "EXCLUSIVE_NO"
    NESTED = "NESTED"


class Why(StrEnum):
    """What became of an opportunity; the gate's reasons come beside these."""

    TRADED = "TRADED"
    DISABLED = "DISABLED"
    TOO_SMALL = "TOO_SMALL"
    TOO_MANY_LEGS = "TOO_MANY_LEGS"
    STALE_BOOK = "STALE_BOOK"
    CROSSED_BOOK = "CROSSED_BOOK"
    AUGMENTED = "AUGMENTED"
    UNKNOWN_RULES = "UNKNOWN_RULES"
    LEG_RISK = "LEG_RISK"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One outcome of a bundle with its own book: `book.asks` is what buying it costs."""

    market: int
    outcome_index: int
    book: Book
    rate: Decimal
    exponent: Decimal
    tick: Decimal | None = None
    min_shares: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """What is bought together; `floor` dollars is the least that one set pays."""

    kind: Kind
    event: int
    legs: tuple[Leg, ...]
    floor: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Bought:
    """One leg of some sets: `limit` is the dearest level taken, dollars without and with fee."""

    leg: Leg
    shares: Decimal
    limit: Decimal
    notional: Decimal
    fee: Decimal

    @property
    def cost(self) -> Decimal:
        """Dollars, fee included."""
        return self.notional + self.fee


@dataclass(frozen=True, slots=True, kw_only=True)
class Sets:
    """So many sets of a bundle, at the levels that rest in its books."""

    bundle: Bundle
    sets: Decimal
    bought: tuple[Bought, ...]

    @property
    def cost(self) -> Decimal:
        """Dollars of all legs, fees included, rounded up."""
        return pay(sum((leg.cost for leg in self.bought), ZERO))

    @property
    def payout(self) -> Decimal:
        """Dollars that come back at least."""
        return receive(self.sets * self.bundle.floor)

    @property
    def net(self) -> Decimal:
        """Payout − cost."""
        return self.payout - self.cost


def payout(legs: Sequence[tuple[int, int]], resolution: dict[int, Decimal]) -> Decimal:
    """What one share of each (market, outcome index) pays, by what outcome 0 of each market pays.

    >>> payout([(1, 0), (1, 1)], {1: Decimal(1)})
    Decimal('1')
    """
    return sum((ONE - resolution[m] if side else resolution[m] for m, side in legs), ZERO)


def unit_cost(leg: Leg, price: Decimal) -> Decimal:
    """Dollars of one share at a price, fee included, unrounded."""
    spread = price * (ONE - price)
    return price + leg.rate * (spread if leg.exponent == ONE else spread**leg.exponent)


def most(bundle: Bundle, *, at_most: Decimal) -> Sets | None:
    """The largest number of sets of which even the last one costs less than it pays.

    All books are walked together; None where not one size step of them pays.
    """
    places = [_Place(leg) for leg in bundle.legs]
    found = ZERO
    while found < at_most and all(place.level is not None for place in places):
        if sum((place.unit for place in places), ZERO) >= bundle.floor:
            break
        step = min(*(place.left for place in places), at_most - found)
        found += step
        for place in places:
            place.take(step)
    sets = floor_to(found, SIZE_STEP)
    return of(bundle, sets) if sets > ZERO else None


def of(bundle: Bundle, sets: Decimal) -> Sets:
    """What so many sets cost; raises `ValueError` where the books are not that deep."""
    return Sets(bundle=bundle, sets=sets, bought=tuple(_buy(leg, sets) for leg in bundle.legs))


class _Place:
    """How far the walk has come in the asks of one leg."""

    def __init__(self, leg: Leg) -> None:
        self._leg = leg
        self._levels = iter(leg.book.asks)
        self._next()

    def _next(self) -> None:
        self.level: Level | None = next(self._levels, None)
        self.left = ZERO if self.level is None else self.level.shares
        self.unit = ONE if self.level is None else unit_cost(self._leg, self.level.price)

    def take(self, shares: Decimal) -> None:
        self.left -= shares
        if self.left <= ZERO:
            self._next()


def _buy(leg: Leg, shares: Decimal) -> Bought:
    left, notional, fee, limit = shares, ZERO, ZERO, ZERO
    for level in leg.book.asks:
        taken = min(level.shares, left)
        if taken <= ZERO:
            break
        left -= taken
        notional += taken * level.price
        fee += taker_fee(taken, level.price, rate=leg.rate, exponent=leg.exponent)
        limit = level.price
    if left > ZERO:
        raise ValueError(f"market {leg.market} offers {shares - left} shares, not {shares}")
    return Bought(leg=leg, shares=shares, limit=limit, notional=notional, fee=fee)


# --- leg risk ------------------------------------------------------------------------------------


def unwinding(bought: Bought, *, slip: Decimal) -> Decimal:
    """Dollars lost by selling one leg again at bids worse by `slip`; what nobody bids for is lost.

    A gain counts as nothing: it may be gone.
    """
    left, back = bought.shares, ZERO
    for level in bought.leg.book.bids:
        taken, price = min(level.shares, left), level.price - slip
        if taken <= ZERO or price <= ZERO:
            break
        left -= taken
        back += taken * price - taker_fee(
            taken, price, rate=bought.leg.rate, exponent=bought.leg.exponent
        )
    return max(pay(bought.cost - back), ZERO)


def leg_risk(sets: Sets, *, slip: Decimal) -> Decimal:
    """The most that getting out can cost when any of the legs fail: at least one was not bought."""
    losses = [unwinding(leg, slip=slip) for leg in sets.bought]
    return sum(losses, ZERO) - min(losses)


def within_risk(sets: Sets, *, budget: Decimal, slip: Decimal) -> Sets | None:
    """The largest part of these sets whose leg risk stays within `budget` dollars.

    By bisection over size steps: asks rise and bids fall, so a loss is convex in the size.
    """
    if leg_risk(sets, slip=slip) <= budget:
        return sets
    low, high = 0, int(sets.sets / SIZE_STEP)
    while high - low > 1:
        middle = (low + high) // 2
        fits = leg_risk(of(sets.bundle, middle * SIZE_STEP), slip=slip) <= budget
        low, high = (middle, high) if fits else (low, middle)
    return of(sets.bundle, low * SIZE_STEP) if low else None


# --- what is worth it ----------------------------------------------------------------------------


def smallest(sets: Sets) -> Decimal:
    """Shares of the smallest order that the venue takes on every leg at its limit."""
    per_leg = (
        max(leg.leg.min_shares or ZERO, _least(MARKETABLE_MINIMUM / leg.limit))
        for leg in sets.bought
    )
    return max(per_leg)


def _least(shares: Decimal) -> Decimal:
    return (shares / SIZE_STEP).to_integral_value(ROUND_CEILING) * SIZE_STEP


def is_too_small(sets: Sets, config: ArbitrageConfig) -> bool:
    """Whether it brings less than is asked for, or the venue would not take one of its orders."""
    poor = sets.net < max(config.min_profit_usd, config.min_profit_share * sets.cost)
    return poor or sets.sets < smallest(sets)


def is_crossed(bundle: Bundle) -> bool:
    """Whether a book of it bids more than it asks: no engine leaves that standing.

    Both sides of a market are read off one book, so of a pair that pays this is always true.
    """
    return any(leg.book.spread is not None and leg.book.spread <= ZERO for leg in bundle.legs)


def worth(sets: Sets, leg: Bought) -> Decimal:
    """What a share of one leg is worth to the set: the floor less the others, a dollar at most."""
    others = sum((each.cost for each in sets.bought if each is not leg), ZERO)
    return min(sets.bundle.floor - others / sets.sets, ONE)


def broken(filled: Sequence[Decimal]) -> tuple[Decimal, tuple[Decimal, ...]]:
    """Whole sets that the shares of all legs make, and what each leg has beyond them.

    >>> broken([Decimal(5), Decimal(3)])
    (Decimal('3'), (Decimal('2'), Decimal('0')))
    """
    whole = min(filled)
    return whole, tuple(shares - whole for shares in filled)


# --- bundles -------------------------------------------------------------------------------------


def pair(event: int, yes: Leg, no: Leg) -> Bundle:
    """Both sides of one market: they share one dollar, whatever it resolves to."""
    return Bundle(kind=Kind.PAIR, event=event, legs=(yes, no), floor=ONE)


def every_yes(event: int, legs: Iterable[Leg]) -> Bundle:
    """Yes on all outcomes of which exactly one happens."""
    return Bundle(kind=Kind.EXCLUSIVE_SET, event=event, legs=tuple(legs), floor=ONE)


def every_no(event: int, legs: Sequence[Leg]) -> Bundle:
    """No on outcomes of which at most one happens; they need not be all of the event."""
    return Bundle(
        kind=Kind.EXCLUSIVE_NO, event=event, legs=tuple(legs), floor=Decimal(len(legs) - 1)
    )


def implied(event: int, narrow_no: Leg, wide_yes: Leg) -> Bundle:
    """Yes on what happens whenever the other does, and No on the other."""
    return Bundle(kind=Kind.NESTED, event=event, legs=(wide_yes, narrow_no), floor=ONE)
