"""One token's live book as a grid of prices: usable, or known to be broken and then silent.

Prices are ticks, so a side is an array of shares per price cell, and the best price is an index
that moves with each change. The grid is as fine as the venue's prices need: 100, 1,000 or 10,000
cells to the dollar.
"""

from array import array
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum

from config.kernel.units import ONE, decimal
from markets.core import book as books
from markets.core import wire
from markets.core.book import Book, Level
from markets.core.wire import LARGEST_AMOUNT, Unreadable

GRIDS = (100, 1_000, 10_000)
LARGEST = float(LARGEST_AMOUNT)
# A grid has 10,001 prices; venues write each in one or two ways.
REMEMBERED = 40_000


class Unusable(LookupError):
    """The book has a gap and no fresh snapshot: nobody may act on its prices."""


class OffGrid(ValueError):
    """The price needs a finer grid."""


class NotALevel(ValueError):
    """Price, shares or side make no sense."""


class Fate(Enum):
    """What became of a change."""

    APPLIED = "applied"
    OLD = "older than what we hold, and contained in it"
    WAITING = "discarded: no snapshot yet"
    DISORDER = "older than a change already applied: one of the two may be lost"


class Cells(dict[str, int]):
    """Price as written → cell of a grid; learns every way of writing once."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def __missing__(self, text: str) -> int:
        """The cell of a price; raises `NotALevel`, or `OffGrid` where a finer grid has it."""
        try:
            whole = _cell(wire.price(text), self.size)
        except Unreadable as cause:
            raise NotALevel(str(cause)) from cause
        if whole is None:
            kind = OffGrid if self.size < GRIDS[-1] else NotALevel
            raise kind(f"{text!r} is not on a grid of {self.size}")
        if len(self) < REMEMBERED:
            self[text] = whole
        return whole


CELLS = {size: Cells(size) for size in GRIDS}


class LiveBook:
    """Resting shares per price of one token; `bid` and `ask` are the best cells.

    `bid` 0 and `ask` = size mean an empty side. `stamp` is the venue's time, in milliseconds, of
    the last message applied, `snapshot_stamp` of the last whole book, `discarded_stamp` of the
    newest change that came while the book could not be used; `gap` numbers the gaps. Times that
    end `_at` are ours, in epoch seconds.
    """

    __slots__ = (
        "ask",
        "asked_at",
        "asks",
        "bid",
        "bids",
        "cells",
        "checked_at",
        "crossed",
        "discarded_stamp",
        "gap",
        "heard_at",
        "last",
        "mismatches",
        "moved_at",
        "size",
        "snapshot_stamp",
        "stamp",
        "unusable_since",
        "usable",
    )

    def __init__(self, now: float) -> None:
        self.usable = False
        self.unusable_since = self.heard_at = now
        self.checked_at = self.asked_at = 0.0
        self.moved_at: float | None = None
        self.stamp = self.snapshot_stamp = self.discarded_stamp = 0
        self.mismatches = self.crossed = self.gap = 0
        self.last: Decimal | None = None
        self._clear(GRIDS[0])

    def _clear(self, size: int) -> None:
        self.size, self.cells = size, CELLS[size]
        self.bids, self.asks = array("d", bytes(8 * (size + 1))), array("d", bytes(8 * (size + 1)))
        self.bid, self.ask = 0, size

    def spoil(self, now: float) -> bool:
        """There is a gap: no price until the next snapshot. False where that was known."""
        if not self.usable:
            return False
        self.usable, self.unusable_since, self.moved_at = False, now, None
        self.gap += 1
        # What was applied since the last snapshot may be needed again: an older one will not do.
        self.discarded_stamp = max(self.discarded_stamp, self.stamp)
        return True

    def replace(
        self,
        stamp: int,
        bids: Sequence[tuple[Decimal, Decimal]],
        asks: Sequence[tuple[Decimal, Decimal]],
        *,
        tick: Decimal | None,
        now: float,
    ) -> None:
        """Take a whole book: the one way to become usable. Raises `NotALevel`."""
        size = _grid([price for price, _ in (*bids, *asks)] + ([tick] if tick else []))
        self._clear(size)
        for side, levels in ((self.bids, bids), (self.asks, asks)):
            for price, shares in levels:
                cell = _cell(price, size) or 0
                if side[cell]:
                    raise NotALevel(f"the price {price} stands twice on one side")
                side[cell] = float(shares)
        self._find_best()
        self.stamp = self.snapshot_stamp = stamp
        self.mismatches = self.crossed = 0
        self.usable, self.checked_at = True, now

    def refine(self) -> None:
        """Move to the next finer grid; every level keeps its price."""
        self.regrid(GRIDS[GRIDS.index(self.size) + 1])

    def regrid(self, size: int) -> None:
        """Move to another grid that is a multiple of this one."""
        old_bids, old_asks, factor = self.bids, self.asks, size // self.size
        self._clear(size)
        self.bids[::factor], self.asks[::factor] = old_bids, old_asks
        self._find_best()

    def follow_tick(self, tick: Decimal) -> None:
        """The venue's price grid changed: ours is made fine enough for it."""
        size = max(self.size, _grid([tick]))
        if size != self.size:
            self.regrid(size)

    def change(self, price: str, shares: str, side: str, stamp: int) -> Fate:
        """Set the total at one price; raises `OffGrid` or `NotALevel`, then nothing has changed."""
        if not self.usable:
            self.discarded_stamp = max(self.discarded_stamp, stamp)
            return Fate.WAITING
        if stamp < self.stamp:
            return Fate.OLD if stamp < self.snapshot_stamp else Fate.DISORDER
        # float() would read other scripts' digits and 1_0 as well.
        if "_" in shares or not shares.isascii():
            raise NotALevel(f"{shares!r} is no number of shares")
        cell, total = self.cells[price], float(shares)
        if not (0.0 <= total < LARGEST and 0 < cell < self.size):
            raise NotALevel(f"{shares} shares at {price} are no level")
        self.stamp = stamp
        if side == "BUY":
            self._bid(cell, total)
        else:
            self._ask(cell, total)
        return Fate.APPLIED

    def _bid(self, cell: int, total: float) -> None:
        bids = self.bids
        bids[cell] = total
        if total:
            if cell > self.bid:  # noqa: PLR1730 - twice as fast as max()
                self.bid = cell
        elif cell == self.bid:
            while cell and not bids[cell]:
                cell -= 1
            self.bid = cell

    def _ask(self, cell: int, total: float) -> None:
        asks, size = self.asks, self.size
        asks[cell] = total
        if total:
            if cell < self.ask:  # noqa: PLR1730 - twice as fast as min()
                self.ask = cell
        elif cell == self.ask:
            while cell < size and not asks[cell]:
                cell += 1
            self.ask = cell

    def agrees(self, best_bid: str, best_ask: str) -> bool:
        """Whether our best prices are those that the venue states (0 and 1 = an empty side)."""
        return self.bid == self.cells[best_bid] and self.ask == self.cells[best_ask]

    def _find_best(self) -> None:
        self.bid = next((i for i in range(self.size, 0, -1) if self.bids[i]), 0)
        self.ask = next((i for i in range(self.size) if self.asks[i]), self.size)

    @property
    def is_crossed(self) -> bool:
        """Whether somebody offers to pay what somebody asks: normal for moments only."""
        return 0 < self.bid >= self.ask

    def same_as(self, found: Book) -> bool:
        """Whether every level is that of `found`; prices of an unusable book are not compared."""
        self._demand()
        ours = (self._levels("bid", None), self._levels("ask", None))
        return ours == (_floats(found.bids), _floats(found.asks))

    def top(self) -> tuple[int, float, int, float]:
        """Best bid's cell and shares, best ask's; equal tops compare equal. Raises `Unusable`."""
        self._demand()
        return self.bid, self.bids[self.bid], self.ask, self.asks[self.ask]

    def best(self) -> tuple[float | None, float | None]:
        """Best bid and best ask in dollars, None for an empty side. Raises `Unusable`."""
        self._demand()
        bid = self.bid / self.size if self.bid else None
        return bid, self.ask / self.size if self.ask < self.size else None

    def book(self, *, levels: int | None = None) -> Book:
        """The book as values, `levels` a side, best first. Raises `Unusable`."""
        self._demand()
        bids, asks = (
            tuple(Level(price=_price(p), shares=decimal(n)) for p, n in self._levels(s, levels))
            for s in ("bid", "ask")
        )
        at = datetime.fromtimestamp(self.stamp / 1000, UTC)
        return Book(observed_at=at, bids=bids, asks=asks)

    def totals(self) -> tuple[float, float]:
        """Shares on all bid and on all ask levels. Raises `Unusable`."""
        self._demand()
        return sum(self.bids), sum(self.asks)

    def _levels(self, side: books.Side, most: int | None) -> list[tuple[float, float]]:
        """(price, shares) best first."""
        cells = range(self.bid, 0, -1) if side == "bid" else range(self.ask, self.size)
        shares = self.bids if side == "bid" else self.asks
        found = []
        for cell in cells:
            if shares[cell]:
                found.append((cell / self.size, shares[cell]))
                if len(found) == most:
                    break
        return found

    def _demand(self) -> None:
        if not self.usable:
            raise Unusable("the book waits for a snapshot; use another source or wait")


def _grid(prices: Iterable[Decimal]) -> int:
    """The coarsest grid that holds all prices; raises `NotALevel`."""
    wanted = list(prices)
    for size in GRIDS:
        if all(_cell(price, size) is not None for price in wanted):
            return size
    raise NotALevel(f"prices finer than {ONE / GRIDS[-1]} are on no grid")


def _cell(price: Decimal, size: int) -> int | None:
    """The cell of a price on a grid; None where it lies between two, however close to one."""
    whole = int(price * size)
    # The product is rounded to the context's digits; the quotient has four and is exact.
    return whole if Decimal(whole) / size == price else None


def _floats(levels: Iterable[Level]) -> list[tuple[float, float]]:
    return [(float(level.price), float(level.shares)) for level in levels]


def _price(value: float) -> Decimal:
    return decimal(value).normalize()
