"""From a claimed order to the venue: signed and stored, marked, handed in once, resolved.

Each step commits before the next begins, so a process that dies between two of them leaves a row
that says how far it came. The bytes that were stored are the only ones ever sent.
"""

from collections.abc import Callable
from datetime import datetime

import structlog
from django.db import transaction
from django.db.models import F

from config.kernel import locks, texts
from config.kernel.clocks import Clock, given
from risk import halts
from risk.models import Halt, TradingState
from trading import crash_points, fee_terms
from trading.books import inventory
from trading.core.order_protocol import PERMITTED
from trading.core.order_states import TERMINAL
from trading.models import Order, Side, TradeIntent
from trading.orders import restrictions, transitions
from trading.settings import TradingSettings
from trading.venue import (
    OrderVenue,
    OutcomeUnknown,
    Receipt,
    Rejected,
    Restricted,
    Ticket,
    Unauthorised,
    Unsent,
)

log = structlog.get_logger()
Status = Order.Status

UNWRITABLE = (ValueError, TypeError, ArithmeticError, LookupError)
"""How an order fails that cannot be written: nothing left, and another try would fail as well."""

Admission = Callable[[TradeIntent | Order, datetime], str]
"""Why this wish may not be sent now though nothing speaks against it for good; empty = it may."""


def anyone(_wish: TradeIntent | Order, _as_of: datetime) -> str:
    """Admit everything: a simulated venue has neither leader nor heart."""
    return ""


def obstacle(wish: TradeIntent | Order, *, purpose: str, strategy: str, as_of: datetime) -> str:
    """Why halts and switches, read now and uncached, forbid sending this; empty where it may go."""
    switches = TradingSettings.objects.newest()
    state = halts.state(as_of=as_of, mode=wish.mode, strategy=strategy, market=str(wish.market_id))
    if purpose not in PERMITTED[TradingState(state)]:
        return f"trading is {state}"
    if not switches.placing_orders:
        return "NOT_PLACING: the switch for placing orders is off"
    if switches.mode != wish.mode:
        return f"trading was switched from {wish.mode} to {switches.mode}"
    return ""


def send(
    order: Order, venue: OrderVenue, *, now: Clock, admit: Admission = anyone
) -> tuple[bool, int]:
    """Take a claimed order as far as it may go; returns whether it was handed in, trades booked."""
    if order.status == Status.APPROVED and not sign(order, venue, as_of=now()):
        return False, 0
    if not mark(order, as_of=now(), clock=now, admit=admit):
        return False, 0
    crash_points.reach(crash_points.AFTER_SUBMITTING)
    return True, hand_in(order, venue, now=now)


@transaction.atomic
def expire(order: Order, *, as_of: datetime, clock: Clock | None = None) -> None:
    """End an order that was never handed in and whose time is up; of whatever wallet."""
    locks.hold(f"portfolio:{order.mode}")
    transitions.read_again(order)
    as_of = given(clock, as_of)()
    if order.status in (Status.APPROVED, Status.SIGNED) and order.intent.expires_at <= as_of:
        why = "its time ran out before it was sent"
        transitions.end(order, to=Status.EXPIRED, reason=why, as_of=as_of)


def sign(order: Order, venue: OrderVenue, *, as_of: datetime) -> bool:
    """Have the order written and signed, and store the bytes; False where it may not go on.

    Two workers may sign the same order: the bytes stored first are the order, the others are lost.
    """
    try:
        prepared = venue.prepare(ticket(order), as_of=as_of)
    except (Rejected, *UNWRITABLE) as proof:
        log.warning("order.not_signed", order_id=str(order.pk), reason=texts.storable(str(proof)))
        transitions.end(order, to=Status.REJECTED, reason=f"not signed: {proof}", as_of=as_of)
        return False
    crash_points.reach(crash_points.AFTER_SIGN)
    stored = Order.objects.filter(pk=order.pk, status=Status.APPROVED).update(
        status=Status.SIGNED,
        venue_order_id=prepared.venue_order_id,
        payload=prepared.payload,
        shares=order.shares if prepared.shares is None else prepared.shares,
    )
    crash_points.reach(crash_points.AFTER_SIGNED)
    transitions.read_again(order)
    return bool(stored)


