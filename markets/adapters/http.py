"""HTTP to the venue: one session factory, budgets below its limits, retried reads, clear errors."""

import ssl
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpx
import stamina

from markets.adapters import budget
from markets.adapters.budget import Budget
from markets.core.pacing import Limit as Limit  # noqa: PLC0414 - adapters name it beside `session`

TIMEOUT = httpx.Timeout(10.0, connect=3.0)
AGENT = "oddsmith"
# Engine restart, too many requests, trading disabled: all three mean later, not no.
BUSY = (425, 429, 503)
LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})
DEMO = "DEMO"
# A venue that restarts is asked again after 2, 4, 8 … seconds; a caller waits no longer than this.
LONGEST_WAIT_S = 30.0
Params = Sequence[tuple[str, str]] | Mapping[str, str]


class VenueUnreachable(Exception):
    """No reply, or a reply that says try later; reading again is harmless."""


class Busy(VenueUnreachable):
    """The venue restarts, is closed or is asked too often; it may say when to ask again."""

    def __init__(self, message: str, *, status: int, retry_after: float | None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class VenueRefused(Exception):
    """The venue answered with an error that repeating will not change."""

    def __init__(self, message: str, *, status: int, body: bytes) -> None:
        super().__init__(message)
        self.status = status
        self.body = body


class NotThere(VenueRefused):
    """The venue knows no such thing (yet, or any more)."""


class SimulatedVenue(Exception):
    """A stand-in would have served data outside a demo."""


class Blocked(VenueRefused):
    """The venue's shield turned this address away: asking more makes it worse."""


class Session:
    """Reads one service of the venue; its connections are given back when nobody holds it."""

    def __init__(self, client: httpx.Client, budget: Budget, *, attempts: int = 4) -> None:
        self.client = client
        self.budget = budget
        self.attempts = attempts
        # A session lives as long as the work that made it; at the end of the process at the latest.
        self._give_back = weakref.finalize(self, client.close)

    def close(self) -> None:
        """Give the connections back now."""
        self._give_back()

    def get(self, path: str, params: Params = ()) -> bytes:
        """The body of a GET, tried again while the venue is silent, busy or broken.

        Raises `NotThere` (404), `VenueRefused` (other answers), `VenueUnreachable` (all attempts).
        """
        for attempt in stamina.retry_context(
            on=_pause_before_retry,
            attempts=self.attempts,
            wait_initial=0.2,
            wait_max=5.0,
            timeout=LONGEST_WAIT_S,
        ):
            with attempt:
                return self._once("GET", path, params=list(_pairs(params)))
        raise VenueUnreachable(f"{path} was never asked")

    def post(self, path: str, body: Any) -> bytes:
        """The body of a POST, asked once; the same errors as `get`."""
        return self._once("POST", path, json=body)

    def _once(self, method: str, path: str, **content: Any) -> bytes:
        self.budget.spend(path)
        try:
            reply = self.client.request(method, path.lstrip("/"), **content)
        except httpx.HTTPError as cause:
            where = f"{method} {shown(self.client.base_url)}{path.lstrip('/')}"
            raise VenueUnreachable(f"{where} got no reply ({cause!r})") from cause
        try:
            _raise_for(reply)
        except Busy as busy:
            if busy.retry_after:
                # What one process was told all of them respect.
                self.budget.pause(path, min(busy.retry_after, LONGEST_WAIT_S))
            raise
        return reply.content


def session(
    base_url: str,
    *,
    limits: Sequence[Limit],
    transport: httpx.BaseTransport | None = None,
    attempts: int = 4,
    sleep: Callable[[float], None] = time.sleep,
) -> Session:
    """A session for one service; `transport` replaces the network (recorded replies in tests)."""
    client = httpx.Client(
        base_url=base_url.rstrip("/") + "/",
        timeout=TIMEOUT,
        transport=transport,
        verify=_authorities(),
        headers={"User-Agent": AGENT, "Accept": "application/json"},
        follow_redirects=False,
        trust_env=not is_local(base_url),
    )
    recorded = transport is not None or is_local(base_url)
    store = budget.InMemory() if recorded else budget.shared()
    host = urlsplit(base_url).hostname or base_url
    return Session(client, Budget(host, limits, store, sleep=sleep), attempts=attempts)


@cache
def _authorities() -> ssl.SSLContext:
    """Whom this process trusts; reading them anew for each session would cost 20 ms a time."""
    return httpx.create_ssl_context()


def shown(url: httpx.URL) -> str:
    """The address for messages and logs: without user and password."""
    return str(url.copy_with(userinfo=b""))


def is_local(base_url: str) -> bool:
    """Whether the address is this machine: then whatever answers is the stand-in venue."""
    return (urlsplit(base_url).hostname or "") in LOCAL


def permit(base_url: str, *, mode: str) -> str:
    """The address, where data from it may be used; simulated data belongs in a demo alone.

    Raises `SimulatedVenue`.
    """
    if is_local(base_url) and mode != DEMO:
        raise SimulatedVenue(
            f"{shown(httpx.URL(base_url))} is a stand-in on this machine, "
            f"and MODE={mode} uses real data only; "
            "set MODE=DEMO, or the VENUE_… addresses to the venue's"
        )
    return base_url


def _pairs(params: Params) -> Sequence[tuple[str, str]]:
    return list(params.items()) if isinstance(params, Mapping) else params


def _pause_before_retry(failure: Exception) -> bool | float:
    """Whether, and where the venue said so after how many seconds, a read is tried again."""
    if isinstance(failure, Busy) and failure.retry_after is not None:
        return failure.retry_after if failure.retry_after <= LONGEST_WAIT_S else False
    return isinstance(failure, VenueUnreachable)


def _raise_for(reply: httpx.Response) -> None:
    status = reply.status_code
    if status == httpx.codes.OK:
        return
    said = reply.text[:300] or reply.reason_phrase
    message = f"{reply.request.method} {shown(reply.request.url)} answered {status}: {said}"
    if status in BUSY:
        raise Busy(message, status=status, retry_after=_retry_after(reply))
    if status >= 500:
        raise VenueUnreachable(message)
    if status == httpx.codes.FORBIDDEN and _is_shield(reply):
        remedy = "; stop asking, and see https://polymarket.com/api/geoblock for this address"
        raise Blocked(message + remedy, status=status, body=reply.content)
    kind = NotThere if status == httpx.codes.NOT_FOUND else VenueRefused
    raise kind(message, status=status, body=reply.content)


def _retry_after(reply: httpx.Response) -> float | None:
    """Seconds until the venue wants to be asked again: its header, else the body of a 503."""
    header = reply.headers.get("retry-after", "").strip()
    if header.isdigit():
        return float(header)
    with suppress(ValueError, TypeError, AttributeError):
        return float(reply.json()["retry_after_seconds"])
    with suppress(ValueError, TypeError):
        when = parsedate_to_datetime(header)
        sent = parsedate_to_datetime(reply.headers.get("date", ""))
        return max(0.0, (when - sent).total_seconds())
    return None


def _is_shield(reply: httpx.Response) -> bool:
    return "cloudflare" in reply.headers.get("server", "").lower() or "text/html" in (
        reply.headers.get("content-type", "")
    )
