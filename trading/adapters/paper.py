"""The simulated venue: orders meet the books and trades that were recorded, and no better ones."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from heapq import merge
from operator import itemgetter
from uuid import UUID

from config.kernel.clocks import Clock, given
from config.kernel.units import ZERO
from markets.models import Quote
from trading.adapters import paper_rows
from trading.adapters.paper_rows import Met, Place
from trading.books import inventory
from trading.core import paper, queue
from trading.core.amounts import RESTING
from trading.core.paper import Arrival, Ending
from trading.core.queue import Match, Printed, Seen
from trading.market_data import Refresh, from_venue
from trading.models import Order
from trading.venue import Execution, OrderVenue, Prepared, Receipt, Rejected, Ticket

# Facts of the venue that is imitated, no choices of ours: changing one changes what is rehearsed.
PRINT_LAG = timedelta(seconds=10)
"""Trades told by the data service carry the second of their block, which follows the match."""

QUIET = timedelta(seconds=30)
"""A resting order's book that is older is asked for: nothing fills what nobody looks at."""

MEMORY = timedelta(seconds=60)
"""What our orders took of a book is taken as missing there for so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper(OrderVenue):
    """Orders against recorded books and trades; nothing leaves this machine, and nothing is kept.

    An order is accepted at once and meets the first book received after `latency`; where none is
    recorded yet it is fetched, and an order that meets none before its time is over expires. What
    may rest queues behind the shares visible at its price and is filled by later trades and books
    (`trading.core.queue`), at its own price and without a fee. Its end is `rest_until`, a cancel
    and its latency, or the end of the market, told once trades of before have come in. Every
    answer follows from rows alone, in the order in which they were received: asked twice, or after
    a restart, it is the same.

    A crossed book, and one with a price that is none, is no book. Shares that an order of ours
    took a moment ago are still shown, but are not there for the next one.
    """

    latency: timedelta
    refresh: Refresh = from_venue
    clock: Clock | None = None
    print_lag: timedelta = PRINT_LAG
    quiet: timedelta = QUIET
    memory: timedelta = MEMORY

    def prepare(self, ticket: Ticket, *, as_of: datetime) -> Prepared:
        """Nothing is signed here; the name follows from the order."""
        if ticket.post_only and ticket.type not in RESTING:
            raise Rejected(f"{ticket.type} orders take; only GTC and GTD can be post-only")
        if ticket.type == "GTD" and ticket.rest_until is None:
            raise Rejected("a GTD order needs a date at which it ends: set rest_until")
        return Prepared(venue_order_id=_name(ticket))

    def place(self, ticket: Ticket, *, as_of: datetime) -> Receipt:
        """Accept; the fate follows from `look_up`. Raises `Rejected` for a sale of what we lack."""
        if not ticket.is_buy and (free := _free(ticket)) < ticket.shares:
            raise Rejected(f"not enough balance: {ticket.shares} shares to sell, {free} are free")
        return Receipt(venue_order_id=_name(ticket), status="OPEN")

    def cancel(self, tickets: Sequence[Ticket], *, as_of: datetime) -> Collection[UUID]:
        """Acknowledge; `Order.cancel_asked_at` and the latency tell when it takes effect."""
        return {ticket.order_id for ticket in tickets}

    def look_up(self, tickets: Sequence[Ticket], *, as_of: datetime) -> dict[UUID, Receipt]:
        """Tell what became of every order by now."""
        due = [t for t in tickets if t.submitted_at + self.latency <= as_of]
        met = {t.order_id: self._meets(t, as_of=as_of) for t in due}
        if (asked := self._wanted(due, met, as_of=as_of)) and self.refresh(asked, as_of):
            as_of = given(self.clock, as_of)()
            met |= {t.order_id: self._meets(t, as_of=as_of) for t in due if met[t.order_id] is None}
        endings, booked = self._endings(tickets, as_of=as_of), paper_rows.booked(tickets)
        return {
            t.order_id: self._fate(
                t, met.get(t.order_id), endings.get(t.order_id), booked[t.order_id], as_of=as_of
            )
            for t in tickets
        }

    def _wanted(
        self, due: Sequence[Ticket], met: dict[UUID, Met | None], *, as_of: datetime
    ) -> set[int]:
        """Markets whose book is missing for an arrival, or has grown old over a resting order."""
        missing = {t.market_id for t in due if met[t.order_id] is None and as_of < t.expires_at}
        resting = {t.market_id for t in due if met[t.order_id] and t.type in RESTING}
        recent = Quote.objects.filter(
            market_id__in=resting,
            kind__in=paper_rows.EXECUTABLE,
            observed_at__gt=as_of - self.quiet,
            received_at__lte=as_of,
        )
        heard = set(recent.values_list("market_id", flat=True)) if resting else set()
        return missing | (resting - heard)

    def _meets(self, ticket: Ticket, *, as_of: datetime) -> Met | None:
        """The first usable book between the end of the latency and the order's expiry."""
        quotes = Quote.objects.filter(
            market_id=ticket.market_id,
            kind__in=paper_rows.EXECUTABLE,
            observed_at__gte=ticket.submitted_at + self.latency,
            observed_at__lt=ticket.expires_at,
            received_at__lte=as_of,
        )
        for quote in quotes.order_by("received_at", "observed_at", "kind").iterator():
            if (book := paper_rows.readable(quote, ticket)) is not None:
                taken = paper_rows.taken(ticket, book, memory=self.memory)
                return Met(
                    book=paper.without(ticket, book, taken),
                    hidden=paper_rows.hidden(quote, book, ticket),
                )
        return None

    def _endings(self, tickets: Sequence[Ticket], *, as_of: datetime) -> dict[UUID, Ending]:
        """The first end that each order has by `as_of`: its date, a cancel, or its market's."""
        asked = Order.objects.filter(
            pk__in=[t.order_id for t in tickets], cancel_asked_at__isnull=False
        )
        cancels = dict(asked.values_list("pk", "cancel_asked_at"))
        closed = paper_rows.closed({t.market_id for t in tickets}, as_of=as_of)
        found = {}
        for ticket in tickets:
            ends = []
            if ticket.rest_until is not None:
                ends.append(Ending(at=ticket.rest_until, status="EXPIRED", reason="its time is up"))
            if (at := cancels.get(ticket.order_id)) is not None:
                ends.append(
                    Ending(at=at + self.latency, status="CANCELED", reason="cancelled by us")
                )
            if (at := closed.get(ticket.market_id)) is not None:
                ends.append(Ending(at=at, status="CANCELED", reason="the market closed"))
            if past := [end for end in ends if end.at <= as_of]:
                found[ticket.order_id] = min(past, key=lambda end: end.at)
        return found

    def _fate(
        self,
        ticket: Ticket,
        met: Met | None,
        ending: Ending | None,
        booked: dict[str, Decimal],
        *,
        as_of: datetime,
    ) -> Receipt:
        if met is None or (ending is not None and ending.at <= met.book.observed_at):
            return _unmet(ticket, ending, as_of=as_of)
        arrival = paper.arrive(ticket, met.book)
        executions = list(arrival.taken)
        if arrival.rests:
            until = as_of if ending is None else ending.at
            executions += self._matched(ticket, met, arrival, until=until, as_of=as_of)
        told, filled = paper.within(executions, booked, ticket.shares)
        # What was traded before the end may be told a little after it.
        told_all = ending is not None and ending.at + self.print_lag <= as_of
        status, reason = _standing(ticket, arrival, ending if told_all else None, filled)
        return Receipt(venue_order_id=_name(ticket), status=status, executions=told, reason=reason)

    def _matched(
        self,
        ticket: Ticket,
        met: Met,
        arrival: Arrival,
        *,
        until: datetime,
        as_of: datetime,
    ) -> list[Execution]:
        """What rows observed after the arrival and by `until` fill, in the order they came in."""
        waiting = paper.place_in_queue(ticket, met.book, arrival, hidden=met.hidden)
        span = {
            "market_id": ticket.market_id,
            "observed_at__gt": met.book.observed_at,
            "observed_at__lte": until,
            "received_at__lte": as_of,
        }
        told: list[Iterator[tuple[Place, Seen | Printed]]] = [
            paper_rows.prints(ticket, span),
            paper_rows.books(ticket, span),
        ]
        events = (event for _, event in merge(*told, key=itemgetter(0)))
        matches = queue.replay(waiting, events, lag=self.print_lag)
        return [_made(match, ticket) for match in matches]


