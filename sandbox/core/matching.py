"""Who meets whom: price first, then the world's ladder, then users by time."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from sandbox.core.ladder import Ladder
from sandbox.core.placed import MICRO, PIPS, Placed

DUST = 10
"""So many 1e-6 dollars cannot be spent any more."""
Entry = tuple[int, int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Shares on offer to a taker, `price` in terms of the taker's token; no order is the world."""

    price: int
    shares: int
    order: Placed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """What a taker takes of one offer."""

    offer: Offer
    shares: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a taker wants: at most `shares`, or as much as `budget` buys where that is given."""

    is_buy: bool
    limit: int
    shares: int
    budget: int | None = None

    def accepts(self, price: int) -> bool:
        """Whether the price is within the limit."""
        return price <= self.limit if self.is_buy else price >= self.limit


def plan(wish: Wish, offers: Iterable[Offer]) -> tuple[list[Take], bool]:
    """What the wish takes of the offers, which come best first, and whether it is fulfilled."""
    left, budget, takes = wish.shares, wish.budget, []
    for offer in offers:
        if not wish.accepts(offer.price):
            break
        most = left if budget is None else budget * PIPS // offer.price
        shares = min(most, offer.shares)
        if shares > 0:
            takes.append(Take(offer=offer, shares=shares))
            left -= shares
            if budget is not None:
                budget -= shares * offer.price // PIPS
        if (left if budget is None else max(budget - DUST, 0)) <= 0:
            return takes, True
    return takes, False


@dataclass(slots=True)
class Resting:
    """The users' resting orders of one market, in terms of outcome 0, best first, then oldest."""

    bids: list[Entry] = field(default_factory=list)
    asks: list[Entry] = field(default_factory=list)

    def add(self, order: Placed) -> None:
        """Queue it behind those of its price."""
        insort(self._side(order), self._entry(order))

    def remove(self, order: Placed) -> None:
        """Take it off; one that does not rest is left alone."""
        side, entry = self._side(order), self._entry(order)
        at = bisect_left(side, entry)
        if at < len(side) and side[at] == entry:
            del side[at]

    def __len__(self) -> int:
        return len(self.bids) + len(self.asks)

    def _side(self, order: Placed) -> list[Entry]:
        return self.bids if order.is_bid else self.asks

    @staticmethod
    def _entry(order: Placed) -> Entry:
        price = order.first_price
        return (-price if order.is_bid else price), order.number, order.id


def levels(ladder: Ladder, *, bids: bool) -> Iterator[tuple[int, int]]:
    """One side of the world's ladder, best first: (pips, shares in 1e-6), of outcome 0."""
    for ticks, shares in ladder.bids if bids else ladder.asks:
        yield round(ticks * ladder.tick * PIPS), round(shares * MICRO)
