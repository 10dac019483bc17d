"""What open shares are worth: at the mid for the chart, sold into the book for the risk figures."""

from dataclasses import dataclass
from decimal import Decimal

from config.kernel.units import ZERO, receive
from markets.core import book as books
from markets.core.book import Book
from trading.core.fees import taker_fee


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A position's value in dollars.

    `mid` is None where the book has no mid; `liquidation` is what selling everything into the
    visible bids would bring after fees: zero without a book, because nobody promises to buy.
    """

    mid: Decimal | None
    liquidation: Decimal


def mark(shares: Decimal, book: Book | None, *, fee_rate: Decimal, fee_exponent: Decimal) -> Mark:
    """Value `shares` of the outcome whose book this is."""
    if book is None:
        return Mark(mid=None, liquidation=ZERO)
    sale = books.walk(book, buy=False, shares=shares, limit=ZERO)
    fee = ZERO
    if sale.average is not None:
        fee = taker_fee(sale.shares, sale.average, rate=fee_rate, exponent=fee_exponent)
    return Mark(
        mid=None if book.mid is None else receive(shares * book.mid),
        liquidation=max(receive(sale.notional - fee), ZERO),
    )
