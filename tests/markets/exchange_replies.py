"""What Binance, Coinbase and Kraken answer, in our own numbers, and sources made of it."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any

import httpx

from markets.adapters.binance import Binance, BinanceFutures
from markets.adapters.coinbase import Coinbase
from markets.adapters.kraken import Kraken
from markets.core.wire_exchanges import Price

Prices = Mapping[str, float]
URL = "https://exchange.test"


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def book_top(symbol: str, price: float, **changes: Any) -> dict[str, Any]:
    """A row of Binance's best bids and asks, two dollars wide around `price`."""
    row = {
        "symbol": symbol,
        "bidPrice": f"{price - 1:.8f}",
        "bidQty": "31.21000000",
        "askPrice": f"{price + 1:.8f}",
        "askQty": "4.00000000",
    }
    return row | changes


def candle(opened_ms: int, opened: str = "100.5", closed: str = "101.5") -> list[Any]:
    """A row of Binance's candles."""
    return [
        opened_ms, opened, "102.0", "99.0", closed, "12.5", opened_ms + 59_999,
        "1260.1", 42, "6.0", "605.0", "0",
    ]  # fmt: skip


def perpetual(symbol: str, rate: str, at_ms: int) -> dict[str, Any]:
    """Binance's mark price and next funding rate of one contract."""
    return {
        "symbol": symbol,
        "markPrice": "90010.00000000",
        "indexPrice": "90000.00000000",
        "estimatedSettlePrice": "90001.00000000",
        "lastFundingRate": rate,
        "interestRate": "0.00010000",
        "nextFundingTime": at_ms + 3_600_000,
        "time": at_ms,
    }


def product(price: float, time: str) -> dict[str, Any]:
    """Coinbase's last trade of a product."""
    return {
        "ask": f"{price + 1:.2f}",
        "bid": f"{price - 1:.2f}",
        "volume": "5123.5",
        "trade_id": 77,
        "price": f"{price:.2f}",
        "size": "0.01",
        "time": time,
    }


def kraken_row(price: float) -> dict[str, Any]:
    """Kraken's best bid and ask, two dollars wide around `price`."""
    return {
        "a": [f"{price + 1:.5f}", "1", "1.000"],
        "b": [f"{price - 1:.5f}", "1", "1.000"],
        "c": [f"{price:.5f}", "0.01"],
    }


def answering(answer: Callable[[httpx.Request], httpx.Response]) -> httpx.MockTransport:
    return httpx.MockTransport(answer)


def binance(answer: Callable[[httpx.Request], httpx.Response]) -> Binance:
    return Binance(URL, transport=answering(answer))


def futures(answer: Callable[[httpx.Request], httpx.Response]) -> BinanceFutures:
    return BinanceFutures(URL, transport=answering(answer))


def coinbase(answer: Callable[[httpx.Request], httpx.Response]) -> Coinbase:
    return Coinbase(URL, transport=answering(answer))


def kraken(answer: Callable[[httpx.Request], httpx.Response]) -> Kraken:
    # A local address: nothing waits for a budget.
    return Kraken("http://127.0.0.1:1", transport=answering(answer))


class Feed:
    """A source that says what it is told, or raises."""

    def __init__(self, name: str, prices: Prices | Exception) -> None:
        self.name = name
        self.said = prices

    def prices(self, assets: Collection[str]) -> Sequence[Price]:
        if isinstance(self.said, Exception):
            raise self.said
        return [
            Price(asset=asset, price=Decimal(str(price)))
            for asset, price in self.said.items()
            if asset in assets
        ]
