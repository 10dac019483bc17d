"""What the owner of a key reads: orders, trades, balances; keys and heartbeats."""

import base64
from collections.abc import Callable
from typing import Any, Final

import orjson

from sandbox.core import exchange_rows as rows
from sandbox.core import signed_orders, wallets
from sandbox.core.keys import ApiKey
from sandbox.core.placed import CASH, Placed, Trade
from sandbox.exchange import auth
from sandbox.exchange.desk import Exchange
from sandbox.exchange.state import Wallet
from sandbox.routes import Call, Query, Refused, one, whole

PAGE: Final = 100
END: Final = "LTE="
SPENDERS: Final = (signed_orders.STANDARD, signed_orders.NEG_RISK)
Read = Callable[[Exchange, Call, float], Any]


def _key(exchange: Exchange, call: Call, now: float) -> ApiKey:
    """The caller; the exchange is brought to the present on the way."""
    key = auth.by_key(exchange, call, call.path.removeprefix("/clob"), now=now)
    exchange.advance(now)
    return key


def order(exchange: Exchange, call: Call, now: float) -> Any:
    """`GET /data/order/{hash}`: 404 for what is unknown, hidden still, or not kept any more."""
    key = _key(exchange, call, now)
    with exchange.lock:
        found = exchange.state.orders.get(call.path.rsplit("/", 1)[-1].lower())
        if found is None or found.key != key.key or not _is_shown(exchange, found, now):
            raise Refused(404, {"error": "order not found"})
        return rows.open_order(found)


def _is_shown(exchange: Exchange, found: Placed, now: float) -> bool:
    kept = exchange.conduct.keeps_closed_s
    gone = kept is not None and found.ended_at and now > found.ended_at + kept
    return now >= found.visible_at and not gone


def orders(exchange: Exchange, call: Call, now: float) -> Any:
    """`GET /data/orders`: those that are alive, oldest first, page by page."""
    key, query = _key(exchange, call, now), call.query
    with exchange.lock:
        found = [
            rows.open_order(order)
            for order in exchange.state.live[key.key].values()
            if now >= order.visible_at
            and _wanted(query, "id", order.id)
            and _wanted(query, "market", order.condition)
            and _wanted(query, "asset_id", order.token)
        ]
    return _page(query, found)


def trades(exchange: Exchange, call: Call, now: float) -> Any:
    """`GET /data/trades`: newest first, page by page."""
    key, query = _key(exchange, call, now), call.query
    since, until = whole(query, "after", 0), whole(query, "before", 99_999_999_999)
    found = []
    with exchange.lock:
        for trade in reversed(exchange.state.trades_of[key.key]):
            if not since <= int(trade.at) <= until or not _is_told(exchange, trade, now):
                continue
            row = rows.trade(trade, key=key.key)
            if not all(
                _wanted(query, name, row[field])
                for name, field in (
                    ("id", "id"), ("market", "market"), ("maker_address", "maker_address")
                )
            ) or not _concerns(query, row):  # fmt: skip
                continue
            twice = exchange.conduct.tells_twice(exchange.world.seed, trade.number)
            found += [row, row] if twice else [row]
    return _page(query, found)


def _is_told(exchange: Exchange, trade: Trade, now: float) -> bool:
    return now >= trade.at + exchange.conduct.trades_hidden_s


def _concerns(query: Query, row: dict[str, Any]) -> bool:
    """Whether the token asked for is the taker's or one of the makers'."""
    tokens = {row["asset_id"], *(maker["asset_id"] for maker in row["maker_orders"])}
    return "asset_id" not in query or one(query, "asset_id") in tokens


def _wanted(query: Query, name: str, value: str) -> bool:
    return name not in query or one(query, name).lower() == value.lower()


def _page(query: Query, found: list[dict[str, Any]]) -> dict[str, Any]:
    cursor = one(query, "next_cursor", "")
    try:
        offset = int(base64.b64decode(cursor)) if cursor and cursor != END else 0
    except ValueError:
        raise Refused(400, {"error": "Invalid next_cursor"}) from None
    page = [] if cursor == END else found[offset : offset + PAGE]
    more = len(found) > offset + PAGE and cursor != END
    following = base64.b64encode(str(offset + PAGE).encode()).decode() if more else END
    return {"data": page, "next_cursor": following, "limit": PAGE, "count": len(page)}


