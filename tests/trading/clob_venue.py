"""The real adapter and what a loopback venue is told to say: the words of its tests."""

import dataclasses
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from tests.factories import NOW
from tests.trading.clob_stub import EMPTY_PAGE, Says, Stub
from tests.trading.test_signing import KEY, TOKEN
from trading.adapters import clob
from trading.adapters.signer import Signer
from trading.adapters.token_fees import Fees
from trading.venue import (
    Receipt,
    Ticket,
)

OTHER = "14943202171143669362180565155331992758433128192256190594100236888666963607938"
CONDITION = "0xa5c6d0c4cef71fe53c0235790b5568574343551fe67c62db39e9ebf3387b415a"
ORDER = ("POST", "/clob/order")
RATE = Decimal("0.07")


def a_venue(stub: Stub, **changes: Any) -> clob.Clob:
    options = {"endpoints": stub.endpoints, "as_of": NOW, "timeout_s": 1.0, "fees_of": no_fees}
    return clob.connect(Signer(KEY), **options | changes)


def no_fees(token_ids: Any) -> dict[str, Fees]:
    return {token: Fees(rate=RATE) for token in token_ids}


def a_ticket(**changes: Any) -> Ticket:
    values: dict[str, Any] = {
        "order_id": uuid4(), "market_id": 1, "outcome_index": 0, "is_buy": True,
        "price": Decimal("0.52"), "shares": Decimal(10), "fee_rate": RATE,
        "fee_exponent": Decimal(1), "submitted_at": NOW,
        "expires_at": NOW + timedelta(seconds=60), "type": "GTC", "token_id": TOKEN,
        "other_token_id": OTHER,
        "condition_id": CONDITION, "tick": Decimal("0.01"),
    }  # fmt: skip
    return Ticket(**values | changes)


def prepared(venue: clob.Clob, **changes: Any) -> Ticket:
    ticket = a_ticket(**changes)
    made = venue.prepare(ticket, as_of=NOW)
    return dataclasses.replace(ticket, venue_order_id=made.venue_order_id, payload=made.payload)


def accepted(ticket: Ticket, status: str = "live", **changes: Any) -> Says:
    body = {
        "success": True, "errorMsg": "", "orderID": ticket.venue_order_id, "status": status,
        "makingAmount": "", "takingAmount": "", "tradeIDs": [],
    }  # fmt: skip
    return Says(body=body | changes)


def refused(text: str, status: int = 400) -> Says:
    return Says(status=status, body={"error": text})


def an_order(ticket: Ticket, **changes: Any) -> dict[str, Any]:
    return {
        "id": ticket.venue_order_id, "status": "LIVE", "owner": "the-owner",
        "maker_address": "0x" + "11" * 20, "market": CONDITION, "asset_id": ticket.token_id,
        "side": "BUY", "original_size": "10", "size_matched": "0", "price": "0.52",
        "outcome": "Yes", "order_type": "GTC", "associate_trades": [],
        "created_at": int(NOW.timestamp()), "expiration": "0",
    } | changes  # fmt: skip


def a_trade(ticket: Ticket, **changes: Any) -> dict[str, Any]:
    return {
        "id": "trade-1", "taker_order_id": ticket.venue_order_id, "market": CONDITION,
        "asset_id": TOKEN, "side": "BUY", "size": "10", "price": "0.5", "fee_rate_bps": "1000",
        "status": "MINED", "match_time": str(int(NOW.timestamp())),
        "last_update": str(int(NOW.timestamp())), "outcome": "Yes", "bucket_index": 0,
        "owner": "the-owner", "maker_address": "0x" + "22" * 20, "transaction_hash": "0xaa",
        "trader_side": "TAKER", "maker_orders": [],
    } | changes  # fmt: skip


def an_entry(ticket: Ticket, **changes: Any) -> dict[str, Any]:
    return {
        "order_id": ticket.venue_order_id, "owner": "the-owner", "maker_address": "0x" + "11" * 20,
        "matched_amount": "4", "price": "0.52", "fee_rate_bps": "0", "asset_id": TOKEN,
        "outcome": "Yes", "side": "BUY",
    } | changes  # fmt: skip


def knows(stub: Stub, ticket: Ticket, order: Any = None, *trades: dict[str, Any]) -> None:
    path = f"/clob/data/order/{ticket.venue_order_id}"
    stub.says["GET", path] = (
        Says(status=404, body={"error": "?"}) if order is None else Says(body=order)
    )
    stub.says["GET", "/clob/data/trades"] = Says(body={**EMPTY_PAGE, "data": list(trades)})


def looked_up(venue: clob.Clob, ticket: Ticket, *, after_s: float = 1) -> Receipt | None:
    found = venue.look_up([ticket], as_of=NOW + timedelta(seconds=after_s))
    return found.get(ticket.order_id)
