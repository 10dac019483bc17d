"""One connection's view of the venue's price socket (RTDS): the topics it asked for."""

from decimal import Decimal
from typing import Any

import orjson

from sandbox.core import quoted, spot
from sandbox.core.faults import Faults
from sandbox.core.world import World

WINDOWS = {"crypto_prices_twap_thirty": 30, "crypto_prices_twap_sixty": 60}
TOPICS = ("crypto_prices", "crypto_prices_chainlink", *WINDOWS)
WEI = Decimal(10) ** 18
HISTORY_S = 10
Message = dict[str, Any]


class Prices:
    """Subscriptions of one connection; frames are JSON bytes, one price each."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._topics: dict[str, list[str]] = {}

    def hear(self, text: str, *, second: int, faults: Faults) -> list[bytes]:
        """The answer to a subscribe frame: the last seconds of each symbol."""
        try:
            said = orjson.loads(text)
            wanted = [(row["topic"], row.get("filters")) for row in said["subscriptions"]]
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            return [b'{"message": "Invalid request", "type": "error"}']
        if said.get("action") == "unsubscribe":
            for topic, _ in wanted:
                self._topics.pop(topic, None)
            return []
        known = {topic: _symbols(topic, filters) for topic, filters in wanted if topic in TOPICS}
        self._topics |= known
        if faults.no_snapshot:
            return []
        seen_at = second - faults.stale_s
        return [
            orjson.dumps(self._history(topic, symbol, seen_at))
            for topic, symbols in known.items()
            for symbol in symbols
        ]

    def said(self, before: int, after: int) -> list[bytes]:
        """One update per topic, symbol and second in (before, after]; at most a minute of them."""
        seconds = range(max(before, after - 60) + 1, after + 1)
        return [
            orjson.dumps(
                {
                    "topic": topic,
                    "type": "update",
                    "timestamp": second * 1000 + 400,
                    "connection_id": "simulated",
                    "payload": {"symbol": symbol, **self._tick(topic, symbol, second)},
                }
            )
            for second in seconds
            for topic, symbols in self._topics.items()
            for symbol in symbols
        ]

    def _history(self, topic: str, symbol: str, second: int) -> Message:
        seconds = range(second - HISTORY_S + 1, second + 1)
        return {
            "topic": topic,
            "type": "subscribe",
            "timestamp": second * 1000 + 400,
            "payload": {
                "symbol": symbol,
                "data": [self._tick(topic, symbol, at) for at in seconds],
            },
        }

    def _tick(self, topic: str, symbol: str, second: int) -> Message:
        asset, seed = symbol[:3], self._world.seed
        if topic == "crypto_prices":
            price = quoted.mid(seed, asset, "binance", second)
            return {
                "timestamp": second * 1000,
                "value": price,
                "full_accuracy_value": f"{price:.8f}",
            }
        window = WINDOWS.get(topic)
        price = (
            quoted.mid(seed, asset, "chainlink", second)
            if window is None
            else quoted.mean(seed, asset, second, window_s=window)
        )
        exact = int(Decimal(str(price)) * WEI)
        said: Message = {
            "timestamp": second * 1000,
            "value": price,
            "full_accuracy_value": str(exact),
        }
        return said if window is None else {**said, "window_s": window}


def _symbols(topic: str, filters: Any) -> list[str]:
    """The symbols of a topic, or the one that the filter names."""
    every = [f"{a}usdt" if topic == "crypto_prices" else f"{a}/usd" for a in spot.LEVEL]
    try:
        named = orjson.loads(filters)["symbol"] if filters else None
    except (orjson.JSONDecodeError, KeyError, TypeError):
        named = None
    return [s for s in every if named in (None, s)]
