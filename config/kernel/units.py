"""Money, shares and prices: the only doors between Decimal, wire integers and float64.

Money and shares are `Decimal` on a grid of 1e-6; on the wire they are integers of 1e-6.
Model space is float64. Every rounding has a name and a direction: never pay more,
take less or count a fraction we lack.
"""

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import NewType

MICRO = Decimal("0.000001")
ZERO, ONE = Decimal(0), Decimal(1)

ConditionId = NewType("ConditionId", str)
TokenId = NewType("TokenId", str)


class InexactAmount(ValueError):
    """The amount does not lie on the grid of 1e-6, so it cannot be sent without changing it."""


def to_micro(amount: Decimal) -> int:
    """Integer of 1e-6 for the wire; raises `InexactAmount` rather than round.

    >>> to_micro(Decimal("5.2"))
    5200000
    """
    scaled = amount.scaleb(6)
    if scaled != scaled.to_integral_value():
        raise InexactAmount(
            f"{amount} was not a multiple of 0.000001; floor or ceil it first, by name"
        )
    return int(scaled)


def from_micro(amount: int) -> Decimal:
    """Decimal of a wire integer of 1e-6.

    >>> from_micro(5200000)
    Decimal('5.200000')
    """
    return Decimal(amount).scaleb(-6).quantize(MICRO)


def floor_to(amount: Decimal, step: Decimal) -> Decimal:
    """Largest multiple of `step` that is not above `amount`."""
    return (amount / step).to_integral_value(ROUND_FLOOR) * step


def ceil_to(amount: Decimal, step: Decimal) -> Decimal:
    """Smallest multiple of `step` that is not below `amount`."""
    return (amount / step).to_integral_value(ROUND_CEILING) * step


def bid_price(price: float | Decimal, *, tick: Decimal) -> Decimal:
    """Price to pay at most, on the market's grid: rounds down, within [tick, 1 - tick].

    >>> bid_price(0.5199, tick=Decimal("0.01"))
    Decimal('0.51')
    """
    return min(max(floor_to(decimal(price), tick), tick), ONE - tick)


def ask_price(price: float | Decimal, *, tick: Decimal) -> Decimal:
    """Price to take at least, on the market's grid: rounds up, within [tick, 1 - tick].

    >>> ask_price(0.5101, tick=Decimal("0.01"))
    Decimal('0.52')
    """
    return min(max(ceil_to(decimal(price), tick), tick), ONE - tick)


def decimal(value: float | Decimal) -> Decimal:
    """The nearest multiple of 1e-6 (half to even): the door from model space to money.

    >>> decimal(0.1)
    Decimal('0.100000')
    """
    exact = value if isinstance(value, Decimal) else Decimal(repr(float(value)))
    return exact.quantize(MICRO, ROUND_HALF_EVEN)


def pay(amount: Decimal) -> Decimal:
    """What we owe, rounded up to 1e-6."""
    return amount.quantize(MICRO, ROUND_CEILING)


def receive(amount: Decimal) -> Decimal:
    """What we are owed, rounded down to 1e-6."""
    return amount.quantize(MICRO, ROUND_FLOOR)
