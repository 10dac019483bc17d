"""The order-book service's public side: books, price history, market parameters."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import cache
from itertools import islice
from math import ceil

import httpx
from django.conf import settings

from config.kernel.units import ConditionId, TokenId
from markets.adapters import http
from markets.core import wire_clob as wire
from markets.core.wire import NotUnderstood

# Documented requests per 10 s, summer 2026.
LIMITS = (
    http.Limit(prefix="", requests=9000),
    http.Limit(prefix="/books", requests=500),
    http.Limit(prefix="/book", requests=1500),
    http.Limit(prefix="/prices-history", requests=1000),
)
TOKENS_PER_CALL = 500
# Longer ranges come back empty for resolved markets.
LONGEST_HISTORY = timedelta(days=15)


class ClobData:
    """Reads books and history; `simulated` where the service runs on this machine."""

    def __init__(
        self, base_url: str, *, transport: httpx.BaseTransport | None = None, attempts: int = 4
    ) -> None:
        self.simulated = http.is_local(base_url)
        self._http = http.session(base_url, limits=LIMITS, transport=transport, attempts=attempts)

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def server_time(self) -> datetime:
        """The venue's clock, whole seconds."""
        return wire.server_time(self._http.get("/time"))

    def book(self, token_id: TokenId) -> wire.BookRow:
        """One book; raises `http.NotThere` once the market is resolved."""
        return wire.book(self._http.get("/book", {"token_id": token_id}))

    def books(
        self, token_ids: Iterable[TokenId]
    ) -> Iterator[tuple[tuple[wire.BookRow, ...], tuple[NotUnderstood, ...]]]:
        """Books and refusals, at most 500 tokens a call; unknown tokens are left out."""
        for batch in _batches(token_ids, TOKENS_PER_CALL):
            body = self._http.post("/books", [{"token_id": token} for token in batch])
            yield wire.book_list(body)

    def market(self, condition_id: ConditionId) -> wire.MarketState:
        """One market as the matching engine sees it, with its winner once resolved."""
        return wire.market(self._http.get(f"/markets/{condition_id}"))

    def prices(
        self, token_id: TokenId, *, since: datetime, until: datetime, fidelity_min: int = 1
    ) -> wire.PriceRows:
        """Historical prices around [since, until), at most 15 days: longer ones come back empty.

        The venue takes whole seconds; the exact bounds are the caller's to apply.
        """
        if until - since > LONGEST_HISTORY:
            raise ValueError(f"{until - since} at once; ask for at most {LONGEST_HISTORY}")
        params = {
            "market": token_id,
            "startTs": str(int(since.timestamp())),
            "endTs": str(ceil(until.timestamp())),
            "fidelity": str(fidelity_min),
        }
        return wire.price_rows(self._http.get("/prices-history", params))


def _batches(tokens: Iterable[TokenId], size: int) -> Iterator[Sequence[TokenId]]:
    remaining = iter(tokens)
    while batch := list(islice(remaining, size)):
        yield batch


def connect() -> ClobData:
    """The order-book service we are configured for; raises `http.SimulatedVenue`."""
    return _at(http.permit(settings.ENV.venue_clob_url, mode=settings.ENV.mode))


# One per process: a budget counts the requests of all callers, a connection is kept alive.
_at = cache(ClobData)
