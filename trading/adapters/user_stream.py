"""The user channel: a hint that something happened to our orders, never the record of it.

It has no numbers, no replay and tells no gap, so every connection counts as news, and whoever is
woken has to ask over REST. It may be silent though connected: nothing is ever waited for here.
`manage.py stream_user` prints it for people; the guard is woken by its own rounds alone.
"""

import json
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import structlog
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from trading.adapters.credentials import Credentials

log = structlog.get_logger()
PING_EVERY_S: Final = 10.0
DEAD_AFTER_S: Final = 30.0
"""No PONG for so long: the socket is taken for dead."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 30.0
LOOK_S: Final = 0.25
KINDS: Final = ("order", "trade")

Wake = Callable[[str], None]
"""Called with what happened: "connected", "order" or "trade". Must return at once."""


def listen(url: str, credentials: Credentials, *, wake: Wake, stop: threading.Event) -> None:
    """Listen until told to stop; a lost connection is made again, ever more slowly."""
    wait = FIRST_WAIT_S
    while not stop.is_set():
        try:
            with connect(url, open_timeout=5.0, close_timeout=1.0) as socket:
                socket.send(json.dumps(_subscription(credentials)))
                wake("connected")
                wait = FIRST_WAIT_S
                _hear(socket, wake=wake, stop=stop)
        except (OSError, TimeoutError, WebSocketException) as lost:
            # Never with the frame: it holds the credentials.
            log.warning("user_stream.lost", reason=type(lost).__name__)
        stop.wait(wait)
        wait = min(2 * wait, LONGEST_WAIT_S)


def in_background(url: str, credentials: Credentials, *, wake: Wake) -> Callable[[], None]:
    """Listen in a thread of this process; returns how to end it."""
    stop = threading.Event()
    thread = threading.Thread(
        target=listen,
        args=(url, credentials),
        kwargs={"wake": wake, "stop": stop},
        name="user_stream",
        daemon=True,
    )
    thread.start()

    def end() -> None:
        stop.set()
        thread.join(timeout=5.0)

    return end


def _subscription(credentials: Credentials) -> dict[str, Any]:
    return {
        "type": "user",
        "auth": {
            "apiKey": credentials.key,
            "secret": credentials.secret,
            "passphrase": credentials.passphrase,
        },
    }


def _hear(socket: Connection, *, wake: Wake, stop: threading.Event) -> None:
    """Pass on every message of one connection; returns when it is silent too long."""
    pinged = answered = time.monotonic()
    while not stop.is_set():
        now = time.monotonic()
        if now - answered > DEAD_AFTER_S:
            log.warning("user_stream.silent")
            return
        if now - pinged >= PING_EVERY_S:
            socket.send("PING")
            pinged = now
        try:
            said = socket.recv(timeout=LOOK_S)
        except TimeoutError:
            continue
        answered = time.monotonic()
        for kind in kinds(said):
            wake(kind)


def kinds(said: str | bytes) -> list[str]:
    """What a frame tells of: orders, trades, or nothing that concerns us.

    >>> kinds('[{"event_type":"trade"},{"event_type":"order"}]'), kinds("PONG")
    (['trade', 'order'], [])
    """
    try:
        body: Any = json.loads(said)
    except (ValueError, RecursionError):
        # Nested deeper than Python reads: as little a message of ours as what is no JSON at all.
        return []
    rows = body if isinstance(body, list) else [body]
    told = [row.get("event_type") for row in rows if isinstance(row, dict)]
    return [kind for kind in told if kind in KINDS]
