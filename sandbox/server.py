"""The stand-in venue on a loopback port. This edge alone reads the clock."""

import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

from sandbox.routes import Reply
from sandbox.venue import StandIn

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
LARGEST_BODY = 1_000_000


class NotLoopback(ValueError):
    """The stand-in venue is for this machine only."""


def serve(
    venue: StandIn, *, host: str, port: int, clock: Callable[[], float] = time.time
) -> ThreadingHTTPServer:
    """A bound server that is ready for `serve_forever`; port 0 picks a free one.

    `clock` gives UTC epoch seconds; a test that lets hours pass brings its own.
    Raises `NotLoopback` for any other address than this machine's own, `OSError` for a port in use.
    """
    if host not in LOOPBACK:
        raise NotLoopback(f"the stand-in venue listens on 127.0.0.1 only, not on {host}")
    server = ThreadingHTTPServer((host, port), _handler(venue, clock))
    server.daemon_threads = True
    return server


def _handler(venue: StandIn, clock: Callable[[], float]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version = "stand-in-venue"
        # Without it, Nagle and delayed acknowledgements add 40 ms to every kept-alive reply.
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            reply = venue.get(parts.path, parse_qs(parts.query), second=int(clock()))
            tag = reply.headers.get("ETag")
            if tag is not None and self.headers.get("If-None-Match") == tag:
                reply = Reply(status=304, body=b"", headers={"ETag": tag})
            self._send(reply)

        def do_POST(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            if size > LARGEST_BODY:
                self.close_connection = True
                self._send(Reply(status=413, body={"error": "body too large"}))
                return
            body = self.rfile.read(size)
            self._send(venue.post(urlsplit(self.path).path, body, second=int(clock())))

        def _send(self, reply: Reply) -> None:
            body, kind = _bytes(reply.body)
            headers = {"Content-Type": kind, "Content-Length": str(len(body)), **reply.headers}
            self.send_response(reply.status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - name of the base class
            """Quiet: the callers log what matters."""

    return Handler


def _bytes(body: Any) -> tuple[bytes, str]:
    """What is sent, and its type unless the reply names another."""
    if isinstance(body, bytes):
        return body, "application/octet-stream"
    if isinstance(body, str):
        return body.encode(), "text/plain"
    return orjson.dumps(body), "application/json"
