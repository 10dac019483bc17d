"""A small exchange over HTTP, a process of its own: it knows orders by hash, and misbehaves.

It answers as badly as a venue on its worst day: it forgets to reply after it accepted, fails before
and after, restarts. What it did is told by `GET /everything`, without a fault.
"""

import json
import random
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FAULTS = (
    ("fail_before", 0.10),
    ("accept_and_drop", 0.14),
    ("accept_and_fail", 0.10),
    ("restarting", 0.03),
)
"""What happens instead of an honest answer to an order, and how often: over a third in all."""
BAD_READS = 0.15
"""Share of questions that are answered with a failure."""
PARTIAL, KILLED = 0.2, 0.2
CURSED_MICRO = 7_000_000
"""An order of seven shares is never taken and never refused: every attempt fails."""


class Exchange:
    """Orders by hash; each is filled, filled in part or killed when it arrives, by its own dice."""

    def __init__(self, seed: int) -> None:
        self.lock = threading.Lock()
        self.dice = random.Random(seed)
        self.orders: dict[str, dict[str, Any]] = {}
        self.faults = self.posts = 0

    def take(self, order: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """The honest answer to an order that arrived."""
        name = order["hash"]
        if name in self.orders:
            return 400, {"error": f"order {name} is invalid. Duplicated."}
        luck = self.dice.random()
        shares = int(order["shares_micro"])
        filled = 0 if luck < KILLED else shares // 2 if luck < KILLED + PARTIAL else shares
        self.orders[name] = {**order, "filled_micro": filled}
        return 200, {"orderID": name, "status": "matched"}


class Handler(BaseHTTPRequestHandler):
    """Routes: POST /order, POST /orders (what became of these), DELETE /order/{hash}, GET."""

    exchange: Exchange
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/orders":
            self._tell(body["names"])
            return
        with self.exchange.lock:
            self.exchange.posts += 1
            fault = self._fault()
            if int(body["shares_micro"]) == CURSED_MICRO:
                fault = "fail_before"
            if fault in ("fail_before", "restarting"):
                code = 500 if fault == "fail_before" else 425
                self._say(code, {"error": fault})
                return
            code, answer = self.exchange.take(body)
        if fault == "accept_and_drop":
            self.close_connection = True
            self.connection.close()
            return
        self._say(*((500, {"error": "could not run the execution"}) if fault else (code, answer)))

    def _fault(self) -> str:
        luck = self.exchange.dice.random()
        for name, share in FAULTS:
            if luck < share:
                self.exchange.faults += 1
                return name
            luck -= share
        return ""

    def _tell(self, names: list[str]) -> None:
        with self.exchange.lock:
            if self.exchange.dice.random() < BAD_READS:
                self._say(500, {"error": "try later"})
                return
            known = self.exchange.orders
            self._say(200, {name: known[name] for name in names if name in known})

    def do_GET(self) -> None:
        with self.exchange.lock:
            self._say(
                200,
                {
                    "orders": list(self.exchange.orders.values()),
                    "faults": self.exchange.faults,
                    "posts": self.exchange.posts,
                },
            )

    def do_DELETE(self) -> None:
        self._say(200, {"canceled": [], "not_canceled": {self.path[7:]: "order not found"}})

    def _say(self, code: int, answer: dict[str, Any]) -> None:
        raw = json.dumps(answer).encode()
        self.send_response_only(code)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_unread: Any) -> None:
        """Nobody reads along."""


class Server(ThreadingHTTPServer):
    """Clients die in mid-sentence; that is the point."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing to tell."""


def main(seed: int) -> None:
    """Serve until killed; the first line printed is the port."""
    Handler.exchange = Exchange(seed)
    server = Server(("127.0.0.1", 0), Handler)
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]))
