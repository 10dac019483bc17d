"""Kraken: best bids and asks."""

from collections.abc import Collection, Sequence
from functools import cache

import httpx

from markets.adapters import exchange, http
from markets.adapters.http import Limit
from markets.core import symbols, wire_exchanges
from markets.core.wire_exchanges import Price

URL = "https://api.kraken.com"
LIMITS = (Limit(prefix="", requests=10),)  # one a second


class Kraken:
    """Spot prices."""

    name = "kraken"

    def __init__(self, base_url: str, *, transport: httpx.BaseTransport | None = None) -> None:
        # A stand-in is nobody's limited service, and a demo asks it more often.
        limits = () if http.is_local(base_url) else LIMITS
        self._session = exchange.session(base_url, limits=limits, transport=transport)
        self._listed = exchange.Listed()

    def prices(self, assets: Collection[str]) -> Sequence[Price]:
        """See `PriceFeed`; one call."""
        return self._listed.ask(assets, self._prices)

    def _prices(self, assets: Collection[str]) -> Sequence[Price]:
        pairs = ",".join(symbols.kraken(asset) for asset in assets)
        body = self._session.get("/0/public/Ticker", {"pair": pairs})
        return wire_exchanges.kraken(body, assets=assets)


def connect() -> Kraken:
    """Kraken; raises `SourceOff` or `SimulatedVenue`."""
    return _at(exchange.address("kraken", URL))


_at = cache(Kraken)
