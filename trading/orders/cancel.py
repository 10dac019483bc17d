"""Ask a venue to take orders back: what is late, halted, near its market's end, or shut down.

Asking is not having: a cancelled order ends when the venue says how it ended. "Not found" and
"matched" after a cancel say nothing that a look at the order would not say better.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Q

from config.kernel import locks, texts
from config.kernel.clocks import Clock
from config.kernel.modes import GUARDED
from markets.models import Resolution
from risk import halts
from risk.models import Halt, TradingState
from trading import crash_points
from trading.core.amounts import RESTING
from trading.core.order_protocol import MAY_REST, ExecutionConfig
from trading.core.order_states import IN_FLIGHT, TERMINAL
from trading.models import Discrepancy, Order
from trading.orders import restrictions, transitions
from trading.orders.sending import ticket
from trading.settings import ExecutionSettings
from trading.venue import OrderVenue, Restricted, VenueFailure
from trading.watching import discrepancies

log = structlog.get_logger()
Status = Order.Status
NOT_SENT = (Status.APPROVED, Status.SIGNED)
AT_VENUE = (Status.OPEN, Status.UNKNOWN)


def run(mode: str, venue: OrderVenue, *, now: Clock) -> int:
    """Ask to cancel whatever should not rest any longer; returns how many orders were asked for."""
    as_of = now()
    config = ExecutionSettings.objects.current(as_of=as_of).as_config()
    rows = transitions.of(mode, venue).filter(status__in=(*NOT_SENT, *AT_VENUE))
    waiting = list(rows.select_related("market__fees", "outcome", "intent"))
    outside = _resolved(waiting) | _halted(waiting, mode, as_of=as_of)
    due: dict[str, list[Order]] = {}
    for order in waiting:
        why = _why(order, config, as_of=as_of) or outside.get(order.pk, "")
        if why and not _asked_lately(order, config, as_of=as_of):
            due.setdefault(why, []).append(order)
    _undead(mode, venue, config, now=now)
    return sum(ask(found, venue, reason=why, now=now) for why, found in due.items())


def _undead(mode: str, venue: OrderVenue, config: ExecutionConfig, *, now: Clock) -> None:
    """Ask to cancel what ended in our books and was found alive at the venue: its hash is ours.

    The books are not touched: whether it is gone, and what it filled, the next comparison tells.
    """
    wallet, as_of = getattr(venue, "wallet", None), now()
    if mode not in GUARDED or wallet is None:
        return
    alive = [
        row.subject
        for row in discrepancies.standing(mode, wallet, as_of=as_of)
        if row.kind == Discrepancy.Kind.ORDER and row.theirs > 0
    ]
    lately = Q(
        cancel_requested_at__gt=as_of - timedelta(seconds=config.probe_every_s),
        cancel_requested_at__lte=as_of,
    )
    ended = transitions.of(mode, venue).filter(venue_order_id__in=alive, status__in=TERMINAL)
    found = list(ended.exclude(lately).select_related("market__fees", "outcome", "intent"))
    if found:
        log.warning("order.alive_after_its_end", orders=[order.venue_order_id for order in found])
        _hand_over(found, venue, reason="it ended in our books", now=now)


def everything(mode: str, venue: OrderVenue, *, reason: str, now: Clock) -> int:
    """Ask to cancel every order of a mode that has not ended; returns how many."""
    alive = transitions.of(mode, venue).filter(status__in=(*NOT_SENT, *AT_VENUE))
    found = list(alive.select_related("market__fees", "outcome", "intent"))
    return ask(found, venue, reason=reason, now=now) if found else 0


def wish(order: Order, *, as_of: datetime) -> bool:
    """Note that an order shall end: whoever holds its venue asks; False where it has ended."""
    alive = Order.objects.filter(pk=order.pk, status__in=IN_FLIGHT, cancel_asked_at__isnull=True)
    return bool(alive.update(cancel_asked_at=as_of, clean_probes=0))


def ask(found: Sequence[Order], venue: OrderVenue, *, reason: str, now: Clock) -> int:
    """Ask to cancel these orders; returns how many. One that never left ends at once.

    What the venue cannot be asked now is asked again by a later `run`.
    """
    sent = [order for order in found if not _withdrawn(order, reason=reason, as_of=now())]
    if not sent:
        return len(found)
    Order.objects.filter(pk__in=[o.pk for o in sent], cancel_asked_at__isnull=True).update(
        cancel_asked_at=now(), clean_probes=0
    )
    crash_points.reach(crash_points.AFTER_CANCEL_ASKED)
    _hand_over(sent, venue, reason=reason, now=now)
    return len(found)


def _hand_over(sent: Sequence[Order], venue: OrderVenue, *, reason: str, now: Clock) -> None:
    """The request itself, and when it was made and heard; what is not heard is asked for again.

    Any answer counts as heard, for "not found" is one: the wait for proof begins with the first.
    """
    rows = Order.objects.filter(pk__in=[order.pk for order in sent])
    rows.update(cancel_requested_at=now())
    first = sent[0]
    if restrictions.cancels_until(first.mode, first.wallet, as_of=now()) is not None:
        return
    try:
        taken = venue.cancel([ticket(order) for order in sent], as_of=now())
    except Restricted as refusal:
        restrictions.impose(first.mode, first.wallet, refusal, as_of=now())
    except VenueFailure as trouble:
        log.warning("order.cancel_not_heard", orders=len(sent), reason=texts.storable(str(trouble)))
    else:
        rows.filter(cancel_heard_at__isnull=True).update(cancel_heard_at=now(), clean_probes=0)
        log.info("order.cancel_asked", orders=len(sent), acknowledged=len(taken), reason=reason)
    crash_points.reach(crash_points.AFTER_CANCEL)


@transaction.atomic
def _withdrawn(order: Order, *, reason: str, as_of: datetime) -> bool:
    """End an order that was never handed in; False for one that may be at the venue."""
    locks.hold(f"portfolio:{order.mode}")
    transitions.read_again(order)
    if order.status not in NOT_SENT:
        return order.status not in AT_VENUE
    transitions.end(order, to=Status.CANCELED, reason=f"not sent: {reason}", as_of=as_of)
    return True


def _asked_lately(order: Order, config: ExecutionConfig, *, as_of: datetime) -> bool:
    """Whether the venue was asked to cancel it so lately that the answer may be on its way."""
    if order.cancel_asked_at is None or order.cancel_requested_at is None:
        return False
    until = order.cancel_requested_at + timedelta(seconds=config.probe_every_s)
    return order.cancel_requested_at <= as_of < until


def _why(order: Order, config: ExecutionConfig, *, as_of: datetime) -> str:
    """Why an order should not rest any longer; empty where it may."""
    if order.cancel_asked_at is not None:
        return "it was asked to end"
    if order.status == Status.OPEN:
        for late, why in _lateness(order, config):
            if late <= as_of:
                return why
    return ""


def _resolved(waiting: Sequence[Order]) -> dict[UUID, str]:
    """Orders that rest in a market which has ended, by order."""
    open_ = {order.pk: order.market_id for order in waiting if order.status == Status.OPEN}
    ended = Resolution.objects.filter(market_id__in=open_.values())
    markets = set(ended.values_list("market_id", flat=True))
    return {pk: "its market has resolved" for pk, market in open_.items() if market in markets}


def _halted(waiting: Sequence[Order], mode: str, *, as_of: datetime) -> dict[UUID, str]:
    """Orders that a halt does not let rest; where nothing is halted nothing more is read."""
    if not waiting or not (Halt.objects.filter(released_at__isnull=True) or halts.switches()):
        return {}
    found: dict[UUID, str] = {}
    for order in waiting:
        strategy, market = order.intent.strategy, str(order.market_id)
        state = halts.state(as_of=as_of, mode=mode, strategy=strategy, market=market)
        if order.intent.purpose not in MAY_REST[TradingState(state)]:
            found[order.pk] = f"trading is {state}"
    return found


def _lateness(order: Order, config: ExecutionConfig) -> Iterator[tuple[datetime, str]]:
    """Times from which a resting order is too late, each with its reason."""
    sent = order.submitted_at or order.created_at
    yield sent + timedelta(seconds=config.stale_order_s), "it has rested for too long"
    if order.rest_until is not None:
        yield order.rest_until, "it was to rest until now"
    if order.market.scheduled_end_at is not None and order.type in RESTING:
        before = timedelta(seconds=config.cancel_before_end_s)
        yield order.market.scheduled_end_at - before, "its market ends soon"
