"""Ask sources again and again: what each said last is kept, and its silence is noted."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import structlog

from config.kernel.clocks import Clock
from markets import notices, unknown
from markets.adapters.fetch import FetchFailed
from markets.core.text import UNPRINTABLE
from markets.core.wire import NotUnderstood
from markets.models import FetchState, Notice

log = structlog.get_logger()


def is_due(key: str, *, every_s: int, as_of: datetime) -> bool:
    """Whether a source may be asked again; a source never asked is due."""
    recent = as_of - timedelta(seconds=every_s)
    return not FetchState.objects.filter(url=key[:400], asked_at__gt=recent).exists()


@contextmanager
def asking(key: str, *, name: str, down_after: int, now: Clock) -> Iterator[FetchState]:
    """Ask one source within the block, then store its rows, marks and `items` in the state.

    A failure (`FetchFailed`, `NotUnderstood`) ends the block and stays with this source: it is
    counted, kept and, after `down_after` in a row, noticed once. Anything else is raised.
    Marks are kept only when the block ends well: rows that were not stored come again.
    """
    asked_at = now()
    state, _ = FetchState.objects.get_or_create(
        url=key[:400], defaults={"name": name[:80], "asked_at": asked_at}
    )
    try:
        yield state
    except (FetchFailed, NotUnderstood) as trouble:
        if isinstance(trouble, NotUnderstood):
            unknown.keep(trouble.source, trouble.reason, trouble.body, as_of=now(), subject=key)
        _failed(key, name, str(trouble), down_after=down_after, asked_at=asked_at)
        return
    state.name, state.asked_at, state.answered_at = name[:80], asked_at, now()
    state.failures, state.error = 0, ""
    state.save()


def _failed(key: str, name: str, error: str, *, down_after: int, asked_at: datetime) -> None:
    error = UNPRINTABLE.sub("", error)
    state = FetchState.objects.get(url=key[:400])
    state.asked_at, state.error = asked_at, error[:400]
    state.failures += 1
    # Only these: the block may have changed marks of rows that were never stored.
    state.save(update_fields=["asked_at", "error", "failures"])
    log.warning("source.failed", source=name, failures=state.failures, reason=error)
    if state.failures >= down_after:
        since = state.answered_at.isoformat() if state.answered_at else "never"
        notices.note(
            Notice.Kind.SOURCE_DOWN,
            f"{key[:150]}:{since}",
            f"{name} failed {state.failures} times in a row: {error}",
            as_of=asked_at,
            subject=name,
            severity=Notice.Severity.WARNING,
        )
