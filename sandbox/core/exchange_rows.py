"""Orders and trades in the venue's own JSON, as reads and as events of the user channel."""

from decimal import Decimal
from typing import Any

from sandbox.core.placed import MICRO, PIPS, MakerFill, Placed, Trade
from sandbox.core.wallets import checksummed

Row = dict[str, Any]


def amount(micro: int) -> str:
    """Dollars or shares as the venue writes them: no zeros behind the last digit.

    >>> amount(1_519_999), amount(10_000_000), amount(0)
    ('1.519999', '10', '0')
    """
    return f"{(Decimal(micro) / MICRO).normalize():f}"


def price(pips: int) -> str:
    """A price as the venue writes it.

    >>> price(5200), price(9995)
    ('0.52', '0.9995')
    """
    return f"{(Decimal(pips) / PIPS).normalize():f}"


def accepted(order: Placed, trades: list[Trade], *, status: str) -> Row:
    """The reply to an order that was taken: what it gave and got at once, fees apart."""
    given = got = ""
    if trades:
        cash, shares = sum(t.cash() for t in trades), sum(t.shares for t in trades)
        given, got = amount(cash), amount(shares)
        if not order.is_buy:
            given, got = got, given
    return {
        "success": True,
        "errorMsg": "",
        "orderID": order.id,
        "status": status,
        "makingAmount": given,
        "takingAmount": got,
        "tradeIDs": [trade.id for trade in trades],
    }


def refused(message: str, *, success: bool) -> Row:
    """The reply of status 200 to an order that was not taken."""
    return {
        "success": success,
        "errorMsg": message,
        "orderID": "",
        "status": "",
        "makingAmount": "",
        "takingAmount": "",
        "tradeIDs": [],
    }


def open_order(order: Placed) -> Row:
    """One order as `/data/order` and `/data/orders` write it."""
    return {
        "id": order.id,
        "status": order.status,
        "owner": order.key,
        "maker_address": checksummed(order.wallet),
        "market": order.condition,
        "asset_id": order.token,
        "side": "BUY" if order.is_buy else "SELL",
        "original_size": amount(order.shares),
        "size_matched": amount(order.matched),
        "price": price(order.price),
        "outcome": order.outcome_name,
        "order_type": order.order_type,
        "associate_trades": list(order.trades),
        "created_at": int(order.at),
        "expiration": str(order.expiration),
    }


def trade(found: Trade, *, key: str) -> Row:
    """One trade as the owner of `key` reads it."""
    is_taker = found.taker_key == key
    mine = next((maker for maker in found.makers if maker.key == key), None)
    address = found.taker_wallet if is_taker or mine is None else mine.wallet
    return {
        "id": found.id,
        "taker_order_id": found.taker_order,
        "market": found.condition,
        "asset_id": found.token,
        "side": "BUY" if found.is_buy else "SELL",
        "size": amount(found.shares),
        "price": price(found.price),
        "fee_rate_bps": "0",
        "status": found.status,
        "match_time": str(int(found.at)),
        "last_update": str(int(found.moved_at or found.at)),
        "outcome": found.outcome_name,
        "bucket_index": 0,
        "owner": found.taker_key if is_taker else key,
        "maker_address": checksummed(address),
        "transaction_hash": found.transaction_hash,
        "trader_side": "TAKER" if is_taker else "MAKER",
        "maker_orders": [_maker(maker) for maker in found.makers],
    }


def _maker(maker: MakerFill) -> Row:
    return {
        "order_id": maker.order_id,
        "owner": maker.key,
        "maker_address": checksummed(maker.wallet),
        "matched_amount": amount(maker.shares),
        "price": price(maker.price),
        "fee_rate_bps": "0",
        "asset_id": maker.token,
        "outcome": maker.outcome_name,
        "side": "BUY" if maker.is_buy else "SELL",
    }


def order_event(order: Placed, kind: str, *, at: float) -> Row:
    """An order event: PLACEMENT, UPDATE or CANCELLATION."""
    row = open_order(order)
    return {
        **row,
        "event_type": "order",
        "type": kind,
        "order_owner": order.key,
        "created_at": str(row["created_at"]),
        "associate_trades": row["associate_trades"] or None,
        "timestamp": str(int(at * 1000)),
    }


def trade_event(found: Trade, *, key: str, at: float) -> Row:
    """A trade event, sent anew for every status."""
    row = trade(found, key=key)
    return {
        **row,
        "event_type": "trade",
        "type": "TRADE",
        "trade_owner": key,
        "transaction_hash": row["transaction_hash"] or None,
        "timestamp": str(int(at * 1000)),
    }
