"""The simulated venue: orders meet the real book as it stood after the latency, and no better."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from config.kernel.clocks import Clock, given
from config.kernel.units import ONE, ZERO
from markets.core.book import Book, Level
from markets.models import Quote, QuoteKind
from trading.core.fees import taker_fee
from trading.market_data import Refresh, book_of, from_venue
from trading.venue import Execution, OrderVenue, Receipt, Ticket

log = structlog.get_logger()

EXECUTABLE = (QuoteKind.BOOK, QuoteKind.BOOK_TOP)
"""Kinds of quotes that somebody would really have traded at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper(OrderVenue):
    """Fill-and-kill orders against recorded books; nothing leaves this machine.

    An order is accepted at once and meets the first book received after `latency`: it takes the
    visible levels up to its limit and the rest is cancelled. Where no such book is recorded yet it
    is fetched; an order that meets none before its time is over expires. A crossed book, and one
    with a price that is none, is no book.
    """

    latency: timedelta
    refresh: Refresh = from_venue
    clock: Clock | None = None

    def place(self, ticket: Ticket, *, as_of: datetime) -> Receipt:
        """Accept; the fate follows from `look_up`."""
        return Receipt(venue_order_id=f"paper-{ticket.order_id}", status="OPEN")

    def look_up(self, tickets: Sequence[Ticket], *, as_of: datetime) -> dict[UUID, Receipt]:
        """Match every order whose latency is over."""
        due = [t for t in tickets if t.submitted_at + self.latency <= as_of]
        seen = {t.order_id: self._book_after(t, as_of=as_of) for t in due}
        missing = {t.market_id for t in due if seen[t.order_id] is None and as_of < t.expires_at}
        if missing and self.refresh(missing, as_of):
            as_of = given(self.clock, as_of)()
            seen |= {
                t.order_id: self._book_after(t, as_of=as_of) for t in due if t.market_id in missing
            }
        return {t.order_id: self._match(t, seen.get(t.order_id), as_of=as_of) for t in tickets}

    def _book_after(self, ticket: Ticket, *, as_of: datetime) -> Book | None:
        """The traded outcome's first usable book between the end of the latency and its expiry."""
        quotes = Quote.objects.filter(
            market_id=ticket.market_id,
            kind__in=EXECUTABLE,
            observed_at__gte=ticket.submitted_at + self.latency,
            observed_at__lt=ticket.expires_at,
            received_at__lte=as_of,
        )
        book = _first_usable(quotes.order_by("observed_at", "kind").iterator())
        return book.mirrored() if book is not None and ticket.outcome_index else book

    @staticmethod
    def _match(ticket: Ticket, book: Book | None, *, as_of: datetime) -> Receipt:
        name = f"paper-{ticket.order_id}"
        if book is None:
            if as_of < ticket.expires_at:
                return Receipt(venue_order_id=name, status="OPEN")
            return Receipt(
                venue_order_id=name, status="EXPIRED", reason="no book was seen before it expired"
            )
        trades = _take(ticket, book)
        filled = sum((trade.shares for trade in trades), ZERO)
        if filled == ticket.shares:
            return Receipt(venue_order_id=name, status="FILLED", executions=trades)
        return Receipt(
            venue_order_id=name,
            status="CANCELED",
            executions=trades,
            reason=f"{filled} of {ticket.shares} shares were offered up to {ticket.price}",
        )


def _first_usable(quotes: Iterable[Quote]) -> Book | None:
    for quote in quotes:
        try:
            book = book_of(quote)
        except (ValueError, ArithmeticError) as trouble:
            log.warning("book.unreadable", market_id=quote.market_id, reason=repr(trouble))
            continue
        if _usable(book):
            return book
    return None


def _usable(book: Book) -> bool:
    """Whether somebody would really have traded at these prices."""
    if book.spread is not None and book.spread <= ZERO:
        return False
    return all(ZERO < level.price < ONE for level in (*book.bids, *book.asks))


def _take(ticket: Ticket, book: Book) -> tuple[Execution, ...]:
    """One trade per level, best first, never beyond the limit or the visible shares."""
    trades: list[Execution] = []
    left = ticket.shares
    for number, level in enumerate(book.asks if ticket.is_buy else book.bids):
        if left <= ZERO or _beyond(ticket, level):
            break
        shares = min(level.shares, left)
        left -= shares
        trades.append(
            Execution(
                trade_id=f"paper-{ticket.order_id}-{number}",
                price=level.price,
                shares=shares,
                fee=taker_fee(
                    shares, level.price, rate=ticket.fee_rate, exponent=ticket.fee_exponent
                ),
                observed_at=book.observed_at,
            )
        )
    return tuple(trades)


def _beyond(ticket: Ticket, level: Level) -> bool:
    return level.price > ticket.price if ticket.is_buy else level.price < ticket.price
