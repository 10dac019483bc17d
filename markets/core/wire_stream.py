"""The market channel of the socket: books, changes, trades, new and resolved markets."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec

from config.kernel.units import ConditionId, TokenId
from markets.core import wire_clob
from markets.core.wire import Amount, NotUnderstood, Price, Tick, TxHash, decode, raw, read, shown
from markets.core.wire_clob import BookRow

SOURCE = "stream.market"
Side = Literal["BUY", "SELL"]
KEEPALIVE = frozenset({b"PING", b"PONG"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelChange:
    """The new total at one price level (zero removes it), and the best prices after it."""

    token_id: Annotated[TokenId, "asset_id"]
    price: Price
    shares: Annotated[Amount, "size"]
    side: Side
    best_bid: Price
    best_ask: Price


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceChange:
    """Level changes of both tokens of a market at one instant."""

    condition_id: Annotated[ConditionId, "market"]
    changes: Annotated[tuple[LevelChange, ...], "price_changes"]
    observed_at: Annotated[datetime, "timestamp"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traded:
    """A trade; `side` is the taker's."""

    condition_id: Annotated[ConditionId, "market"]
    token_id: Annotated[TokenId, "asset_id"]
    price: Price
    shares: Annotated[Amount, "size"]
    side: Side
    observed_at: Annotated[datetime, "timestamp"]
    transaction_hash: TxHash | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TickChanged:
    """A new price grid; orders on the old one are refused from now on."""

    condition_id: Annotated[ConditionId, "market"]
    token_id: Annotated[TokenId, "asset_id"]
    old_tick: Annotated[Decimal, "old_tick_size"]
    new_tick: Annotated[Tick, "new_tick_size"]
    observed_at: Annotated[datetime, "timestamp"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TopOfBook:
    """Best prices; a bid of 0 or an ask of 1 means that the side is empty."""

    condition_id: Annotated[ConditionId, "market"]
    token_id: Annotated[TokenId, "asset_id"]
    best_bid: Price
    best_ask: Price
    observed_at: Annotated[datetime, "timestamp"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMarket:
    """A market was listed; sent for all markets, subscribed or not."""

    id: str
    question: str
    slug: str
    condition_id: Annotated[ConditionId, "condition_id", "market"]
    token_ids: Annotated[tuple[TokenId, ...], "clob_token_ids", "assets_ids"]
    outcomes: tuple[str, ...]
    active: bool | None = None
    tick_size: Annotated[Decimal | None, "order_price_min_tick_size"] = None
    event_message: Mapping[str, object] | None = None
    observed_at: Annotated[datetime, "timestamp"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketResolved:
    """A market ended; only a hint to ask the catalogue."""

    condition_id: Annotated[ConditionId, "market"]
    token_ids: Annotated[tuple[TokenId, ...], "assets_ids"]
    winning_token_id: Annotated[TokenId, "winning_asset_id"]
    winning_outcome: str
    observed_at: Annotated[datetime, "timestamp"]


class Change(msgspec.Struct, gc=False):
    """A level change with only the fields that a live book needs, as written by the venue."""

    asset_id: str
    price: str
    size: str
    side: Side
    best_bid: str | None = None
    best_ask: str | None = None


class Changes(msgspec.Struct, tag_field="event_type", tag="price_change", gc=False):
    """A `price_change` message, decoded without judging its numbers."""

    price_changes: list[Change]
    timestamp: str


_CHANGES = msgspec.json.Decoder(Changes)


def changes(frame: bytes) -> Changes | None:
    """A frame that is one well-formed `price_change`, the hot path; None for everything else."""
    try:
        return _CHANGES.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def as_changes(message: PriceChange) -> Changes:
    """The same from a message that was read strictly, e.g. out of an array."""
    return Changes(
        price_changes=[
            Change(
                asset_id=x.token_id,
                price=str(x.price),
                size=str(x.shares),
                side=x.side,
                best_bid=str(x.best_bid),
                best_ask=str(x.best_ask),
            )
            for x in message.changes
        ],
        timestamp=str(round(message.observed_at.timestamp() * 1000)),
    )


Message = BookRow | PriceChange | Traded | TickChanged | TopOfBook | NewMarket | MarketResolved
KINDS: Mapping[str, type] = {
    "price_change": PriceChange,
    "last_trade_price": Traded,
    "tick_size_change": TickChanged,
    "best_bid_ask": TopOfBook,
    "new_market": NewMarket,
    "market_resolved": MarketResolved,
}


def messages(frame: bytes) -> tuple[tuple[Message, ...], tuple[NotUnderstood, ...]]:
    """The messages of one frame (an object or an array of them), and what could not be read.

    Keepalives give nothing. The form of `price_change` used before September 2025 is refused.
    """
    if frame.strip() in KEEPALIVE:
        return (), ()
    try:
        value = decode(frame, source=SOURCE)
    except NotUnderstood as wrong:
        return (), (wrong,)
    found, refused = [], []
    for item in value if isinstance(value, list) else [value]:
        try:
            found.append(message_from(item))
        except NotUnderstood as wrong:
            refused.append(wrong)
    return tuple(found), tuple(refused)


def message_from(value: Any) -> Message:
    """One decoded message; raises `NotUnderstood`."""
    word = value.get("event_type") if isinstance(value, dict) else None
    if word == "book":
        return wire_clob.book_from(value, source=SOURCE)
    if not isinstance(word, str) or word not in KINDS:
        raise NotUnderstood(SOURCE, f"event_type {shown(word)} is unknown", raw(value))
    if word == "price_change" and "price_changes" not in value:
        reason = "price_change has no price_changes: the obsolete form"
        raise NotUnderstood(SOURCE, reason, raw(value))
    message: Message = read(KINDS[word], value, source=f"{SOURCE}.{word}")
    return message
