"""Ids that a form sent."""

from uuid import UUID


def uuid_of(text: str) -> UUID | None:
    """The id that a form field holds; None where it holds none."""
    try:
        return UUID(text)
    except ValueError:
        return None
