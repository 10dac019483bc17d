"""Small steps that trading tests are told in."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from markets.models import Market
from tests import factories
from tests.factories import NOW, ago, ahead
from trading import cycle
from trading.adapters.paper import Paper
from trading.books import ledger, portfolio
from trading.deciding import decide, signals
from trading.models import Order, TradeIntent
from trading.orders import submit
from trading.venue import OutcomeUnknown, Prepared, Receipt, Restricted, Ticket

LATER = ahead(2)
"""Late enough for the latency of a simulated order."""


def a_market_worth_buying(**changes: Any) -> Market:
    """Priced at 0.50 with a fresh forecast of 0.70; `probability=` and `quote={…}` change that."""
    probability = changes.pop("probability", 0.7)
    quote = changes.pop("quote", {})
    make = changes.pop("make", factories.MarketFactory)
    market = make(**changes)
    factories.QuoteFactory(market=market, at=ago(1), **quote)
    factories.PredictionFactory(market=market, as_of=ago(1), probability=probability)
    return market


def books_are_open(mode: str = "PAPER", *, as_of: datetime = NOW) -> None:
    """Starting cash booked and marked."""
    portfolio.mark(mode, as_of=as_of)


def decided(*, as_of: datetime = NOW) -> int:
    """Signals found and put to the gate; returns intents made."""
    books_are_open(as_of=as_of)
    signals.find(as_of=as_of)
    return decide.run(as_of=as_of, refresh=nobody_answers)


def an_intent(**changes: Any) -> TradeIntent:
    """The intent made for a market worth buying."""
    market = a_market_worth_buying(**changes)
    decided()
    return TradeIntent.objects.get(market=market)


def nobody_answers(_market_ids: Any, _as_of: datetime) -> int:
    """A market data source that is away."""
    return 0


def paper() -> dict[str, Any]:
    """The simulated venue, cut off from the network."""
    venue = Paper(latency=LATER - NOW, refresh=nobody_answers)
    return {"PAPER": venue, "DEMO": venue}


def traded(**changes: Any) -> Market:
    """A market bought with a paper order that filled at the book of `LATER`."""
    after = changes.pop("after", {})
    market = a_market_worth_buying(**changes)
    decided()
    submit.run(as_of=NOW, venues=paper())
    factories.QuoteFactory(market=market, at=LATER, **after)
    submit.run(as_of=LATER, venues=paper())
    return market


def a_cycle(as_of: datetime = NOW) -> dict[str, int]:
    """One turn of trading without a network."""
    return cycle.run(as_of=as_of, venues=paper(), refresh=nobody_answers)


@dataclass
class SilentVenue:
    """Takes orders and never answers; `answers` holds what it says when asked later."""

    placed: list[Ticket] = field(default_factory=list)
    answers: dict[UUID, Receipt] = field(default_factory=dict)
    failure: type[Exception] | None = OutcomeUnknown
    payload: str = ""
    """What it signs; without bytes nothing can be handed in again."""
    canceled: list[Ticket] = field(default_factory=list)
    cancel_failure: Exception | None = None
    asked: int = 0

    def prepare(self, ticket: Ticket, *, as_of: datetime) -> Prepared:
        return Prepared(venue_order_id=f"0x{ticket.order_id.hex}", payload=self.payload)

    def place(self, ticket: Ticket, *, as_of: datetime) -> Receipt:
        self.placed.append(ticket)
        if self.failure is None:
            return Receipt(venue_order_id=ticket.venue_order_id, status="OPEN")
        if self.failure is Restricted:
            raise Restricted("RESTARTING", retry_after_s=2, message="service not ready")
        raise self.failure("no reply")

    def look_up(self, tickets: Sequence[Ticket], *, as_of: datetime) -> Mapping[UUID, Receipt]:
        self.asked += 1
        return {
            ticket.order_id: replace(
                self.answers[ticket.order_id], venue_order_id=ticket.venue_order_id
            )
            for ticket in tickets
            if ticket.order_id in self.answers
        }

    def cancel(self, tickets: Sequence[Ticket], *, as_of: datetime) -> Collection[UUID]:
        self.canceled += tickets
        if self.cancel_failure is not None:
            raise self.cancel_failure
        return ()


def only_order() -> Order:
    return Order.objects.get()


def cents(text: str) -> Decimal:
    return Decimal(text)


def balance(account):
    """What an account of the paper books holds after everything in the test."""
    return ledger.balance(account, mode="PAPER", as_of=ahead(10**6))
