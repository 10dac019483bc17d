"""The stand-in's data service: trades, positions, holders, results; versions 1 and 2, paged."""

import base64
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from sandbox.core import data_rows, names, tape
from sandbox.core.portfolio import Holding, Leg, holdings, legs
from sandbox.core.world import Happening, UnknownMarket, World
from sandbox.routes import Answer, BadQuery, Query, Refused, flag, many, one

LOOK_BACK_EVENTS = 500  # wallets and unfiltered listings see this many of the newest events
PAGE, LARGEST_PAGE = 100, 1000
MAX_CONDITIONS, MAX_TOKENS = 20, 50
# Version 1: rows a page, and the deepest offset.
DEPTH = {"trades": (10_000, 10_000), "activity": (500, 5_000), "positions": (500, 10_000)}
STATUSES = ("OPEN", "REDEEMABLE", "REDEEMABLE_LOST", "MERGEABLE", "CLOSED")
Row = dict[str, Any]
Market = tuple[Happening, int]


def _markets(world: World, conditions: list[str], second: int) -> list[Market]:
    """The markets asked for, else the newest; unknown ones are left out."""
    if len(conditions) > MAX_CONDITIONS:
        raise invalid(f"condition_id: at most {MAX_CONDITIONS} values")
    if not conditions:
        recent = world.recent(second, events=LOOK_BACK_EVENTS)
        return [(h, child) for h in recent for child in range(h.markets)]
    found = []
    for condition in conditions:
        try:
            number, child = names.event_of(names.market_of_condition(condition))
            happening = world.happening(number)
        except UnknownMarket:
            continue
        known = child < happening.markets and second >= happening.opens_at
        if known and names.condition_id(happening, child) == condition.lower():
            found.append((happening, child))
    return found


def _legs(
    world: World, query: Query, conditions: list[str], second: int, *, takers: bool
) -> Iterator[tuple[int, Happening, int, Leg]]:
    wallet = one(query, "user", "").lower()
    since, until = int(one(query, "start", "0")), int(one(query, "end", str(second)))
    for happening, child in _markets(world, conditions, second):
        for trade in tape.until(happening, child, min(second, until)):
            theirs = wallet in ("", trade.taker.address, trade.maker.address)
            for leg in legs(trade) if theirs and trade.second >= since else ():
                if (leg.is_taker or not takers) and wallet in ("", leg.wallet.address):
                    yield trade.second, happening, child, leg


class Rows:
    """Rows that are written when a page asks for them; there may be a hundred pages of them."""

    def __init__(
        self, found: list[tuple[int, Happening, int, Leg]], row: Callable[..., Row]
    ) -> None:
        self._found, self._row = found, row

    def __len__(self) -> int:
        return len(self._found)

    def __getitem__(self, page: slice) -> list[Row]:
        return [self._row(happening, child, leg) for _, happening, child, leg in self._found[page]]


def _trades(
    world: World, query: Query, conditions: list[str], second: int, *, takers: bool,
    row: Callable[..., Row] = data_rows.trade,
) -> Rows:  # fmt: skip
    found = sorted(
        _legs(world, query, conditions, second, takers=takers), key=lambda f: f[0], reverse=True
    )
    return Rows(found, row)


def _held(world: World, query: Query, conditions: list[str], second: int) -> list[Holding]:
    wallet = one(query, "user", "").lower()
    return [
        held
        for happening, child in _markets(world, conditions, second)
        for held in holdings(happening, child, second)
        if wallet in ("", held.wallet.address)
    ]


def _positions(world: World, query: Query, conditions: list[str], second: int) -> list[Row]:
    wanted = one(query, "status", "")
    if wanted and wanted not in STATUSES:
        raise invalid(f"status: unknown variant `{wanted}`")
    held = _held(world, query, conditions, second)
    owned = {(h.wallet, h.happening, h.child, h.outcome) for h in held if h.left}
    rows = []
    for holding in held:
        kind = data_rows.status(holding, second)
        other = holding.wallet, holding.happening, holding.child, 1 - holding.outcome
        mergeable = kind == "OPEN" and other in owned
        if wanted in ("", kind) or (wanted == "MERGEABLE" and mergeable):
            rows.append({**data_rows.position(holding, second), "mergeable": mergeable})
    return rows


def trades(world: World, query: Query, second: int) -> Any:
    """`/v2/trades`."""
    at, _, _ = _cursor(query, second)
    takers = flag(query, "taker_only", default=True)
    return page_of(
        query, second, _trades(world, query, many(query, "condition_id"), at, takers=takers)
    )


def activity(world: World, query: Query, second: int) -> Any:
    """`/v2/activity`."""
    at, _, _ = _cursor(query, second)
    one(query, "user")
    found = _trades(
        world, query, many(query, "condition_id"), at, takers=False, row=data_rows.activity
    )
    return page_of(query, second, found)


def positions(world: World, query: Query, second: int) -> Any:
    """`/v2/positions`: of one wallet, or of one market."""
    at, _, _ = _cursor(query, second)
    conditions = many(query, "condition_id")
    if not one(query, "user", "") and len(conditions) != 1:
        raise invalid("user: missing field, or give exactly one condition_id")
    return page_of(query, second, _positions(world, query, conditions, at))


def holders(world: World, query: Query, second: int) -> Any:
    """`/v2/holders`: of both tokens, the biggest first."""
    return page_of(query, second, _holders(world, many(query, "condition_id"), second))


def _holders(world: World, conditions: list[str], second: int) -> list[Row]:
    if not conditions:
        raise invalid("condition_id: missing field")
    rows = []
    for happening, child in _markets(world, conditions, second):
        held = [h for h in holdings(happening, child, second) if h.left]
        held.sort(key=lambda h: h.left, reverse=True)
        rows += [
            {
                "token_id": names.token_id(happening, child, outcome),
                "holders": [data_rows.holder(h) for h in held if h.outcome == outcome],
            }
            for outcome in (0, 1)
        ]
    return rows


