"""What the exchange tells everybody: a market's terms, wallets, regions."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from sandbox.core import exchange_rows as rows
from sandbox.core.ladder import Ladder, ladder
from sandbox.core.placed import MICRO, PIPS, Trade, transaction_of
from sandbox.core.world import UnknownMarket
from sandbox.exchange.desk import Exchange
from sandbox.exchange.listed import Listed
from sandbox.routes import Call, Refused, one

BASE_FEE = 1000  # an upper bound of old; what is charged stands in `fd`
Told = Callable[[Exchange, Call, float], Any]


def shown(exchange: Exchange, market: Listed, now: float) -> Ladder:
    """The book that everybody sees: the world's, less what was taken, and the users' orders."""
    world = ladder(market.happening, market.child, int(now))
    with exchange.lock:
        if not exchange.is_touched(market.number):
            return world
        sides = []
        for bids in (True, False):
            levels = exchange.world_side(market, now, bids=bids)
            for order in exchange.resting(market.number, bids=bids):
                levels[order.first_price] = levels.get(order.first_price, 0) + order.left
            sides.append(_in_ticks(levels, round(world.tick * PIPS), bids=bids))
    return Ladder(tick=world.tick, bids=sides[0], asks=sides[1])


def _in_ticks(levels: dict[int, int], tick: int, *, bids: bool) -> tuple[tuple[int, float], ...]:
    """Best first; what is off a grid that has coarsened is shown at the next worse price."""
    found: Counter[int] = Counter()
    for price, shares in levels.items():
        found[price // tick if bids else -(-price // tick)] += shares
    # A level is shown to two decimals: less than that is not shown at all.
    there = [(ticks, shares / MICRO) for ticks, shares in found.items() if shares >= MICRO // 100]
    return tuple(sorted(there, reverse=bids))


def traded(trade: Trade) -> dict[str, Any]:
    """A user's trade as the market channel tells it."""
    return {
        "event_type": "last_trade_price",
        "market": trade.condition,
        "asset_id": trade.token,
        "price": rows.price(trade.price),
        "size": rows.amount(trade.shares),
        "fee_rate_bps": "0",
        "side": "BUY" if trade.is_buy else "SELL",
        "timestamp": str(int(trade.at * 1000)),
        "transaction_hash": transaction_of(trade.id),
    }


def _found(find: Callable[[], Any]) -> Any:
    try:
        return find()
    except UnknownMarket:
        raise Refused(404, {"error": "market not found"}) from None


def _by_token(exchange: Exchange, call: Call, now: float) -> Listed:
    token = one(call.query, "token_id")
    market: Listed = _found(lambda: exchange.listing.by_token(token))[0]
    if now < market.happening.opens_at:
        raise Refused(404, {"error": "market not found"})
    return market


def by_token(exchange: Exchange, call: Call, now: float) -> Any:
    """`/markets-by-token/{token}`."""
    token = call.path.rsplit("/", 1)[-1]
    market, _ = _found(lambda: exchange.listing.by_token(token))
    if now < market.happening.opens_at:
        raise Refused(404, {"error": "market not found"})
    first, other = market.tokens
    return {
        "condition_id": market.condition,
        "primary_token_id": first,
        "secondary_token_id": other,
    }


def terms(exchange: Exchange, call: Call, now: float) -> Any:
    """`/clob-markets/{condition}`: the terms in short names."""
    condition = call.path.rsplit("/", 1)[-1]
    market: Listed = _found(lambda: exchange.listing.by_condition(condition))
    if now < market.happening.opens_at:
        raise Refused(404, {"error": "market not found"})
    pairs = zip(market.tokens, market.outcomes, strict=True)
    body = {
        "c": market.condition,
        "t": [{"t": token, "o": outcome} for token, outcome in pairs],
        "mos": market.least // 1_000_000,
        "mts": market.tick(int(now)) / PIPS,
        "mbf": BASE_FEE,
        "tbf": BASE_FEE,
        "fd": {"r": market.fee_rate, "e": 1, "to": True},
        "ao": market.takes_orders(now),
        "cbos": False,
    }
    return {**body, "nr": True} if market.is_neg_risk else body


def tick_size(exchange: Exchange, call: Call, now: float) -> Any:
    """`/tick-size`."""
    market = _by_token(exchange, call, now)
    return {"minimum_tick_size": market.tick(int(now)) / PIPS}


def neg_risk(exchange: Exchange, call: Call, now: float) -> Any:
    """`/neg-risk`."""
    return {"neg_risk": _by_token(exchange, call, now).is_neg_risk}


def fee_rate(exchange: Exchange, call: Call, now: float) -> Any:
    """`/fee-rate`: the bound of old."""
    _by_token(exchange, call, now)
    return {"base_fee": BASE_FEE}


def version(_exchange: Exchange, _call: Call, _now: float) -> Any:
    """`/version`: of orders."""
    return 2


def geoblock(exchange: Exchange, _call: Call, _now: float) -> Any:
    """`/api/geoblock`."""
    blocked = exchange.conduct.blocked
    return {
        "blocked": blocked,
        "ip": "127.0.0.1",
        "country": "US" if blocked else "IE",
        "region": "",
    }


def deployed(_exchange: Exchange, call: Call, _now: float) -> Any:
    """`/relayer/deployed`: every wallet is."""
    one(call.query, "address")
    return {"deployed": True}


ROUTES: dict[tuple[str, str], Told] = {
    ("GET", "/clob/tick-size"): tick_size,
    ("GET", "/clob/neg-risk"): neg_risk,
    ("GET", "/clob/fee-rate"): fee_rate,
    ("GET", "/clob/version"): version,
    ("GET", "/api/geoblock"): geoblock,
    ("GET", "/geoblock"): geoblock,
    ("GET", "/relayer/deployed"): deployed,
}
PREFIXES: tuple[tuple[str, Told], ...] = (
    ("/clob/markets-by-token/", by_token),
    ("/clob/clob-markets/", terms),
)