@transaction.atomic
def mark(
    order: Order, *, as_of: datetime, clock: Clock | None = None, admit: Admission = anyone
) -> bool:
    """Commit to sending a SIGNED order: from here on it may be at the venue.

    Everything that may stop it is read again under the lock, and so is the time. What stops it for
    good ends the order, which never left; what stops it for now leaves it SIGNED.
    """
    locks.hold(f"portfolio:{order.mode}")
    transitions.read_again(order)
    if order.status != Status.SIGNED:
        return False
    as_of = max(given(clock, as_of)(), order.created_at)
    if ending := _ending(order, as_of=as_of):
        to, why = ending
        transitions.end(order, to=to, reason=why, as_of=as_of)
        return False
    if (again := restrictions.until(order, as_of=as_of)) is not None:
        Order.objects.filter(pk=order.pk).update(next_attempt_at=again)
        return False
    if why := admit(order, as_of):
        log.info("order.held_back", order_id=str(order.pk), reason=why)
        return False
    return _submitting(order, source=Status.SIGNED, as_of=as_of)


def _submitting(order: Order, *, source: str, as_of: datetime) -> bool:
    moved = Order.objects.filter(pk=order.pk, status=source).update(
        status=Status.SUBMITTING,
        attempts=F("attempts") + 1,
        submitted_at=order.submitted_at or as_of,
        next_attempt_at=None,
        probed_at=as_of if source == Status.UNKNOWN else None,
        clean_probes=0,
    )
    transitions.read_again(order)
    return bool(moved)


def _ending(order: Order, *, as_of: datetime) -> tuple[str, str] | None:
    """How a SIGNED order ends instead of being sent, and why; None where it may go."""
    intent = order.intent
    if order.cancel_asked_at is not None:
        return Status.CANCELED, "cancelled before it was sent"
    if intent.expires_at <= as_of:
        return Status.EXPIRED, "its time ran out before it was sent"
    why = obstacle(order, purpose=intent.purpose, strategy=intent.strategy, as_of=as_of)
    why = why or _beyond_what_is_free(order)
    if not why and TradingSettings.objects.newest().dry_run:
        why = "dry run: nothing is sent"
    return (Status.CANCELED, f"not sent: {why}") if why else None


def _beyond_what_is_free(order: Order) -> str:
    """Why a sale may not go although it was claimed: shares may have left, or failed, since."""
    if order.side != Side.SELL:
        return ""
    free = inventory.free_for(order.intent)
    left = order.shares - order.filled_shares
    return f"INVENTORY: {left} shares to sell, {free} are free" if left > free else ""


@transaction.atomic
def mark_again(
    order: Order, *, as_of: datetime, clock: Clock | None = None, admit: Admission = anyone
) -> bool:
    """Commit to handing in the stored bytes of an UNKNOWN order once more; False where not now."""
    locks.hold(f"portfolio:{order.mode}")
    transitions.read_again(order)
    as_of = given(clock, as_of)()
    if order.status != Status.UNKNOWN or not may_be_sent(order, as_of=as_of, admit=admit):
        return False
    return _submitting(order, source=Status.UNKNOWN, as_of=as_of)


def may_be_sent(order: Order, *, as_of: datetime, admit: Admission = anyone) -> bool:
    """Whether a signed order of this kind could be handed in now."""
    return (
        _ending(order, as_of=as_of) is None
        and restrictions.until(order, as_of=as_of) is None
        and not admit(order, as_of)
    )


def hand_in(order: Order, venue: OrderVenue, *, now: Clock) -> int:
    """Hand a SUBMITTING order to its venue, once; returns trades booked.

    A refusal proves something only of an order that was never handed in before: the earlier attempt
    may have arrived, so an order handed in again stays UNKNOWN.
    """
    first = order.attempts == 1
    try:
        receipt = venue.place(ticket(order), as_of=now())
    except Restricted as refusal:
        again = restrictions.impose(order.mode, order.wallet, refusal, as_of=now())
        _resolve(order, _put_back, again=again) if first else _doubt(order, refusal, as_of=now())
    except Unauthorised as refusal:
        _halt(order, refusal, as_of=now())
        _refused(order, refusal, first=first, as_of=now())
    except Rejected as refusal:
        _refused(order, refusal, first=first, as_of=now())
    except Unsent as proof:
        if first:
            why = f"not sent: {proof}"
            _resolve(order, transitions.end, to=Status.CANCELED, reason=why, as_of=now())
        else:
            _doubt(order, proof, as_of=now())
    except OutcomeUnknown as doubt:
        _doubt(order, doubt, as_of=now())
    else:
        crash_points.reach(crash_points.AFTER_POST)
        return _took(order, receipt, as_of=now())
    return 0


