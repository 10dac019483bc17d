"""A person wants orders to end: noted on each order, with a name and a reason in the trail."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from config.kernel import audit
from trading.core.order_states import IN_FLIGHT
from trading.models import Order
from trading.orders import cancel


def standing() -> QuerySet[Order]:
    """Orders whose fate is open, those that nobody knows first, then the oldest."""
    rows = Order.objects.filter(status__in=IN_FLIGHT).order_by("-status", "created_at")
    return rows.select_related("market__event", "outcome", "intent")


@transaction.atomic
def ask(rows: Iterable[Order], *, user: Any, reason: str, as_of: datetime) -> list[Order]:
    """Ask that these orders end; those that were asked now. Whoever holds the venue carries it out.

    An order that ended, or was asked to end before, is left as it is. Raises `ValueError` without
    a reason.
    """
    if not reason.strip():
        raise ValueError("to take an order back needs a reason; say why in one sentence")
    asked = [order for order in rows if cancel.wish(order, as_of=as_of)]
    for order in asked:
        audit.record(
            "order.cancel_wished",
            actor=user.get_username(),
            subject=f"order:{order.pk}",
            data={"reason": reason, "status": order.status, "filled": order.filled_shares},
            as_of=as_of,
        )
    return asked
