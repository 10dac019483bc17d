"""The real order protocol, over the official client. The client is given no key.

`prepare` writes and signs an order with our own signer and without a network; `place` hands in the
stored order and nothing else. Without a key the client cannot sign anew, approve an allowance or
move a dollar, whatever it is asked.
"""

import secrets
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from config.kernel.units import ONE, ZERO, from_micro
from markets.adapters.clob_data import ClobData
from trading.adapters import token_fees
from trading.adapters.clob_client import (
    Endpoints,
    Refused,
    as_client_order,
    balance,
    failure,
    find_order,
    told_apart,
    trade_of,
    without_key,
)
from trading.adapters.credentials import Credentials, ask_for_credentials
from trading.adapters.signer import Signer
from trading.adapters.token_fees import Fees, FeesOf
from trading.core import order_payload, venue_reports
from trading.core.amounts import NotOnWire, wire_amounts
from trading.core.order_payload import SignedOrder
from trading.core.refusals import Answer, Proof, in_words, judge
from trading.core.signing import SALT_BITS, UnknownExchange, UnsignedOrder, exchange_of
from trading.core.venue_reports import MILLION, MakerEntry, Own, TradeReport
from trading.venue import (
    OutcomeUnknown,
    Prepared,
    Receipt,
    Rejected,
    Ticket,
    VenueOrder,
    VenueTrade,
)

if TYPE_CHECKING:
    from polymarket import SecureClient

log = structlog.get_logger()
LOOK_BACK = timedelta(seconds=60)
"""Clocks differ: trades are asked for from so long before the order was handed in."""
GTD_LEAD = timedelta(seconds=60)
"""The venue ends an order so long before the time that is written on it."""
CANCEL_BATCH = 1_000


def connect(
    signer: Signer,
    *,
    endpoints: Endpoints,
    as_of: datetime,
    fees_of: FeesOf = token_fees.of_catalogue,
    timeout_s: float = 10.0,
) -> "Clob":
    """Ask the venue for credentials and be ready to trade for the signer's wallet.

    Raises `Unsent`, `OutcomeUnknown` or `Unauthorised`. A wallet that does not exist is not
    made: it shows in the readiness.
    """
    credentials = ask_for_credentials(
        signer, clob_url=endpoints.clob, timeout_s=timeout_s, as_of=as_of
    )
    client = without_key(signer, credentials, endpoints, timeout_s=timeout_s)
    return Clob(client, signer=signer, fees_of=fees_of, credentials=credentials, hosts=endpoints)


