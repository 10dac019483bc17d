"""Asking after an order: what was seen of it and its trades, in our own terms."""

from decimal import Decimal

import pytest

from tests.factories import NOW
from tests.trading.clob_stub import HANG_UP, Says
from tests.trading.clob_venue import (
    OTHER,
    a_trade,
    an_entry,
    an_order,
    knows,
    looked_up,
    prepared,
    refused,
)
from trading.core import order_payload
from trading.venue import (
    OutcomeUnknown,
)

# ── look_up ─────────────────────────────────────────────────────────────────────────────────────


def test_an_order_without_a_trace_is_missing(venue, stub):
    ticket = prepared(venue)
    knows(stub, ticket)
    assert looked_up(venue, ticket) is None

    stub.says["GET", f"/clob/data/order/{ticket.venue_order_id}"] = Says(body=None)
    assert looked_up(venue, ticket) is None
    since = stub.asked("GET", "/clob/data/trades")[0].query["after"]
    assert int(since) == int(NOW.timestamp()) - 60


@pytest.mark.parametrize(
    ("order", "status"),
    [
        ({}, "OPEN"),
        ({"status": "ORDER_STATUS_LIVE", "original_size": "10000000"}, "OPEN"),
        ({"status": "CANCELED"}, "CANCELED"),
        ({"status": "CANCELED_EXPIRED_ORDER"}, "EXPIRED"),
        ({"status": "ORDER_STATUS_CANCELED_MARKET_RESOLVED"}, "CANCELED"),
        ({"status": "INVALID"}, "CANCELED"),
        ({"status": "MATCHED", "size_matched": "10"}, "OPEN"),
        ({"status": "CANCELED", "size_matched": "4000000", "original_size": "10000000"}, "OPEN"),
        ({"status": "a word of next year"}, "OPEN"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_ending_is_told_only_with_all_its_trades(venue, stub, order, status):
    ticket = prepared(venue)
    knows(stub, ticket, an_order(ticket, **order))

    assert looked_up(venue, ticket).status == status


@pytest.mark.parametrize("kept", [True, False])
def test_a_fill_is_found_in_the_trades_and_its_fee_is_the_formula(venue, stub, kept):
    ticket = prepared(venue)
    order = an_order(ticket, status="MATCHED", size_matched="10") if kept else None
    knows(stub, ticket, order, a_trade(ticket))

    receipt = looked_up(venue, ticket)

    (part,) = receipt.executions
    assert receipt.status == "FILLED"
    assert (part.trade_id, part.price, part.shares) == ("trade-1", Decimal("0.5"), 10)
    assert part.fee == Decimal("0.17500")
    assert (part.status, part.is_maker, part.transaction_hash) == ("MINED", False, "0xaa")


def test_as_a_maker_we_read_our_own_entry_and_pay_nothing(venue, stub):
    ticket = prepared(venue)
    trade = a_trade(
        ticket, taker_order_id="0xsomebody", trader_side="MAKER", side="SELL", size="900",
        price="0.52", status="TRADE_STATUS_MATCHED_NOT_BROADCASTED",
        maker_orders=[an_entry(ticket, order_id="0xother", matched_amount="896"), an_entry(ticket)],
    )  # fmt: skip
    knows(stub, ticket, an_order(ticket, size_matched="4"), trade)

    receipt = looked_up(venue, ticket)

    (part,) = receipt.executions
    assert receipt.status == "OPEN"
    assert (part.price, part.shares, part.fee) == (Decimal("0.52"), 4, 0)
    assert (part.is_maker, part.status) == (True, "MATCHED")


def test_a_complementary_match_is_told_in_our_outcome(venue, stub):
    ticket = prepared(venue)
    entry = an_entry(ticket, asset_id=OTHER, price="0.48", side="SELL", matched_amount="10")
    trade = a_trade(ticket, taker_order_id="0xsomebody", trader_side="MAKER", maker_orders=[entry])
    knows(stub, ticket, None, trade)

    (part,) = looked_up(venue, ticket).executions

    assert (part.price, part.shares) == (Decimal("0.52"), 10)


def test_sizes_in_millionths_are_noticed_by_what_was_sent(venue, stub):
    ticket = prepared(venue)
    order = an_order(ticket, status="MATCHED", original_size="10000000", size_matched="10000000")
    knows(stub, ticket, order, a_trade(ticket, size="10000000"))

    receipt = looked_up(venue, ticket)

    assert (receipt.status, receipt.executions[0].shares) == ("FILLED", 10)


def test_an_immediate_order_ends_when_its_rest_was_killed(venue, stub):
    ticket = prepared(venue, type="FAK")
    trade = a_trade(ticket, size="4")
    knows(stub, ticket, an_order(ticket, status="MATCHED", size_matched="4"), trade)
    assert looked_up(venue, ticket).status == "CANCELED"

    knows(stub, ticket, None, trade)
    assert looked_up(venue, ticket, after_s=5).status == "OPEN"
    assert looked_up(venue, ticket, after_s=61).status == "CANCELED"


def test_an_immediate_buy_is_measured_by_what_was_signed(venue, stub):
    ticket = prepared(venue, type="FAK", shares=Decimal("10.07"), price=Decimal("0.53"))
    signed = order_payload.read(ticket.payload)
    knows(stub, ticket, None, a_trade(ticket, size=str(signed.shares), price="0.53"))

    assert signed.shares < ticket.shares
    assert looked_up(venue, ticket).status == "FILLED"


def test_a_failed_trade_is_told_as_failed(venue, stub):
    ticket = prepared(venue)
    knows(stub, ticket, None, a_trade(ticket, status="TRADE_STATUS_FAILED", transaction_hash=""))

    assert looked_up(venue, ticket).executions[0].status == "FAILED"


@pytest.mark.parametrize(
    "says", [refused("x", 500), HANG_UP, Says(body=b"<html>")], ids=["500", "reset", "html"]
)
@pytest.mark.parametrize("where", ["order", "trades"])
def test_silence_is_no_clean_probe(venue, stub, says, where):
    ticket = prepared(venue)
    knows(stub, ticket)
    if where == "order":
        stub.says["GET", f"/clob/data/order/{ticket.venue_order_id}"] = says
        stub.says["GET", "/clob/data/orders"] = says
    else:
        stub.says["GET", "/clob/data/trades"] = says

    with pytest.raises(OutcomeUnknown):
        looked_up(venue, ticket)
