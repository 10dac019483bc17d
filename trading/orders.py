"""Move an order through its states, and give back what it no longer needs."""

from datetime import datetime
from decimal import Decimal

import structlog
from django.db import transaction

from config.kernel import locks
from trading import claims, fills, ledger
from trading.core.order_states import IN_FLIGHT, TERMINAL, sources
from trading.models import Account, Order
from trading.venue import Receipt

log = structlog.get_logger()
ZERO = Decimal(0)


class IllegalTransition(RuntimeError):
    """The order's status does not permit this move, or another worker made it first."""


def move(order: Order, *, to: str, as_of: datetime, reason: str = "") -> None:
    """Compare-and-set an order's status; exactly one caller can make a given move."""
    changes: dict[str, object] = {"status": to, "reason": reason[:400]}
    if to in TERMINAL:
        changes["finished_at"] = as_of
    if not Order.objects.filter(pk=order.pk, status__in=sources(to)).update(**changes):
        raise IllegalTransition(f"order {order.pk} may not become {to}")
    log.info("order.moved", order_id=str(order.pk), to=to, reason=reason)


@transaction.atomic
def apply(order: Order, receipt: Receipt, *, as_of: datetime) -> int:
    """Book what the venue says of an order: its trades, then its status; returns trades booked.

    Saying it twice changes nothing. A simulated order ends with its first ending: what another
    worker's look at the books would have given it is another story, and not told.
    """
    locks.hold(f"portfolio:{order.mode}")
    order.refresh_from_db()
    if order.mode in ledger.SIMULATED and order.status not in IN_FLIGHT:
        return 0
    for execution in receipt.executions:
        fills.record(order, execution, as_of=as_of)
    order.refresh_from_db()
    if order.venue_order_id is None:
        Order.objects.filter(pk=order.pk).update(venue_order_id=receipt.venue_order_id)
    if order.status != receipt.status and order.status in IN_FLIGHT:
        move(order, to=receipt.status, as_of=as_of, reason=receipt.reason)
        if receipt.status in TERMINAL:
            give_back(order, as_of=as_of)
    return len(receipt.executions)


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
