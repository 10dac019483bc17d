"""The audit trail: append a domain event, verify that nobody rewrote one."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from config.kernel import locks
from config.kernel.models import DomainEvent

GENESIS = "0" * 64


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
