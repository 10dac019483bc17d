"""Which stretches of the past are still missing, in the order in which they are fetched."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """The period [since, until)."""

    since: datetime
    until: datetime


def missing(
    *, since: datetime, until: datetime, held: Window | None, longest: timedelta
) -> list[Window]:
    """The windows of [since, until) outside `held`, each touching what is held before it.

    First those after what is held, oldest first, then those before it, newest first: cut off
    anywhere, what is held stays one interval. Nothing held: newest first.
    """
    if held is None or held.since == held.until:
        return _backwards(since, until, longest)
    return [
        *_forwards(held.until, until, longest),
        *_backwards(since, held.since, longest),
    ]


def _forwards(since: datetime, until: datetime, longest: timedelta) -> list[Window]:
    found = []
    while since < until:
        end = min(since + longest, until)
        found.append(Window(since, end))
        since = end
    return found


def _backwards(since: datetime, until: datetime, longest: timedelta) -> list[Window]:
    found = []
    while since < until:
        begin = max(until - longest, since)
        found.append(Window(begin, until))
        until = begin
    return found
