"""What an order venue is to us, and the three ways in which it fails."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID


class Unsent(Exception):
    """Proof that nothing reached the venue; sending again is safe."""


class Rejected(Exception):
    """Proof that the venue refused."""


class OutcomeUnknown(Exception):
    """No proof either way: never sent again, only looked up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """An order as a venue needs it; `price` is the limit on the market's tick."""

    order_id: UUID
    market_id: int
    outcome_index: int
    is_buy: bool
    price: Decimal
    shares: Decimal
    fee_rate: Decimal
    fee_exponent: Decimal
    submitted_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One trade of an order, fee in dollars."""

    trade_id: str
    price: Decimal
    shares: Decimal
    fee: Decimal
    observed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the venue says of an order: OPEN, FILLED, CANCELED or EXPIRED, and its trades so far."""

    venue_order_id: str
    status: str
    executions: tuple[Execution, ...] = ()
    reason: str = ""


class OrderVenue(Protocol):
    """Where orders of one mode go."""

    def place(self, ticket: Ticket, *, as_of: datetime) -> Receipt:
        """Hand in an order; raises `Unsent`, `Rejected` or `OutcomeUnknown`."""
        ...

    def look_up(self, tickets: Sequence[Ticket], *, as_of: datetime) -> dict[UUID, Receipt]:
        """What became of orders handed in before; an order missing from the answer is unknown."""
        ...
