"""Approved intent → order → venue → fills. Written down before it is sent, never sent twice."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID

import structlog
from django.db import DatabaseError, transaction

from config.kernel import locks
from config.kernel.clocks import Clock, given
from config.kernel.modes import STORED_MODES, Mode
from risk import halts
from risk.models import TradingState
from trading import failures, intents, orders, portfolio
from trading.adapters.paper import Paper
from trading.market_data import from_venue
from trading.models import Order, TradeIntent
from trading.settings import TradingSettings
from trading.venue import OrderVenue, OutcomeUnknown, Rejected, Ticket, Unsent

log = structlog.get_logger()
ABANDONED_AFTER = timedelta(seconds=60)
"""A worker that marked an order SUBMITTING and was not heard of for so long has died."""


class NoLiveVenue(RuntimeError):
    """Live orders cannot be sent by this version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitReport:
    """What one sweep did: intents expired, orders sent, trades booked, orders it failed to book."""

    expired: int
    sent: int
    fills: int
    failed: int = 0


def venue_for(mode: str, *, as_of: datetime, clock: Clock | None = None) -> OrderVenue:
    """The venue that carries out the orders of a mode; raises `NoLiveVenue` for LIVE."""
    if mode == Mode.LIVE:
        raise NoLiveVenue(
            "LIVE orders are not built in this version: nothing here can sign or send one; "
            "set the mode of the trading settings to PAPER"
        )
    config = TradingSettings.objects.current(as_of=as_of).as_config()
    return Paper(
        latency=timedelta(milliseconds=config.paper_latency_ms),
        refresh=partial(from_venue, clock=clock),
        clock=clock,
    )


def run(
    *,
    as_of: datetime,
    venues: Mapping[str, OrderVenue] | None = None,
    clock: Clock | None = None,
) -> SubmitReport:
    """Expire what is late, send what is approved, follow what is on its way.

    An order is submitted when `clock` says that it was claimed, at `as_of` without one.
    """
    now = given(clock, as_of)
    expired = intents.expire_due(as_of=as_of)
    sent = fills = 0
    for intent_id in _approved():
        order = claim(intent_id, as_of=as_of, clock=clock)
        if order is not None:
            venue = _venue(order.mode, venues, as_of=as_of, clock=clock)
            sent += 1
            fills += send(order, venue, as_of=now())
            failures.look(order.mode, as_of=now())
    booked, failed = follow(as_of=now(), venues=venues, clock=clock)
    for mode in STORED_MODES:
        failures.look(mode, as_of=now())
    return SubmitReport(expired=expired, sent=sent, fills=fills + booked, failed=failed)


def _approved() -> list[UUID]:
    rows = TradeIntent.objects.filter(status=TradeIntent.Status.APPROVED).order_by("created_at")
    return list(rows.values_list("pk", flat=True))


def _venue(
    mode: str,
    venues: Mapping[str, OrderVenue] | None,
    *,
    as_of: datetime,
    clock: Clock | None,
) -> OrderVenue:
    chosen = None if venues is None else venues.get(mode)
    return chosen or venue_for(mode, as_of=as_of, clock=clock)


@transaction.atomic
def claim(intent_id: UUID, *, as_of: datetime, clock: Clock | None = None) -> Order | None:
    """Turn an approved intent into an order marked SUBMITTING; None where it may not be sent.

    Halts, switches and expiry are read here, in the transaction that claims; the time is that of
    the lock, and never before the decision.
    """
    mode = TradeIntent.objects.values_list("mode", flat=True).get(pk=intent_id)
    # The lock comes before the row everywhere, or two workers would wait for each other.
    locks.hold(f"portfolio:{mode}")
    intent = (
        TradeIntent.objects.select_for_update(of=("self",))
        .filter(pk=intent_id, status=TradeIntent.Status.APPROVED)
        .select_related("market__fees", "outcome")
        .first()
    )
    if intent is None:
        return None
    as_of = max(given(clock, as_of)(), intent.created_at)
    to, why = _obstacle(intent, as_of=as_of)
    if to:
        intents.let_go(intent, to=to, reason=why, as_of=as_of)
        return None
    TradeIntent.objects.filter(pk=intent.pk).update(status=TradeIntent.Status.EXECUTED)
    return Order.objects.create(
        intent=intent,
        mode=intent.mode,
        wallet=intent.wallet,
        market=intent.market,
        outcome=intent.outcome,
        side=intent.side,
        price=intent.limit_price,
        shares=intent.shares,
        reserved=portfolio.reservation(intent.pk),
        status=Order.Status.SUBMITTING,
        created_at=as_of,
        submitted_at=as_of,
    )


