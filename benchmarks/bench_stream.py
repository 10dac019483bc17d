"""Book messages decoded and applied with best bid and ask, beside the plain ways.

    python benchmarks/bench_stream.py

One process, warm, messages of the venue's own form (about 600 bytes, two changes each) over 2,000
books. All ways must end with the same books before a figure counts.
"""

import gc
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
from sortedcontainers import SortedDict

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.table import Row, report
from markets.core import wire_clob
from markets.core.feed import Feed
from markets.core.feed_terms import FeedRules

MARKETS, MESSAGES, ROUNDS = 1_000, 100_000, 5
NOW = 1_795_176_000.0
TARGET = 200_000
START = {"bids": dict.fromkeys(range(30, 49), 50), "asks": dict.fromkeys(range(52, 71), 50)}
Best = dict[str, tuple[float, float]]
"""Best bid and ask per token; 0 and 1 where a side is empty."""
End = dict[str, tuple[list[tuple[float, float]], list[tuple[float, float]]]]
"""Every level of every book, best first, after checking it against the best prices kept."""


def token(number: int) -> str:
    return str(10**76 + number)


def recorded() -> tuple[list[bytes], list[bytes]]:
    """Snapshots of 2,000 books, and price changes near their best prices."""
    rng = np.random.default_rng(1)
    books = [{s: dict(x) for s, x in START.items()} for _ in range(2 * MARKETS)]
    snapshots = [
        msgspec.json.encode(
            {
                "event_type": "book",
                "market": f"0x{n // 2:064x}",
                "asset_id": token(n),
                "timestamp": str(int(NOW * 1000)),
                "hash": "h",
                "tick_size": "0.01",
                **{
                    s: [{"price": f"{p / 100:g}", "size": str(q)} for p, q in x.items()]
                    for s, x in book.items()
                },
            }
        )
        for n, book in enumerate(books)
    ]
    picks = rng.integers(0, MARKETS, MESSAGES)
    sides, offsets, sizes = (
        rng.integers(0, 2, MESSAGES),
        rng.integers(0, 4, MESSAGES),
        rng.integers(0, 6, MESSAGES),
    )
    frames = [
        _message(books, int(market), int(side), int(offset), int(size) * 25, i)
        for i, (market, side, offset, size) in enumerate(
            zip(picks, sides, offsets, sizes, strict=True)
        )
    ]
    return snapshots, frames