def balance(exchange: Exchange, call: Call, now: float) -> Any:
    """`GET /balance-allowance` and its update: of the wallet of the type that is named."""
    key = _key(exchange, call, now)
    kind, token = one(call.query, "asset_type"), one(call.query, "token_id", "")
    if kind not in ("COLLATERAL", "CONDITIONAL", "CONDITIONAL-V2"):
        raise Refused(400, {"error": "invalid asset_type"})
    if kind != "COLLATERAL" and not token:
        raise Refused(400, {"error": "GetBalanceAndAllowance invalid params: assetAddress"})
    with exchange.lock:
        address = wallet_of(exchange, key.address, whole(call.query, "signature_type", 0))
        wallet = exchange.state.wallets.get(address, Wallet())
        held = wallet.assets.get(CASH if kind == "COLLATERAL" else token, 0)
        allowed = {spender: str(wallet.allowances.get(spender.lower(), 0)) for spender in SPENDERS}
    return {"balance": str(held), "allowances": allowed}


def wallet_of(exchange: Exchange, address: str, signature_type: int) -> str:
    """The wallet of this type that the owner uses: of several forms the one that has anything."""
    own = [w for w, kind in wallets.of_owner(address).items() if kind == signature_type]
    spoken = [w for w, found in exchange.state.wallets.items() if address in found.signers]
    known = [w for w in [*own, *spoken] if w in exchange.state.wallets]
    return (known or own or [address])[0]


def heartbeat(exchange: Exchange, call: Call, now: float) -> Any:
    """`POST /v1/heartbeats`: from the first on, ten seconds of silence cancel everything."""
    key = _key(exchange, call, now)
    try:
        said = orjson.loads(call.body)["heartbeat_id"]
    except (ValueError, KeyError, TypeError):
        raise Refused(400, {"error": "Invalid payload"}) from None
    with exchange.lock:
        armed = exchange.timers.heartbeats.get(key.key)
        if said != (armed[0] if armed else ""):
            body = {"error_msg": "Invalid Heartbeat ID", "heartbeat_id": armed[0] if armed else ""}
            raise Refused(400, body)
        following = exchange.new_heartbeat()
        exchange.timers.beat(key.key, following, now)
    return {"heartbeat_id": following}


def closed_only(exchange: Exchange, call: Call, now: float) -> Any:
    """`GET /auth/ban-status/closed-only`."""
    key = _key(exchange, call, now)
    return {"closed_only": key.address in exchange.conduct.closed_only}


def api_keys(exchange: Exchange, call: Call, now: float) -> Any:
    """`GET /auth/api-keys`: those of the caller's address."""
    key = _key(exchange, call, now)
    own = [k.key for k in exchange.state.keys.values() if k.address == key.address]
    return {"apiKeys": own}


def drop_key(exchange: Exchange, call: Call, now: float) -> Any:
    """`DELETE /auth/api-key`."""
    key = _key(exchange, call, now)
    with exchange.lock:
        exchange.record(fact="unkey", key=key.key)
    return "OK"


def create_key(exchange: Exchange, call: Call, now: float) -> Any:
    """`POST /auth/api-key`."""
    return auth.create(exchange, call, now=now).shown()


def derive_key(exchange: Exchange, call: Call, now: float) -> Any:
    """`GET /auth/derive-api-key`."""
    return auth.derive(exchange, call, now=now).shown()


def notifications(exchange: Exchange, call: Call, now: float) -> Any:
    """`GET /notifications`: the stand-in sends none."""
    _key(exchange, call, now)
    return []


def scoring(exchange: Exchange, call: Call, now: float) -> Any:
    """`GET /order-scoring`: nothing earns rewards here."""
    _key(exchange, call, now)
    return {"scoring": False}


ROUTES: dict[tuple[str, str], Read] = {
    ("POST", "/auth/api-key"): create_key,
    ("GET", "/auth/derive-api-key"): derive_key,
    ("GET", "/auth/api-keys"): api_keys,
    ("DELETE", "/auth/api-key"): drop_key,
    ("GET", "/auth/ban-status/closed-only"): closed_only,
    ("GET", "/data/orders"): orders,
    ("GET", "/data/trades"): trades,
    ("GET", "/balance-allowance"): balance,
    ("GET", "/balance-allowance/update"): balance,
    ("POST", "/v1/heartbeats"): heartbeat,
    ("GET", "/notifications"): notifications,
    ("GET", "/order-scoring"): scoring,
}
PREFIXES: tuple[tuple[str, Read], ...] = (("/data/order/", order), ("/order/", order))
