"""A loopback venue that answers what it is told to, and remembers every request."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from trading.adapters.clob_client import Endpoints

SECRET = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
CREDENTIALS = {"apiKey": "the-owner", "secret": SECRET, "passphrase": "the-passphrase"}
EMPTY_PAGE = {"data": [], "next_cursor": "LTE="}
HANG_UP = object()
"""As an answer: the connection is closed without one."""


@dataclass(frozen=True, kw_only=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: str


@dataclass(frozen=True, kw_only=True)
class Says:
    """A status with a body (JSON unless it is bytes)."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


Answer = Any


class Stub:
    """`says[(method, path)]` is one answer for all requests, or a list with one for each."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.says: dict[tuple[str, str], Answer] = {
            ("POST", "/clob/auth/api-key"): Says(body=CREDENTIALS),
            ("GET", "/clob/data/trades"): Says(body=EMPTY_PAGE),
            ("GET", "/clob/data/orders"): Says(body=EMPTY_PAGE),
        }
        self.url = ""

    def asked(self, method: str, path: str) -> list[Request]:
        return [r for r in self.requests if (r.method, r.path) == (method, path)]

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        found = self.says.get((request.method, request.path), Says(status=404, body={"error": "?"}))
        if isinstance(found, list):
            found = found.pop(0)
        return found(request) if isinstance(found, Callable) else found

    @property
    def endpoints(self) -> Endpoints:
        return Endpoints(
            clob=f"{self.url}/clob", gamma=f"{self.url}/gamma", data=f"{self.url}/data",
            relayer=f"{self.url}/relayer", rpc=f"{self.url}/rpc",
            market_ws="ws://127.0.0.1:9/ws/market", user_ws="ws://127.0.0.1:9/ws/user",
        )  # fmt: skip


@contextmanager
def serving() -> Iterator[Stub]:
    """A stub on a port of its own."""
    stub = Stub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(stub))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    stub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(stub: Stub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            parts = urlsplit(self.path)
            said = stub.answer(
                Request(
                    method=self.command, path=parts.path, query=dict(parse_qsl(parts.query)),
                    headers={k.lower(): v for k, v in self.headers.items()},
                    body=self.rfile.read(length).decode(),
                )
            )  # fmt: skip
            if said is HANG_UP:
                self.close_connection = True
                return
            raw = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
            self.send_response(said.status)
            kind = "text/html" if isinstance(said.body, bytes) else "application/json"
            for name, value in {"Content-Type": kind, **said.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_DELETE = _serve  # noqa: N815 - the names that the server looks for

        def log_message(self, *_args: Any) -> None:
            """Quiet."""

    return Handler