def _message(  # noqa: PLR0917
    books: list[dict[str, dict[int, int]]], market: int, side: int, offset: int, size: int, at: int
) -> bytes:
    """One order's effect on both tokens of a market: mirrored prices, mirrored sides."""
    first, buy = books[2 * market], side == 0
    price = min(max(first["bids"], default=40) + 1 - offset, min(first["asks"], default=60) - 1)
    if not buy:
        price = max(min(first["asks"], default=60) - 1 + offset, max(first["bids"], default=40) + 1)
    price = min(max(price, 1), 99)
    parts = []
    for n, p, b in ((2 * market, price, buy), (2 * market + 1, 100 - price, not buy)):
        levels = books[n]["bids" if b else "asks"]
        levels.pop(p, None)
        if size:
            levels[p] = size
        parts.append(
            {
                "asset_id": token(n),
                "price": f"{p / 100:g}",
                "size": str(size),
                "side": "BUY" if b else "SELL",
                "hash": f"{at:040x}",
                "best_bid": f"{max(books[n]['bids'], default=0) / 100:g}",
                "best_ask": f"{min(books[n]['asks'], default=100) / 100:g}",
            }
        )
    return msgspec.json.encode(
        {
            "event_type": "price_change",
            "market": f"0x{market:064x}",
            "timestamp": str(int(NOW * 1000) + at // 100),
            "price_changes": parts,
        }
    )


def ours(
    snapshots: Sequence[bytes],
) -> tuple[Callable[[Sequence[bytes]], None], Callable[[], End]]:
    """The feed as the process runs it: order of stamps, comparison of best prices and all."""
    rules = FeedRules(snapshot_within_s=5, silent_after_s=60)
    feed = Feed(rules, rng=np.random.default_rng(1))
    feed.follow([token(n) for n in range(2 * MARKETS)], NOW)
    feed.opened(NOW)
    for frame in snapshots:
        feed.receive(frame, NOW)

    def run(frames: Sequence[bytes]) -> None:
        receive = feed.receive
        for frame in frames:
            receive(frame, NOW)

    def end() -> End:
        assert feed.usable == 2 * MARKETS, "a book broke: the messages contradict each other"
        found = {}
        for name, live in feed.books.items():
            book = live.book()
            found[name] = tuple(
                [(float(x.price), float(x.shares)) for x in levels]
                for levels in (book.bids, book.asks)
            )
            assert live.best() == tuple(side[0][0] if side else None for side in found[name])
        return found

    return run, end


def plain(
    snapshots: Sequence[bytes], decode: Callable[[bytes], dict[str, object]], side: type
) -> tuple[Callable[[Sequence[bytes]], None], Callable[[], End]]:
    """Decode to dicts, price → size per side; the best prices after every change."""
    books: dict[str, dict[str, dict[float, float]]] = {}
    tops: Best = {}
    top_of = _sorted_top if side is SortedDict else _plain_top
    for frame in snapshots:
        row = wire_clob.book(frame)
        books[row.token_id] = {
            "BUY": side({float(x.price): float(x.shares) for x in row.book.bids}),
            "SELL": side({float(x.price): float(x.shares) for x in row.book.asks}),
        }
        tops[row.token_id] = (float(row.book.best_bid or 0), float(row.book.best_ask or 1))

    def run(frames: Sequence[bytes]) -> None:
        for frame in frames:
            for change in decode(frame)["price_changes"]:  # type: ignore[attr-defined]
                book = books[change["asset_id"]]
                level, size = book[change["side"]], float(change["size"])
                if size:
                    level[float(change["price"])] = size
                else:
                    level.pop(float(change["price"]), None)
                tops[change["asset_id"]] = top_of(book["BUY"], book["SELL"])

    def end() -> End:
        found = {}
        for name, book in books.items():
            found[name] = (sorted(book["BUY"].items(), reverse=True), sorted(book["SELL"].items()))
            bids, asks = found[name]
            assert tops[name] == (bids[0][0] if bids else 0.0, asks[0][0] if asks else 1.0)
        return found

    return run, end


def _plain_top(bids: dict[float, float], asks: dict[float, float]) -> tuple[float, float]:
    return max(bids, default=0.0), min(asks, default=1.0)


def _sorted_top(bids: SortedDict, asks: SortedDict) -> tuple[float, float]:
    return bids.peekitem(-1)[0] if bids else 0.0, asks.peekitem(0)[0] if asks else 1.0


def main() -> int:
    snapshots, frames = recorded()
    ways = {
        "ours": lambda: ours(snapshots),
        "naive": lambda: plain(snapshots, json.loads, dict),
        "peer": lambda: plain(snapshots, msgspec.json.Decoder().decode, SortedDict),
    }
    ends = {}
    for name, make in ways.items():
        run, end = make()
        run(frames)
        ends[name] = end()
    assert ends["ours"] == ends["naive"] == ends["peer"], "the ways disagree about the books"
    rates = {name: _rate(make, frames) for name, make in ways.items()}
    row = Row(
        path="messages decoded and applied, best prices kept",
        ours=rates["ours"],
        unit="msgs/s",
        higher_is_better=True,
        target=TARGET,
        naive=rates["naive"],
        naive_is="json, dict book, max and min",
        peer=rates["peer"],
        peer_is="msgspec dicts, SortedDict",
    )
    size = round(sum(map(len, frames)) / len(frames))
    about = {
        "books": 2 * MARKETS,
        "messages": len(frames),
        "bytes a message": size,
        "changes each": 2,
    }
    return report("stream", [row], about=about)


def _rate(
    make: Callable[[], tuple[Callable[[Sequence[bytes]], None], object]], frames: Sequence[bytes]
) -> float:
    rates = []
    for _ in range(ROUNDS):
        run, _best = make()
        gc.collect()
        began = time.process_time()
        run(frames)
        rates.append(len(frames) / (time.process_time() - began))
    return statistics.median(rates)


if __name__ == "__main__":
    sys.exit(main())
