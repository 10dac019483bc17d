"""Count what failed one after another, and orders whose fate is unknown; too many stop entries."""

from datetime import datetime

from django.db.models import Max, Q, QuerySet

from config.kernel import audit
from config.kernel.models import DomainEvent
from risk import halts
from risk.models import Halt, RiskLimits
from trading.models import Order

ACTOR = "order watch"
DECISION_FAILED = "decision.failed"
NEVER_ACCEPTED = Q(status=Order.Status.REJECTED) | Q(
    status__in=(Order.Status.CANCELED, Order.Status.UNKNOWN),
    acknowledged_at__isnull=True,
    attempts__gt=0,
)
"""Handed in and not taken; what a halt or a restricted venue kept from being sent is no failure."""


def note_decision(mode: str, failure: Exception, *, signal_id: int, as_of: datetime) -> None:
    """Put on record that deciding a signal raised."""
    audit.record(
        DECISION_FAILED,
        actor="decide",
        subject=f"mode:{mode}",
        data={"signal": signal_id, "error": f"{type(failure).__name__}: {failure}"[:400]},
        as_of=as_of,
    )


def look(mode: str, *, as_of: datetime) -> None:
    """Halt a mode whose orders fail or vanish; unknown orders let go once their fate is proved."""
    limits = RiskLimits.objects.current(as_of=as_of).as_config()
    failed = consecutive(mode)
    if failed > limits.max_consecutive_failures:
        _open("ORDER_FAILURES", mode, f"{failed} orders or decisions failed in a row", as_of=as_of)
    unknown = Order.objects.filter(mode=mode, status=Order.Status.UNKNOWN).count()
    if unknown > limits.max_unknown_orders:
        _open("UNKNOWN_ORDERS", mode, f"the fate of {unknown} orders is unknown", as_of=as_of)
        return
    for halt in _halts("UNKNOWN_ORDERS", mode).filter(
        released_at__isnull=True, resume_rule=Halt.Resume.WHEN_CLEAR
    ):
        halts.release(halt, actor=ACTOR, reason="its cause is gone", as_of=as_of)


def counts(order: Order) -> bool:
    """Whether the order, as it stands by now, is one that no venue took."""
    return Order.objects.filter(NEVER_ACCEPTED, pk=order.pk).exists()


def consecutive(mode: str) -> int:
    """Orders no venue took and decisions that raised, since one was taken or a person looked."""
    orders = Order.objects.filter(mode=mode)
    taken = orders.exclude(NEVER_ACCEPTED).filter(acknowledged_at__isnull=False)
    seen = (
        taken.aggregate(at=Max("created_at"))["at"],
        _halts("ORDER_FAILURES", mode).aggregate(at=Max("released_at"))["at"],
    )
    failed = orders.filter(NEVER_ACCEPTED)
    raised = DomainEvent.objects.filter(kind=DECISION_FAILED, subject=f"mode:{mode}")
    if (since := max(filter(None, seen), default=None)) is not None:
        failed, raised = failed.filter(created_at__gt=since), raised.filter(happened_at__gt=since)
    return int(failed.count() + raised.count())


def _open(kind: str, mode: str, reason: str, *, as_of: datetime) -> None:
    halts.open_halt(
        kind, reason=reason, actor=ACTOR, as_of=as_of, scope=Halt.Scope.MODE, scope_key=mode
    )


def _halts(kind: str, mode: str) -> QuerySet[Halt]:
    return Halt.objects.filter(kind=kind, scope=Halt.Scope.MODE, scope_key=mode)
