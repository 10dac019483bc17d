"""The venue's routes over the world: path, query and second in; status and JSON out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from sandbox import data_service, exchanges, feeds, listing, node
from sandbox.core import names, shapes
from sandbox.core.families import Kind
from sandbox.core.world import LAUNCH_DIGITS, Happening, UnknownMarket, World
from sandbox.exchange import api, public
from sandbox.exchange.desk import Exchange
from sandbox.exchange.listed import Listed
from sandbox.routes import Answer, Call, Query, Refused, Reply, flag, one, reply_of

PAGE = 100
MAX_TOKENS = 500


@dataclass(frozen=True, slots=True)
class StandIn:
    """Answers as the venue would; without an `exchange` it takes no orders."""

    world: World
    exchange: Exchange | None = None

    def answer(self, call: Call, *, now: float) -> Reply:
        """Answer any call at `now`, UTC epoch seconds: the exchange first, then the world."""
        if self.exchange is not None:
            if call.path == "/rpc":
                self.exchange.advance(now)
            reply = api.answer(self.exchange, call, now=now)
            if reply is not None:
                return reply
        if call.method == "GET":
            return self.get(call.path, call.query, second=int(now))
        if call.method == "POST":
            return self.post(call.path, call.body, second=int(now))
        return Reply(status=404, body={"error": f"no route {call.method} {call.path}"})

    def get(self, path: str, query: Query, *, second: int) -> Reply:
        """Answer a GET; unknown routes and objects are 404, bad values 400."""
        exact, service = EXACT.get(path), SERVICES.get(path)
        try:
            if exact is not None:
                return Reply(status=200, body=exact(self, query, second))
            if service is not None:
                return reply_of(service(self.world, query, second))
            for prefix, answer in PREFIXES:
                if path.startswith(prefix):
                    return Reply(status=200, body=answer(self, path.removeprefix(prefix), second))
        except Refused as refused:
            return refused.reply
        except UnknownMarket as unknown:
            return Reply(status=404, body={"type": "not found error", "error": str(unknown)})
        except ValueError as bad:
            return Reply(status=400, body={"error": f"Invalid payload: {bad}"})
        return Reply(status=404, body={"error": f"no route {path}"})

    def post(self, path: str, body: bytes, *, second: int) -> Reply:
        """Answer a POST: books of up to 500 tokens; unknown or closed ones are left out."""
        if path == "/rpc":
            return reply_of(node.rpc(self.world, body, second, self.exchange))
        if path != "/clob/books":
            return Reply(status=404, body={"error": f"no route {path}"})
        try:
            tokens = [str(row["token_id"]) for row in orjson.loads(body)]
        except (ValueError, TypeError, KeyError):
            return Reply(status=400, body={"error": "Invalid payload"})
        if len(tokens) > MAX_TOKENS:
            return Reply(status=400, body={"error": f"at most {MAX_TOKENS} tokens"})
        found = []
        for token in tokens:
            try:
                found.append(self._book(token, second))
            except UnknownMarket:
                continue
        return Reply(status=200, body=found)

    def _find(self, market_number: int, second: int) -> tuple[Happening, int]:
        number, child = names.event_of(market_number)
        happening = self.world.happening(number)
        if child >= happening.markets or second < happening.opens_at:
            raise UnknownMarket(f"no market {market_number} is listed")
        return happening, child

    def _token(self, token: str, second: int) -> tuple[Happening, int, int]:
        number, outcome = names.market_of_token(token)
        happening, child = self._find(number, second)
        if names.token_id(happening, child, outcome) != token:
            raise UnknownMarket(f"no token {token} exists")
        return happening, child, outcome

    def _book(self, token: str, second: int) -> dict[str, Any]:
        happening, child, outcome = self._token(token, second)
        if second >= happening.closed_at:
            raise UnknownMarket("No orderbook exists for the requested token id")
        levels = None
        if self.exchange is not None:
            levels = public.shown(self.exchange, Listed(happening, child), second)
        return shapes.book(happening, child, outcome, second, levels=levels)

    def events_keyset(self, query: Query, second: int) -> dict[str, Any]:
        """Events page by page; of the slugs asked for where there are any."""
        if query.get("slug"):
            return {"events": [shapes.event(h, second) for h in self._by_slug(query, second)]}
        page, cursor = _page(listing.events(self.world, query, second), query)
        found = [self.world.happening(number) for number in page]
        return {"events": [shapes.event(h, second) for h in found], **cursor}

    def markets_keyset(self, query: Query, second: int) -> dict[str, Any]:
        """Markets page by page."""
        page, cursor = _page(listing.markets(self.world, query, second), query)
        return {"markets": [self._market(number, second) for number in page], **cursor}

    def _market(self, number: int, second: int) -> dict[str, Any]:
        return shapes.market(*self._find(number, second), second)

    def _by_slug(self, query: Query, second: int) -> list[Happening]:
        """The events with these slugs; closed ones only when asked for."""
        found = []
        for slug in query["slug"]:
            try:
                happening = self._slugged(slug, second)
            except UnknownMarket:
                continue
            if (second >= happening.closed_at) == flag(query, "closed"):
                found.append(happening)
        return found

    def markets(self, query: Query, second: int) -> list[dict[str, Any]]:
        """Markets by id, condition, token or slug, else a page; closed ones only when asked for."""
        numbers = [int(i) for i in query.get("id", ())]
        numbers += [names.market_of_condition(c) for c in query.get("condition_ids", ())]
        numbers += [names.market_of_token(t)[0] for t in query.get("clob_token_ids", ())]
        if not numbers and not query.get("slug"):
            offset, limit = int(one(query, "offset", "0")), _limit(query)
            rows = listing.markets(self.world, query, second)[offset : offset + limit]
            return [self._market(int(number), second) for number in rows]
        found = []
        for number in numbers:
            try:
                happening, child = self._find(number, second)
            except UnknownMarket:
                continue
            if (second >= happening.closed_at) == flag(query, "closed"):
                found.append(shapes.market(happening, child, second))
        events = self._by_slug({**query, "slug": _event_slugs(query)}, second)
        named = (shapes.market(h, c, second) for h in events for c in range(h.markets))
        return found + [m for m in named if m["slug"] in query.get("slug", ())]

    def market(self, key: str, second: int) -> dict[str, Any]:
        """One Gamma market by id."""
        if not key.isdigit():
            raise UnknownMarket(f"no market {key} is listed")
        return shapes.market(*self._find(int(key), second), second)

    def event_by_slug(self, slug: str, second: int) -> dict[str, Any]:
        """One Gamma event by slug, open or closed."""
        return shapes.event(self._slugged(slug, second), second)

    def _slugged(self, slug: str, second: int) -> Happening:
        for number in self._numbers_of(slug):
            try:
                happening = self.world.happening(number)
            except UnknownMarket:
                continue
            if names.slug(happening) == slug and second >= happening.opens_at:
                return happening
        raise UnknownMarket(f"no event {slug} is listed")

    def _numbers_of(self, slug: str) -> Iterator[int]:
        """The events that this slug may mean."""
        tail = slug.rsplit("-", 1)[-1]
        if slug.startswith("sim-"):
            yield from [int(tail)] if tail.isdigit() else []
            return
        for family in self.world.families:
            launch = names.launch_of(slug, family) if family.kind is Kind.EPOCH else None
            if launch is not None:
                yield family.code * LAUNCH_DIGITS + launch

    def event(self, key: str, second: int) -> dict[str, Any]:
        """One Gamma event by id."""
        if not key.isdigit():
            raise UnknownMarket(f"no event {key} is listed")
        happening, _ = self._find(int(key) * 10, second)
        return shapes.event(happening, second)

    def clob_market(self, condition: str, second: int) -> dict[str, Any]:
        """The CLOB's view of one market, with winner flags once it is resolved."""
        happening, child = self._find(names.market_of_condition(condition), second)
        if names.condition_id(happening, child) != condition:
            raise UnknownMarket(f"no market {condition} exists")
        return shapes.clob_market(happening, child, second)

    def book(self, query: Query, second: int) -> dict[str, Any]:
        """The book of one token."""
        return self._book(one(query, "token_id"), second)

    def prices_history(self, query: Query, second: int) -> dict[str, Any]:
        """Past prices of one token; never a point later than now."""
        happening, child, outcome = self._token(one(query, "market"), second)
        since = int(one(query, "startTs", str(happening.opens_at)))
        until = min(int(one(query, "endTs", str(second))), second)
        step = max(60 * int(one(query, "fidelity", "1")), 60)
        rows = shapes.history(happening, child, outcome, since=since, until=until, step_s=step)
        return {"history": rows}


