"""The data service for users of the exchange: what settled, as late as it is told to be."""

from collections.abc import Callable
from typing import Any

from sandbox.core import user_rows
from sandbox.core.user_rows import Entry
from sandbox.core.world import UnknownMarket
from sandbox.data_service import STATUSES, Row, invalid, old_page_of, page_of
from sandbox.exchange.desk import Exchange
from sandbox.exchange.listed import Listed
from sandbox.routes import BadQuery, Call, Query, flag, many, one, whole

Told = Callable[[Exchange, str, Query, int], Any]
MONEY = ("DEPOSIT", "WITHDRAWAL")


def told(exchange: Exchange, call: Call) -> Callable[[Exchange, Call, float], Any] | None:
    """The route, where it is about a wallet that the exchange knows; None for the world's."""
    found = ROUTES.get(call.path)
    wallet = one(call.query, "user", "").lower()
    if call.method != "GET" or found is None or wallet not in exchange.state.wallets:
        return None

    def answer(exchange: Exchange, call: Call, now: float) -> Any:
        exchange.advance(now)
        seen_at = int(now - exchange.conduct.positions_lag_s)
        return found(exchange, wallet, call.query, seen_at)

    return answer


def _entries(exchange: Exchange, wallet: str, second: int) -> list[Entry]:
    with exchange.lock:
        return [e for e in exchange.state.wallets[wallet].entries if int(e.at) <= second]


def _positions(exchange: Exchange, wallet: str, conditions: list[str], second: int) -> list[Row]:
    entries = _entries(exchange, wallet, second)
    wanted = {condition.lower() for condition in conditions}
    pairs = {e.condition: _market(exchange, e).tokens for e in entries if e.condition}
    found = user_rows.held(entries, pairs)
    rows = []
    for token, mine in found.items():
        market, outcome = exchange.listing.by_token(token)
        if wanted and market.condition not in wanted:
            continue
        other = found.get(market.tokens[1 - outcome])
        rows.append(
            user_rows.position(
                wallet, market.happening, market.child, outcome, mine,
                other_left=other.left if other else 0, second=second,
            )
        )  # fmt: skip
    return rows


def _market(exchange: Exchange, entry: Entry) -> Listed:
    return exchange.listing.by_condition(entry.condition)


def _with_status(rows: list[Row], wanted: str) -> list[Row]:
    if wanted in ("", "OPEN", "CLOSED"):
        return [row for row in rows if wanted in ("", row["status"])]
    if wanted == "MERGEABLE":
        return [row for row in rows if row["mergeable"]]
    won = wanted == "REDEEMABLE"
    return [row for row in rows if row["redeemable"] and (row["current_price"] > 0) == won]


def positions(exchange: Exchange, wallet: str, query: Query, second: int) -> Any:
    """`/v2/positions`."""
    wanted = one(query, "status", "")
    if wanted and wanted not in STATUSES:
        raise invalid(f"status: unknown variant `{wanted}`")
    rows = _positions(exchange, wallet, many(query, "condition_id"), second)
    return page_of(query, second, _with_status(rows, wanted))


def old_positions(exchange: Exchange, wallet: str, query: Query, second: int) -> Any:
    """`/positions`: what is not closed, of a share or more unless told otherwise."""
    rows = _positions(exchange, wallet, many(query, "market"), second)
    try:
        least = float(one(query, "sizeThreshold", "1"))
    except ValueError as bad:
        raise BadQuery(f"sizeThreshold: {bad}") from None
    rows = [row for row in rows if row["current_size"] >= max(least, 1e-6)]
    if flag(query, "redeemable"):
        rows = [row for row in rows if row["redeemable"]]
    return old_page_of(query, "positions", rows)


def old_closed(exchange: Exchange, wallet: str, query: Query, second: int) -> Any:
    """`/closed-positions`."""
    rows = _positions(exchange, wallet, many(query, "market"), second)
    return old_page_of(query, "positions", _with_status(rows, "CLOSED"))


def _activity(
    exchange: Exchange, wallet: str, query: Query, conditions: list[str], second: int
) -> list[Row]:
    kinds = many(query, "type")
    since, until = whole(query, "start", 0), whole(query, "end", second)
    rows = []
    for entry in reversed(_entries(exchange, wallet, min(second, until))):
        money = entry.kind in MONEY and not entry.token
        hidden = money and flag(query, "exclude_deposits_withdrawals", default=True)
        if hidden or entry.at < since or (kinds and entry.kind not in kinds):
            continue
        if conditions and entry.condition not in conditions:
            continue
        rows.append(_did(exchange, wallet, entry))
    return rows


def _did(exchange: Exchange, wallet: str, entry: Entry) -> Row:
    market = outcome = None
    try:
        if entry.token:
            listed, outcome = exchange.listing.by_token(entry.token)
            market = listed.happening, listed.child
        elif entry.condition:
            listed = _market(exchange, entry)
            market = listed.happening, listed.child
    except UnknownMarket:
        market = None
    return user_rows.activity(wallet, entry, market, outcome)


def activity(exchange: Exchange, wallet: str, query: Query, second: int) -> Any:
    """`/v2/activity`."""
    rows = _activity(exchange, wallet, query, many(query, "condition_id"), second)
    return page_of(query, second, rows)


def old_activity(exchange: Exchange, wallet: str, query: Query, second: int) -> Any:
    """`/activity`."""
    rows = _activity(exchange, wallet, query, many(query, "market"), second)
    return old_page_of(query, "activity", rows)


def trades(exchange: Exchange, wallet: str, query: Query, second: int) -> Any:
    """`/v2/trades`."""
    asked = {**query, "type": ["TRADE"]}
    rows = _activity(exchange, wallet, asked, many(query, "condition_id"), second)
    return page_of(query, second, rows)


def old_trades(exchange: Exchange, wallet: str, query: Query, second: int) -> Any:
    """`/trades`."""
    asked = {**query, "type": ["TRADE"]}
    rows = _activity(exchange, wallet, asked, many(query, "market"), second)
    return old_page_of(query, "trades", rows)


def value(exchange: Exchange, wallet: str, _query: Query, second: int) -> Any:
    """`/v2/value`: of all that is held."""
    worth = sum(row["current_value"] for row in _positions(exchange, wallet, [], second))
    return {"proxy_wallet": wallet, "value": round(worth, 6)}


ROUTES: dict[str, Told] = {
    "/data/v2/positions": positions,
    "/data/v2/activity": activity,
    "/data/v2/trades": trades,
    "/data/v2/value": value,
    "/data/positions": old_positions,
    "/data/closed-positions": old_closed,
    "/data/activity": old_activity,
    "/data/trades": old_trades,
}