class Clob:
    """The `GuardedVenue` of one wallet; one a process, never across a fork."""

    def __init__(
        self,
        client: "SecureClient",
        *,
        signer: Signer,
        fees_of: FeesOf,
        credentials: Credentials,
        hosts: Endpoints,
    ) -> None:
        self._client, self.signer, self._fees_of = client, signer, fees_of
        self.credentials, self.hosts = credentials, hosts
        self.wallet = signer.wallet

    def __repr__(self) -> str:
        return f"Clob({self.hosts.clob}, wallet={self.wallet})"

    def close(self) -> None:
        """Shut the connections."""
        self._client.close()

    # ── OrderVenue ──────────────────────────────────────────────────────────────────────────────

    def prepare(self, ticket: Ticket, *, as_of: datetime) -> Prepared:
        """Write and sign; a new salt each time, so call it once and store what it returns."""
        if not is_token(ticket.token_id):
            raise Rejected(f"its token {ticket.token_id[:90]!r} is none: read the market again")
        try:
            exchange = exchange_of(
                protocol=ticket.protocol, neg_risk=ticket.neg_risk, token_id=ticket.token_id
            )
            given, asked = wire_amounts(
                order_type=ticket.type,
                is_buy=ticket.is_buy,
                price=ticket.price,
                shares=ticket.shares,
                tick=ticket.tick or ZERO,
            )
            expiration = _expiration(ticket)
        except (UnknownExchange, NotOnWire) as impossible:
            raise Rejected(str(impossible)) from impossible
        order = UnsignedOrder(
            salt=secrets.randbits(SALT_BITS),
            maker=self.wallet,
            signer=self.signer.order_signer,
            token_id=ticket.token_id,
            maker_amount=given,
            taker_amount=asked,
            is_buy=ticket.is_buy,
            signature_type=self.signer.signature_type,
            timestamp_ms=int(as_of.timestamp() * 1000),
        )
        try:
            order_id, signature = self.signer.order(order, exchange)
        except (ValueError, OverflowError) as impossible:
            raise Rejected(f"it cannot be signed: {impossible}") from impossible
        signed = SignedOrder(
            order=order,
            signature=signature,
            type=ticket.type,
            expiration=expiration,
            post_only=ticket.post_only,
        )
        less = signed.shares if signed.shares != ticket.shares else None
        return Prepared(venue_order_id=order_id, payload=order_payload.write(signed), shares=less)

    def place(self, ticket: Ticket, *, as_of: datetime) -> Receipt:
        """Hand in the stored order, with fresh headers and nothing else new."""
        signed = order_payload.read(ticket.payload)
        try:
            with told_apart():
                reply = self._client.post_order(as_client_order(signed))
        except Refused as refused:
            return _settle(refused.answer, ticket)
        if reply.ok is not True:
            if reply.code == "unmatched":
                raise OutcomeUnknown("the venue says unmatched: it may rest")
            return _settle(Answer(status=200, text=reply.message), ticket)
        if str(reply.order_id).lower() != ticket.venue_order_id.lower():
            log.error("order.hash_differs", venue_order_id=ticket.venue_order_id)
            raise OutcomeUnknown(
                f"the venue calls the order {reply.order_id}, we {ticket.venue_order_id}"
            )
        # Fills come from trades alone, so even a matched order counts as alive for now.
        return Receipt(
            venue_order_id=ticket.venue_order_id, status="OPEN", reason=f"the venue: {reply.status}"
        )

    def look_up(self, tickets: Sequence[Ticket], *, as_of: datetime) -> dict[UUID, Receipt]:
        """Ask for each order by its hash, and for the wallet's trades since.

        Raises `OutcomeUnknown`, `Unsent` or `Restricted` where the venue did not answer for one of
        them: then nothing is known of any, and nothing counts as a clean probe.
        """
        if not tickets:
            return {}
        since = min(ticket.submitted_at for ticket in tickets) - LOOK_BACK
        with told_apart(everything=True):
            reports = {
                ticket.order_id: find_order(self._client, ticket.venue_order_id)
                for ticket in tickets
            }
            # After the orders: a trade that happens in between is told, not missed.
            trades = self._trades(since=since)
        told = {
            ticket.order_id: venue_reports.receipt(
                _own(ticket), reports[ticket.order_id], trades, as_of=as_of
            )
            for ticket in tickets
        }
        return {order_id: receipt for order_id, receipt in told.items() if receipt is not None}

    def cancel(self, tickets: Sequence[Ticket], *, as_of: datetime) -> Collection[UUID]:
        """Ask to cancel; what is matched or unknown there is not acknowledged."""
        by_hash = {ticket.venue_order_id.lower(): ticket.order_id for ticket in tickets}
        done: list[UUID] = []
        names = list(by_hash)
        for begin in range(0, len(names), CANCEL_BATCH):
            with told_apart(everything=True):
                reply = self._client.cancel_orders(order_ids=names[begin : begin + CANCEL_BATCH])
            done += [
                by_hash[str(name).lower()]
                for name in reply.canceled
                if str(name).lower() in by_hash
            ]
        return done

    # ── AccountVenue ────────────────────────────────────────────────────────────────────────────

    def open_orders(self) -> Sequence[VenueOrder]:
        """Every order of the wallet that is alive."""
        with told_apart(everything=True):
            found = list(self._client.list_open_orders().iter_items())
        return [
            VenueOrder(
                venue_order_id=order.id,
                token_id=str(order.asset_id),
                is_buy=order.side == "BUY",
                price=order.price,
                shares=_unscaled(order.original_size),
                matched=order.size_matched / MILLION
                if order.original_size >= MILLION
                else order.size_matched,
            )
            for order in found
            if venue_reports.plain(order.status) in venue_reports.OPEN_WORDS
        ]

    def trades(self, *, since: datetime) -> Sequence[VenueTrade]:
        """Every part that the wallet had in a trade since then, whatever became of it."""
        with told_apart(everything=True):
            found = self._trades(since=since)
        fees = self._fees_of({trade.token_id for trade in found})
        return [part for trade in found for part in self._parts(trade, fees)]

    def shares(self, token_ids: Sequence[str]) -> dict[str, Decimal]:
        """Shares held, as the venue reads them from the chain."""
        with told_apart(everything=True):
            return {token: from_micro(balance(self._client, token).balance) for token in token_ids}

    def cash(self) -> Decimal:
        """Collateral held, as the venue reads it from the chain."""
        with told_apart(everything=True):
            return from_micro(balance(self._client).balance)

    # ── What the guard and the readiness need beside ────────────────────────────────────────────

    def beat(self, heartbeat_id: str) -> str:
        """Keep the venue's dead-man switch from firing; returns the id for the next one.

        Raises `WrongHeartbeat`, or a failure of `trading.venue`.
        """
        with told_apart(everything=True):
            return self._client.send_order_heartbeat(heartbeat_id=heartbeat_id).heartbeat_id

    def closed_only(self) -> bool:
        """Whether the account may only close what it holds."""
        with told_apart(everything=True):
            return self._client.get_closed_only_mode()

    def allowances(self, token_id: str = "") -> dict[str, Decimal]:
        """What each spender may take, in dollars or shares. Read, never changed."""
        with told_apart(everything=True):
            found = balance(self._client, token_id).allowances
        return {spender: Decimal(amount) / MILLION for spender, amount in found.items()}

    def server_time(self) -> datetime:
        """The venue's clock, in whole seconds."""
        venue = ClobData(self.hosts.clob, attempts=1)
        try:
            return venue.server_time()
        finally:
            venue.close()

    # ── ─────────────────────────────────────────────────────────────────────────────────────────

    def _trades(self, *, since: datetime) -> list[TradeReport]:
        pages = self._client.list_account_trades(after=str(int(since.timestamp())))
        return [trade_of(found) for found in pages.iter_items()]

    def _parts(self, trade: TradeReport, fees: dict[str, Fees]) -> Iterator[VenueTrade]:
        """Each order of ours in a trade: the taker's, or the ones that rested."""
        schedule = fees.get(trade.token_id)
        ours = [entry for entry in trade.makers if self._is_ours(entry)]
        sides = {entry.order_hash: (entry.token_id, entry.is_buy, entry.shares) for entry in ours}
        if trade.is_taker:
            sides[trade.taker_hash] = (trade.token_id, trade.is_buy, trade.shares)
        for order_hash, (token_id, is_buy, size) in sides.items():
            own = Own(
                order_hash=order_hash,
                token_id=token_id,
                is_buy=is_buy,
                shares=_unscaled(size),
                type="",
                submitted_at=trade.matched_at,
                fee_rate=None if schedule is None else schedule.rate,
                fee_exponent=ONE if schedule is None else schedule.exponent,
            )
            part = venue_reports.execution(own, trade)
            if part is not None:
                yield VenueTrade(
                    venue_order_id=order_hash, token_id=token_id, is_buy=is_buy, execution=part
                )

    def _is_ours(self, entry: MakerEntry) -> bool:
        return (
            entry.owner == self.credentials.key
            or entry.maker_address.lower() == self.wallet.lower()
        )


