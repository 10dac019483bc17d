"""Replies of the public services of Binance, Coinbase and Kraken → prices, bars, funding rates."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from markets.core import symbols
from markets.core.wire import (
    NotUnderstood,
    Unreadable,
    build,
    decode,
    member,
    raw,
    read,
    shown,
)

BINANCE = "binance.ticker"
BINANCE_BARS = "binance.klines"
BINANCE_FUNDING = "binance.funding"
COINBASE = "coinbase.ticker"
KRAKEN = "kraken.ticker"
HOUR_S = 3600
UNKNOWN_PAIR = "EQuery:Unknown asset pair"


class PairUnknown(NotUnderstood):
    """The source lists no such pair, and says so with status 200."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Dollars for one unit of an asset; `observed_at` where the source says when, else None."""

    asset: str
    price: Decimal
    observed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One candle; complete from `closes_at` on."""

    opens_at: datetime
    closes_at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Funding:
    """The rate that holders of a perpetual will pay next, per period of the contract."""

    symbol: str
    rate: Annotated[Decimal, "lastFundingRate"]
    observed_at: Annotated[datetime, "time"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _BookTop:
    symbol: str
    bid: Annotated[Decimal, "bidPrice"]
    ask: Annotated[Decimal, "askPrice"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _LastTrade:
    price: Decimal
    time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candle:
    opened: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    closed: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Interval:
    symbol: str
    hours: Annotated[int, "fundingIntervalHours"]


def binance(body: bytes, *, assets: Collection[str]) -> tuple[Price, ...]:
    """Mids of Binance's best bids and asks; it does not say since when they stand."""
    wanted = {symbols.binance(asset): asset for asset in assets}
    tops = [read(_BookTop, row, source=BINANCE) for row in _rows(body, BINANCE)]
    return tuple(
        Price(asset=wanted[top.symbol], price=_mid(top.bid, top.ask, BINANCE, body))
        for top in tops
        if top.symbol in wanted
    )


def binance_bars(body: bytes) -> tuple[Bar, ...]:
    """Candles, oldest first; a row is an array whose places have meanings."""
    names = ("opened", "open", "high", "low", "close", "volume", "closed")
    bars = []
    for row in _rows(body, BINANCE_BARS):
        if not isinstance(row, list) or len(row) < len(names):
            raise NotUnderstood(BINANCE_BARS, f"expected a candle, got {shown(row)}", body)
        found = read(_Candle, dict(zip(names, row, strict=False)), source=BINANCE_BARS)
        bars.append(
            Bar(
                opens_at=found.opened,
                closes_at=found.closed,
                open=found.open,
                high=found.high,
                low=found.low,
                close=found.close,
                volume=found.volume,
            )
        )
    return tuple(bars)


def binance_funding(body: bytes) -> Funding:
    """The rate of one perpetual."""
    return read(Funding, decode(body, source=BINANCE_FUNDING), source=BINANCE_FUNDING)


def binance_funding_periods(body: bytes) -> dict[str, int]:
    """Seconds between payments, for the contracts that differ from the usual ones."""
    rows = _rows(body, BINANCE_FUNDING)
    found = [read(_Interval, row, source=BINANCE_FUNDING) for row in rows]
    return {row.symbol: row.hours * HOUR_S for row in found if row.hours > 0}


def coinbase(body: bytes, *, asset: str) -> Price:
    """The last trade of one product, at its own time."""
    found = read(_LastTrade, decode(body, source=COINBASE), source=COINBASE)
    return Price(asset=asset, price=_positive(found.price, COINBASE, body), observed_at=found.time)


def kraken(body: bytes, *, assets: Collection[str]) -> tuple[Price, ...]:
    """Mids of Kraken's best bids and asks; raises `PairUnknown` where it lists one of them not."""
    value = decode(body, source=KRAKEN)
    try:
        rows = _kraken_rows(value)
        wanted = symbols.kraken_replies(assets)
        return tuple(
            Price(asset=wanted[name], price=_mid(*_best(row), KRAKEN, body))
            for name, row in rows.items()
            if name in wanted
        )
    except Unreadable as wrong:
        kind = PairUnknown if UNKNOWN_PAIR in str(wrong) else NotUnderstood
        raise kind(KRAKEN, str(wrong), raw(value)) from wrong


def _kraken_rows(value: Any) -> Mapping[str, Any]:
    said = member(value, "error")
    if said:
        raise Unreadable(f"error: {shown(said)}")
    rows = member(value, "result")
    if not isinstance(rows, Mapping):
        raise Unreadable(f"result: expected an object, got {shown(rows)}")
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cell:
    value: Decimal


def _best(row: Any) -> tuple[Decimal, Decimal]:
    """Bid and ask of a Kraken row: arrays whose first place is the price."""
    found = []
    for side in ("b", "a"):
        cells = member(row, side)
        if not isinstance(cells, list) or not cells:
            raise Unreadable(f"{side}: expected an array, got {shown(cells)}")
        found.append(build(_Cell, {"value": cells[0]}).value)
    return found[0], found[1]


def _rows(body: bytes, source: str) -> list[Any]:
    value = decode(body, source=source)
    if not isinstance(value, list):
        raise NotUnderstood(source, f"expected an array, got {shown(value)}", body)
    return value


def _mid(bid: Decimal, ask: Decimal, source: str, body: bytes) -> Decimal:
    """The middle of a two-sided, uncrossed book."""
    if not 0 < bid <= ask:
        raise NotUnderstood(source, f"bid {bid} and ask {ask} are no two-sided book", body)
    return (bid + ask) / 2


def _positive(price: Decimal, source: str, body: bytes) -> Decimal:
    if price <= 0:
        raise NotUnderstood(source, f"price {price} is not positive", body)
    return price
