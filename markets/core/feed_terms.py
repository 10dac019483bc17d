"""What a feed is told and tells: its rules, what it heard, the frames it sends."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import msgspec

from markets.core.wire import NotUnderstood
from markets.core.wire_clob import BookRow
from markets.core.wire_stream import MarketResolved, NewMarket, TickChanged, Traded

PING, PONG = "PING", b"PONG"
MOST_KEPT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedRules:
    """How patient we are, in seconds; `ping_every_s` and `pong_within_s` are the venue's words.

    Attributes
    ----------
    snapshot_within_s
        A book without snapshot for so long is asked for over REST, and again as often.
    silent_after_s
        Every book is checked against REST so often.
    tolerated_crossings
        Messages in a row after which a crossed book is broken.
    clock_ahead_s
        A message stamped farther in the future is refused.
    """

    snapshot_within_s: float
    silent_after_s: float
    ping_every_s: float = 10.0
    pong_within_s: float = 30.0
    first_retry_s: float = 0.25
    longest_retry_s: float = 30.0
    tolerated_mismatches: int = 1
    tolerated_crossings: int = 5
    clock_ahead_s: float = 60.0


@dataclass(slots=True)
class Heard:
    """What came since the last look: things to record, and counts for the heartbeat."""

    trades: list[Traded] = field(default_factory=list)
    ticks: list[TickChanged] = field(default_factory=list)
    new_markets: list[NewMarket] = field(default_factory=list)
    resolved: list[MarketResolved] = field(default_factory=list)
    refused: list[NotUnderstood] = field(default_factory=list)
    messages: int = 0
    gaps: int = 0
    repaired: int = 0


def about(body: str, tokens: Collection[str]) -> list[str]:
    """The followed tokens that an unreadable message may have been about."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return list(tokens)
    kind = value.get("event_type") if isinstance(value, dict) else None
    if kind not in ("book", "price_change", "tick_size_change"):
        # Another kind, known or new, changes no book.
        return []
    named = [token for token in tokens if token in body]
    return named or list(tokens)


def stamp_of(row: BookRow) -> int:
    """The venue's time of a book, milliseconds."""
    return round(row.observed_at.timestamp() * 1000)


def first(tokens: Iterable[str]) -> str:
    """The frame that opens a subscription."""
    return _frame({"assets_ids": list(tokens), "type": "market", "custom_feature_enabled": True})


def later(operation: str, tokens: Iterable[str]) -> str:
    """The frame that changes one."""
    return _frame(
        {"operation": operation, "assets_ids": list(tokens), "custom_feature_enabled": True}
    )


def _frame(value: dict[str, object]) -> str:
    return msgspec.json.encode(value).decode()