def is_token(name: str) -> bool:
    """Whether it is the id of a token: a positive number of 256 bits in decimal digits.

    >>> is_token("12"), is_token(""), is_token("0x12"), is_token("9" * 90)
    (True, False, False, False)
    """
    return name.isascii() and name.isdigit() and len(name) <= 78 and 0 < int(name) < 2**256


def _settle(answer: Answer, ticket: Ticket) -> Receipt:
    """What a refusing answer to an order means for the order."""
    proof = judge(answer).proof
    if proof is Proof.ACCEPTED:
        return Receipt(
            venue_order_id=ticket.venue_order_id,
            status="OPEN",
            reason="an earlier attempt had arrived",
        )
    if proof is Proof.KILLED:
        return Receipt(
            venue_order_id=ticket.venue_order_id, status="CANCELED", reason=in_words(answer)
        )
    raise failure(answer)


def _expiration(ticket: Ticket) -> int:
    """The time written on a GTD order; 0 on every other."""
    if ticket.type != "GTD":
        return 0
    if ticket.rest_until is None:
        raise NotOnWire("a GTD order needs the time until which it rests")
    return int((ticket.rest_until + GTD_LEAD).timestamp())


def _own(ticket: Ticket) -> Own:
    """What was sent is what was signed: an immediate buy may name less than was wished for."""
    signed = order_payload.read(ticket.payload) if ticket.payload else None
    return Own(
        order_hash=ticket.venue_order_id,
        token_id=ticket.token_id,
        other_token_id=ticket.other_token_id,
        is_buy=ticket.is_buy,
        shares=ticket.shares if signed is None else signed.shares,
        type=ticket.type,
        submitted_at=ticket.submitted_at,
        rest_until=ticket.rest_until,
        dollars=None if signed is None else signed.dollars,
        fee_rate=ticket.fee_rate,
        fee_exponent=ticket.fee_exponent,
    )


def _unscaled(size: Decimal) -> Decimal:
    """A size of nobody knows whose order: a million shares and more are integers of 1e-6."""
    return size / MILLION if size >= MILLION else size
