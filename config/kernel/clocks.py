"""Where work that waits for others gets the time from: an edge hands its clock down."""

from collections.abc import Callable
from datetime import datetime

Clock = Callable[[], datetime]
"""Tells what time it is now, aware UTC."""


def given(clock: Clock | None, as_of: datetime) -> Clock:
    """Return the clock, never earlier than `as_of`; without one, a clock that stands there."""
    if clock is None:
        return lambda: as_of
    return lambda: max(as_of, clock())
