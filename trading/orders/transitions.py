"""Move an order through its states, and give back what it no longer needs."""

from datetime import datetime

import structlog
from django.db import transaction
from django.db.models import QuerySet

from config.kernel import locks, texts
from config.kernel.modes import SIMULATED
from config.kernel.units import ZERO
from trading import crash_points
from trading.books import claims, fills, ledger
from trading.core.order_states import IN_FLIGHT, NEXT, TERMINAL, sources
from trading.models import Account, Order
from trading.venue import OrderVenue, Receipt

log = structlog.get_logger()


class IllegalTransition(RuntimeError):
    """The order's status does not permit this move, or another worker made it first."""


def of(mode: str, venue: OrderVenue) -> QuerySet[Order]:
    """Orders that a venue can speak for: a signed one knows those of its wallet alone.

    Asked after another wallet's order it would truly say that there is none.
    """
    wallet = getattr(venue, "wallet", None)
    found = Order.objects.filter(mode=mode)
    return found if wallet is None else found.filter(wallet=wallet)


def move(order: Order, *, to: str, as_of: datetime, reason: str = "") -> None:
    """Compare-and-set an order's status; exactly one caller can make a given move."""
    reason = texts.storable(reason)[:400]
    changes: dict[str, object] = {"status": to, "reason": reason}
    if to in TERMINAL:
        changes["finished_at"] = as_of
    if not Order.objects.filter(pk=order.pk, status__in=sources(to)).update(**changes):
        raise IllegalTransition(
            f"order {order.pk} may not become {to}: it moved on meanwhile; read it again"
        )
    log.info("order.moved", order_id=str(order.pk), to=to, reason=reason)


class OtherOrder(RuntimeError):
    """The venue answered with the id of another order than the one that was signed."""


CHANGING = (
    "status",
    "shares",
    "filled_shares",
    "reserved",
    "venue_order_id",
    "payload",
    "attempts",
    "acknowledged_at",
    "clean_probes",
    "probed_at",
    "next_attempt_at",
    "cancel_asked_at",
    "cancel_requested_at",
    "cancel_heard_at",
    "submitted_at",
    "finished_at",
    "reason",
)


def read_again(order: Order) -> None:
    """Read what may have changed; market, outcome and intent of an order never do."""
    order.refresh_from_db(fields=CHANGING)


@transaction.atomic
def apply(order: Order, receipt: Receipt, *, as_of: datetime) -> int:
    """Book what the venue says of an order: its trades, then its status; returns trades booked.

    Saying it twice changes nothing. An order that is UNKNOWN there, though trades of it are told,
    stays as it is: that is silence, which only a new trade breaks. A simulated order ends with its
    first ending: what another worker's look at the books would have given it is another story, and
    not told.
    """
    locks.hold(f"portfolio:{order.mode}")
    read_again(order)
    if order.mode in SIMULATED and order.status not in IN_FLIGHT:
        return 0
    _check_name(order, receipt)
    before = order.filled_shares
    for execution in receipt.executions:
        fills.record(order, execution, as_of=as_of)
    crash_points.reach(crash_points.WHILE_BOOKING)
    read_again(order)
    is_silent = receipt.status == Order.Status.UNKNOWN
    _acknowledge(
        order, receipt, is_trace=not is_silent or order.filled_shares != before, as_of=as_of
    )
    if is_silent:
        read_again(order)
        return len(receipt.executions)
    if receipt.status in NEXT[order.status] and not _is_ghost(order, receipt):
        move(order, to=receipt.status, as_of=as_of, reason=receipt.reason)
        if receipt.status in TERMINAL:
            give_back(order, as_of=as_of)
    return len(receipt.executions)


def _is_ghost(order: Order, receipt: Receipt) -> bool:
    """Whether it is called filled, but by a trade that failed on the chain: it never happened."""
    ended = order.status in TERMINAL and receipt.status == Order.Status.FILLED
    return ended and not fills.is_full(order)


def _check_name(order: Order, receipt: Receipt) -> None:
    if order.venue_order_id and receipt.venue_order_id != order.venue_order_id:
        raise OtherOrder(
            f"order {order.pk} is {order.venue_order_id}, the venue tells of "
            f"{receipt.venue_order_id}: nothing was booked; look at both before trading on"
        )


def _acknowledge(order: Order, receipt: Receipt, *, is_trace: bool, as_of: datetime) -> None:
    """The venue had it: its id is the one we know. A trace ends the silence before it."""
    ends_silence = {"clean_probes": 0, "probed_at": as_of} if is_trace else {}
    Order.objects.filter(pk=order.pk).update(
        venue_order_id=receipt.venue_order_id,
        acknowledged_at=order.acknowledged_at or as_of,
        **ends_silence,
    )


@transaction.atomic
def end(order: Order, *, to: str, reason: str, as_of: datetime) -> None:
    """End an order that the venue provably does not have."""
    locks.hold(f"portfolio:{order.mode}")
    move(order, to=to, as_of=as_of, reason=reason)
    give_back(order, as_of=as_of)


def give_back(order: Order, *, as_of: datetime) -> None:
    """Return what is still reserved to free cash, and the claim where nothing needs it."""
    left = Order.objects.values_list("reserved", flat=True).get(pk=order.pk)
    ledger.post_if_any(
        f"release:order:{order.pk}",
        debit=Account.RESERVED,
        credit=Account.CASH,
        amount=left,
        kind="release",
        mode=order.mode,
        wallet=order.wallet,
        market_id=order.market_id,
        as_of=as_of,
    )
    Order.objects.filter(pk=order.pk).update(reserved=ZERO)
    claims.release_if_idle(
        mode=order.mode, wallet=order.wallet, market_id=order.market_id, as_of=as_of
    )
