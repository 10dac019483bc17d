"""Coinbase Exchange: the last trade of each product, at its own time."""

from collections.abc import Collection, Sequence
from functools import cache

import httpx

from markets.adapters import exchange
from markets.adapters.http import Limit, NotThere
from markets.core import symbols, wire_exchanges
from markets.core.wire_exchanges import Price

URL = "https://api.exchange.coinbase.com"
LIMITS = (Limit(prefix="", requests=100),)  # ten a second from one address


class Coinbase:
    """Spot prices. A call serves one product; the one that serves several tells no time."""

    name = "coinbase"

    def __init__(self, base_url: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self._session = exchange.session(base_url, limits=LIMITS, transport=transport)

    def prices(self, assets: Collection[str]) -> Sequence[Price]:
        """See `PriceFeed`; one call an asset, and none after the first that gets no reply."""
        found, missing = [], None
        for asset in assets:
            try:
                body = self._session.get(f"/products/{symbols.coinbase(asset)}/ticker")
            except NotThere as unlisted:
                missing = unlisted
                continue
            found.append(wire_exchanges.coinbase(body, asset=asset))
        if missing is not None and not found:
            raise missing
        return found


def connect() -> Coinbase:
    """Coinbase; raises `SourceOff` or `SimulatedVenue`."""
    return _at(exchange.address("coinbase", URL))


_at = cache(Coinbase)