def _obstacle(intent: TradeIntent, *, as_of: datetime) -> tuple[str, str]:
    """The status an intent ends in instead of being sent, and why; empty where it may go."""
    status = TradeIntent.Status
    switches = TradingSettings.objects.newest()
    state = halts.state(
        as_of=as_of, mode=intent.mode, strategy=intent.strategy, market=str(intent.market_id)
    )
    if intent.expires_at <= as_of:
        return status.EXPIRED, "its time ran out"
    if state != TradingState.ACTIVE:
        return status.REJECTED, f"trading is {state}"
    if not switches.placing_orders:
        return status.REJECTED, "NOT_PLACING: the switch for placing orders is off"
    if switches.mode != intent.mode:
        return status.REJECTED, f"trading was switched from {intent.mode} to {switches.mode}"
    if switches.dry_run:
        return status.EXECUTED_DRYRUN, "dry run: no order was made"
    if intent.mode == Mode.LIVE:
        return status.REJECTED, "LIVE orders are not built in this version"
    return "", ""


def send(order: Order, venue: OrderVenue, *, as_of: datetime) -> int:
    """Hand a SUBMITTING order to its venue, once; returns trades booked."""
    try:
        receipt = venue.place(ticket(order), as_of=as_of)
    except Unsent as proof:
        orders.end(order, to=Order.Status.CANCELED, reason=f"not sent: {proof}", as_of=as_of)
    except Rejected as proof:
        orders.end(order, to=Order.Status.REJECTED, reason=str(proof), as_of=as_of)
    except OutcomeUnknown as doubt:
        # Neither sent again nor given up: the reservation stays until somebody proves its fate.
        orders.move(order, to=Order.Status.UNKNOWN, as_of=as_of, reason=str(doubt))
        log.warning("order.fate_unknown", order_id=str(order.pk), reason=str(doubt))
    else:
        return orders.apply(order, receipt, as_of=as_of)
    return 0


def follow(
    *,
    as_of: datetime,
    venues: Mapping[str, OrderVenue] | None = None,
    clock: Clock | None = None,
) -> tuple[int, int]:
    """Ask the venues about every order whose fate is open; returns trades booked and failures.

    An answer that cannot be booked leaves its order as it was, and the others go on.
    """
    _suspect_abandoned(as_of=as_of)
    in_doubt = Order.objects.filter(status__in=(Order.Status.OPEN, Order.Status.UNKNOWN))
    by_mode: dict[str, list[Order]] = {}
    for order in in_doubt.select_related("market__fees", "outcome", "intent"):
        by_mode.setdefault(order.mode, []).append(order)
    booked = failed = 0
    for mode, waiting in by_mode.items():
        venue = _venue(mode, venues, as_of=as_of, clock=clock)
        receipts = venue.look_up([ticket(order) for order in waiting], as_of=as_of)
        told = given(clock, as_of)()
        for order in waiting:
            if (receipt := receipts.get(order.pk)) is None:
                continue
            try:
                booked += orders.apply(order, receipt, as_of=told)
            except (DatabaseError, ArithmeticError, ValueError, RuntimeError):
                failed += 1
                log.exception("order.not_booked", order_id=str(order.pk))
    return booked, failed


def _suspect_abandoned(*, as_of: datetime) -> None:
    """An order whose worker died between marking and reply may or may not have been sent."""
    late = Order.objects.filter(
        status=Order.Status.SUBMITTING, submitted_at__lte=as_of - ABANDONED_AFTER
    )
    for order in late:
        orders.move(order, to=Order.Status.UNKNOWN, as_of=as_of, reason="its worker fell silent")


def ticket(order: Order) -> Ticket:
    """The order as its venue needs it."""
    fees = order.market.fees
    return Ticket(
        order_id=order.pk,
        market_id=order.market_id,
        outcome_index=order.outcome.index,
        is_buy=order.side == "BUY",
        price=order.price,
        shares=order.shares,
        fee_rate=Decimal(0) if fees is None else fees.rate,
        fee_exponent=Decimal(1) if fees is None else fees.exponent,
        submitted_at=order.submitted_at or order.created_at,
        expires_at=order.intent.expires_at,
    )