def _took(order: Order, receipt: Receipt, *, as_of: datetime) -> int:
    """Book what the venue said at once; what it says of another order than ours proves nothing.

    Nor does it prove what became of an earlier attempt that this one was killed.
    """
    if order.attempts > 1 and receipt.status in TERMINAL and not receipt.executions:
        _doubt(order, OutcomeUnknown(f"handed in again: {receipt.reason}"), as_of=as_of)
        return 0
    try:
        return transitions.apply(order, receipt, as_of=as_of)
    except transitions.OtherOrder as other:
        _doubt(order, other, as_of=as_of)
        return 0


def _refused(order: Order, refusal: Rejected, *, first: bool, as_of: datetime) -> None:
    if first:
        _resolve(order, transitions.end, to=Status.REJECTED, reason=str(refusal), as_of=as_of)
    else:
        _doubt(order, refusal, as_of=as_of)


def _doubt(order: Order, why: Exception, *, as_of: datetime) -> None:
    """Neither sent anew nor given up: the reservation stays until somebody proves its fate."""
    _resolve(order, transitions.move, to=Status.UNKNOWN, as_of=as_of, reason=str(why))
    log.warning("order.fate_unknown", order_id=str(order.pk), reason=texts.storable(str(why)))
    crash_points.reach(crash_points.AFTER_UNKNOWN)


def _put_back(order: Order, *, again: datetime) -> None:
    """The venue provably did not take it: it waits, signed, as if it had not been handed in."""
    Order.objects.filter(pk=order.pk, status=Status.SUBMITTING).update(
        status=Status.SIGNED, attempts=F("attempts") - 1, next_attempt_at=again
    )


def _resolve(order: Order, step: Callable[..., None], **how: object) -> None:
    """Move the order by what the venue said, unless somebody settled its fate meanwhile."""
    try:
        step(order, **how)
    except transitions.IllegalTransition as late:
        log.info("order.settled_meanwhile", order_id=str(order.pk), reason=str(late))


def _halt(order: Order, refusal: Unauthorised, *, as_of: datetime) -> None:
    """Stop the mode; saying at each refusal that it stands would only fill the trail."""
    standing = halts.standing(mode=order.mode)
    if any(h.kind == "CREDENTIALS" and h.state == TradingState.HALTED for h in standing):
        return
    halts.open_halt(
        "CREDENTIALS",
        reason=texts.storable(f"the venue refuses us: {refusal}")[:400],
        actor="sending",
        as_of=as_of,
        state=TradingState.HALTED,
        scope=Halt.Scope.MODE,
        scope_key=order.mode,
    )


def ticket(order: Order) -> Ticket:
    """The order as its venue needs it.

    No order is made where the fees are unknown (`submit.claim`). Should the catalogue lose them
    afterwards, what is at the venue is followed and cancelled all the same; what it took is booked
    when they are known again.
    """
    market = order.market
    fees = fee_terms.of(market)
    return Ticket(
        order_id=order.pk,
        market_id=order.market_id,
        outcome_index=order.outcome.index,
        is_buy=order.side == "BUY",
        price=order.price,
        shares=order.shares,
        fee_rate=fees.rate,
        fee_exponent=fees.exponent,
        submitted_at=order.submitted_at or order.created_at,
        expires_at=order.intent.expires_at,
        type=order.type,
        post_only=order.post_only,
        rest_until=order.rest_until,
        token_id=order.outcome.asset_id or "",
        other_token_id=_other_token(order),
        condition_id=market.condition_id or "",
        tick=market.tick_size,
        neg_risk=bool(market.neg_risk),
        protocol=str(market.protocol),
        venue_order_id=order.venue_order_id or "",
        payload=order.payload,
        cancel_asked_at=order.cancel_asked_at,
    )


def _other_token(order: Order) -> str:
    """The token of the other outcome; empty where the market has none, or more than one."""
    others = [o.asset_id for o in order.market.outcomes.all() if o.pk != order.outcome_id]
    return others[0] or "" if len(others) == 1 else ""
