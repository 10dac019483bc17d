"""Small venue replies in our own words and numbers, and a transport that serves them."""

import json
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import httpx

from markets.core import wire_gamma

Json = dict[str, Any]
Answer = Callable[[httpx.Request], httpx.Response]


def token(number: int, side: int = 0) -> str:
    """A token id of the venue's length, one per market and side."""
    return str(10**76 + 10 * number + side)


def condition(number: int) -> str:
    """A condition id."""
    return f"0x{number:064x}"


def market(number: int = 1, **changes: Any) -> Json:
    """An open question about rain, as the catalogue writes it; None removes a key."""
    row = {
        "id": str(number),
        "version": "v1",
        "question": f"Will it rain on day {number}?",
        "conditionId": condition(number),
        "slug": f"rain-{number}",
        "outcomes": '["Yes", "No"]',
        "outcomePrices": '["0.42", "0.58"]',
        "clobTokenIds": json.dumps([token(number), token(number, 1)]),
        "active": True,
        "closed": False,
        "acceptingOrders": True,
        "enableOrderBook": True,
        "startDate": "2026-11-01T00:00:00Z",
        "endDate": "2026-12-01T00:00:00Z",
        "orderPriceMinTickSize": 0.01,
        "orderMinSize": 5,
        "negRisk": False,
        "volume": "1234.5",
        "liquidity": "900.25",
        "feesEnabled": True,
        "feeSchedule": {"exponent": 1, "rate": 0.05, "takerOnly": True, "rebateRate": 0.25},
    }
    return {k: v for k, v in (row | changes).items() if v is not None}


def event(number: int = 1, *, markets: Iterable[Json] | None = None, **changes: Any) -> Json:
    """An open event with one market unless told otherwise."""
    row = {
        "id": f"9{number}",
        "slug": f"weather-{number}",
        "title": f"Weather of day {number}",
        "tags": [{"id": "1", "slug": "weather", "label": "Weather"}],
        "series": [{"slug": "daily-weather", "title": "Daily weather", "recurrence": "daily"}],
        "negRisk": False,
        "markets": [market(number)] if markets is None else list(markets),
    }
    return {k: v for k, v in (row | changes).items() if v is not None}


def read_event(row: Json) -> wire_gamma.EventRow:
    """The event as the catalogue's parser reads it."""
    return wire_gamma.event(encoded(row))


def epoch_event(start: int, *, window: str = "5m", opening: float | None = None) -> Json:
    """A bitcoin up/down event of one window."""
    slug = f"btc-updown-{window}-{start}"
    child = market(
        start,
        slug=slug,
        question="Bitcoin up or down?",
        outcomes='["Up", "Down"]',
        endDate=None,
    )
    prices = {"priceToBeat": opening} if opening is not None else None
    tags = [{"id": "2", "slug": "crypto-prices"}]
    return event(start, slug=slug, markets=[child], tags=tags, eventMetadata=prices)


def levels(*pairs: tuple[str, str]) -> list[Json]:
    """Price levels as the venue writes them."""
    return [{"price": price, "size": size} for price, size in pairs]


def book(number: int = 1, side: int = 0, **changes: Any) -> Json:
    """A two-sided book, worst levels first as the venue sorts them."""
    row = {
        "market": condition(number),
        "asset_id": token(number, side),
        "timestamp": "1795176000123",
        "hash": "5f",
        "bids": levels(("0.40", "900"), ("0.41", "1000")),
        "asks": levels(("0.44", "800"), ("0.43", "1200")),
        "min_order_size": "5",
        "tick_size": "0.01",
        "neg_risk": False,
        "last_trade_price": "0.42",
    }
    return {k: v for k, v in (row | changes).items() if v is not None}


def engine_market(number: int = 1, *, winner: int | None = 0, **changes: Any) -> Json:
    """A market of the matching engine, closed with a winner unless told otherwise."""
    row = {
        "condition_id": condition(number),
        "question": f"Will it rain on day {number}?",
        "active": True,
        "closed": True,
        "minimum_order_size": 5,
        "minimum_tick_size": 0.01,
        "tokens": [
            {
                "token_id": token(number, side),
                "outcome": name,
                "price": int(side == winner),
                "winner": side == winner,
            }
            for side, name in enumerate(("Yes", "No"))
        ],
    }
    return row | changes


def encoded(value: Any) -> bytes:
    """JSON bytes; decimals as their digits."""
    return json.dumps(value, default=lambda d: float(d) if isinstance(d, Decimal) else d).encode()


def serving(routes: dict[str, Any]) -> httpx.MockTransport:
    """A transport that answers by path: a callable, an exception, or a JSON value; else 404."""

    def answer(request: httpx.Request) -> httpx.Response:
        found = routes.get(request.url.path)
        if callable(found):
            reply: httpx.Response = found(request)
            return reply
        if found is None:
            return httpx.Response(404, json={"error": "no such thing"})
        return httpx.Response(200, content=encoded(found))

    return httpx.MockTransport(answer)


def paged(kind: str, *pages: list[Json], **envelope: Any) -> Answer:
    """A listing whose cursors are 1, 2, … in order."""

    def answer(request: httpx.Request) -> httpx.Response:
        number = int(request.url.params.get("after_cursor") or 0)
        body: Json = {kind: pages[number], **envelope}
        if number + 1 < len(pages):
            body["next_cursor"] = str(number + 1)
        return httpx.Response(200, content=encoded(body))

    return answer


def listing(kind: str, rows: Iterable[Json], asked: list[httpx.URL] | None = None) -> Answer:
    """A listing that honours `slug`, `series_id` and `closed`; the addresses go to `asked`."""
    known = list(rows)

    def answer(request: httpx.Request) -> httpx.Response:
        if asked is not None:
            asked.append(request.url)
        params = request.url.params
        slugs, series = params.get_list("slug"), set(params.get_list("series_id"))
        closed = params.get("closed") == "true"
        found = [
            row
            for row in known
            if (not slugs or row["slug"] in slugs)
            and (not series or series & {s.get("id") for s in row.get("series", ())})
            and row.get("closed", False) == closed
            and (slugs or series or not row.get("hidden"))
        ]
        return httpx.Response(200, content=encoded({kind: found}))

    return answer


def books_for(rows: Iterable[Json]) -> Answer:
    """`POST /books` over these rows: the asked tokens that exist."""
    by_token = {row["asset_id"]: row for row in rows}

    def answer(request: httpx.Request) -> httpx.Response:
        asked = [item["token_id"] for item in json.loads(request.content)]
        found = [by_token[t] for t in asked if t in by_token]
        return httpx.Response(200, content=encoded(found))

    return answer
