"""A few raw messages of each kind, as the venue sends them today, for the contract check."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import websockets
from django.conf import settings

from markets.adapters import clob_data, data_api, gamma, http
from markets.core.wire import decode

Sample = tuple[str, list[Any]]
TOKENS = 20
LISTEN_S = 8.0
OPEN_WITHIN_S = 5.0


def rest() -> Iterator[Sample]:
    """Samples of catalogue, engine and data service, each with the name of its contract.

    Raises the errors of `http`, `NotUnderstood` for what is no JSON.
    """
    env = settings.ENV
    listing = _session(env.venue_gamma_url, gamma.LIMITS)
    events = _rows(listing, "/events/keyset", {"limit": "50", "closed": "false"}, within="events")
    markets = [m for e in events if isinstance(e, dict) for m in e.get("markets") or ()]
    yield "gamma.event", events
    yield "gamma.market", markets
    engine = _session(env.venue_clob_url, clob_data.LIMITS)
    tokens = [token for market in markets for token in _tokens(market)][:TOKENS]
    yield "clob.book", _list(engine.post("/books", [{"token_id": token} for token in tokens]))
    conditions = [m["conditionId"] for m in markets if isinstance(m, dict) and m.get("conditionId")]
    for condition in conditions[:1]:
        yield "clob.market", [decode(engine.get(f"/markets/{condition}"), source="clob.market")]
    for token in tokens[:1]:
        query = {"market": token, "interval": "1d", "fidelity": "60"}
        yield "clob.prices_history", _rows(engine, "/prices-history", query, within="history")
    yield from _trades(conditions)


def stream(tokens: Sequence[str], *, listen_s: float = LISTEN_S) -> list[Sample]:
    """Samples of the market channel over these tokens, listening for a few seconds.

    Raises `http.VenueUnreachable` where no connection comes up.
    """
    return asyncio.run(_listen(list(tokens)[:TOKENS], listen_s))


async def _listen(tokens: list[str], listen_s: float) -> list[Sample]:
    url = http.permit(settings.ENV.venue_ws_url, mode=settings.ENV.mode)
    found: dict[str, list[Any]] = {}
    try:
        async with websockets.connect(url, open_timeout=OPEN_WITHIN_S) as socket:
            await socket.send(json.dumps({"assets_ids": tokens, "type": "market"}))
            with suppress(TimeoutError):
                async with asyncio.timeout(listen_s):
                    async for frame in socket:
                        _sort(frame, found)
    except (OSError, TimeoutError, websockets.WebSocketException) as failure:
        raise http.VenueUnreachable(f"{url} gave no stream ({failure!r})") from failure
    return list(found.items())


def _sort(frame: str | bytes, found: dict[str, list[Any]]) -> None:
    text = frame if isinstance(frame, bytes) else frame.encode()
    if text.strip() in (b"PING", b"PONG"):
        return
    value = decode(text, source="stream")
    for message in value if isinstance(value, list) else [value]:
        kind = message.get("event_type") if isinstance(message, dict) else None
        found.setdefault(f"stream.{kind}", []).append(message)
        if kind == "price_change":
            changes = message.get("price_changes") or []
            found.setdefault("stream.price_change.level", []).extend(changes)


def _trades(conditions: Sequence[str]) -> Iterator[Sample]:
    service = _session(settings.ENV.venue_data_url, data_api.LIMITS)
    query = {"condition_id": ",".join(conditions[:TOKENS]), "limit": "50"}
    yield "data.trade", _rows(service, "/v2/trades", query, within="data")


def _session(url: str, limits: Sequence[http.Limit]) -> http.Session:
    return http.session(http.permit(url, mode=settings.ENV.mode), limits=limits)


def _rows(service: http.Session, path: str, query: dict[str, str], *, within: str) -> list[Any]:
    value = decode(service.get(path, query), source=path)
    rows = value.get(within) if isinstance(value, dict) else None
    return rows if isinstance(rows, list) else [value]


def _list(body: bytes) -> list[Any]:
    value = decode(body, source="clob.book")
    return value if isinstance(value, list) else [value]


def _tokens(market: Any) -> list[str]:
    if not isinstance(market, dict) or not market.get("acceptingOrders"):
        return []
    with suppress(ValueError, TypeError):
        return [str(token) for token in json.loads(market.get("clobTokenIds") or "[]")][:1]
    return []
