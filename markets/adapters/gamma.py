"""The venue's catalogue service."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Literal

import httpx
from django.conf import settings

from config.kernel.units import ConditionId
from markets.adapters import http
from markets.core import wire_gamma as wire

# Documented requests per 10 s, summer 2026.
LIMITS = (
    http.Limit(prefix="", requests=4000),
    http.Limit(prefix="/events", requests=500),
    http.Limit(prefix="/markets", requests=300),
    http.Limit(prefix="/tags", requests=200),
    http.Limit(prefix="/public-search", requests=350),
)
PAGE = 100
CONDITIONS_PER_CALL = 50
SLUGS_PER_CALL = 50
Listing = Literal["events", "markets"]


class StuckCursor(Exception):
    """A listing repeated a cursor or its first row: following it would never end."""


class Gamma:
    """Reads events and markets; `simulated` where the service runs on this machine."""

    def __init__(
        self, base_url: str, *, transport: httpx.BaseTransport | None = None, attempts: int = 4
    ) -> None:
        self.simulated = http.is_local(base_url)
        self._http = http.session(base_url, limits=LIMITS, transport=transport, attempts=attempts)

    def events(self, *, closed: bool = False) -> Iterator[wire.Page]:
        """All events with their markets, page by page; raises `StuckCursor`."""
        return self._pages("events", closed=closed)

    def markets(self, *, closed: bool = False) -> Iterator[wire.Page]:
        """All markets, page by page; raises `StuckCursor`."""
        return self._pages("markets", closed=closed)

    def event(self, slug: str) -> wire.EventRow:
        """One event, closed or not; raises `http.NotThere`."""
        return wire.event(self._http.get(f"/events/slug/{slug}"))

    def market(self, venue_key: str) -> wire.MarketRow:
        """One market, closed or not; raises `http.NotThere`."""
        return wire.market(self._http.get(f"/markets/{venue_key}"))

    def results(self, condition_ids: Sequence[ConditionId]) -> wire.Page:
        """The closed among at most 50 markets; the listing leaves the open and the unknown out."""
        if len(condition_ids) > CONDITIONS_PER_CALL:
            raise ValueError(f"ask for at most {CONDITIONS_PER_CALL} markets a call")
        many = [("condition_ids", condition) for condition in condition_ids]
        return wire.listing(
            self._http.get("/markets", [("closed", "true"), ("limit", str(PAGE)), *many])
        )

    def ended(self, *, since: datetime) -> Iterator[wire.Page]:
        """Closed events whose announced end is not before `since`, page by page."""
        return self._pages("events", [("end_date_min", _iso(since))], closed=True)

    def named(self, slugs: Sequence[str], *, closed: bool = False) -> wire.Page:
        """Those of at most 50 events by slug that are open, or closed; one request."""
        if len(slugs) > SLUGS_PER_CALL:
            raise ValueError(f"ask for at most {SLUGS_PER_CALL} events a call")
        many = [("slug", slug) for slug in slugs]
        return self._page("events", [*_listing(closed=closed), *many])

    def in_series(
        self, series: Sequence[str], *, ends_after: datetime, ends_before: datetime
    ) -> Iterator[wire.Page]:
        """Open events of these series (ids) that end in the period; raises `StuckCursor`."""
        until = [("end_date_min", _iso(ends_after)), ("end_date_max", _iso(ends_before))]
        return self._pages("events", [*(("series_id", key) for key in series), *until])

    def _pages(
        self, listing: Listing, wanted: Sequence[tuple[str, str]] = (), *, closed: bool = False
    ) -> Iterator[wire.Page]:
        seen: set[str] = set()
        firsts: set[str] = set()
        cursor = ""
        while True:
            following = [("after_cursor", cursor)] if cursor else []
            page = self._page(listing, [*_listing(closed=closed), *wanted, *following])
            first = next((row.id for row in page.events or page.markets), "")
            if first and first in firsts:
                raise StuckCursor(f"/{listing}/keyset began twice with {first} (cursor {cursor!r})")
            firsts.add(first)
            yield page
            cursor = page.next_cursor
            if not cursor:
                return
            if cursor in seen:
                raise StuckCursor(f"/{listing}/keyset gave the cursor {cursor!r} twice")
            seen.add(cursor)

    def _page(self, listing: Listing, params: Sequence[tuple[str, str]]) -> wire.Page:
        return wire.page(self._http.get(f"/{listing}/keyset", params), listing)


def _listing(*, closed: bool) -> list[tuple[str, str]]:
    return [("limit", str(PAGE)), ("closed", str(closed).lower())]


def _iso(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def connect() -> Gamma:
    """The catalogue we are configured for; raises `http.SimulatedVenue`."""
    return _at(http.permit(settings.ENV.venue_gamma_url, mode=settings.ENV.mode))


# One per process: a budget counts the requests of all callers, a connection is kept alive.
_at = cache(Gamma)
