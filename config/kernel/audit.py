"""The audit trail: append a domain event, verify that nobody rewrote one."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from config.kernel import locks
from config.kernel.models import DomainEvent

GENESIS = "0" * 64
ALERT: Final = "alert.raised"
ENDED: Final = "alert.ended"


@transaction.atomic
def record(
    kind: str, *, actor: str, subject: str, data: Mapping[str, Any], as_of: datetime
) -> DomainEvent:
    """Append one event to the chain, inside the caller's transaction."""
    locks.hold("audit")
    last = DomainEvent.objects.order_by("-id").values_list("hash", flat=True).first()
    body = json.dumps(dict(data), sort_keys=True, separators=(",", ":"), default=str)
    event = DomainEvent(
        happened_at=as_of,
        kind=kind,
        actor=actor,
        subject=subject,
        data=body,
        previous_hash=last or GENESIS,
    )
    event.hash = seal(event)
    event.save(force_insert=True)
    return event


def alert(subject: str, *, text: str, actor: str, as_of: datetime, **figures: Any) -> DomainEvent:
    """Tell people: `text` says in one sentence what is wrong and what to do, `figures` how much."""
    data = {"text": text, **figures}
    return record(ALERT, actor=actor, subject=subject, data=data, as_of=as_of)


@transaction.atomic
def alert_once(subject: str, *, text: str, actor: str, as_of: datetime, **figures: Any) -> bool:
    """Tell people unless they were told about this subject before; whether it is news."""
    locks.hold("audit")
    if alerts().filter(subject=subject).exists():
        return False
    alert(subject, text=text, actor=actor, as_of=as_of, **figures)
    return True


@transaction.atomic
def end_alert(subject: str, *, text: str, actor: str, as_of: datetime) -> bool:
    """Note that what people were told no longer holds; False where nothing of it stands."""
    locks.hold("audit")
    if not standing().filter(subject=subject).exists():
        return False
    record(ENDED, actor=actor, subject=subject, data={"text": text}, as_of=as_of)
    return True


def standing() -> QuerySet[DomainEvent]:
    """What people were told and nobody noted the end of."""
    over = DomainEvent.objects.filter(
        kind=ENDED, subject=OuterRef("subject"), pk__gt=OuterRef("pk")
    )
    return alerts().filter(~Exists(over))


def alerts() -> QuerySet[DomainEvent]:
    """Everything that people were told."""
    return DomainEvent.objects.filter(kind=ALERT)


def seal(event: DomainEvent) -> str:
    """SHA-256 over the event's content and its predecessor's hash, as 64 hex digits."""
    happened_at = event.happened_at.astimezone(UTC).isoformat(timespec="microseconds")
    parts = (event.previous_hash, happened_at, event.kind, event.actor, event.subject, event.data)
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


def first_broken() -> DomainEvent | None:
    """The first event whose hash or predecessor is wrong, or None for an intact chain."""
    previous = GENESIS
    for event in DomainEvent.objects.order_by("id").iterator():
        if event.previous_hash != previous or event.hash != seal(event):
            return event  # type: ignore[no-any-return]
        previous = event.hash
    return None
