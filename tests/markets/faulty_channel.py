"""A model venue that keeps true books, and a channel that loses, doubles, reorders and cuts."""

from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar

import msgspec
import numpy as np

from markets.core import wire_clob
from markets.core.feed import Feed
from markets.core.feed_terms import FeedRules
from markets.core.wire_clob import BookRow
from tests.markets import wire_payloads as say

TOKENS = ("11", "12", "13")
START = 1_795_176_000.0
RULES = FeedRules(snapshot_within_s=5, silent_after_s=60)
SIDES = {"bids": "BUY", "asks": "SELL"}
# Seconds between two looks at the clock while nothing happens.
STEP_S = 4
T = TypeVar("T")


def pick(rng: np.random.Generator, among: Sequence[T]) -> T:
    """One of them; a tenth of the time that `Generator.choice` needs to make an array of them."""
    return among[int(rng.integers(len(among)))]


class Venue:
    """True books: cents, or tenths of cents once the tick changed."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.ms = int(START * 1000)
        self.steps = dict.fromkeys(TOKENS, 100)
        self.levels: dict[str, dict[str, dict[int, int]]] = {
            token: {
                "bids": {c * 100: 10 for c in (40, 45, 48)},
                "asks": {c * 100: 7 for c in (52, 55, 70)},
            }
            for token in TOKENS
        }

    def change(self) -> list[dict[str, Any]]:
        """One or two level changes of one or two tokens, told in one message."""
        self.ms += int(self.rng.integers(1, 40))
        parts = []
        first = int(self.rng.integers(len(TOKENS)))
        for n in range(int(self.rng.integers(1, 3))):
            token = TOKENS[(first + n) % len(TOKENS)]
            for _ in range(int(self.rng.integers(1, 3))):
                side = pick(self.rng, ("bids", "asks"))
                parts.append((token, side, *self._move(token, side)))
        rows = [self._told(*part) for part in parts]
        return [self._message("price_change", price_changes=rows)]

    def _move(self, token: str, side: str) -> tuple[int, int]:
        book = self.levels[token]
        step = 10_000 // self.steps[token]
        # Bids stay below every ask, so the true book is never crossed.
        low, high = (
            (step, min(book["asks"], default=10_000) - step)
            if side == "bids"
            else (max(book["bids"], default=0) + step, 10_000 - step)
        )
        best = (max if side == "bids" else min)(book[side], default=low)
        near = best + step * int(self.rng.integers(-3, 4))
        price = min(max(near, low), high) // step * step
        size = int(self.rng.integers(0, 5)) * 3
        book[side].pop(price, None)
        if size:
            book[side][price] = size
        return price, size

    def _told(self, token: str, side: str, price: int, size: int) -> dict[str, str]:
        book = self.levels[token]
        return {
            "asset_id": token,
            "price": text(price),
            "size": str(size),
            "side": SIDES[side],
            "hash": "h",
            "best_bid": text(max(book["bids"], default=0)),
            "best_ask": text(min(book["asks"], default=10_000)),
        }

    def trade(self) -> list[dict[str, Any]]:
        """A trade: its price, and the whole book after it."""
        self.ms += 5
        token = pick(self.rng, TOKENS)
        best = min(self.levels[token]["asks"], default=0)
        if best:
            del self.levels[token]["asks"][best]
        told = self._message(
            "last_trade_price",
            asset_id=token,
            price=text(best or 5000),
            size="3",
            side="BUY",
            fee_rate_bps="0",
            transaction_hash="0xaa",
        )
        return [told, self.book(token)]

    def finer(self) -> list[dict[str, Any]]:
        """Ticks of a tenth of a cent from now on."""
        self.ms += 5
        token = pick(self.rng, TOKENS)
        self.steps[token] = 1000
        return [
            self._message(
                "tick_size_change", asset_id=token, old_tick_size="0.01", new_tick_size="0.001"
            )
        ]

    def book(self, token: str) -> dict[str, Any]:
        sides = {
            side: [{"price": text(p), "size": str(n)} for p, n in levels.items()]
            for side, levels in self.levels[token].items()
        }
        return self._message("book", asset_id=token, hash="h", tick_size="0.01", **sides)

    def row(self, token: str) -> BookRow:
        """The book as REST tells it now."""
        return wire_clob.book(msgspec.json.encode(self.book(token)))

    def _message(self, kind: str, **values: Any) -> dict[str, Any]:
        return {
            "event_type": kind,
            "market": say.condition(1),
            "timestamp": str(self.ms),
            **values,
        }


@cache
def text(price: int) -> str:
    return str(Decimal(price) / 10_000)


class Line:
    """The channel between the venue and a feed, under `faults` (shares of frames)."""

    def __init__(self, seed: int, **faults: float) -> None:
        self.rng = np.random.default_rng(seed)
        self.venue = Venue(self.rng)
        self.faults = faults
        self.feed = Feed(RULES, rng=self.rng)
        self.frames: list[bytes] = []
        self.replies: list[tuple[BookRow, int]] = []
        self.feed.follow(TOKENS, self.now)
        self.open()

    @property
    def now(self) -> float:
        return self.venue.ms / 1000 + 0.01

    def happens(self, name: str) -> bool:
        return bool(self.rng.random() < self.faults.get(name, 0.0))

    def open(self) -> None:
        """Connect; the books that the subscription brings come after what is on its way."""
        self.frames.clear()
        self.feed.opened(self.now)
        self.feed.to_send.clear()
        if not self.happens("no_snapshot"):
            self.say([self.venue.book(token) for token in TOKENS])

    def cut(self) -> None:
        self.feed.closed(self.now)
        self.open()

    def say(self, messages: list[dict[str, Any]]) -> None:
        for message in messages:
            frame = msgspec.json.encode(message)
            if self.happens("loss"):
                continue
            if self.happens("torn"):
                frame = frame[: len(frame) // 2]
            place = len(self.frames)
            if self.happens("reordering"):
                place = max(0, place - int(self.rng.integers(1, 4)))
            self.frames.insert(place, frame)
            if self.happens("duplication"):
                late = min(len(self.frames), place + int(self.rng.integers(1, 4)))
                self.frames.insert(late, frame)

    def deliver(self, most: int | None = None) -> None:
        for _ in range(len(self.frames) if most is None else min(most, len(self.frames))):
            self.feed.receive(self.frames.pop(0), self.now)

    def ask(self) -> None:
        """REST answers as the books are now; the replies arrive with `answer`."""
        self.replies += [(self.venue.row(token), n) for token, n in self.feed.to_ask.items()]
        self.feed.to_ask.clear()

    def answer(self) -> None:
        for row, question in self.replies:
            self.feed.fetched(row, question, self.now)
        self.replies.clear()

    def pass_time(self, seconds: float) -> None:
        """The clock runs while nothing happens; PONGs come, REST answers, the dead reconnect."""
        for _ in range(0, int(seconds), STEP_S):
            self.venue.ms += 1000 * STEP_S
            self.feed.tick(self.now)
            self.feed.receive(b"PONG", self.now)
            if self.feed.dead:
                self.cut()
            self.deliver()
            self.ask()
            self.answer()

    def wrong(self) -> list[str]:
        """Usable books that are not the venue's."""
        return [
            token
            for token, book in self.feed.books.items()
            if book.usable and not book.same_as(self.venue.row(token).book)
        ]
