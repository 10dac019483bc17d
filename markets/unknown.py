"""Messages that we did not understand: kept raw, counted, shown, never guessed."""

import hashlib
from datetime import datetime

import structlog
from django.db import IntegrityError, transaction
from django.db.models import F

from markets.core.wire import NotUnderstood, decode
from markets.models import RawMessage

log = structlog.get_logger()
LONGEST_BODY = 200_000
SUBJECTS = ("id", "condition_id", "conditionId", "asset_id")


def keep(source: str, reason: str, body: str, *, as_of: datetime, subject: str = "") -> RawMessage:
    """Store the message, or count it where the same was seen before.

    Two messages are the same where source, reason and `subject` agree; without a subject the body
    decides. A subject (a venue id) keeps changing prices from making every repetition a new row.
    """
    parts = (source, reason, subject or body)
    digest = hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
    again = {"seen": F("seen") + 1, "last_seen_at": as_of}
    if not RawMessage.objects.filter(digest=digest).update(**again):
        _insert(digest, source, reason, body, as_of=as_of)
    return RawMessage.objects.get(digest=digest)


def refused(wrong: NotUnderstood, *, as_of: datetime) -> RawMessage:
    """Keep what a parser refused; the subject is the id that the message carries, if any."""
    subject = _subject(wrong.body)
    return keep(wrong.source, wrong.reason, wrong.body, as_of=as_of, subject=subject)


def _subject(body: str) -> str:
    try:
        value = decode(body.encode(), source="")
    except NotUnderstood:
        return ""
    if not isinstance(value, dict):
        return ""
    return next((str(value[name]) for name in SUBJECTS if value.get(name)), "")


def _insert(digest: str, source: str, reason: str, body: str, *, as_of: datetime) -> None:
    try:
        with transaction.atomic():
            RawMessage.objects.create(
                digest=digest,
                source=source[:60],
                reason=reason[:400],
                body=body[:LONGEST_BODY].replace("\0", "\\0"),
                first_seen_at=as_of,
                last_seen_at=as_of,
            )
    except IntegrityError:
        RawMessage.objects.filter(digest=digest).update(seen=F("seen") + 1, last_seen_at=as_of)
        return
    log.warning("message.refused", source=source, reason=reason)
