"""Whether the passes over the venue's listing get through: kept as rows, told once an outage."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from config.kernel.clocks import Clock
from markets import notices
from markets.adapters import http
from markets.adapters.gamma import StuckCursor
from markets.core.wire import NotUnderstood
from markets.models import FetchState, Notice

PREFIX = "pass:"
# One failure may be a restart of the venue; three are an outage.
TOLD_AFTER = 3
Failures = (http.VenueUnreachable, http.VenueRefused, NotUnderstood, StuckCursor)


@contextmanager
def passing(name: str, *, now: Clock) -> Iterator[None]:
    """Note whether the block got through; what the venue did wrong is raised again."""
    state, _ = FetchState.objects.get_or_create(
        url=PREFIX + name, defaults={"name": name, "asked_at": now()}
    )
    state.asked_at = now()
    try:
        yield
    except Failures as failure:
        state.failures += 1
        state.error = str(failure).replace("\0", "")[:400]
        state.save()
        if state.failures >= TOLD_AFTER:
            _tell(state, as_of=now())
        raise
    state.failures, state.error, state.answered_at = 0, "", now()
    state.save()


def state(name: str) -> FetchState | None:
    """What is known of a pass; None = it never began."""
    return FetchState.objects.filter(url=PREFIX + name).first()


def trouble(*, as_of: datetime) -> str:
    """What keeps the listing from being read, in a sentence; empty where nothing does."""
    failing = FetchState.objects.filter(
        url__startswith=PREFIX, failures__gt=0, asked_at__lte=as_of
    ).order_by("-failures")
    worst = failing.first()
    if worst is None:
        return ""
    since = f"since {worst.answered_at:%Y-%m-%d %H:%M} UTC" if worst.answered_at else "at all"
    return (
        f"The venue could not be read {since} ({worst.name}: {worst.failures} failures in a row). "
        "Check the network; the data page says what fails."
    )


def _tell(state: FetchState, *, as_of: datetime) -> None:
    since = state.answered_at.isoformat() if state.answered_at else "never"
    notices.note(
        Notice.Kind.SOURCE_DOWN,
        f"{state.url}:{since}",
        f"The venue's listing ({state.name}) failed {state.failures} times: {state.error}",
        as_of=as_of,
        subject=state.name,
        severity=Notice.Severity.WARNING,
    )
