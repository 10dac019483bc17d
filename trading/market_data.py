"""Books for whoever trades: fetched anew from the public venue, or read off a recorded quote."""

from collections.abc import Callable, Collection
from datetime import datetime

import structlog

from config.kernel.clocks import Clock
from markets import quotes, unknown
from markets.adapters.clob_data import ClobData
from markets.adapters.http import VenueRefused, VenueUnreachable
from markets.core import book as books
from markets.core.book import Book
from markets.core.wire import NotUnderstood
from markets.models import Quote

log = structlog.get_logger()

Refresh = Callable[[Collection[int], datetime], int]
"""Fetches the books of some markets, asked at an instant; returns how many quotes were added."""


def from_venue(
    market_ids: Collection[int],
    as_of: datetime,
    *,
    venue: ClobData | None = None,
    clock: Clock | None = None,
) -> int:
    """Fetch these books and record them when they come; 0 where the venue gives no answer.

    What is not refreshed stays old, and old books are denied or waited for.
    """
    try:
        return quotes.refresh(list(market_ids), as_of=as_of, venue=venue, clock=clock)
    except (VenueUnreachable, VenueRefused) as trouble:
        log.warning("books.not_refreshed", markets=len(market_ids), reason=str(trouble))
        return 0
    except NotUnderstood as wrong:
        unknown.refused(wrong, as_of=as_of)
        log.warning("books.not_understood", markets=len(market_ids), reason=wrong.reason)
        return 0


def book_of(quote: Quote) -> Book:
    """A quote's levels, or its top of book where levels were not recorded."""
    if quote.levels is not None:
        return books.unpack(quote.observed_at, bytes(quote.levels))
    return books.synthetic(
        quote.observed_at, quote.bid, quote.ask, quote.bid_depth, quote.ask_depth
    )
