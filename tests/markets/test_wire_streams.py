"""Socket messages, replies to orders, and other people's trades."""

from decimal import Decimal
from typing import Any

import pytest

from markets.core import (
    wire_data,
    wire_orders,
    wire_spot,
    wire_stream,
)
from markets.core.wire import NotUnderstood
from tests.markets import wire_payloads as say


def change(**values: Any) -> bytes:
    level = {
        "asset_id": say.token(1),
        "price": "0.4",
        "size": "7",
        "side": "BUY",
        "best_bid": "0.4",
        "best_ask": "1",
        "hash": "e",
    }
    message = {
        "event_type": "price_change",
        "market": say.condition(1),
        "timestamp": "1795176000123",
        "price_changes": [level],
    }
    return say.encoded({k: v for k, v in (message | values).items() if v is not None})


def test_a_frame_may_hold_one_message_several_or_a_keepalive() -> None:
    one, _ = wire_stream.messages(change())
    several, _ = wire_stream.messages(b"[" + change() + b"," + change() + b"]")

    assert isinstance(one[0], wire_stream.PriceChange)
    assert one[0].changes[0].shares == 7
    assert len(several) == 2
    assert wire_stream.messages(b"PONG") == ((), ())


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (change(price_changes=None), "obsolete form"),
        (change(event_type="mystery"), "is unknown"),
        (b"5", "is unknown"),
        (b"nonsense", "not JSON"),
    ],
)
def test_frames_that_are_not_understood_are_returned_as_refusals(frame: bytes, reason: str) -> None:
    found, refused = wire_stream.messages(frame)

    assert found == ()
    assert reason in refused[0].reason


def user_order(**changes: Any) -> dict[str, Any]:
    return {
        "event_type": "order",
        "type": "UPDATE",
        "id": "0xa",
        "owner": "me",
        "market": say.condition(1),
        "asset_id": say.token(1),
        "side": "BUY",
        "price": "0.4",
        "original_size": "10",
        "size_matched": "",
        "order_type": "GTC",
        "status": "ORDER_STATUS_LIVE",
        "maker_address": "0xb",
        "created_at": "",
        "expiration": "0",
        "timestamp": "1795176000123",
    } | changes


def test_user_orders_lose_prefixes_and_empty_texts() -> None:
    order = wire_orders.user_message(user_order())

    assert isinstance(order, wire_orders.OpenOrder)
    assert (order.status, order.matched, order.created_at, order.expires_at) == (
        "LIVE",
        None,
        None,
        None,
    )


def test_an_unknown_user_message_is_refused() -> None:
    with pytest.raises(NotUnderstood, match="event_type 'party' is unknown"):
        wire_orders.user_message(user_order(event_type="party"))


@pytest.mark.parametrize(
    ("body", "accepted", "rejected"),
    [
        (b'{"success": true, "orderID": "0x1", "errorMsg": "", "status": "live"}', True, False),
        (b'{"success": true, "orderID": "", "errorMsg": "no"}', False, True),
        (b'{"success": false, "orderID": null, "errorMsg": null}', False, True),
        (
            b'{"success": true, "orderID": "0x1", "errorMsg": "", "status": "unmatched"}',
            False,
            False,
        ),
        (b'{"success": true, "orderID": "0x1", "errorMsg": "", "status": "odd"}', False, False),
    ],
)
def test_an_order_reply_is_proof_of_acceptance_of_refusal_or_of_nothing(
    body: bytes, accepted: bool, rejected: bool
) -> None:
    found = wire_orders.reply(body)

    assert (found.accepted, found.rejected) == (accepted, rejected)


def test_pages_end_at_the_last_cursor() -> None:
    rows, cursor = wire_orders.page(
        wire_orders.OpenOrder, say.encoded({"data": [user_order()], "next_cursor": "LTE="})
    )

    assert len(rows) == 1
    assert cursor == ""
    with pytest.raises(NotUnderstood, match="expected a page"):
        wire_orders.page(wire_orders.OpenOrder, b"[]")


TRADE = {
    "proxyWallet": "0xabc",
    "side": "BUY",
    "asset": "17",
    "conditionId": say.condition(1),
    "size": 5.25,
    "price": 0.32,
    "timestamp": 1790620097,
    "transactionHash": "0xd",
    "outcomeIndex": 999,
}


def test_both_versions_of_the_data_service_give_the_same_trade() -> None:
    second = {
        "proxy_wallet": "0xabc",
        "side": "BUY",
        "token_id": "17",
        "condition_id": say.condition(1),
        "size": 5.25,
        "price": 0.32,
        "timestamp": 1790620097,
        "transaction_hash": "0xd",
        "outcome_index": 999,
    }
    envelope = {"data": [second], "pagination": {"has_more": True, "next_cursor": "c"}}

    old = wire_data.rows(wire_data.PublicTrade, say.encoded([TRADE]))
    new = wire_data.rows(wire_data.PublicTrade, say.encoded(envelope))

    assert old.rows == new.rows
    assert (old.next_cursor, new.next_cursor) == ("", "c")
    assert old.rows[0].shares == Decimal("5.25")
    assert old.rows[0].known_outcome_index is None


