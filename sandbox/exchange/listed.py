"""The world's markets as the exchange sees them: one token's market, its ladder and its prints."""

from dataclasses import dataclass
from functools import lru_cache

from sandbox.core import names, tape
from sandbox.core.ladder import ladder, tick_size
from sandbox.core.matching import levels
from sandbox.core.placed import MICRO, PIPS
from sandbox.core.shapes import MIN_SHARES, neg_risk
from sandbox.core.world import Happening, UnknownMarket, World


@dataclass(frozen=True, slots=True)
class Listed:
    """One market of the world."""

    happening: Happening
    child: int

    @property
    def number(self) -> int:
        """Its number."""
        return self.happening.market_number(self.child)

    @property
    def condition(self) -> str:
        """Its condition id."""
        return names.condition_id(self.happening, self.child)

    @property
    def tokens(self) -> tuple[str, str]:
        """Both token ids."""
        first, other = (names.token_id(self.happening, self.child, o) for o in (0, 1))
        return first, other

    @property
    def outcomes(self) -> tuple[str, str]:
        """Names of both sides."""
        return names.outcomes(self.happening)

    @property
    def is_neg_risk(self) -> bool:
        """Whether it trades on the exchange of exclusive outcomes."""
        return neg_risk(self.happening)

    @property
    def fee_rate(self) -> float:
        """What a taker pays, of p (1 − p) a share."""
        return self.happening.family.fee_rate

    @property
    def least(self) -> int:
        """Fewest shares of a resting order, 1e-6."""
        return MIN_SHARES * MICRO

    def takes_orders(self, now: float) -> bool:
        """Whether new orders are taken."""
        return self.happening.opens_at <= now < self.happening.ends_at

    def tick(self, second: int) -> int:
        """The price grid in pips."""
        return round(tick_size(self.happening, self.child, second) * PIPS)

    def side(self, second: int, *, bids: bool) -> list[tuple[int, int]]:
        """The world's offers on one side, best first: pips of outcome 0, shares in 1e-6."""
        return _side(self.happening, self.child, second, bids)

    def prints(self, before: int, after: int) -> list[tape.Trade]:
        """What the world's traders did in (before, after]."""
        trades = tape.until(self.happening, self.child, after)
        return [trade for trade in trades if trade.second > before]

    def payouts(self) -> tuple[int, int]:
        """Dollars in 1e-6 that a share of each outcome pays."""
        first, other = self.happening.payouts(self.child)
        return round(first * MICRO), round(other * MICRO)


@lru_cache(maxsize=8192)
def _side(
    happening: Happening,
    child: int,
    second: int,
    bids: bool,  # noqa: FBT001 - a cache's key
) -> list[tuple[int, int]]:
    return list(levels(ladder(happening, child, second), bids=bids))


class Listing:
    """Finds markets by token, condition or number."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.by_token = lru_cache(maxsize=4096)(self._by_token)
        self.by_condition = lru_cache(maxsize=4096)(self._by_condition)
        self.by_number = lru_cache(maxsize=4096)(self._by_number)

    def _by_number(self, number: int) -> Listed:
        """Raises `UnknownMarket`."""
        event, child = names.event_of(number)
        happening = self._world.happening(event)
        if child >= happening.markets:
            raise UnknownMarket(f"no market {number} exists")
        return Listed(happening, child)

    def _by_token(self, token: str) -> tuple[Listed, int]:
        """The market and the outcome; raises `UnknownMarket`."""
        number, outcome = names.market_of_token(token)
        found = self._by_number(number)
        if found.tokens[outcome] != token:
            raise UnknownMarket(f"no token {token} exists")
        return found, outcome

    def _by_condition(self, condition: str) -> Listed:
        """Raises `UnknownMarket`."""
        found = self._by_number(names.market_of_condition(condition))
        if found.condition != condition.lower():
            raise UnknownMarket(f"no market {condition} exists")
        return found
