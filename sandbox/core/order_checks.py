"""What the venue demands of an order before it looks for a match, with the venue's own words."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from sandbox.core.placed import MICRO, PIPS
from sandbox.core.signed_orders import SignedOrder

MIN_MARKETABLE: Final = 1_000_000
AMOUNT_DIGITS: Final = {1000: 3, 100: 4, 50: 5, 25: 6, 10: 5, 1: 6}
"""Tick in pips → decimals that the dollars of an order may have."""
SHARE_DIGITS: Final = 2
MAX_DIGITS: Final = 6
EXPIRES_EARLIER_S: Final = 60
FOK_KILLED: Final = "order couldn't be fully filled. FOK orders are fully filled or killed."
FAK_KILLED: Final = (
    "no orders found to match with FAK order. "
    "FAK orders are partially filled or killed if no match is found."
)
CROSSES: Final = "invalid post-only order: order crosses book"
POST_ONLY: Final = "post-only mode: only post-only orders and cancels are allowed"
NOT_READY: Final = "the market is not yet ready to process new orders"
NOT_OURS: Final = "maker address not allowed, please use the deposit wallet flow"
NOT_THE_SIGNER: Final = "the order signer address has to be the address of the API KEY"
NOT_THE_OWNER: Final = "the order owner has to be the owner of the API KEY"
WRONG_VERSION: Final = "order_version_mismatch"
BANNED: Final = "address banned"
CLOSED_ONLY: Final = "address in closed only mode"


class Refusal(ValueError):
    """The venue's words; `soft` ones come with status 200 where the exchange is told so."""

    def __init__(self, text: str, *, soft: bool = False) -> None:
        super().__init__(text)
        self.soft = soft


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Limit in pips, shares in 1e-6, and the dollars that an instant purchase may spend."""

    price: int
    shares: int
    budget: int | None


def terms(order: SignedOrder, *, tick: int, spends: bool) -> Terms:
    """Price and size out of the amounts; `tick` in pips. Raises `Refusal` off the grid."""
    dollars, shares = order.maker_amount, order.taker_amount
    if not order.is_buy:
        dollars, shares = shares, dollars
    exact = Fraction(dollars * PIPS, shares)
    price = round(exact / tick) * tick
    if abs(exact - price) > Fraction(tick, 100) or not tick <= price <= PIPS - tick:
        raise Refusal(
            f"Price ({float(exact) / PIPS:.6g}) breaks minimum tick size rule: {tick / PIPS:g}"
        )
    instant = order.order_type in ("FOK", "FAK")
    budget = dollars if instant and order.is_buy and spends else None
    return Terms(price=price, shares=shares, budget=budget)


def check_amounts(order: SignedOrder, *, tick: int) -> None:
    """Decimals of both amounts; raises `Refusal`."""
    digits = AMOUNT_DIGITS[tick]
    instant = order.order_type in ("FOK", "FAK")
    most = (SHARE_DIGITS, digits) if instant or not order.is_buy else (digits, SHARE_DIGITS)
    for value, allowed in zip((order.maker_amount, order.taker_amount), most, strict=True):
        if value % 10 ** (MAX_DIGITS - allowed):
            side = "buy" if order.is_buy else "sell"
            raise Refusal(
                f"invalid amounts, the {side} orders maker amount supports a max accuracy of "
                f"{most[0]} decimals, taker amount a max of {most[1]} decimals"
            )


def check_size(order: SignedOrder, found: Terms, *, marketable: bool, least: int) -> None:
    """Five shares to rest, a dollar to take; raises `Refusal`. `least` in 1e-6 shares."""
    instant = order.order_type in ("FOK", "FAK")
    if not instant and found.shares < least:
        raise Refusal(f"Size ({found.shares / MICRO:g}) lower than the minimum: {least // MICRO}")
    if order.is_buy and (marketable or instant) and order.maker_amount < MIN_MARKETABLE:
        raise Refusal(
            f"invalid amount for a marketable BUY order (${order.maker_amount / MICRO:g}), "
            "min size: $1"
        )


def check_times(order: SignedOrder, *, now: float) -> None:
    """A GTD ends later than a minute from now, all others never; raises `Refusal`."""
    is_gtd = order.order_type == "GTD"
    if is_gtd != bool(order.expiration) or (is_gtd and order.expiration <= now + EXPIRES_EARLIER_S):
        raise Refusal("invalid expiration")
    if order.post_only and order.order_type not in ("GTC", "GTD"):
        raise Refusal("invalid post-only order: only GTC and GTD can be post-only")


def check_funds(*, needed: int, held: int, kept: int, allowed: int) -> None:
    """Whether balance and allowance carry the order; raises `Refusal`. All in 1e-6."""
    lead = "not enough balance / allowance: "
    if held - kept < needed:
        active = f", sum of active orders: {kept}" if kept else ""
        raise Refusal(
            f"{lead}the balance is not enough -> balance: {held}{active}, order amount: {needed}"
        )
    if allowed < needed:
        raise Refusal(
            f"{lead}the allowance is not enough -> allowance: {allowed}, order amount: {needed}"
        )
