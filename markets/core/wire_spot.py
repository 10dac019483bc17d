"""Spot prices from the venue's own sockets: RTDS and its successor PolyBolt."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from markets.core.wire import (
    NotUnderstood,
    Unreadable,
    array,
    build,
    decode,
    member,
    raw,
    read,
    shown,
    text,
)

RTDS = "stream.rtds"
POLYBOLT = "stream.polybolt"
WEI = Decimal(10) ** 18
# Topics whose exact value is an integer of 1e-18.
SCALED = ("crypto_prices_chainlink", "crypto_prices_twap")
PRICE_TOPICS = ("crypto_prices", "equity_prices")
ENVELOPE_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tick:
    observed_at: Annotated[datetime, "timestamp"]
    value: Decimal
    exact: Annotated[Decimal | None, "full_accuracy_value"] = None
    symbol: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A price in dollars, exact where the source sent it exactly."""

    source: str
    symbol: str
    price: Decimal
    observed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """An answer to a command: `subscribed`, `pong`, `error` (with its code) …"""

    op: str
    channel: str = ""
    code: str = ""
    rid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Envelope:
    version: Annotated[int, "v"]
    channel: str
    sequence: Annotated[int, "seq"]
    sent_at: Annotated[datetime, "ts"]
    snapshot: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotBatch:
    """Prices of one PolyBolt message; a snapshot holds history, a gap in `sequence` a loss."""

    channel: str
    sequence: int
    snapshot: bool
    sent_at: datetime
    prices: tuple[Spot, ...]


def rtds(frame: bytes) -> tuple[Spot, ...]:
    """The prices of one RTDS message: one update, or the history sent on subscribing."""
    value = decode(frame, source=RTDS)
    try:
        return _rtds(value)
    except Unreadable as wrong:
        raise NotUnderstood(RTDS, str(wrong), frame) from wrong


def _rtds(value: Any) -> tuple[Spot, ...]:
    topic, kind = member(value, "topic"), member(value, "type")
    if not isinstance(topic, str) or not topic.startswith(PRICE_TOPICS):
        raise Unreadable(f"topic {shown(topic)} carries no prices")
    payload = member(value, "payload")
    symbol = text(member(payload, "symbol"))
    if kind == "update":
        return (_spot(topic, symbol, build(_Tick, payload)),)
    if kind == "subscribe":
        rows = array(member(payload, "data"))
        return tuple(_spot(topic, symbol, build(_Tick, row)) for row in rows)
    raise Unreadable(f"type {shown(kind)} is unknown")


def _spot(topic: str, symbol: str, tick: _Tick) -> Spot:
    exact = tick.exact
    if exact is not None and topic.startswith(SCALED):
        exact /= WEI
    return Spot(
        source=topic,
        symbol=symbol,
        price=tick.value if exact is None else exact,
        observed_at=tick.observed_at,
    )


def polybolt(frame: bytes) -> Control | SpotBatch:
    """One PolyBolt message."""
    return polybolt_from(decode(frame, source=POLYBOLT))


def polybolt_from(value: Any) -> Control | SpotBatch:
    """One decoded PolyBolt message; refuses other envelope versions than 1."""
    if isinstance(value, Mapping) and "op" in value:
        return read(Control, value, source=POLYBOLT)
    try:
        return _batch(value)
    except Unreadable as wrong:
        raise NotUnderstood(POLYBOLT, str(wrong), raw(value)) from wrong


def _batch(value: Any) -> SpotBatch:
    envelope = build(_Envelope, value)
    if envelope.version != ENVELOPE_VERSION:
        raise Unreadable(f"v: envelope version {envelope.version} is unknown")
    payload = member(value, "payload")
    ticks = array(member(payload, "data")) if envelope.snapshot else [payload]
    symbol = text(payload.get("symbol", "")) if isinstance(payload, dict) else ""
    rows = [build(_Tick, row) for row in ticks]
    return SpotBatch(
        channel=envelope.channel,
        sequence=envelope.sequence,
        snapshot=envelope.snapshot,
        sent_at=envelope.sent_at,
        prices=tuple(_spot(envelope.channel, row.symbol or symbol, row) for row in rows),
    )