def resolutions(world: World, query: Query, second: int) -> Any:
    """`/v2/resolutions`; unknown questions are left out."""
    conditions = many(query, "condition_id")
    if not conditions:
        raise invalid("exactly one of question_id, condition_id, event_id")
    found = _markets(world, conditions, second)
    return page_of(query, second, [data_rows.resolution(h, child, second) for h, child in found])


def tokens(world: World, query: Query, second: int) -> Any:
    """`/v2/tokens`; unknown tokens are left out."""
    wanted = many(query, "token_id")
    if not 0 < len(wanted) <= MAX_TOKENS:
        raise invalid(f"token_id: 1 to {MAX_TOKENS} values")
    rows = []
    for token in wanted:
        try:
            market, outcome = names.market_of_token(token)
            number, child = names.event_of(market)
            happening = world.happening(number)
        except UnknownMarket:
            continue
        if child < happening.markets and names.token_id(happening, child, outcome) == token:
            rows.append(data_rows.token(happening, child, outcome, second))
    return page_of(query, second, rows)


def value(world: World, query: Query, second: int) -> Any:
    """`/v2/value`: of the open positions, dollars."""
    rows = _positions(world, {**query, "status": ["OPEN"]}, [], second)
    worth = round(sum(row["current_value"] for row in rows), 6)
    return {"proxy_wallet": one(query, "user").lower(), "value": worth}


def old_trades(world: World, query: Query, second: int) -> Any:
    """`/trades`: takers only unless told otherwise."""
    takers = flag(query, "takerOnly", default=True)
    return old_page_of(
        query, "trades", _trades(world, query, many(query, "market"), second, takers=takers)
    )


def old_activity(world: World, query: Query, second: int) -> Any:
    """`/activity`."""
    found = _trades(
        world, query, many(query, "market"), second, takers=False, row=data_rows.activity
    )
    return old_page_of(query, "activity", found)


def old_positions(world: World, query: Query, second: int) -> Any:
    """`/positions`: what is not closed; redeemable ones only when asked for."""
    one(query, "user")
    rows = _positions(world, query, many(query, "market"), second)
    wanted = flag(query, "redeemable")
    rows = [r for r in rows if r["status"] != "CLOSED" and (r["redeemable"] or not wanted)]
    return old_page_of(query, "positions", rows)


def old_closed(world: World, query: Query, second: int) -> Any:
    """`/closed-positions`."""
    one(query, "user")
    asked = {**query, "status": ["CLOSED"]}
    return old_page_of(query, "positions", _positions(world, asked, many(query, "market"), second))


def old_holders(world: World, query: Query, second: int) -> Any:
    """`/holders`."""
    return [
        {"token": row["token_id"], "holders": [data_rows.old(h) for h in row["holders"][:20]]}
        for row in _holders(world, many(query, "market"), second)
    ]


def _cursor(query: Query, second: int) -> tuple[int, int, int]:
    """Second asked about, offset and page size; a cursor pins all three."""
    cursor = one(query, "cursor", "")
    if cursor:
        try:
            at, offset, limit = orjson.loads(base64.urlsafe_b64decode(cursor))
            return int(at), int(offset), int(limit)
        except (ValueError, TypeError):
            raise invalid("cursor: malformed") from None
    limit = int(one(query, "limit", str(PAGE)))
    if not 0 <= limit <= LARGEST_PAGE:
        raise invalid(f"limit: limit must be between 0 and {LARGEST_PAGE}")
    return second, int(one(query, "offset", "0")), limit


def page_of(query: Query, second: int, rows: list[Row] | Rows) -> Row:
    """Version 2: the rows of one page in their envelope; raises `Refused`."""
    at, offset, limit = _cursor(query, second)
    rest = len(rows) > offset + limit > offset
    following = base64.urlsafe_b64encode(orjson.dumps([at, offset + limit, limit])).decode()
    return {
        "data": rows[offset : offset + limit],
        "pagination": {
            "limit": limit,
            "offset": offset,
            "has_more": rest,
            "next_cursor": following if rest else None,
        },
    }


def old_page_of(query: Query, what: str, rows: list[Row] | Rows) -> list[Row]:
    """Version 1: the bare rows of one page; raises `Refused` beyond its depth."""
    size, deepest = DEPTH[what]
    offset, limit = int(one(query, "offset", "0")), int(one(query, "limit", str(PAGE)))
    if offset > deepest:
        error = f"max historical {what} offset of {deepest} exceeded"
        raise Refused(400, {"error": error})
    if limit < 0 or offset < 0:
        raise BadQuery("limit and offset are not negative")
    return [data_rows.old(row) for row in rows[offset : offset + min(limit, size)]]


def invalid(reason: str) -> Refused:
    """Version 2's word on a query that it cannot read."""
    body = {
        "error": f"Failed to deserialize query string: {reason}",
        "code": "invalid_request",
        "retryable": False,
        "trace_id": "simulated",
    }
    return Refused(400, body)


ROUTES: dict[str, Answer] = {
    "/data/v2/trades": trades,
    "/data/v2/activity": activity,
    "/data/v2/positions": positions,
    "/data/v2/holders": holders,
    "/data/v2/resolutions": resolutions,
    "/data/v2/tokens": tokens,
    "/data/v2/value": value,
    "/data/trades": old_trades,
    "/data/activity": old_activity,
    "/data/positions": old_positions,
    "/data/closed-positions": old_closed,
    "/data/holders": old_holders,
}
