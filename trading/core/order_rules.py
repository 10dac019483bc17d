"""What an order must look like before it may be signed; what it offers on the wire: `amounts`."""

from decimal import Decimal

from config.kernel.units import ONE, ZERO, ceil_to, floor_to
from trading.core.amounts import AMOUNT_PLACES, IMMEDIATE
from trading.core.fees import FEE_STEP
from trading.core.rules import MARKETABLE_MINIMUM, SIZE_STEP

CENT = Decimal("0.01")


class BreaksRule(ValueError):
    """The venue could never take this order; the text says which rule, and what would help."""


def sendable(
    *,
    side: str,
    order_type: str,
    post_only: bool,
    price: Decimal,
    shares: Decimal,
    tick: Decimal | None,
    min_shares: Decimal | None,
    held: Decimal,
) -> Decimal:
    """Shares that may be sent: floored to the size step, and for a SELL to what is held.

    Raises `BreaksRule` where no size of this order would be taken; nothing is ever rounded up, that
    was for the decision to do within its limits.
    """
    if tick is None:
        raise BreaksRule("TICK: the market's tick is not known; refresh the market")
    _check_price(price, tick)
    resting = order_type not in IMMEDIATE
    if post_only and not resting:
        raise BreaksRule(f"TYPE: {order_type} meets the book at once and cannot be post-only")
    if side == "SELL" and held <= ZERO:
        raise BreaksRule("INVENTORY: nothing is held that could be sold")
    size = floor_to(min(shares, held) if side == "SELL" else shares, SIZE_STEP)
    if size <= ZERO:
        raise BreaksRule(f"EMPTY: {shares} shares are less than the size step {SIZE_STEP}")
    if resting and min_shares is not None and size < min_shares:
        raise BreaksRule(f"MIN_SIZE: {size} shares are below the market's {min_shares}")
    if side == "BUY" and not post_only:
        check_dollars(price=price, shares=size)
    return size


def check_dollars(*, price: Decimal, shares: Decimal) -> None:
    """Raise `BreaksRule` for a purchase that takes at once and is worth too little.

    What is signed is whole cents: the venue compares those with its minimum.
    """
    if floor_to(price * shares, CENT) < MARKETABLE_MINIMUM:
        raise BreaksRule(f"MIN_DOLLARS: a marketable buy below {MARKETABLE_MINIMUM} dollar")


def within_promise(
    *, price: Decimal, promised: Decimal, rate: Decimal, exponent: Decimal, tick: Decimal
) -> Decimal:
    """Shares at `price` whose dollars, fee included, never cost more than `promised`.

    A fill-or-kill or fill-and-kill purchase binds dollars at the venue: at a better price they buy
    more shares, and each carries a fee. A dollar spent at price p pays rate · (p (1 − p))^e / p.

    >>> terms = {"rate": Decimal("0.07"), "exponent": ONE, "tick": Decimal("0.01")}
    >>> within_promise(price=Decimal("0.5"), promised=Decimal("53.5"), **terms) == 100
    True
    """
    dearest = _dearest(rate, exponent=exponent, tick=tick)
    return floor_to(promised / dearest / price, SIZE_STEP)


def smallest_purchase(
    *, price: Decimal, rate: Decimal, exponent: Decimal, tick: Decimal
) -> Decimal:
    """Shares that are worth the venue's minimum even when they are cut to what was promised.

    >>> smallest_purchase(
    ...     price=Decimal("0.2"), rate=Decimal("0.07"), exponent=ONE, tick=Decimal("0.01")
    ... )
    Decimal('5.07')
    """
    needed = ceil_to(MARKETABLE_MINIMUM / price, SIZE_STEP)
    here = ONE + rate * (price * (ONE - price)) ** exponent / price
    # The fee that is set aside is rounded, at worst down by a whole step.
    rounded_off = FEE_STEP / price if rate else ZERO
    dearest = _dearest(rate, exponent=exponent, tick=tick)
    return ceil_to((needed + rounded_off) * dearest / here, SIZE_STEP)


def _dearest(rate: Decimal, *, exponent: Decimal, tick: Decimal) -> Decimal:
    """The most that a dollar's worth of shares costs at any price, fee included."""
    lowest = ONE if exponent >= ONE else tick ** (exponent - ONE)
    return ONE + rate * lowest


def _check_price(price: Decimal, tick: Decimal) -> None:
    if not any(tick == known for known in AMOUNT_PLACES):
        raise BreaksRule(f"TICK: {tick} is no tick of the venue; refresh the market")
    if not tick <= price <= ONE - tick:
        raise BreaksRule(f"PRICE: {price} is not within {tick} and {ONE - tick}")
    if price % tick:
        raise BreaksRule(f"TICK: {price} is no multiple of the tick {tick}")
