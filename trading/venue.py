"""What an order venue is to us, how it refuses, and the three ways in which it fails."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from config.kernel.units import ZERO


class VenueFailure(Exception):
    """The venue did not do what it was asked; the three kinds say what that proves."""


class Unsent(VenueFailure):
    """Proof that nothing reached the venue; sending again is safe."""


class Rejected(VenueFailure):
    """Proof that the venue refused."""


class Unauthorised(Rejected):
    """Proof that the venue refused who we are, or lets us only close: nothing else will pass."""


class NonceUsed(Rejected):
    """Proof that the chain mined a transaction of this nonce already."""


class Underpriced(Rejected):
    """Proof that the chain's node wants higher fees for this transaction."""


class OutcomeUnknown(VenueFailure):
    """No proof either way: never signed anew, only looked up and handed in with the same bytes."""


class Restricted(VenueFailure):
    """Proof that the venue takes no such order for now; it is nobody's failure.

    `restriction` is one of `VenueState.Restriction`; `retry_after_s` is what the venue asked for.
    """

    def __init__(self, restriction: str, *, retry_after_s: float, message: str) -> None:
        super().__init__(message)
        self.restriction = restriction
        self.retry_after_s = retry_after_s


class FeeUnknown(ValueError):
    """Nobody knows what the venue took for a trade: unknown is not free, so it is not booked."""

    def __init__(self, trade_id: str) -> None:
        super().__init__(
            f"FEES: what the venue took for trade {trade_id[:80]} is not known, and unknown is not "
            "free; run `manage.py sync_catalogue`"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """An order as a venue needs it; `price` is the limit on the market's tick.

    A `fee_rate` of None is one that nobody knows: such an order is followed and cancelled, and
    what it took waits to be booked.

    `venue_order_id` is what `prepare` computed, empty before; `expires_at` is when it may no
    longer be handed in, `rest_until` when a resting one shall be gone. `payload` is what `prepare`
    stored.
    """

    order_id: UUID
    market_id: int
    outcome_index: int
    is_buy: bool
    price: Decimal
    shares: Decimal
    fee_rate: Decimal | None
    fee_exponent: Decimal
    submitted_at: datetime
    expires_at: datetime
    type: str = "FAK"
    post_only: bool = False
    rest_until: datetime | None = None
    token_id: str = ""
    other_token_id: str = ""
    condition_id: str = ""
    tick: Decimal | None = None
    neg_risk: bool = False
    protocol: str = "v1"
    venue_order_id: str = ""
    payload: str = ""
    cancel_asked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """An order ready to be handed in: its id, and the very bytes, which are sent every time.

    `shares` are those that were signed, where the venue's rounding admits fewer than were asked.
    """

    venue_order_id: str
    payload: str = ""
    shares: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One trade of an order; `status` is one of `Settlement.Status`.

    `fee` is what a taker pays, in dollars, None where nobody knows.
    """

    trade_id: str
    price: Decimal
    shares: Decimal
    fee: Decimal | None
    observed_at: datetime
    is_maker: bool = False
    status: str = "CONFIRMED"
    transaction_hash: str = ""

    def fee_paid(self) -> Decimal:
        """Dollars that we paid: only takers do, what a maker is told of is the other side's.

        Raises `FeeUnknown`.
        """
        if self.is_maker:
            return ZERO
        if self.fee is None:
            raise FeeUnknown(self.trade_id)
        return self.fee


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the venue says of an order: OPEN, FILLED, CANCELED or EXPIRED, and its trades so far.

    UNKNOWN: trades of it are told, but the order is not found, which says nothing of what is left.
    """

    venue_order_id: str
    status: str
    executions: tuple[Execution, ...] = ()
    reason: str = ""


class OrderVenue(Protocol):
    """Where orders of one mode go. Only `prepare` may be called without a network."""

    def prepare(self, ticket: Ticket, *, as_of: datetime) -> Prepared:
        """Write and sign the order; raises `Rejected` for one that the venue could never take."""
        ...

    def place(self, ticket: Ticket, *, as_of: datetime) -> Receipt:
        """Hand in `ticket.payload`; raises a failure of this module."""
        ...

    def look_up(self, tickets: Sequence[Ticket], *, as_of: datetime) -> dict[UUID, Receipt]:
        """What became of orders handed in before; one that left no trace is missing.

        Missing means that orders and trades were asked and know nothing of it; what could not be
        asked raises a failure of this module.
        """
        ...

    def cancel(self, tickets: Sequence[Ticket], *, as_of: datetime) -> Collection[UUID]:
        """Ask to cancel; returns whose cancel was acknowledged. `look_up` tells the end."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueOrder:
    """An order that the venue says is alive."""

    venue_order_id: str
    token_id: str
    is_buy: bool
    price: Decimal
    shares: Decimal
    matched: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueTrade:
    """A trade of ours as the venue tells it, in terms of our own order."""

    venue_order_id: str
    token_id: str
    is_buy: bool
    execution: Execution


class Holdings(Protocol):
    """What a wallet holds, as somebody tells it: of the two, the chain is right."""

    def shares(self, token_ids: Sequence[str]) -> dict[str, Decimal]:
        """Shares held, by token."""
        ...

    def cash(self) -> Decimal:
        """Collateral held, in dollars."""
        ...


class AccountVenue(Holdings, Protocol):
    """What the venue says of a wallet; of shares and cash what it last read of the chain.

    That may be minutes old: books are compared with the chain's own node.
    """

    def open_orders(self) -> Sequence[VenueOrder]:
        """Every order of the wallet that is alive."""
        ...

    def trades(self, *, since: datetime) -> Sequence[VenueTrade]:
        """Every trade of the wallet that happened or changed after `since`."""
        ...


class WrongHeartbeat(Exception):
    """The venue expected another heartbeat id: `expected`, which is to be sent next."""

    def __init__(self, expected: str) -> None:
        super().__init__(f"the venue expects the heartbeat id {expected!r}")
        self.expected = expected


class GuardedVenue(OrderVenue, AccountVenue, Protocol):
    """A venue whose orders are signed: what `live_guard` alone opens and holds."""

    wallet: str
    """The address whose money it is, as the ledger's wallet column has it."""

    def beat(self, heartbeat_id: str) -> str:
        """Send one heartbeat, "" the first time; returns the id to send next.

        Raises `WrongHeartbeat` or a failure of this module.
        """
        ...

    def close(self) -> None:
        """Let go of connections and key."""
        ...
