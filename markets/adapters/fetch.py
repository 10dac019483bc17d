"""Fetch what somebody else's address names: public hosts only, bounded in size, time and hops.

Feeds, calendars and alert channels are addresses that a person typed or a server redirected to, so
each could point into our own network. A host is resolved once, every answer is checked, and the
connection goes to a checked answer: a second, different answer of the same name is never asked for.
"""

import socket
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import httpcore
import httpx

from markets.adapters.http import AGENT, DEMO
from markets.adapters.pinned import PinnedNetwork
from markets.core import addresses

LARGEST: Final = 2_000_000
WITHIN_S: Final = 20.0
REDIRECTS: Final = 3
PORTS: Final = {"http": (80, 8080), "https": (443, 8443)}
MOVED: Final = (301, 302, 303, 307, 308)
NOT_MODIFIED: Final = 304
XML: Final = (
    "application/rss+xml",
    "application/atom+xml",
    "application/rdf+xml",
    "application/xml",
    "text/xml",
    "text/plain",
)
JSON: Final = ("application/json", "text/json")
Resolve = Callable[[str, int], Sequence[str]]
Origin = tuple[str, str, int]


class FetchFailed(Exception):
    """Nothing usable came from an address; the message says what would help."""


class AddressRefused(FetchFailed):
    """The address, or one that it led to, is none that we may fetch from."""


class Unreachable(FetchFailed):
    """No reply; asking again later is harmless."""


class TooSlow(Unreachable):
    """The whole reply did not come within the time allowed."""


class TooLarge(FetchFailed):
    """The reply, as sent or unpacked, is larger than allowed."""


class WrongContent(FetchFailed):
    """A reply of another kind than asked for, or one that cannot be unpacked."""


class Answered(FetchFailed):
    """The server answered with an error."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What an address said; `url` is where the redirects ended, `status` 200 or 304."""

    url: str
    status: int
    body: bytes
    content_type: str = ""
    etag: str = ""
    last_modified: str = ""

    @property
    def not_modified(self) -> bool:
        """Nothing new since the ETag or the date that was sent."""
        return self.status == NOT_MODIFIED


def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a host name; raises `OSError`."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(answer[4][0]) for answer in found]