SERVICES: dict[str, Answer] = {**data_service.ROUTES, **exchanges.ROUTES, **feeds.ROUTES}
Exact = Callable[[StandIn, Query, int], Any]
ByKey = Callable[[StandIn, str, int], Any]
EXACT: dict[str, Exact] = {
    "/gamma/events/keyset": StandIn.events_keyset,
    "/gamma/markets/keyset": StandIn.markets_keyset,
    "/gamma/markets": StandIn.markets,
    "/clob/book": StandIn.book,
    "/clob/prices-history": StandIn.prices_history,
    "/clob/time": lambda _venue, _query, second: str(second),
    "/clob/ok": lambda _venue, _query, _second: "OK",
}
PREFIXES: tuple[tuple[str, ByKey], ...] = (
    ("/gamma/events/slug/", StandIn.event_by_slug),
    ("/gamma/events/", StandIn.event),
    ("/gamma/markets/", StandIn.market),
    ("/clob/markets/", StandIn.clob_market),
)


def _limit(query: Query) -> int:
    return min(max(int(one(query, "limit", str(PAGE))), 1), PAGE)


def _event_slugs(query: Query) -> list[str]:
    """The events that markets of these slugs may belong to: a group's child carries a number."""
    return [name for slug in query.get("slug", ()) for name in (slug, slug.rpartition("-")[0])]


def _page(numbers: NDArray[np.int64], query: Query) -> tuple[list[int], dict[str, str]]:
    """Numbers after the cursor; the next cursor is the last of them, absent on the last page."""
    after = int(one(query, "after_cursor", "0") or "0")
    rest = numbers[np.searchsorted(numbers, after, side="right") :]
    page = [int(number) for number in rest[: _limit(query)]]
    more = len(rest) > len(page)
    return page, {"next_cursor": str(page[-1])} if more else {}
