"""What the venue told and the books could not take: said to people, and in the way of new entries.

A transaction that broke leaves its order as it was, and it is tried again at every look. Until it
books, a guarded mode enters nothing new: its books are known to be behind.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

import structlog
from django.db import DatabaseError
from django.db.models import Max

from config.kernel import audit
from config.kernel.models import DomainEvent
from config.kernel.modes import GUARDED
from risk import halts
from risk.models import Halt
from trading.core.order_states import IN_FLIGHT
from trading.models import Order

log = structlog.get_logger()
ACTOR = "books"
HALT = "RECONCILIATION"
BOOKED = "order.booked_at_last"


def order(which: Order, cause: Exception, *, as_of: datetime) -> None:
    """Tell that an answer about this order cannot be booked; nothing else is kept from its turn."""
    _note(_subject(which.pk), f"order {which.pk}", which.mode, cause, as_of=as_of)


def trade(trade_id: str, mode: str, cause: Exception, *, as_of: datetime) -> None:
    """Tell that a trade of ours cannot be booked."""
    _note(f"unbooked:trade:{trade_id}"[:200], f"trade {trade_id}", mode, cause, as_of=as_of)


def words(cause: Exception) -> str:
    """What went wrong, for people."""
    return f"cannot be booked: {type(cause).__name__}: {cause}"[:300]


def settled(which: Iterable[Order], *, as_of: datetime) -> None:
    """Put on record that answers about these orders were booked after all, where it is news."""
    for pk in _open({order.pk for order in which}):
        audit.record(BOOKED, actor=ACTOR, subject=_subject(pk), data={}, as_of=as_of)


def standing(mode: str) -> set[UUID]:
    """Orders on their way whose last answer could not be booked."""
    alive = Order.objects.filter(mode=mode, status__in=IN_FLIGHT)
    return _open(set(alive.values_list("pk", flat=True)))


def _open(pks: Collection[UUID]) -> set[UUID]:
    subjects = {_subject(pk): pk for pk in pks}
    if not subjects:
        return set()
    told = DomainEvent.objects.filter(kind__in=(audit.ALERT, BOOKED), subject__in=list(subjects))
    last = told.values("subject").annotate(last=Max("id")).values_list("last", flat=True)
    rows = DomainEvent.objects.filter(pk__in=list(last), kind=audit.ALERT)
    return {subjects[subject] for subject in rows.values_list("subject", flat=True)}


def _subject(pk: UUID) -> str:
    return f"unbooked:order:{pk}"


def _note(subject: str, what: str, mode: str, cause: Exception, *, as_of: datetime) -> None:
    guarded = mode in GUARDED
    wait = "; nothing new is entered until it books" if guarded else ""
    text = f"{what} ({mode}) {words(cause)}{wait}; read the log, then mend what it names"
    try:
        said = DomainEvent.objects.filter(kind__in=(audit.ALERT, BOOKED), subject=subject)
        last = said.order_by("-id").values_list("kind", flat=True).first()
        if last != audit.ALERT:
            audit.alert(subject, text=text, actor=ACTOR, as_of=as_of)
        if guarded and not _stands(mode):
            halts.open_halt(
                HALT,
                reason=f"{what} {words(cause)}",
                actor=ACTOR,
                as_of=as_of,
                scope=Halt.Scope.MODE,
                scope_key=mode,
            )
    except DatabaseError:
        # A database that refuses the booking may refuse the telling: the others still go on.
        log.exception("unbooked.not_told", subject=subject)


def _stands(mode: str) -> bool:
    """Whether the stop is there already: saying so at each look would only fill the trail."""
    return any(
        halt.kind == HALT and halt.scope == Halt.Scope.MODE for halt in halts.standing(mode=mode)
    )
