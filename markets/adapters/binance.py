"""Binance: best bids and asks, candles, and what holders of perpetuals pay."""

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from functools import cache

import httpx

from markets.adapters import exchange
from markets.adapters.http import Limit
from markets.core import symbols, wire_exchanges
from markets.core.wire_exchanges import Bar, Funding, Price

NAME = "binance"
SPOT, FUTURES = "https://api.binance.com", "https://fapi.binance.com"
# 6,000 units of weight a minute for spot, of which a call for several pairs weighs four, and 2,400
# for futures; said as calls in ten seconds.
SPOT_LIMITS = (Limit(prefix="", requests=250),)
FUTURES_LIMITS = (Limit(prefix="", requests=400),)
USUAL_PERIOD_S = 28_800


class Binance:
    """Spot prices and candles."""

    name = NAME

    def __init__(self, base_url: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self._session = exchange.session(base_url, limits=SPOT_LIMITS, transport=transport)
        self._listed = exchange.Listed()

    def prices(self, assets: Collection[str]) -> Sequence[Price]:
        """See `PriceFeed`; one call."""
        return self._listed.ask(assets, self._prices)

    def _prices(self, assets: Collection[str]) -> Sequence[Price]:
        pairs = json.dumps([symbols.binance(asset) for asset in assets], separators=(",", ":"))
        body = self._session.get("/api/v3/ticker/bookTicker", {"symbols": pairs})
        return wire_exchanges.binance(body, assets=assets)

    def bars(self, asset: str, interval: str, *, since: datetime, count: int = 1) -> Sequence[Bar]:
        """Candles from the one that opens at or after `since`; `interval` like 1m or 1h."""
        body = self._session.get(
            "/api/v3/klines",
            {
                "symbol": symbols.binance(asset),
                "interval": interval,
                "startTime": str(round(since.timestamp() * 1000)),
                "limit": str(count),
            },
        )
        return wire_exchanges.binance_bars(body)


class BinanceFutures:
    """Funding rates of the perpetuals."""

    name = NAME

    def __init__(self, base_url: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self._session = exchange.session(base_url, limits=FUTURES_LIMITS, transport=transport)

    def funding(self, asset: str) -> Funding:
        """The rate of one asset's perpetual; raises `VenueRefused` where there is none."""
        body = self._session.get("/fapi/v1/premiumIndex", {"symbol": symbols.binance(asset)})
        return wire_exchanges.binance_funding(body)

    def periods(self, assets: Collection[str]) -> dict[str, int]:
        """Seconds between two payments, per asset; one call. Only unusual ones are listed there."""
        differing = wire_exchanges.binance_funding_periods(
            self._session.get("/fapi/v1/fundingInfo")
        )
        return {a: differing.get(symbols.binance(a), USUAL_PERIOD_S) for a in assets}


def connect() -> Binance:
    """Binance's spot service; raises `SourceOff` or `SimulatedVenue`."""
    return _spot(exchange.address("binance", SPOT))


def connect_futures() -> BinanceFutures:
    """Binance's futures service; raises `SourceOff` or `SimulatedVenue`."""
    return _futures(exchange.address("binance-futures", FUTURES))


# One per process: connections are kept alive, and what is not listed is learned once.
_spot = cache(Binance)
_futures = cache(BinanceFutures)
