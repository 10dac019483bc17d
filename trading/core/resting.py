"""An entry that waits at its price for somebody to come, instead of taking what is there."""

from dataclasses import replace
from decimal import Decimal

from config.kernel.units import ONE, floor_to
from markets.core.book import Book
from risk.core.contracts import OrderIntent


def prices_beside(book: Book, *, tick: Decimal) -> tuple[Decimal, ...]:
    """Prices at which a purchase could wait in this book without crossing it, the highest first.

    One tick above the best bid, where that is below the ask, then the bid itself; none where nobody
    bids.
    """
    if book.best_bid is None:
        return ()
    bid, ask = floor_to(book.best_bid, tick), book.best_ask
    return tuple(
        price
        for price in (bid + tick, bid)
        if tick <= price <= ONE - tick and (ask is None or price < ask)
    )


def as_resting(order: OrderIntent, book: Book) -> OrderIntent:
    """The same order as one that takes nothing: it fills at its limit, by whoever comes to it.

    Its fee stays that of a taker: what is set aside for it must do for the worst case.
    """
    limit = order.limit_price
    return replace(order, expected_price=limit, best_price=limit, visible_depth=both_sides(book))


def both_sides(book: Book) -> Decimal:
    """Shares that rest in the whole book: how much is traded where nothing stands at a price."""
    return book.depth_shares("ask") + book.depth_shares("bid")
