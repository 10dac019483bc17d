"""What turns shares of a resolved market into collateral, and what that is worth.

Addresses and paths of the venue's contracts on Polygon: its documentation and the official client.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from config.kernel.units import ONE, ZERO, receive
from trading.core import abi

V1, V2 = "v1", "v2"
LONGEST_BACK_OFF = timedelta(hours=1)


class NotRedeemable(ValueError):
    """The market lacks what a redemption needs; the message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contracts:
    """Where the venue's contracts live; the defaults are those of Polygon."""

    collateral: str = "0xC011a7E12a19f7B1f670d46F03B03f3342E82DFB"
    conditional_tokens: str = "0x4D97DCd97eC945f40cF65F87097ACe5EA0476045"
    collateral_adapter: str = "0xAdA100Db00Ca00073811820692005400218FcE1f"
    neg_risk_collateral_adapter: str = "0xadA2005600Dec949baf300f4C6120000bDB6eAab"
    position_manager: str = "0x006F54F7f9A22e0000CC2AB60031000000ae9fEF"
    router: str = "0x12121212006e4CD160D18e3f00711DA5c3372600"


POLYGON = Contracts()


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A market as the chain knows it; `token_ids` are those of outcome 0 and 1."""

    condition_id: str
    token_ids: tuple[str, str]
    protocol: str = V1
    neg_risk: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be redeemed."""
        if self.protocol not in (V1, V2):
            raise NotRedeemable(f"protocol {self.protocol!r} has no redemption path")
        if not all(token.isdigit() for token in self.token_ids):
            raise NotRedeemable(f"the token ids {self.token_ids} are no numbers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call of a contract; `data` is hex."""

    target: str
    data: str


def redeem_call(
    condition: Condition,
    *,
    held: Sequence[int],
    shares: Sequence[int] = (),
    contracts: Contracts = POLYGON,
) -> Call:
    """Redeem the outcomes `held`; v2 takes one outcome a call and needs its micro-shares.

    v1 goes through the adapter that turns what the tokens contract pays into collateral: asked
    directly it would succeed and pay nothing.
    """
    if not held:
        raise NotRedeemable(f"no outcome of {condition.condition_id} is held")
    if condition.protocol == V2:
        if len(held) != 1 or len(shares) != 1:
            raise NotRedeemable("the router redeems one outcome a call, with its amount")
        arguments = _condition_31(condition.condition_id) + abi.uint(held[0]) + abi.uint(shares[0])
        return Call(target=contracts.router, data=abi.ROUTER_REDEEM + arguments)
    adapter = (
        contracts.neg_risk_collateral_adapter
        if condition.neg_risk
        else contracts.collateral_adapter
    )
    arguments = (
        abi.address(contracts.collateral)
        + abi.ZERO_WORD
        + abi.fixed(condition.condition_id, size=32)
        + abi.uint(4 * 32)
        + abi.uints([1 << index for index in sorted(held)])
    )
    return Call(target=adapter, data=abi.REDEEM_POSITIONS + arguments)


def _condition_31(condition_id: str) -> str:
    """The word of a v2 condition: 31 bytes, with or without the outcome byte that ends an id."""
    digits = condition_id.removeprefix("0x")
    if len(digits) == 64 and digits[-2:] in ("00", "01"):
        digits = digits[:-2]
    return abi.fixed(digits, size=31)


def per_share(numerator: int, denominator: int) -> Decimal:
    """Dollars that one share pays.

    >>> per_share(1, 2)
    Decimal('0.500000')
    """
    if denominator <= 0:
        raise NotRedeemable("nothing is reported for this condition")
    return receive(Decimal(numerator) / Decimal(denominator))


def contradicts(chain: tuple[Decimal, Decimal], recorded: tuple[Decimal, Decimal]) -> bool:
    """Whether the chain pays other than what we were told about the result."""
    return chain != tuple(value.quantize(ONE.scaleb(-6)) for value in recorded)


def back_off(attempts: int, *, first: timedelta) -> timedelta:
    """How long to wait after so many vain attempts: doubled each time, an hour at most.

    >>> back_off(3, first=timedelta(seconds=60))
    datetime.timedelta(seconds=240)
    """
    doubled: timedelta = first * (1 << min(max(attempts - 1, 0), 20))
    return min(doubled, LONGEST_BACK_OFF)


def shared_out(arrived: Decimal, expected: Sequence[Decimal]) -> list[Decimal]:
    """Divide what arrived among those it was for: each gets what it expected, the last the rest.

    >>> shared_out(Decimal(7), [Decimal(5), Decimal(5)])
    [Decimal('5'), Decimal('2')]
    """
    left, parts = arrived, []
    for want in expected[:-1]:
        parts.append(min(want, left))
        left -= parts[-1]
    return [*parts, max(left, ZERO)]
