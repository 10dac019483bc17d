"""Two tellings of one wallet: where they differ, and whether what is on its way explains it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from config.kernel.units import ZERO, ceil_to
from trading.core.amounts import AMOUNT_PLACES, IMMEDIATE
from trading.venue import VenueOrder

ANY = Decimal("1e12")
"""A bound beyond everything: whatever the outside says is explained."""

FINEST_TICK = min(AMOUNT_PLACES)
SHARE_STEP = Decimal("0.000001")
"""The chain counts millionths of a share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconciliationConfig:
    """The values of `ReconciliationSettings`; seconds, days, shares, a share of the price."""

    version: int
    settle_s: int
    confirm_s: int
    overlap_s: int
    dust_shares: Decimal
    price_tolerance: float
    late_fill_days: int


class Kind(StrEnum):
    """What differs."""

    CASH = "CASH"
    POSITION = "POSITION"
    ORDER = "ORDER"
    TRADE = "TRADE"


class Verdict(StrEnum):
    """What a difference is worth."""

    EXPLAINED = "EXPLAINED"
    DOUBTED = "DOUBTED"
    """Nothing explains it, but it was seen once: the next look decides."""
    UNEXPLAINED = "UNEXPLAINED"
    CONVERGED = "CONVERGED"
    """Nothing explained it: the books were moved to what the chain says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """Something on its way: what the outside has may be above ours by `rise`, below by `fall`."""

    reason: str
    rise: Decimal = ZERO
    fall: Decimal = ZERO


def bought_at_most(
    *,
    order_type: str,
    price: Decimal,
    shares: Decimal,
    filled: Decimal,
    spent: Decimal,
    tick: Decimal | None,
) -> Decimal:
    """Shares that a purchase may bring beyond those `filled` for `spent` dollars, fees aside.

    A resting order asks for shares, and brings what is left of them. A FAK or FOK binds dollars:
    what is left of price × shares buys more at better prices, and no price is below one tick. Of a
    market whose tick is unknown it is the finest that the venue has.

    >>> order = {"price": Decimal("0.5"), "shares": Decimal(100), "tick": Decimal("0.01")}
    >>> bought_at_most(order_type="GTC", filled=Decimal(40), spent=Decimal(20), **order)
    Decimal('60')
    >>> int(bought_at_most(order_type="FAK", filled=Decimal(40), spent=Decimal(20), **order))
    3000
    """
    left = max(shares - filled, ZERO)
    if order_type not in IMMEDIATE:
        return left
    dollars = max(price * shares - spent, ZERO)
    return max(left, ceil_to(dollars / (tick or FINEST_TICK), SHARE_STEP))


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One difference; dollars, or shares. `certain`: it needs no second look."""

    kind: Kind
    subject: str
    ours: Decimal
    theirs: Decimal
    verdict: Verdict
    explanation: str
    market_id: int | None = None
    certain: bool = False

    @property
    def difference(self) -> Decimal:
        """What the outside has more than the books."""
        return self.theirs - self.ours


@dataclass(frozen=True, slots=True, kw_only=True)
class OurOrder:
    """An order of ours as it is compared."""

    order_id: str
    venue_order_id: str
    status: str
    alive: bool
    filled: Decimal
    market_id: int
    ended_at: datetime | None


def amounts(
    kind: Kind,
    subject: str,
    *,
    ours: Decimal,
    theirs: Decimal,
    allowances: Sequence[Allowance] = (),
    dust: Decimal = ZERO,
    market_id: int | None = None,
) -> Finding | None:
    """Compare two amounts; None where they agree.

    >>> late = Allowance(reason="a fill settles", fall=Decimal(10))
    >>> found = amounts(Kind.POSITION, "7", ours=Decimal(10), theirs=ZERO, allowances=[late])
    >>> found.verdict, found.explanation
    (<Verdict.EXPLAINED: 'EXPLAINED'>, 'a fill settles')
    """
    difference = theirs - ours
    if abs(difference) <= dust:
        return None
    rise = sum((a.rise for a in allowances), ZERO)
    fall = sum((a.fall for a in allowances), ZERO)
    explained = -fall - dust <= difference <= rise + dust
    helped = [a.reason for a in allowances if (a.rise if difference > ZERO else a.fall) > ZERO]
    return Finding(
        kind=kind,
        subject=subject,
        ours=ours,
        theirs=theirs,
        verdict=Verdict.EXPLAINED if explained else Verdict.UNEXPLAINED,
        explanation=", ".join(dict.fromkeys(helped)) if explained else "nothing explains it",
        market_id=market_id,
    )


