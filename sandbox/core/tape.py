"""Who traded what in each generated market: a function of the seed, at the books' own prices."""

from bisect import bisect_right
from dataclasses import dataclass
from enum import Enum
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Final

import numpy as np

from sandbox.core import chance
from sandbox.core.ladder import best_paths, best_shares
from sandbox.core.world import Happening

CHANCE_PER_S: Final = 0.06
THIN_CHANCE_PER_S: Final = 0.02
THIN_SHARES: Final = 500.0
# The informed wallet buys the winner this long before the end, in one market of three.
INFORMED_BEFORE_S: Final = (5, 30)
INFORMED_IN_ONE_OF: Final = 3
SELLS: Final = 0.25


class Style(Enum):
    """How a wallet of the stand-in venue trades."""

    NOISE = "small trades in no particular direction"
    SKILLED = "buys what is too cheap by the world's true probability"
    WHALE = "as noise, but takes all that is offered"
    INFORMED = "buys the winner, much of it, shortly before the end"
    MAKER = "rests the orders that the others meet"


CAST: Final = MappingProxyType(
    {Style.NOISE: 40, Style.SKILLED: 4, Style.WHALE: 3, Style.INFORMED: 1, Style.MAKER: 6}
)
# Of a hundred trades, how many each style makes; the informed wallet comes on top.
SHARE: Final = ((Style.NOISE, 0.78), (Style.SKILLED, 0.17), (Style.WHALE, 0.05))


@dataclass(frozen=True, slots=True)
class Wallet:
    """One anonymous wallet of the world."""

    style: Style
    index: int

    @property
    def address(self) -> str:
        """0x and 40 hex digits; the same in every world."""
        return _address(self.style, self.index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """A taker met a resting order: `price` dollars a share of `outcome`'s token, at `second`.

    The maker is on the other side of a SELL, and buys the opposite token of a BUY.
    """

    second: int
    taker: Wallet
    maker: Wallet
    outcome: int
    buys: bool
    price: float
    shares: float
    market_number: int

    @property
    def transaction_hash(self) -> str:
        """0x and 64 hex digits."""
        words = chance.word(78, self.market_number, self.second, np.arange(4))
        return "0x" + "".join(f"{int(word):016x}" for word in words)


@cache
def _address(style: Style, index: int) -> str:
    high = 0x51A0 + list(Style).index(style)
    return f"0x{high:04x}{int(chance.word(77, high, index)[0]):016x}{index:020x}"


def cast() -> tuple[Wallet, ...]:
    """Every wallet of the world."""
    return tuple(Wallet(style, i) for style, count in CAST.items() for i in range(count))


@lru_cache(maxsize=4096)
def tape(happening: Happening, child: int) -> tuple[Trade, ...]:
    """All trades of one market, oldest first, at most one a second."""
    number, family = happening.market_number(child), happening.family
    seconds = np.arange(happening.starts_at, happening.ends_at, dtype=np.int64)
    rate = THIN_CHANCE_PER_S if family.shares < THIN_SHARES else CHANCE_PER_S
    when = seconds[chance.uniform(happening.seed, 20, number, seconds) < rate]
    informed = _informed_at(happening, number)
    if informed:
        when = np.union1d(when, [informed])
    bids, asks = (path[child, when - happening.opens_at] for path in best_paths(happening))
    offered = best_shares(happening, child, when)
    luck = chance.uniform(happening.seed, 21, number, when[:, None], np.arange(5))
    held: dict[tuple[Wallet, int], float] = {}
    trades = []
    for i, second in enumerate(when.tolist()):
        taker = Wallet(Style.INFORMED, 0) if second == informed else _taker(luck[i])
        up = _wants_first(happening, child, second, taker, float(luck[i, 2]))
        # The taker of outcome 0 meets our asks, the taker of outcome 1 our bids.
        price, size = (asks[i], offered[1, i]) if up else (1 - bids[i], offered[0, i])
        if np.isnan(price):
            continue
        shares = _size(taker, float(size), float(luck[i, 3]))
        trade = Trade(
            second=second,
            taker=taker,
            maker=Wallet(Style.MAKER, int(luck[i, 4] * CAST[Style.MAKER])),
            outcome=0 if up else 1,
            buys=True,
            price=round(float(price), 3),
            shares=shares,
            market_number=number,
        )
        trades.append(_sold(trade, held, float(luck[i, 2])))
    return tuple(trades)


def until(happening: Happening, child: int, second: int) -> tuple[Trade, ...]:
    """The trades of one market up to and including `second`."""
    trades = tape(happening, child)
    return trades[: bisect_right(trades, second, key=lambda trade: trade.second)]


def _informed_at(happening: Happening, number: int) -> int:
    word = int(chance.word(happening.seed, 22, number)[0])
    if word % INFORMED_IN_ONE_OF:
        return 0
    low, high = INFORMED_BEFORE_S
    return max(happening.ends_at - low - word // 8 % (high - low), happening.starts_at)


def _taker(luck: chance.Floats) -> Wallet:
    left = float(luck[0])
    for style, share in SHARE:
        if left < share:
            return Wallet(style, int(luck[1] * CAST[style]))
        left -= share
    return Wallet(Style.NOISE, 0)


def _wants_first(happening: Happening, child: int, second: int, taker: Wallet, luck: float) -> bool:
    """Whether the taker wants outcome 0."""
    if taker.style is Style.INFORMED:
        return happening.winners[child]
    at = happening.at(second)
    if taker.style is Style.SKILLED:
        return bool(happening.probability[child, at] > happening.mid[child, at])
    return luck > 0.5


def _size(taker: Wallet, offered: float, luck: float) -> float:
    if taker.style in (Style.WHALE, Style.INFORMED):
        return round(offered, 2)
    return round(min(5 + 100 * luck**2, offered), 2)


def _sold(trade: Trade, held: dict[tuple[Wallet, int], float], luck: float) -> Trade:
    """The same trade as a sale of the opposite token where the taker holds enough of that."""
    other = 1 - trade.outcome
    owned = held.get((trade.taker, other), 0.0)
    if owned < trade.shares or luck % 0.5 > SELLS:
        key = (trade.taker, trade.outcome)
        held[key] = held.get(key, 0.0) + trade.shares
        return trade
    held[trade.taker, other] = owned - trade.shares
    return Trade(
        second=trade.second,
        taker=trade.taker,
        maker=trade.maker,
        outcome=other,
        buys=False,
        price=round(1 - trade.price, 3),
        shares=trade.shares,
        market_number=trade.market_number,
    )
