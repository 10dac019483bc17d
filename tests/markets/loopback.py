"""A server on this machine that plays any host, and the network that leads to it."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpcore

from markets.adapters.fetch import Fetcher

PUBLIC = "93.184.215.14"


@dataclass(kw_only=True)
class Said:
    """One reply; `drip_s` sends it a byte at a time with that pause."""

    status: int = 200
    body: bytes = b"<rss/>"
    headers: Mapping[str, str] = field(default_factory=dict)
    drip_s: float = 0.0


@dataclass(kw_only=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


Answers = Callable[[Asked], Said]


@dataclass(kw_only=True)
class Loopback(httpcore.NetworkBackend):
    """Every connection goes to the server here, and is written down with the address meant."""

    port: int
    asked: list[Asked] = field(default_factory=list)
    reached: list[tuple[str, int]] = field(default_factory=list)
    names: dict[str, list[Sequence[str]]] = field(default_factory=dict)

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **_: Any) -> Any:
        self.reached.append((host, port))
        return httpcore.SyncBackend().connect_tcp("127.0.0.1", self.port, timeout=timeout)

    def resolve(self, host: str, port: int) -> Sequence[str]:
        """The next answer for a name; the last one stays; unknown names are public."""
        answers = self.names.get(host, [[PUBLIC]])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def fetcher(self, **knobs: Any) -> Fetcher:
        return Fetcher(names=self.resolve, network=self, **knobs)


@contextmanager
def serving(answers: Answers) -> Iterator[Loopback]:
    """A server with these answers, for the time of a block."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            seen = Asked(
                method=self.command,
                path=self.path,
                headers={k.lower(): v for k, v in self.headers.items()},
                body=self.rfile.read(size),
            )
            asked.append(seen)
            said = answers(seen)
            self.send_response(said.status)
            for name, value in {"Content-Type": "text/xml", **said.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                self._send(said)
            except OSError:
                return  # the caller had enough

        do_POST = do_GET  # noqa: N815 - the base class's name

        def _send(self, said: Said) -> None:
            if not said.drip_s:
                self.wfile.write(said.body)
                return
            for byte in said.body:
                self.wfile.write(bytes([byte]))
                time.sleep(said.drip_s)  # the slowness under test

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Loopback(port=server.server_port, asked=asked)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
