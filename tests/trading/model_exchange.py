"""The exchange of the money machine: dictionaries of whole millionths.

It shares no line with the code under test, so that the two cannot be wrong together.
"""

from dataclasses import dataclass, field
from decimal import Decimal

from trading.models import Order
from trading.venue import Execution

START = 1_000_000_000_000
"""Dollars that never run out, in millionths: what happens without cash is another test's."""
MARKETS = 3


@dataclass
class Trade:
    """A trade of the exchange, in millionths."""

    key: str
    order: "Wish"
    shares: int
    dollars: int
    fee: int
    execution: Execution
    status: str


@dataclass
class Wish:
    """An order of the exchange."""

    row: Order
    market: int
    index: int
    buy: bool
    shares: int
    alive: bool = True
    filled: int = 0


@dataclass
class Exchange:
    """What is true: cash, shares, and what is still to be settled."""

    cash: int = START
    fees: int = 0
    held: dict[tuple[int, int], int] = field(default_factory=dict)
    wishes: list[Wish] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    resolved: dict[int, tuple[int, int]] = field(default_factory=dict)

    def match(self, trade: Trade, sign: int = 1) -> None:
        """Carry a trade out; `sign` −1 takes it back."""
        wish = trade.order
        way = sign if wish.buy else -sign
        self.cash -= way * trade.dollars + sign * trade.fee
        self.fees += sign * trade.fee
        key = (wish.market, wish.index)
        self.held[key] = self.held.get(key, 0) + way * trade.shares
        wish.filled += sign * trade.shares

    def free(self, key: tuple[int, int]) -> int:
        """Shares that are on the chain and promised to nobody."""
        unsettled = sum(
            t.shares
            for t in self.trades
            if t.status == "MATCHED" and t.order.buy and (t.order.market, t.order.index) == key
        )
        promised = sum(
            w.shares - w.filled for w in self.wishes if not w.buy and (w.market, w.index) == key
        )
        return self.held.get(key, 0) - unsettled - promised

    def to_sell(self) -> list[tuple[int, int]]:
        """Market and side of shares that may be sold."""
        return [k for k in self.held if self.free(k) > 0 and k[0] not in self.resolved]

    def sets(self) -> list[int]:
        """Markets with both sides to give back."""
        keys = self.to_sell()
        return [m for m in self.open_markets() if (m, 0) in keys and (m, 1) in keys]

    def ripe(self) -> list[int]:
        """Markets that may resolve: nothing is unsettled, something is held."""
        waiting = {t.order.market for t in self.trades if t.status == "MATCHED"}
        held = {market for (market, _), shares in self.held.items() if shares}
        return [m for m in self.open_markets() if m in held and m not in waiting]

    def late(self) -> list[Wish]:
        """Orders that may yet be filled, ended ones too: the world is late."""
        return [w for w in self.wishes if w.filled < w.shares and (w.buy or w.alive)]

    def open_markets(self) -> list[int]:
        """Markets that nobody has resolved."""
        return [market for market in range(MARKETS) if market not in self.resolved]

    def busy(self, market: int) -> bool:
        """Whether anything is left there that needs the claim."""
        return any(w.alive and w.market == market for w in self.wishes) or any(
            shares for (m, _), shares in self.held.items() if m == market
        )


def dollars(shares: int, price: Decimal, *, up: bool) -> int:
    """Shares × price in millionths, rounded against us."""
    exact = shares * int(price * 10**6)
    return -(-exact // 10**6) if up else exact // 10**6
