"""What the stream writes: conflated tops, whole books, trades, ticks; harmless to write again.

Runs beside the event loop. A book with a gap is written as a row without any price: until the next
row with prices nobody can take the last ones for current.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import chain
from typing import TypeVar

import polars as pl
import structlog
from django.db import DatabaseError, DataError, IntegrityError, transaction

from config.kernel import vendor
from config.kernel.copy_format import Schema
from markets import trades, unknown, versions
from markets.core import book as books
from markets.core.feed_terms import Heard
from markets.core.live_book import LiveBook
from markets.core.public_trades import Heard as TradeHeard
from markets.core.wire_stream import SOURCE, TickChanged, Traded
from markets.models import Market, Quote, QuoteKind

log = structlog.get_logger()
T = TypeVar("T")
STEP = timedelta(milliseconds=1)
MOMENT = pl.Datetime("us", "UTC")
SCHEMA: Schema = {
    "market_id": pl.Int64,
    "observed_at": MOMENT,
    "kind": pl.Int16,
    "received_at": MOMENT,
    **dict.fromkeys(("price", "bid", "ask", "last", "bid_depth", "ask_depth"), pl.Float64),
    "levels": pl.Binary,
}


@dataclass(slots=True)
class Recorded:
    """What of one book is in the database: decides whether there is news."""

    top: tuple[object, ...] | None = None
    stamp: int = 0
    top_at: float = 0.0
    book_at: float = 0.0
    gap: bool = True
    at: datetime | None = None

    def after(self, moment: datetime) -> datetime:
        """The moment, or just after the row written last where the venue's clock is ahead."""
        return moment if self.at is None else max(moment, self.at + STEP)


@dataclass(slots=True)
class Batch:
    """What one pass writes."""

    quotes: list[tuple[object, ...]] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)

    def and_then(self, later: "Batch") -> "Batch":
        """Both in one."""
        return Batch(quotes=self.quotes + later.quotes, heard=self.heard + later.heard)


def row_of(
    market_id: int,
    live: LiveBook,
    was: Recorded,
    *,
    now: float,
    top_every_s: float,
    book_every_s: float,
    levels: int,
) -> tuple[object, ...] | None:
    """The quote to write for one book now, if any; notes in `was` that it is written."""
    received = datetime.fromtimestamp(now, UTC)
    if not live.usable:
        if was.gap:
            return None
        was.gap, was.top, was.at = True, None, was.after(received)
        return (market_id, was.at, int(QuoteKind.BOOK_TOP), received, *(None,) * 7)
    if live.is_crossed:
        return None
    top = live.top()
    fresh = was.gap
    whole = live.stamp != was.stamp and (fresh or now - was.book_at >= book_every_s)
    moved = top != was.top and (fresh or now - was.top_at >= top_every_s)
    if not (whole or moved or fresh):
        return None
    was.top, was.stamp, was.top_at, was.gap = top, live.stamp, now, False
    # After a gap the venue's stamp may lie before our note of it: the book is seen standing now.
    at = was.after(received) if fresh else datetime.fromtimestamp(live.stamp / 1000, UTC)
    was.at = at
    bid, ask = live.best()
    mid = None if bid is None or ask is None else (bid + ask) / 2
    last = None if live.last is None else float(live.last)
    if whole or fresh:
        was.book_at = now
        depth = live.totals()
        packed = books.pack(live.book(levels=levels))
        kind = int(QuoteKind.BOOK)
        return (market_id, at, kind, received, mid, bid, ask, last, *depth, packed)
    depth = top[1], top[3]
    kind = int(QuoteKind.BOOK_TOP)
    return (market_id, at, kind, received, mid, bid, ask, last, *depth, None)


def write(batch: Batch, *, as_of: datetime) -> int:
    """Write a batch; returns the rows added. Harmless to repeat.

    A row that cannot be written is kept raw and costs no other; raises `DatabaseError` only where
    the database does not work, for then the batch is worth another try.
    """
    added = _isolate("quotes", batch.quotes, _append, as_of=as_of)
    told: dict[str, list[TradeHeard]] = {}
    for heard in batch.heard:
        for trade in heard.trades:
            told.setdefault((trade.transaction_hash or "").lower(), []).append(_trade(trade))
    added += _isolate(
        "trades", list(told.values()), lambda some: _record(some, as_of=as_of), as_of=as_of
    )
    for heard in batch.heard:
        for wrong in heard.refused:
            unknown.refused(wrong, as_of=as_of)
        _isolate("ticks", heard.ticks, lambda some: _follow_ticks(some, as_of=as_of), as_of=as_of)
    return added


def _isolate(
    name: str, rows: Sequence[T], work: Callable[[Sequence[T]], int], *, as_of: datetime
) -> int:
    """Write the rows; those that cannot be written are found by halving."""
    if not rows:
        return 0
    try:
        return work(rows)
    except DatabaseError as trouble:
        if not isinstance(trouble, (DataError, IntegrityError)):
            raise
        reason = f"the database refused it: {str(trouble).splitlines()[0]}"
    except Exception as bug:
        log.exception("stream.row_failed", rows=len(rows), what=name)
        reason = f"our writer failed: {bug!r}"
    if len(rows) > 1:
        half = len(rows) // 2
        first = _isolate(name, rows[:half], work, as_of=as_of)
        return first + _isolate(name, rows[half:], work, as_of=as_of)
    reason = reason.replace("\0", "\\0")
    unknown.keep(f"{SOURCE}.{name}", reason, repr(rows[0]), as_of=as_of)
    return 0


def _append(rows: Sequence[tuple[object, ...]]) -> int:
    return vendor.append(Quote, pl.DataFrame(rows, schema=dict(SCHEMA), orient="row"))


def _record(transactions: Sequence[list[TradeHeard]], *, as_of: datetime) -> int:
    """All trades of a transaction stay together: their repetitions are numbered within a call."""
    return trades.record(chain.from_iterable(transactions), as_of=as_of)[trades.ADDED]


def _follow_ticks(ticks: Sequence[TickChanged], *, as_of: datetime) -> int:
    with transaction.atomic():
        for tick in ticks:
            _follow_tick(tick.condition_id, tick.new_tick, as_of=as_of)
    return 0


def _trade(told: Traded) -> TradeHeard:
    return TradeHeard(
        token_id=told.token_id,
        side=told.side,
        price=told.price,
        shares=told.shares,
        traded_at=told.observed_at,
        tx_hash=told.transaction_hash or "",
    )


def _follow_tick(condition_id: str, tick: Decimal, *, as_of: datetime) -> None:
    """Orders on the old grid are refused from now on."""
    found = Market.objects.filter(condition_id=condition_id).exclude(tick_size=tick)
    changed = list(found.values_list("pk", flat=True))
    if changed:
        Market.objects.filter(pk__in=changed).update(tick_size=tick)
        versions.keep(changed, as_of=as_of)
        log.info("market.parameters_changed", market_id=changed[0], tick_size=str(tick))
