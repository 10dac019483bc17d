"""The routes that change orders: place one or many, cancel one, many, of a market, all."""

from collections.abc import Callable
from typing import Any, Final

import orjson

from sandbox.core import exchange_rows as rows
from sandbox.core import signed_orders
from sandbox.core.keys import ApiKey
from sandbox.core.order_checks import Refusal
from sandbox.core.signed_orders import Malformed
from sandbox.exchange import auth
from sandbox.exchange.desk import Exchange
from sandbox.exchange.intake import PostOnlyMode
from sandbox.routes import Call, Refused

MOST_AT_ONCE: Final = 15
MOST_CANCELS: Final = 1000
Done = Callable[[Exchange, Call, float], Any]


def place(exchange: Exchange, call: Call, now: float) -> Any:
    """`POST /order`."""
    key = auth.by_key(exchange, call, "/order", now=now)
    try:
        return _placed(exchange, key, _read(call), now)
    except PostOnlyMode as refusal:
        wait = exchange.conduct.retry_after_s
        body = {"error": str(refusal), "code": "post_only_mode", "retry_after_seconds": wait}
        raise Refused(503, body) from None
    except Refusal as refusal:
        if refusal.soft and exchange.conduct.kills_as == 200:
            return rows.refused(str(refusal), success=True)
        raise Refused(400, {"error": str(refusal)}) from None


def place_many(exchange: Exchange, call: Call, now: float) -> Any:
    """`POST /orders`: an answer for each, refusals among them."""
    key = auth.by_key(exchange, call, "/orders", now=now)
    said = _read(call)
    if not isinstance(said, list) or not 0 < len(said) <= MOST_AT_ONCE:
        raise Refused(400, {"error": f"Invalid payload: 1 to {MOST_AT_ONCE} orders"})
    answers = []
    for body in said:
        try:
            answers.append(_placed(exchange, key, body, now))
        except Refusal as refusal:
            answers.append(rows.refused(str(refusal), success=True))
    return answers


def _placed(exchange: Exchange, key: ApiKey, body: Any, now: float) -> Any:
    try:
        order = signed_orders.parse(body)
    except Malformed as wrong:
        raise Refusal(str(wrong)) from None
    return exchange.place(order, key, now=now)


def cancel(exchange: Exchange, call: Call, now: float) -> Any:
    """`DELETE /order`."""
    key = auth.by_key(exchange, call, "/order", now=now)
    said = _read(call)
    if not isinstance(said, dict) or not isinstance(said.get("orderID"), str):
        raise Refused(400, {"error": "Invalid orderID"})
    return exchange.cancel(key.key, [said["orderID"]], now=now)


def cancel_many(exchange: Exchange, call: Call, now: float) -> Any:
    """`DELETE /orders`."""
    key = auth.by_key(exchange, call, "/orders", now=now)
    said = _read(call)
    if not isinstance(said, list) or len(said) > MOST_CANCELS:
        raise Refused(400, {"error": f"Invalid payload: at most {MOST_CANCELS} ids"})
    return exchange.cancel(key.key, [str(order_id) for order_id in said], now=now)


def cancel_all(exchange: Exchange, call: Call, now: float) -> Any:
    """`DELETE /cancel-all`."""
    key = auth.by_key(exchange, call, "/cancel-all", now=now)
    return exchange.cancel_where(key.key, lambda _order: True, now=now)


def cancel_market(exchange: Exchange, call: Call, now: float) -> Any:
    """`DELETE /cancel-market-orders`: of a market, of a token, or of both."""
    key = auth.by_key(exchange, call, "/cancel-market-orders", now=now)
    said = _read(call)
    if not isinstance(said, dict):
        raise Refused(400, {"error": "Invalid payload"})
    market, token = said.get("market") or "", said.get("asset_id") or ""
    return exchange.cancel_where(
        key.key,
        lambda order: market in ("", order.condition) and token in ("", order.token),
        now=now,
    )


def _read(call: Call) -> Any:
    try:
        return orjson.loads(call.body)
    except orjson.JSONDecodeError:
        raise Refused(400, {"error": "Invalid payload"}) from None


ROUTES: dict[tuple[str, str], Done] = {
    ("POST", "/order"): place,
    ("POST", "/orders"): place_many,
    ("DELETE", "/order"): cancel,
    ("DELETE", "/orders"): cancel_many,
    ("DELETE", "/cancel-all"): cancel_all,
    ("DELETE", "/cancel-market-orders"): cancel_market,
}
