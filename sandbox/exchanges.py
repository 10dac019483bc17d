"""The exchanges' public prices over the world's spot price, in each exchange's own shape."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson

from sandbox.core import quoted, spot
from sandbox.core.world import World
from sandbox.routes import Answer, Query, Refused, one

BINANCE = {"BTCUSDT": "btc", "ETHUSDT": "eth"}
COINBASE = {"BTC-USD": "btc", "ETH-USD": "eth"}
KRAKEN = {"XBTUSD": ("btc", "XXBTZUSD"), "ETHUSD": ("eth", "XETHZUSD")}
INTERVALS = {"1s": 1, "1m": 60, "5m": 300, "15m": 900, "1h": 3600}
MOST_KLINES = 1000
FUNDING_S = 8 * 3600
FUNDING = "0.00010000"


def _symbol(query: Query) -> tuple[str, str]:
    symbol = one(query, "symbol")
    if symbol not in BINANCE:
        raise Refused(400, {"code": -1121, "msg": "Invalid symbol."})
    return symbol, BINANCE[symbol]


def book_ticker(world: World, query: Query, second: int) -> Any:
    """Binance: best bid and ask of one symbol, or of a JSON list of them."""
    if "symbols" not in query:
        return _ticker(world, _symbol(query)[0], second)
    symbols = orjson.loads(one(query, "symbols"))
    return [_ticker(world, _symbol({"symbol": [symbol]})[0], second) for symbol in symbols]


def _ticker(world: World, symbol: str, second: int) -> dict[str, str]:
    bid, ask = quoted.sides(world.seed, BINANCE[symbol], "binance", second)
    return {
        "symbol": symbol,
        "bidPrice": f"{bid:.8f}",
        "bidQty": "1.00000000",
        "askPrice": f"{ask:.8f}",
        "askQty": "1.00000000",
    }


def klines(world: World, query: Query, second: int) -> Any:
    """Binance: candles that have begun; the last one ends now."""
    _, asset = _symbol(query)
    step = INTERVALS.get(one(query, "interval"))
    if step is None:
        raise Refused(400, {"code": -1120, "msg": "Invalid interval."})
    limit = min(int(one(query, "limit", "500")), MOST_KLINES)
    end = min(int(one(query, "endTime", str(second * 1000))) // 1000, second)
    last = end - end % step
    first = last - (limit - 1) * step
    if "startTime" in query:
        first = -(-int(one(query, "startTime")) // (1000 * step)) * step
    starts = range(first, min(last, first + (limit - 1) * step) + 1, step)
    return [_candle(world, asset, start, step, second) for start in starts]


def _candle(world: World, asset: str, start: int, step: int, second: int) -> list[Any]:
    seconds = np.arange(start, min(start + step, second) + 1, max(step // 60, 1), dtype=np.int64)
    path = spot.price(world.seed, asset, seconds)
    prices = [f"{p:.8f}" for p in (path[0], path.max(), path.min(), path[-1])]
    return [start * 1000, *prices, "1.0", (start + step) * 1000 - 1, "0", 1, "0", "0", "0"]


def premium(world: World, query: Query, second: int) -> Any:
    """Binance futures: mark, index and the last funding rate."""
    symbol, asset = _symbol(query)
    return {
        "symbol": symbol,
        "markPrice": f"{quoted.mid(world.seed, asset, 'futures', second):.8f}",
        "indexPrice": f"{quoted.mid(world.seed, asset, 'binance', second):.8f}",
        "lastFundingRate": FUNDING,
        "interestRate": FUNDING,
        "nextFundingTime": (second - second % FUNDING_S + FUNDING_S) * 1000,
        "time": second * 1000,
    }


def _coinbase(product: str) -> Answer:
    def ticker(world: World, _query: Query, second: int) -> Any:
        bid, ask = quoted.sides(world.seed, COINBASE[product], "coinbase", second)
        return {
            "price": f"{quoted.mid(world.seed, COINBASE[product], 'coinbase', second):.2f}",
            "bid": f"{bid:.2f}",
            "ask": f"{ask:.2f}",
            "size": "1",
            "volume": "1",
            "trade_id": second,
            "time": f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}.000000Z",
        }

    return ticker


def kraken(world: World, query: Query, second: int) -> Any:
    """Kraken: best bid, ask and last of the pairs, under its own long names."""
    result = {}
    for pair in one(query, "pair").split(","):
        if pair not in KRAKEN:
            return {"error": ["EQuery:Unknown asset pair"]}
        asset, long_name = KRAKEN[pair]
        bid, ask = quoted.sides(world.seed, asset, "kraken", second)
        last = quoted.mid(world.seed, asset, "kraken", second)
        result[long_name] = {
            "a": [f"{ask:.5f}", "1", "1.000"],
            "b": [f"{bid:.5f}", "1", "1.000"],
            "c": [f"{last:.5f}", "0.1"],
        }
    return {"error": [], "result": result}


ROUTES: dict[str, Answer] = {
    "/spot/binance/api/v3/ticker/bookTicker": book_ticker,
    "/spot/binance/api/v3/klines": klines,
    "/spot/binance-futures/fapi/v1/premiumIndex": premium,
    "/spot/binance-futures/fapi/v1/fundingInfo": lambda _world, _query, _second: [],
    "/spot/kraken/0/public/Ticker": kraken,
    **{f"/spot/coinbase/products/{product}/ticker": _coinbase(product) for product in COINBASE},
}
