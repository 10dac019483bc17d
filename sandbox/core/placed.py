"""Orders and trades of the exchange as it keeps them; prices in pips of 1e-4 dollars."""

import hashlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

PIPS: Final = 10_000
MICRO: Final = 1_000_000
WORLD: Final = "0x" + "51" * 20
"""Holds what the world's own traders won and lost against users."""
WORLD_KEY: Final = "00000000-0000-4000-8000-000000000000"
FEES: Final = "0x" + "fe" * 20
COLLATERAL: Final = "0x4d97dcd97ec945f40cf65f87097ace5ea0476045"
"""Holds the dollars behind all shares: the Conditional Tokens contract."""
CASH: Final = ""
"""The asset of dollars, beside the token ids."""
ALIVE: Final = frozenset({"LIVE", "DELAYED"})
TERMINAL: Final = frozenset({"CONFIRMED", "FAILED"})


@dataclass(slots=True, kw_only=True)
class Placed:
    """An accepted order.

    `price` is its limit, `shares` and `matched` are integers of 1e-6. `budget` is what a
    purchase that spends dollars may still spend, None for all others. `ahead` are the world's
    shares before it in the queue. `held` is what it keeps from other orders of the wallet.
    """

    id: str
    key: str
    wallet: str
    token: str
    market: int
    condition: str
    outcome: int
    outcome_name: str
    is_buy: bool
    price: int
    shares: int
    order_type: str
    post_only: bool
    expiration: int
    at: float
    number: int
    budget: int | None = None
    status: str = "LIVE"
    matched: int = 0
    ahead: int = 0
    held: int = 0
    ended_at: float = 0.0
    visible_at: float = 0.0
    due: float = 0.0
    trades: list[str] = field(default_factory=list)

    @property
    def left(self) -> int:
        """Shares that are not matched yet."""
        return max(self.shares - self.matched, 0)

    @property
    def is_alive(self) -> bool:
        """Whether it can still match."""
        return self.status in ALIVE

    @property
    def is_bid(self) -> bool:
        """Whether it is a bid in terms of outcome 0."""
        return self.is_buy == (self.outcome == 0)

    @property
    def first_price(self) -> int:
        """Its limit in terms of outcome 0."""
        return self.price if self.outcome == 0 else PIPS - self.price

    @property
    def expires_at(self) -> float:
        """When the venue takes it off: a minute before the stated time; 0 for never."""
        return self.expiration - 60 if self.expiration else 0.0

    @property
    def asset(self) -> str:
        """What it spends."""
        return CASH if self.is_buy else self.token

    def to_hold(self) -> int:
        """What it keeps back of `asset` while it rests."""
        if not self.is_alive:
            return 0
        return -(-self.left * self.price // PIPS) if self.is_buy else self.left


@dataclass(slots=True, kw_only=True)
class MakerFill:
    """The part of one resting order in a trade; `price` in terms of its own token."""

    order_id: str
    key: str
    wallet: str
    token: str
    outcome_name: str
    is_buy: bool
    price: int
    shares: int


@dataclass(slots=True, kw_only=True)
class Trade:
    """One taker met resting orders at one price."""

    id: str
    number: int
    market: int
    condition: str
    taker_order: str
    taker_key: str
    taker_wallet: str
    token: str
    outcome_name: str
    is_buy: bool
    price: int
    shares: int
    fee: int
    at: float
    makers: list[MakerFill]
    is_ghost: bool = False
    status: str = "MATCHED"
    moved_at: float = 0.0
    transaction_hash: str = ""
    due: float = 0.0

    def legs(self) -> Iterator[tuple[str, str, int]]:
        """What settlement moves: wallet, asset, and the change in 1e-6. Sums to zero per asset."""
        yield from self._side(self.taker_wallet, self.token, self.shares, buys=self.is_buy)
        for maker in self.makers:
            paid = self._cash(maker)
            same = maker.token == self.token
            own = paid if same else maker.shares - paid
            yield maker.wallet, CASH, -own if maker.is_buy else own
            yield maker.wallet, maker.token, maker.shares if maker.is_buy else -maker.shares
            yield self.taker_wallet, CASH, -paid if self.is_buy else paid
            if not same:
                yield COLLATERAL, CASH, maker.shares if self.is_buy else -maker.shares
        if self.fee:
            yield self.taker_wallet, CASH, -self.fee
            yield FEES, CASH, self.fee

    def _side(
        self, wallet: str, token: str, shares: int, *, buys: bool
    ) -> Iterator[tuple[str, str, int]]:
        yield wallet, token, shares if buys else -shares

    def _cash(self, maker: MakerFill) -> int:
        """Dollars of the taker for one maker's part."""
        return maker.shares * self.price // PIPS

    def cash(self) -> int:
        """Dollars that the taker gives or gets, without the fee."""
        return sum(self._cash(maker) for maker in self.makers)


def fee(shares: int, price: int, rate: float) -> int:
    """A taker's fee in 1e-6: shares · rate · p · (1 − p) to five decimals, nothing below 0.00001.

    >>> fee(108_000_000, 3600, 0.07)
    1741820
    """
    p = Decimal(price) / PIPS
    raw = Decimal(shares) / MICRO * Decimal(str(rate)) * p * (1 - p)
    step = Decimal("0.00001")
    return 0 if raw < step else int(raw.quantize(step, ROUND_HALF_UP) * MICRO)


def trade_from(row: dict[str, Any]) -> Trade:
    """A trade out of its journal row."""
    return Trade(**{**row, "makers": [MakerFill(**maker) for maker in row["makers"]]})


def trade_id(seed: int, number: int) -> str:
    """The id of the trade of this number."""
    text = f"{seed}:trade:{number}"
    return str(uuid.UUID(bytes=hashlib.sha256(text.encode()).digest()[:16], version=4))


def world_order(number: int) -> str:
    """The id of the order with which the world took part in the trade of this number."""
    return "0x" + hashlib.sha256(f"world:{number}".encode()).hexdigest()


def transaction_of(trade: str) -> str:
    """The hash of the transaction that settles a trade."""
    return "0x" + hashlib.sha256(f"transaction:{trade}".encode()).hexdigest()
