"""What an order offers and asks for on the wire, floored so that it never exceeds the wish."""

from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

from config.kernel.units import ONE, to_micro

SIZE_PLACES: Final = 2
AMOUNT_PLACES: Final[Mapping[Decimal, int]] = {
    Decimal("0.1"): 3,
    Decimal("0.01"): 4,
    Decimal("0.005"): 5,
    Decimal("0.0025"): 6,
    Decimal("0.001"): 5,
    Decimal("0.0001"): 6,
}
"""Tick → decimals that the venue accepts on the side that follows from the price."""

IMMEDIATE: Final = ("FAK", "FOK")
"""What is there at once, the rest is killed: such a purchase binds dollars."""
RESTING: Final = ("GTC", "GTD")
"""What may wait at its price, and be post-only."""
_FINEST_TICK: Final = Decimal("0.0001")


class NotOnWire(ValueError):
    """The order cannot be written as the venue wants it; the message says what would be right."""


def wire_amounts(
    *, order_type: str, is_buy: bool, price: Decimal, shares: Decimal, tick: Decimal
) -> tuple[int, int]:
    """What is given and what is asked for, in 1e-6.

    A resting order names shares. An immediate buy names dollars of two decimals, so it may ask for
    a little less than `shares`; its price per share never reaches the next tick.

    Raises `NotOnWire` for a price off the grid and for amounts that round to nothing.

    >>> wire_amounts(order_type="GTC", is_buy=True, price=Decimal("0.52"), shares=Decimal(10),
    ...              tick=Decimal("0.01"))
    (5200000, 10000000)
    """
    places = AMOUNT_PLACES.get(tick.normalize())
    if places is None:
        raise NotOnWire(f"a tick of {tick} is not known; sync the catalogue, or update the table")
    if price % tick or not tick <= price <= ONE - tick:
        raise NotOnWire(f"the price {price} is not on the grid of {tick}")
    if order_type in IMMEDIATE and is_buy:
        given = _floor(_floor(shares, SIZE_PLACES) * price, SIZE_PLACES)
        asked = _trim(given / price, places)
    else:
        given = _floor(shares, SIZE_PLACES)
        asked = _trim(given * price, places)
        if is_buy:
            given, asked = asked, given
    if given <= 0 or asked <= 0:
        raise NotOnWire(f"{shares} shares at {price} round to nothing; order more")
    if is_buy and given >= asked * (price + _FINEST_TICK):
        raise NotOnWire(f"{shares} shares at {price} are too few to keep the limit; order more")
    return to_micro(given), to_micro(asked)


def _trim(value: Decimal, places: int) -> Decimal:
    """Floor, but not below what only a long fraction hides: 0.29999999 of six places is 0.3."""
    return _floor(value.quantize(ONE.scaleb(-places - 4), ROUND_CEILING), places)


def _floor(value: Decimal, places: int) -> Decimal:
    return value.quantize(ONE.scaleb(-places), ROUND_FLOOR)
