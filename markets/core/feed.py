"""One connection to the market channel, without input or output: frames and times in, words out.

The venue numbers nothing, repeats nothing and announces no gap. So a book is believed only after
a snapshot, only while the best prices of the messages agree with ours, and only until the next
check against a snapshot fetched over REST; whatever cannot be read counts as a gap.
"""

from collections.abc import Collection
from typing import TypeVar, assert_never

import msgspec
import numpy as np

from markets.core import wire_stream
from markets.core.feed_terms import (
    MOST_KEPT,
    PING,
    PONG,
    FeedRules,
    Heard,
    about,
    first,
    later,
    stamp_of,
)
from markets.core.live_book import Fate, LiveBook, NotALevel, OffGrid
from markets.core.wire import EPOCH_SECONDS, NotUnderstood, raw
from markets.core.wire_clob import BookRow
from markets.core.wire_stream import (
    Change,
    Changes,
    MarketResolved,
    NewMarket,
    PriceChange,
    TickChanged,
    TopOfBook,
    Traded,
)

T = TypeVar("T")


class Feed:
    """The books of one connection. Nothing that arrives raises; `dead` says why to reconnect.

    `to_send` are frames to send in order, `to_ask` tokens to fetch over REST, each with the number
    of the question that `fetched` wants back; the owner empties both. `heard` is taken with `take`.
    """

    def __init__(self, rules: FeedRules, *, rng: np.random.Generator) -> None:
        self.rules = rules
        self.books: dict[str, LiveBook] = {}
        self.to_send: list[str] = []
        self.to_ask: dict[str, int] = {}
        self.heard = Heard()
        self.dropped = 0
        self.dead = ""
        self.silent = False
        self.is_open = False
        self._rng = rng
        self._failures = 0
        self._pinged_at = self._ponged_at = 0.0

    # -- the connection

    def opened(self, now: float) -> None:
        """A connection stands: everything is subscribed anew and nothing is usable yet."""
        self._break_all(now)
        self.is_open, self.dead, self.silent = True, "", False
        self._pinged_at = self._ponged_at = now
        self.to_send = [first(self.books)]

    def closed(self, now: float) -> float:
        """The connection is gone; returns the seconds to wait before the next attempt."""
        self._break_all(now)
        self.is_open, self.to_send = False, []
        self.to_ask.clear()
        ceiling = min(self.rules.first_retry_s * 2.0**self._failures, self.rules.longest_retry_s)
        self._failures = min(self._failures + 1, 30)
        return float(self._rng.uniform(0.0, ceiling))

    def follow(self, tokens: Collection[str], now: float) -> None:
        """Exactly these tokens from now on, without a new connection."""
        gone = [token for token in self.books if token not in tokens]
        new = [token for token in tokens if token not in self.books]
        for token in gone:
            del self.books[token]
            self.to_ask.pop(token, None)
        self.books |= {token: LiveBook(now) for token in new}
        if self.is_open:
            self.to_send += [later("unsubscribe", gone)] if gone else []
            self.to_send += [later("subscribe", new)] if new else []

    def tick(self, now: float) -> None:
        """Time passes: keep alive, miss snapshots, check books, notice silence."""
        if not self.is_open or self.dead:
            return
        if now - self._ponged_at >= self.rules.pong_within_s:
            self.dead = f"no PONG for {self.rules.pong_within_s:g} s"
            return
        if now - self._pinged_at >= self.rules.ping_every_s:
            self._pinged_at = now
            self.to_send.append(PING)
        for token, book in self.books.items():
            self._watch(token, book, now)

    def _watch(self, token: str, book: LiveBook, now: float) -> None:
        patience = self.rules.snapshot_within_s
        if book.moved_at is not None and now - book.moved_at >= patience:
            if book.heard_at < book.moved_at:
                self.dead = f"silent while the book of {token} moved"
                self.silent = True
            book.moved_at = None
        if now - book.asked_at < patience:
            return
        missing = not book.usable and now - book.unusable_since >= patience
        due = book.usable and now - book.checked_at >= self.rules.silent_after_s
        if missing or due:
            self._ask(token, book, now)

    def _ask(self, token: str, book: LiveBook, now: float) -> None:
        book.asked_at = now
        self.to_ask[token] = book.gap

    # -- snapshots over REST

    def fetched(self, row: BookRow, question: int, now: float) -> None:
        """A book as REST has it: makes a broken one usable, and checks a usable one.

        An answer to a question from before the present gap proves nothing: changes may lie between.
        """
        book = self.books.get(row.token_id)
        if book is None or not self.is_open or question != book.gap:
            return
        book.asked_at = 0.0 if book.usable else book.asked_at
        stamp = stamp_of(row)
        if book.usable:
            if book.same_as(row.book):
                book.checked_at, book.moved_at = now, None
                return
            if stamp < book.stamp:  # the stream is ahead: that proves nothing; ask again soon
                book.asked_at = now
                return
            if now - book.heard_at >= self.rules.silent_after_s:
                book.moved_at = now
            self.heard.repaired += 1
        self._replace(book, row, stamp, now)

    def _replace(self, book: LiveBook, row: BookRow, stamp: int, now: float) -> bool:
        if stamp < book.discarded_stamp or self._is_ahead(stamp, now):
            return False
        bids = [(x.price, x.shares) for x in row.book.bids]
        asks = [(x.price, x.shares) for x in row.book.asks]
        try:
            book.replace(stamp, bids, asks, tick=row.tick_size, now=now)
        except NotALevel as wrong:
            self._gap(row.token_id, book, now)
            self._refuse(NotUnderstood(f"{wire_stream.SOURCE}.book", str(wrong), repr(row)))
            return False
        if row.last_trade_price is not None:
            book.last = row.last_trade_price
        return True

    # -- what the venue says

    def receive(self, frame: bytes, now: float) -> None:
        """One frame; never raises, whatever it holds."""
        fast = wire_stream.changes(frame)
        if fast is not None:
            self.heard.messages += 1
            self._apply(fast, now)
            return
        if frame.strip() == PONG:
            self._ponged_at = now
            return
        found, refused = wire_stream.messages(frame)
        for wrong in refused:
            self._refuse(wrong)
            self._lose(wrong, now)
        for message in found:
            self.heard.messages += 1
            self._hear(message, now)

    def fail(self, frame: bytes, why: str, now: float) -> None:
        """A frame on which our own code failed: kept raw, and what it was about is broken."""
        wrong = NotUnderstood(wire_stream.SOURCE, f"our reader failed: {why}", frame)
        self._refuse(wrong)
        self._lose(wrong, now)

    def _apply(self, message: Changes, now: float) -> None:
        """The hot path: level changes, then the best prices that hold after them."""
        stamp = self._stamp(message, now)
        if stamp is None:
            self._refuse_changes(message, "the timestamp is no time of ours", now)
            return
        books = self.books
        touched: dict[str, Change] = {}
        try:
            for change in message.price_changes:
                book = books.get(change.asset_id)
                if book is None:
                    continue
                book.heard_at = now
                fate = _change(book, change, stamp)
                if fate is Fate.APPLIED:
                    touched[change.asset_id] = change
                elif fate is Fate.DISORDER:
                    self._gap(change.asset_id, book, now)
        except ValueError as wrong:
            self._refuse_changes(message, str(wrong), now)
            return
        for token, change in touched.items():
            self._compare(token, books[token], change, now)

    def _stamp(self, message: Changes, now: float) -> int | None:
        told = message.timestamp
        if not EPOCH_SECONDS.fullmatch(told):
            return None
        stamp = int(told)
        return None if self._is_ahead(stamp, now) else stamp

    def _compare(self, token: str, book: LiveBook, change: Change, now: float) -> None:
        """Two messages in a row that contradict us, or a lasting crossing: a gap."""
        if change.best_bid is not None and change.best_ask is not None:
            try:
                agrees = book.agrees(change.best_bid, change.best_ask)
            except (OffGrid, NotALevel):
                agrees = False
            book.mismatches = 0 if agrees else book.mismatches + 1
        book.crossed = book.crossed + 1 if 0 < book.bid >= book.ask else 0
        if (
            book.mismatches > self.rules.tolerated_mismatches
            or book.crossed > self.rules.tolerated_crossings
        ):
            self._gap(token, book, now)

    def _hear(self, message: wire_stream.Message, now: float) -> None:
        heard = self.heard
        match message:
            case BookRow():
                self._snapshot(message, now)
            case PriceChange():
                self._apply(wire_stream.as_changes(message), now)
            case Traded():
                self._keep(heard.trades, message)
                self._traded(message, now)
            case TickChanged():
                self._keep(heard.ticks, message)
                self._tick(message, now)
            case NewMarket():
                self._keep(heard.new_markets, message)
            case MarketResolved():
                self._keep(heard.resolved, message)
            case TopOfBook():  # price_change carries the same figures
                pass
            case _:
                assert_never(message)

    def _snapshot(self, row: BookRow, now: float) -> None:
        book = self.books.get(row.token_id)
        if book is None:
            return
        book.heard_at = now
        stamp = stamp_of(row)
        if book.usable and stamp < book.stamp:
            if stamp >= book.snapshot_stamp and not book.same_as(row.book):
                self._gap(row.token_id, book, now)
            return
        if self._replace(book, row, stamp, now):
            self._failures = 0

    def _traded(self, message: Traded, now: float) -> None:
        book = self.books.get(message.token_id)
        if book is not None:
            book.heard_at, book.last = now, message.price

    def _tick(self, message: TickChanged, now: float) -> None:
        book = self.books.get(message.token_id)
        if book is not None:
            book.heard_at = now
            book.follow_tick(message.new_tick)

    def _is_ahead(self, stamp: int, now: float) -> bool:
        return stamp > (now + self.rules.clock_ahead_s) * 1000

    # -- gaps

    def _gap(self, token: str, book: LiveBook, now: float) -> None:
        """The book is broken: say so, and ask for a snapshot at once."""
        if book.spoil(now):
            self.heard.gaps += 1
            self._ask(token, book, now)

    def _break_all(self, now: float) -> None:
        for book in self.books.values():
            book.spoil(now)
            book.gap += 1
            book.unusable_since, book.asked_at, book.moved_at = now, 0.0, None

    def _lose(self, wrong: NotUnderstood, now: float) -> None:
        """Something was said that we could not read: the books that it may be about are broken."""
        for token in about(wrong.body, self.books):
            self._gap(token, self.books[token], now)

    def _refuse_changes(self, message: Changes, why: str, now: float) -> None:
        body = raw(msgspec.to_builtins(message))
        self._refuse(NotUnderstood(f"{wire_stream.SOURCE}.price_change", why, body))
        for change in message.price_changes:
            book = self.books.get(change.asset_id)
            if book is not None:
                self._gap(change.asset_id, book, now)

    def _refuse(self, wrong: NotUnderstood) -> None:
        self._keep(self.heard.refused, wrong)

    def _keep(self, rows: list[T], row: T) -> None:
        """Keep for recording; where nobody fetches them, count instead of growing."""
        if len(rows) < MOST_KEPT:
            rows.append(row)
        else:
            self.dropped += 1

    def take(self) -> Heard:
        """What was heard since the last call."""
        taken, self.heard = self.heard, Heard()
        return taken

    @property
    def usable(self) -> int:
        """How many books may be used."""
        return sum(book.usable for book in self.books.values())


def _change(book: LiveBook, change: Change, stamp: int) -> Fate:
    """Apply, on a finer grid where the price needs one; raises `NotALevel` for one on no grid."""
    while True:
        try:
            return book.change(change.price, change.size, change.side, stamp)
        except OffGrid:
            book.refine()