def _free(ticket: Ticket) -> Decimal:
    order = Order.objects.select_related("intent").get(pk=ticket.order_id)
    return inventory.free_for(order.intent)


def _name(ticket: Ticket) -> str:
    return f"paper-{ticket.order_id}"


def _unmet(ticket: Ticket, ending: Ending | None, *, as_of: datetime) -> Receipt:
    """The answer about an order that no book was seen for."""
    if ending is not None:
        return Receipt(venue_order_id=_name(ticket), status=ending.status, reason=ending.reason)
    if as_of < ticket.expires_at:
        return Receipt(venue_order_id=_name(ticket), status="OPEN")
    reason = "no book was seen before it expired"
    return Receipt(venue_order_id=_name(ticket), status="EXPIRED", reason=reason)


def _standing(
    ticket: Ticket, arrival: Arrival, ending: Ending | None, filled: Decimal
) -> tuple[str, str]:
    if filled >= ticket.shares:
        return "FILLED", ""
    if not arrival.rests:
        return "CANCELED", arrival.reason
    if ending is None:
        return "OPEN", ""
    return ending.status, f"{ending.reason}; {filled} of {ticket.shares} shares were filled"


def _made(match: Match, ticket: Ticket) -> Execution:
    return Execution(
        trade_id=match.key,
        price=ticket.price,
        shares=match.shares,
        fee=ZERO,
        observed_at=match.at,
        is_maker=True,
    )
