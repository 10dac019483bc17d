"""An order book: mid, spread, depth, and what a taker would get from it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import chain
from math import isfinite
from typing import Literal

import numpy as np

from config.kernel.units import ONE, ZERO, decimal

Side = Literal["bid", "ask"]
Amount = Decimal | float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """Shares resting at one price in (0, 1)."""

    price: Decimal
    shares: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """What taking liquidity up to a limit would give.

    Attributes
    ----------
    notional
        Dollars that change hands, fees not included.
    average, worst
        Price per share over the fill, and of its last share; None where nothing fills.
    """

    shares: Decimal
    notional: Decimal
    average: Decimal | None
    worst: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """Resting orders for one outcome; both sides are sorted best first."""

    observed_at: datetime
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]

    @property
    def best_bid(self) -> Decimal | None:
        """Highest price anybody offers to pay."""
        return self.bids[0].price if self.bids else None

    @property
    def best_ask(self) -> Decimal | None:
        """Lowest price anybody offers to take."""
        return self.asks[0].price if self.asks else None

    @property
    def spread(self) -> Decimal | None:
        """Best ask − best bid; negative where crossed, None unless both sides are present."""
        return self.asks[0].price - self.bids[0].price if self.asks and self.bids else None

    @property
    def mid(self) -> Decimal | None:
        """Mean of best bid and best ask; None unless two-sided and uncrossed."""
        spread = self.spread
        if spread is None or spread <= 0:
            return None
        return (self.asks[0].price + self.bids[0].price) / 2

    def mirrored(self) -> "Book":
        """The other outcome's book: a bid for one is an ask for the other at 1 − price."""
        return Book(
            observed_at=self.observed_at,
            bids=tuple(Level(price=ONE - x.price, shares=x.shares) for x in self.asks),
            asks=tuple(Level(price=ONE - x.price, shares=x.shares) for x in self.bids),
        )

    def side(self, side: Side) -> tuple[Level, ...]:
        """The levels of one side, best first."""
        return self.bids if side == "bid" else self.asks

    def depth_shares(self, side: Side) -> Decimal:
        """Shares resting on all levels of one side."""
        return sum((x.shares for x in self.side(side)), ZERO)

    def depth_usd(self, side: Side, *, within: Decimal | None = None) -> Decimal:
        """Dollars (price × shares) resting on one side, at most `within` away from the mid.

        Without `within` the whole side; with it, zero where the book has no mid.
        """
        if within is None:
            return sum((x.price * x.shares for x in self.side(side)), ZERO)
        mid = self.mid
        if mid is None:
            return ZERO
        near = (x for x in self.side(side) if abs(x.price - mid) <= within)
        return sum((x.price * x.shares for x in near), ZERO)


def build(
    observed_at: datetime,
    bids: Iterable[tuple[Decimal, Decimal]],
    asks: Iterable[tuple[Decimal, Decimal]],
) -> Book:
    """A book from (price, shares) pairs in any order; levels without shares are dropped."""
    return Book(
        observed_at=observed_at,
        bids=tuple(Level(price=p, shares=n) for p, n in sorted(bids, reverse=True) if n > 0),
        asks=tuple(Level(price=p, shares=n) for p, n in sorted(asks) if n > 0),
    )


def walk(book: Book, *, buy: bool, shares: Decimal, limit: Decimal) -> Walk:
    """Take up to `shares` at prices no worse than `limit`: asks for a buy, bids for a sale."""
    filled = notional = ZERO
    worst: Decimal | None = None
    for level in book.asks if buy else book.bids:
        beyond = level.price > limit if buy else level.price < limit
        taken = min(level.shares, shares - filled)
        if beyond or taken <= 0:
            break
        filled += taken
        notional += taken * level.price
        worst = level.price
    return Walk(
        shares=filled,
        notional=notional,
        average=notional / filled if filled else None,
        worst=worst,
    )


def pack(book: Book) -> bytes:
    """The levels as float64[2, n, 2] bytes: bids then asks, (price, shares) each, NaN padded.

    Exact for amounts on the grid of 1e-6 below 2^33.
    """
    n = max(len(book.bids), len(book.asks))
    levels = np.full((2, n, 2), np.nan)
    for row, side in enumerate((book.bids, book.asks)):
        if side:
            flat = chain.from_iterable((x.price, x.shares) for x in side)
            levels[row, : len(side)] = np.fromiter(map(float, flat), np.float64).reshape(-1, 2)
    return levels.astype("<f8").tobytes()


def unpack(observed_at: datetime, levels: bytes) -> Book:
    """The book that `pack` wrote; raises `ValueError` where the bytes are not whole levels."""
    rows = np.frombuffer(levels, "<f8")
    if rows.size % 4:
        raise ValueError(f"{len(levels)} bytes are not float64[2, n, 2]; fetch the book anew")
    bids, asks = (
        tuple(Level(price=decimal(p), shares=decimal(n)) for p, n in side if isfinite(p))
        for side in rows.reshape(2, -1, 2).tolist()
    )
    return Book(observed_at=observed_at, bids=bids, asks=asks)


def synthetic(
    observed_at: datetime, bid: Amount, ask: Amount, bid_depth: Amount, ask_depth: Amount
) -> Book:
    """A one-level book from top-of-book figures; a side without price or depth is empty."""
    return Book(observed_at=observed_at, bids=_single(bid, bid_depth), asks=_single(ask, ask_depth))


def under_top(top: Book, deep: Book) -> Book:
    """The one-level book `top` with the levels of an earlier, whole book behind its best prices.

    A side that is empty in `top` is empty; levels that lay before the best are gone by now.
    """
    return Book(
        observed_at=top.observed_at,
        bids=top.bids + tuple(x for x in deep.bids if top.bids and x.price < top.bids[0].price),
        asks=top.asks + tuple(x for x in deep.asks if top.asks and x.price > top.asks[0].price),
    )


def _single(price: Amount, shares: Amount) -> tuple[Level, ...]:
    if price is None or shares is None or not isfinite(price) or not isfinite(shares):
        return ()
    level = Level(price=decimal(price), shares=decimal(shares))
    return (level,) if level.shares > 0 and 0 < level.price < 1 else ()