class Fetcher:
    """Fetches within limits; `local` is the one origin on this machine that may be asked.

    `names` resolves hosts and `network` opens connections: tests bring their own.
    """

    def __init__(
        self,
        *,
        local: str = "",
        names: Resolve = resolve,
        network: httpcore.NetworkBackend | None = None,
        largest: int = LARGEST,
        within_s: float = WITHIN_S,
    ) -> None:
        self._local = _origin(httpx.URL(local)) if local else None
        self._names = names
        self._network = network or httpcore.SyncBackend()
        self._largest = largest
        self._within_s = within_s

    def get(
        self,
        url: str,
        *,
        accept: Sequence[str] = XML,
        headers: Mapping[str, str] | None = None,
        etag: str = "",
        last_modified: str = "",
    ) -> Reply:
        """The body of an address, or a reply that says not modified. Raises `FetchFailed`.

        `headers` may hold a secret: they reach the origin of `url` alone, never one that it
        redirects to. `accept` are the beginnings of the content types that are read.
        """
        conditions = {"If-None-Match": etag, "If-Modified-Since": last_modified}
        extra = {**(headers or {}), **{k: v for k, v in conditions.items() if v}}
        return self._follow("GET", url, accept=accept, headers=extra, body=None)

    def post(
        self, url: str, body: bytes, *, accept: Sequence[str], headers: Mapping[str, str]
    ) -> Reply:
        """The reply to a body sent once; a redirect is refused. Raises `FetchFailed`."""
        return self._follow("POST", url, accept=accept, headers=headers, body=body)

    def _follow(
        self,
        method: str,
        url: str,
        *,
        accept: Sequence[str],
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> Reply:
        deadline = time.monotonic() + self._within_s
        here, own = _parsed(url), headers
        for _hop in range(REDIRECTS + 1):
            reply = self._once(method, here, own, body, accept=accept, deadline=deadline)
            if isinstance(reply, Reply):
                return reply
            there = _joined(here, reply)
            if body is not None or (here.scheme == "https" and there.scheme == "http"):
                raise AddressRefused(
                    f"{_shown(here)} redirects to {_shown(there)}; enter the address it moved to"
                )
            own = own if _origin(there) == _origin(here) else {}
            here = there
        raise AddressRefused(
            f"{_shown(_parsed(url))} redirects more than {REDIRECTS} times; "
            "enter the address where it ends"
        )

    def _once(
        self,
        method: str,
        url: httpx.URL,
        headers: Mapping[str, str],
        body: bytes | None,
        *,
        accept: Sequence[str],
        deadline: float,
    ) -> Reply | str:
        """One request: the reply, or where it points to."""
        line = PinnedNetwork(self._network, self._addresses(url), deadline)
        sent = {
            "Host": url.netloc.decode("ascii"),
            "User-Agent": AGENT,
            "Accept": ", ".join(accept) + ", */*;q=0.1",
            "Accept-Encoding": "gzip",
            **headers,
        }
        secure = httpx.create_ssl_context(trust_env=False) if url.scheme == "https" else None
        try:
            with (
                httpcore.ConnectionPool(ssl_context=secure, network_backend=line) as pool,
                pool.stream(
                    method,
                    str(url.copy_with(fragment=None)),
                    headers=list(sent.items()),
                    content=body,
                ) as answer,
            ):
                return self._read(answer, url, accept)
        except httpcore.TimeoutException as late:
            raise TooSlow(
                f"{_shown(url)} did not answer within {self._within_s:g} s; it is asked again"
            ) from late
        except (httpcore.LocalProtocolError, UnicodeEncodeError) as cause:
            # Not the cause's words: they quote the header, which may hold a key.
            raise FetchFailed(
                f"{_shown(url)} cannot be asked: a header holds characters that none may; "
                "check the keys of this source"
            ) from cause
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as cause:
            raise Unreachable(
                f"{_shown(url)} gave no reply ({type(cause).__name__}: {cause}); it is asked again"
            ) from cause

    def _addresses(self, url: httpx.URL) -> list[str]:
        """Where the host may be reached: every answer of the resolver was checked."""
        scheme, host, port = _origin(url)
        if addresses.is_odd_number(host):
            raise AddressRefused(f"{host} is an oddly spelled IP address; write four decimal parts")
        try:
            found = list(dict.fromkeys(self._names(host, port)))
        except (OSError, UnicodeError) as cause:
            raise Unreachable(f"the name {host} is not known ({cause}); check the address") from (
                cause
            )
        if self._local == (scheme, host, port):
            return found
        if port not in PORTS[scheme]:
            raise AddressRefused(
                f"port {port} is none for {scheme}; only {PORTS[scheme]} are fetched from"
            )
        for address in found:
            if why := addresses.why_not_public(address):
                raise AddressRefused(
                    f"{host} is at {address}: {why}; only public addresses are fetched from"
                )
        if not found:
            raise Unreachable(f"the name {host} has no address; check the spelling")
        return found

    def _read(
        self, answer: httpcore.Response, url: httpx.URL, accept: Sequence[str]
    ) -> Reply | str:
        said = httpx.Headers(answer.headers)
        if answer.status in MOVED and "location" in said:
            return said["location"]
        kept = {
            "etag": _mark(said.get("etag", ""), longest=300),
            "last_modified": _mark(said.get("last-modified", ""), longest=80),
        }
        if answer.status == NOT_MODIFIED:
            return Reply(url=_shown(url), status=NOT_MODIFIED, body=b"", **kept)
        if answer.status != httpx.codes.OK:
            phrase = httpx.codes.get_reason_phrase(answer.status)
            raise Answered(f"{_shown(url)} answered {answer.status} {phrase}", status=answer.status)
        kind = said.get("content-type", "").strip().lower()
        if kind and not kind.startswith(tuple(accept)):
            raise WrongContent(
                f"{_shown(url)} sent {kind[:60]}, not {accept[0]}; "
                "enter the address of the feed itself"
            )
        body = self._body(answer, _unpacker(said.get("content-encoding", ""), self._largest), url)
        return Reply(url=_shown(url), status=200, body=body, content_type=kind[:100], **kept)

    def _body(
        self, answer: httpcore.Response, unpack: Callable[[bytes], bytes], url: httpx.URL
    ) -> bytes:
        size, parts = 0, []
        for chunk in answer.iter_stream():
            part = unpack(chunk)
            size += len(part)
            if size > self._largest:
                raise TooLarge(
                    f"{_shown(url)} is larger than {self._largest:,} bytes; take a shorter feed"
                )
            parts.append(part)
        return b"".join(parts)


def fetcher(*, feeds_url: str, mode: str) -> Fetcher:
    """The fetcher of this installation: in a demo the stand-in's origin may be asked as well."""
    return Fetcher(local=feeds_url if mode == DEMO else "")


def _unpacker(encoding: str, largest: int) -> Callable[[bytes], bytes]:
    """Bytes as sent → bytes as meant; never more than one byte above what is allowed at once."""
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return lambda chunk: chunk
    if name not in ("gzip", "x-gzip"):
        raise WrongContent(f"the reply is packed as {name[:20]!r}, which nobody asked for")
    inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)

    def unpack(chunk: bytes) -> bytes:
        try:
            return inflate.decompress(chunk, largest + 1)
        except zlib.error as cause:
            raise WrongContent(f"the reply cannot be unpacked ({cause})") from cause

    return unpack


def _parsed(url: str) -> httpx.URL:
    try:
        parts = httpx.URL(url.strip())
        host = parts.host  # decoded here: some names are refused only now
    except (httpx.InvalidURL, TypeError, ValueError) as cause:
        raise AddressRefused(f"{url[:100]!r} is no address ({cause})") from cause
    if parts.scheme not in PORTS or not host:
        raise AddressRefused(f"{url[:100]!r}: only https:// and http:// addresses are fetched")
    if parts.userinfo:
        raise AddressRefused(f"an address at {host} holds a user or password; leave it out")
    return parts


def _joined(here: httpx.URL, where: str) -> httpx.URL:
    try:
        there = str(here.join(where))
    except (httpx.InvalidURL, ValueError) as cause:
        raise AddressRefused(
            f"{_shown(here)} redirects to {where[:100]!r}, which is no address ({cause})"
        ) from cause
    return _parsed(there)


def _mark(said: str, *, longest: int) -> str:
    """What can be sent back in a header as it came; else nothing, and all is fetched again."""
    return said if len(said) <= longest and said.isascii() else ""


def _origin(url: httpx.URL) -> Origin:
    return url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80)


def _shown(url: httpx.URL) -> str:
    """The address without its query, which may hold a key."""
    return str(url.copy_with(query=None, fragment=None))
