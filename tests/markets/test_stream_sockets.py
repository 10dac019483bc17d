"""Live books over real sockets against the stand-in venue, under every fault that it knows."""

import json
from collections.abc import Iterator

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from markets.core import wire_clob
from markets.core.feed import Feed
from markets.core.feed_terms import FeedRules
from sandbox.core import names
from sandbox.core.faults import Faults
from sandbox.core.world import World
from sandbox.sockets import Sockets, open_sockets
from sandbox.venue import StandIn

NOON = 1_795_226_000
WORLD = World(7)
VENUE = StandIn(WORLD)
RULES = FeedRules(snapshot_within_s=2, silent_after_s=5)


class Follower:
    """A feed on a real connection; time is the stand-in's, PONG says that all was heard."""

    def __init__(self, tokens: list[str]) -> None:
        self.second = NOON
        self.sockets: Sockets = open_sockets(WORLD, clock=lambda: float(self.second), every_s=None)
        self.feed = Feed(RULES, rng=np.random.default_rng(1))
        self.feed.follow(tokens, NOON)
        self.connection: ClientConnection | None = None

    def connect(self) -> None:
        """A new connection, subscribed, everything said so far heard."""
        self.close()
        self.connection = connect(self.sockets.market_url, close_timeout=1)
        self.feed.opened(self.second)
        assert self.feed.usable == 0
        self.hear()

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.feed.closed(self.second)
            assert self.feed.usable == 0

    def hear(self) -> None:
        """Send what the feed wants, then receive up to the answer of a PING."""
        assert self.connection is not None
        # One PING at a time, or the PONG of the one before would be taken for that of this one.
        for frame in [x for x in self.feed.to_send if x != "PING"] + ["PING"]:
            self.connection.send(frame)
        self.feed.to_send.clear()
        while True:
            frame = self.connection.recv(timeout=20)
            assert isinstance(frame, str)
            self.feed.receive(frame.encode(), self.second)
            if frame == "PONG":
                return

    def live(self, seconds: int) -> None:
        """Let the world move, second by second; the dead reconnect, REST answers."""
        for _ in range(seconds):
            self.second += 1
            self.sockets.step()
            try:
                self.hear()
            except ConnectionClosed:
                self.connect()
            self.feed.tick(self.second)
            self.answer()
            if self.feed.dead:
                self.connect()

    def answer(self) -> None:
        asked = dict(self.feed.to_ask)
        self.feed.to_ask.clear()
        for row in self.rest(list(asked)):
            self.feed.fetched(row, asked[row.token_id], self.second)

    def rest(self, tokens: list[str]) -> tuple[wire_clob.BookRow, ...]:
        body = json.dumps([{"token_id": token} for token in tokens]).encode()
        reply = VENUE.post("/clob/books", body, second=self.second)
        return wire_clob.book_list(json.dumps(reply.body).encode())[0]

    def wrong(self) -> list[str]:
        """Usable books that REST contradicts."""
        rows = self.rest([t for t, book in self.feed.books.items() if book.usable])
        return [r.token_id for r in rows if not self.feed.books[r.token_id].same_as(r.book)]


@pytest.fixture
def follower() -> Iterator[Follower]:
    tokens = [
        names.token_id(h, child, outcome)
        for h in WORLD.listed(NOON)
        if h.closed_at > NOON + 300
        for child in range(h.markets)
        for outcome in (0, 1)
    ]
    follower = Follower(tokens)
    follower.connect()
    yield follower
    follower.close()
    follower.sockets.close()


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "faults",
    [
        Faults(loss=0.3),
        Faults(duplication=0.5),
        Faults(reordering=0.4),
        Faults(malformed=0.1, half=0.1),
        Faults(delay_steps=3),
        Faults(crossed=True),
        Faults(no_snapshot=True),
        Faults(stale_s=30),
        Faults(loss=0.1, duplication=0.2, reordering=0.2, half=0.05),
    ],
    ids=str,
)
def test_after_any_fault_the_local_books_are_those_of_rest(follower, faults) -> None:
    follower.live(5)
    assert follower.feed.usable == len(follower.feed.books) > 20
    assert follower.wrong() == []

    follower.sockets.disturb(faults)
    follower.live(10)
    follower.connect()
    follower.live(5)
    follower.sockets.disturb(Faults())
    follower.live(15)

    assert follower.feed.usable == len(follower.feed.books) > 20
    assert follower.wrong() == []


@pytest.mark.timeout(60)
def test_a_silent_connection_is_found_dead_and_replaced(follower) -> None:
    follower.sockets.disturb(Faults(silent=True))
    before = follower.connection
    for _ in range(40):
        follower.second += 1
        follower.sockets.step()
        follower.feed.receive(b"PONG", follower.second)
        follower.feed.tick(follower.second)
        follower.answer()
        if follower.feed.dead:
            break

    assert follower.feed.silent
    follower.sockets.disturb(Faults())
    follower.connect()
    follower.live(3)
    assert follower.connection is not before
    assert follower.feed.usable == len(follower.feed.books) > 20
    assert follower.wrong() == []


@pytest.mark.timeout(60)
def test_a_cut_connection_leaves_nothing_usable_until_the_next_snapshots(follower) -> None:
    follower.live(3)
    follower.sockets.cut()

    follower.live(1)

    assert follower.feed.usable == len(follower.feed.books) > 20
    assert follower.wrong() == []
