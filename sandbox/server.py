"""The stand-in venue on a loopback port. This edge alone reads the clock."""

import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

from sandbox.core.http_faults import CLOUDFLARE_PAGE, HttpFault, HttpFaults, Wrong
from sandbox.routes import Call, Reply
from sandbox.venue import StandIn

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
LARGEST_BODY = 1_000_000


class NotLoopback(ValueError):
    """The stand-in venue is for this machine only."""


class VenueServer(ThreadingHTTPServer):
    """The HTTP port; `faults.set(...)` makes the next requests fail."""

    daemon_threads = True

    def __init__(
        self, address: tuple[str, int], venue: StandIn, clock: Callable[[], float]
    ) -> None:
        self.venue = venue
        self.clock = clock
        self.faults = HttpFaults()
        super().__init__(address, Handler)

    def server_close(self) -> None:
        """Close the port; whoever waits for a silent or slow reply is let go."""
        self.faults.ended.set()
        super().server_close()


def serve(
    venue: StandIn, *, host: str, port: int, clock: Callable[[], float] = time.time
) -> VenueServer:
    """A bound server that is ready for `serve_forever`; port 0 picks a free one.

    `clock` gives UTC epoch seconds; a test that lets hours pass brings its own.
    Raises `NotLoopback` for any other address than this machine's own, `OSError` for a port in use.
    """
    if host not in LOOPBACK:
        raise NotLoopback(f"the stand-in venue listens on 127.0.0.1 only, not on {host}")
    return VenueServer((host, port), venue, clock)


class Handler(BaseHTTPRequestHandler):
    """One connection: asks the venue, then lets the faults in force have their way."""

    protocol_version = "HTTP/1.1"
    server_version = "stand-in-venue"
    # Without it, Nagle and delayed acknowledgements add 40 ms to every kept-alive reply.
    disable_nagle_algorithm = True
    server: VenueServer

    def do_GET(self) -> None:
        """Answer a GET, 304 where the caller has it already."""
        reply = self._ask()
        tag = reply.headers.get("ETag")
        if tag is not None and self.headers.get("If-None-Match") == tag:
            reply = Reply(status=304, body=b"", headers={"ETag": tag})
        self._send(reply)

    def do_POST(self) -> None:
        """Answer a POST of at most a megabyte."""
        size = int(self.headers.get("Content-Length") or 0)
        if size > LARGEST_BODY:
            self.close_connection = True
            self._send(Reply(status=413, body={"error": "body too large"}))
            return
        self._send(self._ask(self.rfile.read(size)))

    do_DELETE = do_POST  # noqa: N815 - the name that the base class looks for

    def _ask(self, body: bytes = b"") -> Reply:
        parts = urlsplit(self.path)
        call = Call(
            method=self.command,
            path=parts.path,
            query=parse_qs(parts.query),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
        )
        return self.server.venue.answer(call, now=self.server.clock())

    def _send(self, reply: Reply) -> None:
        if reply.late_s:
            self.server.faults.ended.wait(reply.late_s)
        if reply.is_lost:
            self.close_connection = True
            return
        fault = self.server.faults.take(self.path)
        if fault is None:
            self._write(reply)
            return
        if fault.wrong in (Wrong.SLOW, Wrong.SILENT):
            self.server.faults.ended.wait(fault.seconds)
        if fault.wrong is Wrong.SILENT:
            self.close_connection = True
            return
        self._write(_spoilt(reply, fault), half=fault.wrong is Wrong.TRUNCATED)

    def _write(self, reply: Reply, *, half: bool = False) -> None:
        body, kind = _bytes(reply.body)
        headers = {"Content-Type": kind, "Content-Length": str(len(body)), **reply.headers}
        self.send_response(reply.status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if half:
            body, self.close_connection = body[: len(body) // 2], True
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - name of the base class
        """Quiet: the callers log what matters."""


def _bytes(body: Any) -> tuple[bytes, str]:
    """What is sent, and its type unless the reply names another."""
    if isinstance(body, bytes):
        return body, "application/octet-stream"
    if isinstance(body, str):
        return body.encode(), "text/plain"
    return orjson.dumps(body), "application/json"


def _spoilt(reply: Reply, fault: HttpFault) -> Reply:
    """What is sent in place of the right reply."""
    if fault.wrong is Wrong.WRONG_JSON:
        body, kind = _bytes(reply.body)
        return Reply(status=200, body=body[: len(body) // 2], headers={"Content-Type": kind})
    if fault.wrong is Wrong.CLOUDFLARE:
        headers = {"Content-Type": "text/html; charset=UTF-8", "Server": "cloudflare"}
        return Reply(status=403, body=CLOUDFLARE_PAGE, headers=headers)
    if fault.wrong is Wrong.LIMITED:
        headers = {"Retry-After": f"{fault.seconds:g}"}
        return Reply(status=429, body={"error": "Too Many Requests"}, headers=headers)
    if fault.wrong is Wrong.RESTARTING:
        return Reply(status=425, body={"error": "service not ready"})
    if fault.wrong is Wrong.UNAVAILABLE:
        return Reply(status=503, body={"error": "Service Unavailable"})
    return reply
