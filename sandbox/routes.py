"""What every service of the stand-in shares: the reply, the query's values, pages, refusals."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.core.world import World

Query = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Status and body: `str` and `bytes` are sent as they are, anything else as JSON.

    It is sent `late_s` seconds late; one that `is_lost` is not sent at all, the connection ends.
    """

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    late_s: float = 0.0
    is_lost: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request as it came in; header names in lower case."""

    method: str
    path: str
    query: Query = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class BadQuery(ValueError):
    """The venue would refuse this request."""


class Refused(Exception):
    """The service answers with this reply instead of rows."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"{status}: {body}")
        self.reply = Reply(status=status, body=body)


Answer = Callable[[World, Query, int], Any]
"""World, query and second in; a JSON body or a `Reply` out."""
Posted = Callable[[World, bytes, int], Any]


def one(query: Query, name: str, default: str | None = None) -> str:
    """The first value of a parameter; raises `BadQuery` where it is missing without a default."""
    values = query.get(name)
    if values:
        return values[0]
    if default is None:
        raise BadQuery(f"{name} is missing")
    return default


def whole(query: Query, name: str, default: int) -> int:
    """A parameter that is a whole number; raises `BadQuery` for another text."""
    said = one(query, name, str(default))
    try:
        return int(said)
    except ValueError:
        raise BadQuery(f"{name}: {said!r} is no whole number") from None


def many(query: Query, name: str) -> list[str]:
    """All values of a parameter, whether repeated or separated by commas."""
    return [part for value in query.get(name, ()) for part in value.split(",") if part]


def flag(query: Query, name: str, *, default: bool = False) -> bool:
    """A parameter that says true or false."""
    return one(query, name, str(default)).lower() == "true"


def reply_of(answer: Any) -> Reply:
    """An answer as a reply: 200 unless it is one already."""
    return answer if isinstance(answer, Reply) else Reply(status=200, body=answer)
