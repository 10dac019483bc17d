"""What can go wrong with a request, on command."""

import threading
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Wrong(Enum):
    """One way in which a request fails."""

    SLOW = "the right reply, `seconds` late"
    SILENT = "no reply; the connection ends after `seconds`"
    RESTARTING = "425, as while the matching engine restarts"
    LIMITED = "429 with Retry-After of `seconds`"
    UNAVAILABLE = "503"
    CLOUDFLARE = "403 and a page for people, from in front of the venue"
    TRUNCATED = "the connection ends in the middle of the body"
    WRONG_JSON = "200 and half a JSON text"


CLOUDFLARE_PAGE = (
    "<!DOCTYPE html><html><head><title>Attention Required! | Cloudflare</title></head>"
    "<body><h1>Sorry, you have been blocked</h1><p>simulated</p></body></html>"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpFault:
    """`wrong` happens to the next `times` requests whose path begins with `prefix`."""

    wrong: Wrong
    prefix: str = "/"
    times: int = 1
    seconds: float = 1.0


class UnknownHttpFault(ValueError):
    """No fault of this form exists."""


def parse(said: Any) -> list[HttpFault]:
    """Faults from a decoded JSON list, kinds by their names in lower case."""
    try:
        return [HttpFault(**{**row, "wrong": Wrong[row["wrong"].upper()]}) for row in said]
    except (KeyError, TypeError, AttributeError) as wrong:
        names = ", ".join(kind.name.lower() for kind in Wrong)
        raise UnknownHttpFault(f"faults are objects with wrong ({names}): {wrong}") from None


@dataclass(slots=True)
class HttpFaults:
    """The faults in force; safe for all threads of a server."""

    _left: list[tuple[HttpFault, int]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    ended: threading.Event = field(default_factory=threading.Event)

    def set(self, *faults: HttpFault) -> None:
        """These from now on, in place of those before; none heals the server."""
        with self._lock:
            self._left = [(fault, fault.times) for fault in faults]

    def take(self, path: str) -> HttpFault | None:
        """The fault that this request meets, if any; counts it."""
        with self._lock:
            for at, (fault, times) in enumerate(self._left):
                if times > 0 and path.startswith(fault.prefix):
                    self._left[at] = fault, times - 1
                    return fault
        return None
