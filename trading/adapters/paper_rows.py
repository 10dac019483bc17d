"""What the simulated venue reads: recorded books and trades as one order meets them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import numpy as np
import structlog

from config.kernel import units
from config.kernel.modes import SIMULATED
from config.kernel.units import ONE, ZERO
from markets.core.book import Book
from markets.models import Market, PublicTrade, Quote, QuoteKind, Resolution
from trading.core import paper
from trading.core.paper import Spot
from trading.core.queue import Printed, Seen
from trading.market_data import book_of
from trading.models import Fill
from trading.venue import Ticket

log = structlog.get_logger()

Place = tuple[datetime, datetime, int]
"""Where a row stands in the order of receipt: received, observed, trades before books."""

EXECUTABLE = (QuoteKind.BOOK, QuoteKind.BOOK_TOP)
"""Kinds of quotes that somebody would really have traded at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """The first book that an order met, of its own outcome.

    `hidden`: shares of its own side below the recorded levels, None where unknown.
    """

    book: Book
    hidden: Decimal | None


def closed(market_ids: set[int], *, as_of: datetime) -> dict[int, datetime]:
    """Market → when it took its last order, for those that are closed or resolved by `as_of`."""
    closed = Market.objects.filter(pk__in=market_ids, closed_at__lte=as_of)
    ends = {pk: at for pk, at in closed.values_list("pk", "closed_at") if at is not None}
    for row in Resolution.objects.filter(market_id__in=market_ids, received_at__lte=as_of):
        at = row.resolved_at or row.received_at
        ends[row.market_id] = min(at, ends.get(row.market_id, at))
    return ends


def booked(tickets: Sequence[Ticket]) -> dict[UUID, dict[str, Decimal]]:
    """Order → trade → shares that stand in our books already."""
    found: dict[UUID, dict[str, Decimal]] = {t.order_id: {} for t in tickets}
    fills = Fill.objects.filter(order_id__in=list(found))
    for order_id, key, shares in fills.values_list("order_id", "key", "shares"):
        trade_id = key.split(":")[2]
        found[order_id][trade_id] = shares
    return found


def taken(ticket: Ticket, book: Book, *, memory: timedelta) -> Iterator[tuple[Decimal, Decimal]]:
    """What our other orders took from the side that the ticket takes, within `memory` of `book`."""
    fills = Fill.objects.filter(
        order__market_id=ticket.market_id,
        order__mode__in=SIMULATED,
        is_maker=False,
        observed_at__gt=book.observed_at - memory,
        observed_at__lte=book.observed_at,
    ).exclude(order_id=ticket.order_id)
    columns = ("price", "shares", "order__side", "order__outcome__index")
    for price, shares, side, index in fills.values_list(*columns):
        same = index == ticket.outcome_index
        # Who buys the other outcome takes bids for this one.
        if ((side == "BUY") == same) == ticket.is_buy:
            yield (price if same else ONE - price), shares


def readable(quote: Quote, ticket: Ticket) -> Book | None:
    """The quote's book of the ticket's outcome, if it is one."""
    try:
        book = book_of(quote)
    except (ValueError, ArithmeticError) as trouble:
        log.warning("book.unreadable", market_id=quote.market_id, reason=repr(trouble))
        return None
    if not paper.usable(book):
        return None
    return book.mirrored() if ticket.outcome_index else book


def hidden(quote: Quote, book: Book, ticket: Ticket) -> Decimal | None:
    """Shares on the ticket's own side below the recorded levels; None where only a top is known."""
    first = ticket.is_buy == (ticket.outcome_index == 0)
    total = quote.bid_depth if first else quote.ask_depth
    if quote.kind != QuoteKind.BOOK or quote.levels is None or total is None:
        return None
    try:
        whole = units.decimal(total)
    except ArithmeticError:
        return None
    return max(whole - book.depth_shares("bid" if ticket.is_buy else "ask"), ZERO)


def books(ticket: Ticket, span: dict[str, object]) -> Iterator[tuple[Place, Seen]]:
    """Usable books as the order meets them, with their place in the order of receipt.

    A resting order may meet thousands: only what it asks of each is read, not the whole book.
    """
    spot = Spot.of(ticket)
    rows = Quote.objects.filter(**span, kind__in=EXECUTABLE).order_by(
        "received_at", "observed_at", "kind"
    )
    for received, observed, kind, levels, *top in rows.values_list(
        "received_at", "observed_at", "kind", "levels", "bid", "bid_depth", "ask", "ask_depth"
    ).iterator():
        whole = kind == QuoteKind.BOOK and levels is not None
        total = top[1 if spot.is_bid else 3] if whole else None
        # A top without a price notes that the stream lost its book: it tells nothing.
        if not whole and top[0] is None and top[2] is None:
            continue
        try:
            found = paper.look(spot, _levels(levels, top), total)
        except (ValueError, ArithmeticError) as trouble:
            log.warning("book.unreadable", market_id=ticket.market_id, reason=repr(trouble))
            continue
        if found is None:
            continue
        stamp = int(observed.timestamp() * 1_000_000)
        key = f"book-{ticket.market_id}-{stamp}-{kind}"
        yield (
            (received, observed, 1),
            Seen(at=observed, key=key, standing=found[0], crossing=found[1]),
        )


def _levels(levels: bytes | memoryview | None, top: Sequence[float | None]) -> paper.Floats:
    """The recorded levels, or the top alone; a side without price or size is empty."""
    if levels is not None:
        return np.frombuffer(bytes(levels), "<f8").reshape(2, -1, 2)
    bid, bid_depth, ask, ask_depth = (np.nan if value is None else value for value in top)
    pairs = np.array([[[bid, bid_depth]], [[ask, ask_depth]]])
    pairs[~np.isfinite(pairs).all(axis=-1)] = np.nan
    return pairs


def prints(ticket: Ticket, span: dict[str, object]) -> Iterator[tuple[Place, Printed]]:
    """Trades whose taker was on the other side of the ticket, in prices of its outcome.

    A taker who buys the other outcome sells this one: the engine crosses both.
    """
    trades = PublicTrade.objects.filter(
        **span, outcome_index__isnull=False, side__in=("BUY", "SELL")
    )
    for trade in trades.order_by("received_at", "observed_at", "trade_key").iterator():
        same = trade.outcome_index == ticket.outcome_index
        buys_ours = (trade.side == "BUY") == same
        if buys_ours == ticket.is_buy:
            continue
        price = units.decimal(trade.price)
        yield (
            (trade.received_at, trade.observed_at, 0),
            Printed(
                at=trade.observed_at,
                key=f"print-{trade.trade_key}",
                price=price if same else ONE - price,
                shares=units.decimal(trade.shares),
            ),
        )
