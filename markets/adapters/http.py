"""HTTP to the venue: one session factory, budgets below its limits, retried reads, clear errors."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import stamina

TIMEOUT = httpx.Timeout(10.0, connect=3.0)
AGENT = "oddsmith"
LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})
WINDOW_S = 10.0
DEMO = "DEMO"
# The venue shares one address among all our processes; we plan on half of what it allows.
SHARE = 0.5
Params = Sequence[tuple[str, str]] | Mapping[str, str]


class VenueUnreachable(Exception):
    """No reply, or a reply that says try later; reading again is harmless."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """Requests per ten seconds that the venue allows to paths that start with `prefix`."""

    prefix: str
    requests: int


class Budget:
    """A token bucket per documented limit; `spend` waits until a request is within all of them."""

    def __init__(
        self,
        limits: Sequence[Limit],
        *,
        share: float = SHARE,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock, self._sleep = clock, sleep
        self._rates = {x.prefix: x.requests * share / WINDOW_S for x in limits}
        self._tokens = {x.prefix: x.requests * share for x in limits}
        self._full = dict(self._tokens)
        self._filled_at = clock()

    def spend(self, path: str) -> float:
        """Take one token of every limit that covers `path`; returns the seconds waited."""
        prefixes = [prefix for prefix in self._rates if path.startswith(prefix)]
        self._refill()
        missing = max((self._wait(prefix) for prefix in prefixes), default=0.0)
        if missing > 0:
            self._sleep(missing)
            self._refill()
        for prefix in prefixes:
            self._tokens[prefix] -= 1
        return missing

    def _wait(self, prefix: str) -> float:
        return max(0.0, (1 - self._tokens[prefix]) / self._rates[prefix])

    def _refill(self) -> None:
        now = self._clock()
        elapsed, self._filled_at = now - self._filled_at, now
        for prefix, rate in self._rates.items():
            grown = self._tokens[prefix] + rate * elapsed
            self._tokens[prefix] = min(self._full[prefix], grown)


class Session:
    """Reads one service of the venue."""

    def __init__(self, client: httpx.Client, budget: Budget, *, attempts: int = 4) -> None:
        self.client = client
        self.budget = budget
        self.attempts = attempts

    def close(self) -> None:
        """Give the connections back."""
        self.client.close()

    def get(self, path: str, params: Params = ()) -> bytes:
        """The body of a GET, tried again while the venue is silent, busy or broken.

        Raises `NotThere` (404), `VenueRefused` (other answers), `VenueUnreachable` (all attempts).
        """
        for attempt in stamina.retry_context(
            on=VenueUnreachable,
            attempts=self.attempts,
            wait_initial=0.2,
            wait_max=5.0,
            timeout=30.0,
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
            where = f"{method} {self.client.base_url}{path.lstrip('/')}"
            raise VenueUnreachable(f"{where} got no reply ({cause!r})") from cause
        _raise_for(reply)
        return reply.content


def session(
    base_url: str,
    *,
    limits: Sequence[Limit],
    transport: httpx.BaseTransport | None = None,
    attempts: int = 4,
) -> Session:
    """A session for one service; `transport` replaces the network (recorded replies in tests)."""
    client = httpx.Client(
        base_url=base_url.rstrip("/") + "/",
        timeout=TIMEOUT,
        transport=transport,
        headers={"User-Agent": AGENT, "Accept": "application/json"},
        follow_redirects=False,
        trust_env=not is_local(base_url),
    )
    return Session(client, Budget(limits), attempts=attempts)


def is_local(base_url: str) -> bool:
    """Whether the address is this machine: then whatever answers is the stand-in venue."""
    return (urlsplit(base_url).hostname or "") in LOCAL


def permit(base_url: str, *, mode: str) -> str:
    """The address, where data from it may be used; simulated data belongs in a demo alone.

    Raises `SimulatedVenue`.
    """
    if is_local(base_url) and mode != DEMO:
        raise SimulatedVenue(
            f"{base_url} is a stand-in on this machine, and MODE={mode} uses real data only; "
            "set MODE=DEMO, or the VENUE_… addresses to the venue's"
        )
    return base_url


def _pairs(params: Params) -> Sequence[tuple[str, str]]:
    return list(params.items()) if isinstance(params, Mapping) else params


def _raise_for(reply: httpx.Response) -> None:
    status = reply.status_code
    if status == httpx.codes.OK:
        return
    said = reply.text[:300] or reply.reason_phrase
    message = f"{reply.request.method} {reply.request.url} answered {status}: {said}"
    if status in (425, 429) or status >= 500:
        raise VenueUnreachable(message)
    kind = NotThere if status == httpx.codes.NOT_FOUND else VenueRefused
    raise kind(message, status=status, body=reply.content)
