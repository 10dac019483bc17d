"""The instant of a test, and those around it."""

from datetime import UTC, datetime, timedelta

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
"""The instant at which a test takes place unless it says otherwise."""


def ago(seconds: float) -> datetime:
    """`seconds` before `NOW`."""
    return NOW - timedelta(seconds=seconds)


def ahead(seconds: float) -> datetime:
    """`seconds` after `NOW`."""
    return NOW + timedelta(seconds=seconds)