def test_data_replies_that_are_no_rows_are_refused() -> None:
    with pytest.raises(NotUnderstood, match="expected rows"):
        wire_data.rows(wire_data.PublicTrade, b'{"error": "no"}')
    assert wire_data.refusal(b'{"error": "no"}').error == "no"


def test_spot_prices_are_exact_and_scaled_by_topic() -> None:
    def message(topic: str, exact: str) -> bytes:
        payload = {
            "symbol": "btc/usd",
            "timestamp": 1790877850000,
            "value": 61.5,
            "full_accuracy_value": exact,
        }
        return say.encoded({"topic": topic, "type": "update", "payload": payload})

    chain = wire_spot.rtds(message("crypto_prices_chainlink", "61500000000000000001"))
    exchange = wire_spot.rtds(message("crypto_prices", "61.50"))

    assert chain[0].price == Decimal("61.500000000000000001")
    assert exchange[0].price == Decimal("61.50")


@pytest.mark.parametrize(
    "message",
    [
        {"topic": "comments", "type": "update", "payload": {}},
        {"topic": "crypto_prices", "type": "odd", "payload": {"symbol": "x"}},
        {"topic": "crypto_prices", "type": "update"},
    ],
)
def test_other_topics_carry_no_prices(message: dict[str, Any]) -> None:
    with pytest.raises(NotUnderstood):
        wire_spot.rtds(say.encoded(message))


def test_envelopes_of_an_unknown_version_are_refused() -> None:
    message = {
        "v": 2,
        "channel": "price.crypto",
        "seq": 1,
        "ts": 1788886176000,
        "snapshot": False,
        "payload": {"symbol": "btcusd", "timestamp": 1788886057000, "value": 7.5},
    }

    with pytest.raises(NotUnderstood, match="version 2 is unknown"):
        wire_spot.polybolt(say.encoded(message))
    batch = wire_spot.polybolt(say.encoded(message | {"v": 1}))
    assert isinstance(batch, wire_spot.SpotBatch)
    assert (batch.prices[0].symbol, batch.prices[0].price) == ("btcusd", Decimal("7.5"))
    assert wire_spot.polybolt(b'{"op": "pong"}') == wire_spot.Control(op="pong")


def test_cancels_balances_and_errors_are_read() -> None:
    cancel = wire_orders.cancel(b'{"canceled": ["0x1"], "not_canceled": {"0x2": "matched"}}')
    balance = wire_orders.balance(b'{"balance": "12", "allowances": {"0xa": "7"}}')
    error = wire_orders.error(b'{"error_msg": "wrong id", "heartbeat_id": "h"}')

    assert (cancel.canceled, cancel.not_canceled["0x2"]) == (("0x1",), "matched")
    assert balance.allowances == {"0xa": Decimal(7)}
    assert (error.error, error.heartbeat_id) == ("wrong id", "h")
    with pytest.raises(NotUnderstood, match="not_canceled: expected an object"):
        wire_orders.cancel(b'{"canceled": [], "not_canceled": []}')


def test_an_account_trade_names_its_makers() -> None:
    maker = {
        "order_id": "0x9",
        "owner": "you",
        "maker_address": "0xc",
        "matched_amount": "5",
        "price": "0.6",
        "asset_id": "18",
        "outcome": "No",
    }
    row = {
        "id": "t",
        "taker_order_id": "0x1",
        "market": say.condition(1),
        "asset_id": "17",
        "side": "BUY",
        "size": "5",
        "price": "0.4",
        "status": "TRADE_STATUS_MINED",
        "match_time": "1790617587",
        "last_update": "1790617587",
        "owner": "me",
        "maker_address": "0xb",
        "trader_side": "TAKER",
        "maker_orders": [maker],
    }

    trade = wire_orders.trade(say.encoded(row))

    assert trade.status == "MINED"
    assert trade.maker_orders[0].shares == 5
    assert wire_orders.user_message(row | {"type": "TRADE"}) == trade
    with pytest.raises(NotUnderstood, match="is none of"):
        wire_orders.trade(say.encoded(row | {"status": "VANISHED"}))


def test_a_wallets_worth_is_read_in_both_versions() -> None:
    assert wire_data.worth(b'[{"user": "0xa", "value": 7.5}]') == wire_data.worth(
        b'{"proxy_wallet": "0xa", "value": 7.5}'
    )