def orders(
    ours: Mapping[str, OurOrder],
    theirs: Iterable[VenueOrder],
    *,
    as_of: datetime,
    config: ReconciliationConfig,
) -> list[Finding]:
    """What differs between our orders and those that the venue lists.

    One of ours that it does not list is no difference: it is asked after by its hash.
    `ours` holds orders by the venue's id: those alive, and every other that the venue lists.
    """
    return [
        finding
        for order in theirs
        if (finding := _order(ours.get(order.venue_order_id), order, as_of, config)) is not None
    ]


def _order(
    ours: OurOrder | None, theirs: VenueOrder, as_of: datetime, config: ReconciliationConfig
) -> Finding | None:
    left = theirs.shares - theirs.matched
    if ours is None:
        return Finding(
            kind=Kind.ORDER,
            subject=theirs.venue_order_id,
            ours=ZERO,
            theirs=left,
            verdict=Verdict.UNEXPLAINED,
            explanation="alive at the venue, and never sent by us",
            certain=True,
        )
    if not ours.alive:
        return _undead(ours, theirs, left, as_of, config)
    return _unbooked(ours, theirs, config)


def _undead(
    ours: OurOrder,
    theirs: VenueOrder,
    left: Decimal,
    as_of: datetime,
    config: ReconciliationConfig,
) -> Finding:
    fresh = ours.ended_at is not None and as_of - ours.ended_at <= timedelta(
        seconds=config.settle_s
    )
    return Finding(
        kind=Kind.ORDER,
        subject=theirs.venue_order_id,
        ours=ZERO,
        theirs=left,
        verdict=Verdict.EXPLAINED if fresh else Verdict.UNEXPLAINED,
        explanation="it ended a moment ago"
        if fresh
        else f"{ours.status} in the books, alive at the venue",
        market_id=ours.market_id,
    )


def _unbooked(ours: OurOrder, theirs: VenueOrder, config: ReconciliationConfig) -> Finding | None:
    """Less matched than booked is the venue's lag; more is a trade that nobody told us of."""
    if theirs.matched <= ours.filled + config.dust_shares:
        return None
    return Finding(
        kind=Kind.TRADE,
        subject=theirs.venue_order_id,
        ours=ours.filled,
        theirs=theirs.matched,
        verdict=Verdict.UNEXPLAINED,
        explanation="matched at the venue, and its trades do not say so",
        market_id=ours.market_id,
    )


def as_amount(told: Decimal) -> Decimal:
    """A number from outside as a row takes it; what is none, or beyond all bounds, is `ANY`.

    >>> as_amount(Decimal("0.12345678")), as_amount(Decimal("NaN")) == ANY
    (Decimal('0.123457'), True)
    """
    if not told.is_finite() or abs(told) > ANY:
        return ANY
    return told.quantize(SHARE_STEP)


def same_price(ours: Decimal, theirs: Decimal, *, tolerance: float) -> bool:
    """Whether two prices of one trade agree to a share of the price.

    >>> same_price(Decimal("0.5"), Decimal("0.50004"), tolerance=1e-4)
    True
    """
    return abs(theirs - ours) <= ours * Decimal(repr(tolerance))


def cents(dollars: Decimal) -> str:
    """Dollars as cents, with their sign.

    >>> cents(Decimal("-0.1234"))
    '-12.34'
    """
    return f"{dollars * 100:+.2f}"
