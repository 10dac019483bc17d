"""Follow orders that were handed in until their fate is proved: ask, send the same bytes, or wait.

"Not found" proves nothing: a venue may know an order long after it was asked. Money and market stay
held until an order shows up, or until it was cancelled and then left no trace for long enough.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import structlog
from django.db import DatabaseError, OperationalError, transaction
from django.db.models import F, Q, QuerySet

from config.kernel import locks, texts
from config.kernel.clocks import Clock
from config.kernel.modes import GUARDED, SIMULATED
from trading import crash_points
from trading.core.order_protocol import Doubt, ExecutionConfig, Step, next_step
from trading.core.venue_reports import Misattributed
from trading.models import Order
from trading.orders import cancel, sending, transitions
from trading.orders.sending import Admission, anyone, ticket
from trading.settings import ExecutionSettings
from trading.venue import (
    OrderVenue,
    Receipt,
    Unauthorised,
    VenueFailure,
)
from trading.watching import unbooked

log = structlog.get_logger()
Status = Order.Status


def follow(
    mode: str, venue: OrderVenue, *, now: Clock, admit: Admission = anyone
) -> tuple[int, int]:
    """Ask after every order of a mode that is due; returns trades booked and failures to book.

    An answer that cannot be booked leaves its order as it was and is told; the others go on. Raises
    `LockTimeout` or `OperationalError` where the database is busy.
    """
    config = ExecutionSettings.objects.current(as_of=now()).as_config()
    suspect_abandoned(mode, config, as_of=now())
    waiting = list(_due(mode, venue, config, as_of=now()))
    if not waiting:
        return 0, 0
    booked = failed = 0
    taken = []
    for order, receipt in _ask(venue, waiting, as_of=now()):
        crash_points.reach(crash_points.AFTER_PROBE)
        try:
            booked += _take(order, receipt, venue, config, now=now, admit=admit)
        except (locks.LockTimeout, OperationalError):
            # A busy database says nothing of the answer: the whole turn comes again.
            raise
        except (DatabaseError, ArithmeticError, ValueError, RuntimeError) as cause:
            if isinstance(cause, transitions.IllegalTransition) and _moved_meanwhile(order):
                log.info("order.settled_meanwhile", order_id=str(order.pk), reason=str(cause))
                continue
            failed += 1
            log.exception("order.not_booked", order_id=str(order.pk))
            unbooked.order(order, cause, as_of=now())
        else:
            taken.append(order)
    if mode in GUARDED:
        unbooked.settled(taken, as_of=now())
    return booked, failed


def _take(
    order: Order,
    receipt: Receipt | None,
    venue: OrderVenue,
    config: ExecutionConfig,
    *,
    now: Clock,
    admit: Admission,
) -> int:
    """Book what is told of an order, and go on where it was not found; returns trades booked."""
    booked = 0 if receipt is None else transitions.apply(order, receipt, as_of=now())
    if receipt is None or receipt.status == Status.UNKNOWN:
        _note_silence(order, config, as_of=now())
        booked += _settle_doubt(order, venue, config, now=now, admit=admit)
    return booked


def _moved_meanwhile(order: Order) -> bool:
    """Whether another worker was first: what it did stands, and nothing is left to book."""
    return Order.objects.values_list("status", flat=True).get(pk=order.pk) != order.status


def suspect_abandoned(
    mode: str, config: ExecutionConfig, *, as_of: datetime, at_once: bool = False
) -> int:
    """What a dead worker marked and did not resolve may or may not have arrived; returns how many.

    `at_once` is for the only process that sends, when it starts: nobody else can be at it.
    """
    cutoff = as_of - timedelta(seconds=config.abandoned_after_s)
    late = Order.objects.filter(mode=mode, status=Status.SUBMITTING)
    if not at_once:
        silent = Q(probed_at__isnull=True) | Q(probed_at__lte=cutoff)
        late = late.filter(silent, submitted_at__lte=cutoff)
    count = 0
    for order in late:
        try:
            transitions.move(order, to=Status.UNKNOWN, as_of=as_of, reason="its worker fell silent")
            count += 1
        except transitions.IllegalTransition as settled:
            log.info("order.settled_meanwhile", order_id=str(order.pk), reason=str(settled))
    return count


def _due(
    mode: str, venue: OrderVenue, config: ExecutionConfig, *, as_of: datetime
) -> QuerySet[Order]:
    """Orders at the venue or in doubt; a real venue is asked after one no more often than set.

    An order that was asked after in the future was so before the clock was set back.
    """
    open_ = transitions.of(mode, venue).filter(status__in=(Status.OPEN, Status.UNKNOWN))
    if mode not in SIMULATED:
        cutoff = as_of - timedelta(seconds=config.probe_every_s)
        lately = Q(probed_at__gt=cutoff, probed_at__lte=as_of)
        open_ = open_.filter(Q(probed_at__isnull=True) | ~lately)
    # Whoever waited longest is first: where time or patience ends early, it ends for another.
    waited = F("probed_at").asc(nulls_first=True)
    told = open_.select_related("market__fees", "outcome", "intent")
    return told.prefetch_related("market__outcomes").order_by(waited, "created_at")


def _ask(
    venue: OrderVenue, waiting: Sequence[Order], *, as_of: datetime
) -> Iterator[tuple[Order, Receipt | None]]:
    """Each order after which the venue could be asked, and what it says; None = it knows nothing.

    Where all at once fails each is asked by itself: one bad answer must not hide the others.
    """
    try:
        answers = venue.look_up([ticket(order) for order in waiting], as_of=as_of)
    except Unauthorised:
        raise
    except (VenueFailure, ValueError, ArithmeticError) as trouble:
        reason = texts.storable(str(trouble))
        log.info("order.not_asked", orders=len(waiting), reason=reason)
        if len(waiting) > 1:
            for order in waiting:
                yield from _ask(venue, [order], as_of=as_of)
        elif isinstance(trouble, Misattributed):
            unbooked.order(waiting[0], trouble, as_of=as_of)
    else:
        for order in waiting:
            yield order, answers.get(order.pk)


def _note_silence(order: Order, config: ExecutionConfig, *, as_of: datetime) -> None:
    """The venue was asked and knows nothing of the order: remembered, and no proof of anything.

    Silence counts once in a while only: two questions in one second are one.
    """
    pause = timedelta(seconds=config.probe_every_s)
    if order.probed_at is not None and order.probed_at <= as_of < order.probed_at + pause:
        return
    Order.objects.filter(pk=order.pk, status=order.status).update(
        clean_probes=F("clean_probes") + 1, probed_at=as_of
    )
    transitions.read_again(order)
    if order.status == Status.OPEN and order.clean_probes >= config.probes_before_resend:
        why = "the venue does not know it any more"
        transitions.move(order, to=Status.UNKNOWN, as_of=as_of, reason=why)


def _settle_doubt(
    order: Order, venue: OrderVenue, config: ExecutionConfig, *, now: Clock, admit: Admission
) -> int:
    """Take the next step with an order of which the venue knew nothing; returns trades booked."""
    if order.status != Status.UNKNOWN:
        return 0
    step = next_step(_doubt(order), config, as_of=now())
    if step == Step.RESEND:
        return _send_again(order, venue, now=now, admit=admit)
    if step == Step.CANCEL:
        cancel.ask([order], venue, reason="its fate is unknown", now=now)
    elif step == Step.GIVE_UP:
        give_up(order, as_of=now())
    return 0


def _doubt(order: Order) -> Doubt:
    return Doubt(
        acknowledged=order.acknowledged_at is not None,
        has_bytes=bool(order.payload),
        clean_probes=order.clean_probes,
        expires_at=order.intent.expires_at,
        cancel_asked_at=order.cancel_asked_at,
        cancel_heard_at=order.cancel_heard_at,
    )


def _send_again(order: Order, venue: OrderVenue, *, now: Clock, admit: Admission) -> int:
    if not sending.mark_again(order, as_of=now(), clock=now, admit=admit):
        return 0
    crash_points.reach(crash_points.BEFORE_RESEND)
    log.info("order.sent_again", order_id=str(order.pk), attempts=order.attempts)
    return sending.hand_in(order, venue, now=now)


@transaction.atomic
def give_up(order: Order, *, as_of: datetime) -> None:
    """End an order that was cancelled by its hash and then left no trace for long enough."""
    crash_points.reach(crash_points.BEFORE_GIVING_UP)
    locks.hold(f"portfolio:{order.mode}")
    transitions.read_again(order)
    if order.status != Status.UNKNOWN:
        return
    ours = order.acknowledged_at is not None
    transitions.end(
        order,
        to=Status.CANCELED if ours else Status.EXPIRED,
        reason=f"{order.clean_probes} probes since it was cancelled found no trace of it",
        as_of=as_of,
    )
