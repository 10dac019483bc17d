"""The exchange's routes: which call does what, and what goes wrong with it on command."""

from collections.abc import Callable
from typing import Any, Final

from sandbox.core.conduct import Fate, luck_of
from sandbox.core.world import UnknownMarket
from sandbox.exchange import account, data_routes, desk_routes, orders, public
from sandbox.exchange.desk import Exchange
from sandbox.routes import BadQuery, Call, Refused, Reply, reply_of

Answer = Callable[[Exchange, Call, float], Any]
ORDER_PATHS: Final = (
    "/order",
    "/orders",
    "/cancel-all",
    "/cancel-market-orders",
)
NOT_READY: Final = {"error": "service not ready"}
FAILED: Final = {"error": "could not run the execution"}
REGION: Final = {"error": "Trading restricted in your region, please refer to available regions"}


def answer(exchange: Exchange, call: Call, *, now: float) -> Reply | None:
    """The reply to a call that is the exchange's; None for one that is not."""
    told = _public(call) or data_routes.told(exchange, call)
    routed = _trading(call)
    try:
        if told is not None:
            return reply_of(told(exchange, call, now))
        if routed is not None:
            return _guarded(exchange, call, routed, now)
    except Refused as refused:
        return refused.reply
    except (BadQuery, UnknownMarket) as bad:
        return Reply(status=400, body={"error": f"Invalid payload: {bad}"})
    return None


def _public(call: Call) -> Answer | None:
    named = call.method, call.path
    exact = desk_routes.ROUTES.get(named) or public.ROUTES.get(named)
    if exact is not None or call.method != "GET":
        return exact
    return next((found for p, found in public.PREFIXES if call.path.startswith(p)), None)


def _trading(call: Call) -> Answer | None:
    if not call.path.startswith("/clob/"):
        return None
    path = call.path.removeprefix("/clob")
    exact = orders.ROUTES.get((call.method, path)) or account.ROUTES.get((call.method, path))
    if exact is None and call.method == "GET":
        return next((found for p, found in account.PREFIXES if path.startswith(p)), None)
    return exact


def _guarded(exchange: Exchange, call: Call, routed: Answer, now: float) -> Reply:
    """A trading call: first the engine's mood, then its fate, then the call itself."""
    path = call.path.removeprefix("/clob")
    _check_mood(exchange, call, path, now)
    attempt = exchange.attempts(f"{call.method} {path}", call.body)
    fate = exchange.conduct.fate(
        exchange.world.seed, f"{call.method} {path}", luck=luck_of(*attempt)
    )
    if fate is Fate.BEFORE_500:
        return Reply(status=500, body=FAILED)
    if fate is Fate.LIMITED:
        return _limited(exchange)
    try:
        done = reply_of(routed(exchange, call, now))
    except Refused as refused:
        done = refused.reply
    if fate is Fate.ACCEPT_500:
        return Reply(status=500, body=FAILED)
    if fate is Fate.ACCEPT_DROP:
        return Reply(status=done.status, body="", is_lost=True)
    if fate is Fate.ACCEPT_HANG:
        return Reply(status=done.status, body="", is_lost=True, late_s=exchange.conduct.hang_s)
    if fate is Fate.ACCEPT_DUPLICATED and done.status == 200:
        order_id = done.body.get("orderID", "") if isinstance(done.body, dict) else ""
        body = {"error": f"order {order_id} is invalid. Duplicated."}
        return Reply(status=400, body=body) if order_id else done
    return done


def _check_mood(exchange: Exchange, call: Call, path: str, now: float) -> None:
    """Raises `Refused` where the engine takes no such call for now."""
    if path not in ORDER_PATHS:
        return
    conduct, wait = exchange.conduct, exchange.conduct.retry_after_s
    if exchange.timers.restarting_for(now) > 0:
        raise Refused(425, NOT_READY)
    if conduct.mode == "disabled":
        error = "Trading is currently disabled. Check polymarket.com for updates"
        raise Refused(503, {"error": error, "retry_after_seconds": wait})
    if call.method != "POST":
        return
    if conduct.blocked:
        raise Refused(403, REGION)
    if conduct.mode == "cancel_only":
        error = "Trading is currently cancel-only. New orders are not accepted, only cancels."
        raise Refused(503, {"error": error, "retry_after_seconds": wait})


def _limited(exchange: Exchange) -> Reply:
    wait = f"{exchange.conduct.retry_after_s:g}"
    headers = {"Retry-After": wait, "Poly-RateLimit-Remaining": "0", "Poly-RateLimit-Tier": "0"}
    return Reply(status=429, body={"error": "Too Many Requests"}, headers=headers)
