"""The real protocol against a loopback venue: what each answer proves, and what is never done."""

import ast
import dataclasses
import inspect
import json
import socket
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import polymarket
import pytest
from eth_account import Account
from polymarket import SecureClient, environments

from tests.factories import NOW
from tests.trading.clob_stub import EMPTY_PAGE, HANG_UP, SECRET, Says, Stub, serving
from tests.trading.test_signing import KEY, TOKEN, V2_TOKEN
from trading.adapters import clob, clob_client, credentials, wallet_facts
from trading.adapters.signer import Signer
from trading.adapters.token_fees import Fees
from trading.core import order_payload, signing
from trading.settings import ReadinessSettings
from trading.venue import (
    OutcomeUnknown,
    Receipt,
    Rejected,
    Restricted,
    Ticket,
    Unauthorised,
    Unsent,
    WrongHeartbeat,
)

OTHER = "14943202171143669362180565155331992758433128192256190594100236888666963607938"
CONDITION = "0xa5c6d0c4cef71fe53c0235790b5568574343551fe67c62db39e9ebf3387b415a"
ORDER = ("POST", "/clob/order")
RATE = Decimal("0.07")


@pytest.fixture(scope="module")
def server() -> Iterator[Stub]:
    with serving() as stub:
        yield stub


@pytest.fixture
def stub(server: Stub) -> Stub:
    url, fresh = server.url, Stub()
    server.__dict__.update(fresh.__dict__, url=url)
    return server


def a_venue(stub: Stub, **changes: Any) -> clob.Clob:
    options = {"endpoints": stub.endpoints, "as_of": NOW, "timeout_s": 1.0, "fees_of": no_fees}
    return clob.connect(Signer(KEY), **options | changes)


def no_fees(token_ids: Any) -> dict[str, Fees]:
    return {token: Fees(rate=RATE) for token in token_ids}


@pytest.fixture(scope="module")
def connected(server: Stub) -> Iterator[clob.Clob]:
    """One for all: the client makes nine TLS contexts each time, and keeps no state of ours."""
    venue = a_venue(server)
    yield venue
    venue.close()


@pytest.fixture
def venue(connected: clob.Clob, stub: Stub) -> clob.Clob:
    return connected


def a_ticket(**changes: Any) -> Ticket:
    values: dict[str, Any] = {
        "order_id": uuid4(), "market_id": 1, "outcome_index": 0, "is_buy": True,
        "price": Decimal("0.52"), "shares": Decimal(10), "fee_rate": RATE,
        "fee_exponent": Decimal(1), "submitted_at": NOW,
        "expires_at": NOW + timedelta(seconds=60), "type": "GTC", "token_id": TOKEN,
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


# ── prepare ─────────────────────────────────────────────────────────────────────────────────────


def test_an_order_is_signed_without_a_network_and_stored_whole(venue, stub):
    asked_before = len(stub.requests)

    ticket = prepared(venue, type="GTD", rest_until=NOW + timedelta(minutes=5), post_only=True)

    signed = order_payload.read(ticket.payload)
    assert len(stub.requests) == asked_before
    assert ticket.venue_order_id == signing.order_hash(signed.order, signing.STANDARD)
    assert signed.expiration == int((NOW + timedelta(minutes=6)).timestamp())
    assert (signed.order.maker, signed.post_only, signed.shares) == (venue.wallet, True, 10)


@pytest.mark.parametrize(
    ("changes", "exchange"),
    [
        ({"neg_risk": True}, signing.NEG_RISK),
        ({"protocol": "v2", "token_id": V2_TOKEN}, signing.V3),
    ],
    ids=["neg-risk", "v2"],
)
def test_each_protocol_has_its_exchange(venue, changes, exchange):
    ticket = prepared(venue, **changes)

    order = order_payload.read(ticket.payload).order
    assert ticket.venue_order_id == signing.order_hash(order, exchange)


@pytest.mark.parametrize(
    "changes",
    [
        {"protocol": "v2"},
        {"tick": None},
        {"price": Decimal("0.525")},
        {"shares": Decimal("0.001")},
        {"type": "GTD", "rest_until": None},
    ],
    ids=["wrong protocol", "no tick", "off tick", "nothing", "no end"],
)
def test_an_order_that_could_never_be_taken_is_refused_at_home(venue, changes):
    with pytest.raises(Rejected):
        venue.prepare(a_ticket(**changes), as_of=NOW)


# ── place ───────────────────────────────────────────────────────────────────────────────────────


def test_the_same_order_is_handed_in_after_a_restart_under_fresh_headers(venue, stub):
    ticket = prepared(venue, post_only=True)
    stub.says[ORDER] = accepted(ticket)

    venue.place(ticket, as_of=NOW)
    reborn = a_venue(stub)
    reborn.place(ticket, as_of=NOW + timedelta(seconds=30))
    reborn.close()

    first, second = stub.asked(*ORDER)
    assert first.body == second.body
    sent = json.loads(first.body)
    assert sent["order"] == json.loads(ticket.payload)["order"]
    assert (sent["orderType"], sent["postOnly"], sent["owner"]) == ("GTC", True, "the-owner")
    for request in (first, second):
        assert request.headers["poly_signature"] == signing.l2_signature(
            SECRET, timestamp_s=int(request.headers["poly_timestamp"]), method="POST",
            path="/order", body=request.body,
        )  # fmt: skip


@pytest.mark.parametrize("status", ["live", "matched", "delayed"])
def test_an_accepted_order_is_alive_until_its_trades_say_more(venue, stub, status):
    ticket = prepared(venue)
    stub.says[ORDER] = accepted(ticket, status, takingAmount="10", makingAmount="5.2")

    receipt = venue.place(ticket, as_of=NOW)

    assert (receipt.status, receipt.executions) == ("OPEN", ())
    assert receipt.venue_order_id == ticket.venue_order_id


FOK = "order couldn't be fully filled. FOK orders are fully filled or killed."
FAK = (
    "no orders found to match with FAK order. "
    "FAK orders are partially filled or killed if no match is found."
)


@pytest.mark.parametrize(
    ("says", "status"),
    [
        (refused("order 0xab is invalid. Duplicated."), "OPEN"),
        (Says(body={**json.loads("{}"), "error": "x"}, status=200), None),
        (refused(FOK), "CANCELED"),
        (refused(FAK), "CANCELED"),
    ],
    ids=["duplicate", "strange", "fok", "fak"],
)
def test_an_order_that_arrived_is_acknowledged_whatever_the_code(venue, stub, says, status):
    ticket = prepared(venue)
    stub.says[ORDER] = says

    if status is None:
        with pytest.raises(OutcomeUnknown):
            venue.place(ticket, as_of=NOW)
    else:
        assert venue.place(ticket, as_of=NOW).status == status


@pytest.mark.parametrize(
    ("text", "status"),
    [(FOK, "CANCELED"), (FAK, "CANCELED"), ("order 0xab is invalid. Duplicated.", "OPEN")],
)
def test_refusals_inside_a_200_are_read_like_those_of_a_400(venue, stub, text, status):
    ticket = prepared(venue)
    stub.says[ORDER] = accepted(ticket, "", success=False, errorMsg=text, orderID="")

    assert venue.place(ticket, as_of=NOW).status == status


PROVEN = [
    "order 0xab breaks minimum tick size rule: 0.01",
    "Size (2) lower than the minimum: 5",
    "not enough balance / allowance: the allowance is not enough -> spender: 0x, allowance: 0",
    "invalid expiration",
    "invalid post-only order: order crosses book",
    "maker address not allowed, please use the deposit wallet flow",
]


@pytest.mark.parametrize("text", PROVEN)
def test_a_proven_refusal_is_a_rejection_and_nothing_is_mended(venue, stub, text):
    ticket = prepared(venue)
    stub.says[ORDER] = refused(text)
    before = len(stub.requests)

    with pytest.raises(Rejected):
        venue.place(ticket, as_of=NOW)

    # One request: no approval, no second try.
    assert len(stub.requests) == before + 1


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_told_apart(venue, stub, status):
    ticket = prepared(venue)
    stub.says[ORDER] = refused("Unauthorized/Invalid api key", status)

    with pytest.raises(Unauthorised):
        venue.place(ticket, as_of=NOW)


@pytest.mark.parametrize(
    ("says", "restriction", "wait"),
    [
        (refused("service not ready", 425), "RESTARTING", 2.0),
        (
            Says(status=425, body={"error": "x"}, headers={"Retry-After": "7"}),
            "RESTARTING", 7.0,
        ),
        (
            Says(status=503, body={"code": "post_only_mode", "retry_after_seconds": 90}),
            "POST_ONLY", 90.0,
        ),
        (refused("Trading is cancel-only", 503), "CANCEL_ONLY", 30.0),
        (refused("Trading is currently disabled", 503), "DISABLED", 30.0),
        (refused("post-only mode: only post-only orders and cancels are allowed"),
         "POST_ONLY", 120.0),
        (Says(status=429, body={}, headers={"Retry-After": "3"}), "RATE_LIMITED", 3.0),
    ],
    ids=["425", "425 with time", "post-only", "cancel-only", "disabled", "post-only 400", "429"],
)  # fmt: skip
def test_a_restricted_venue_is_nobodys_failure(venue, stub, says, restriction, wait):
    ticket = prepared(venue)
    stub.says[ORDER] = says

    with pytest.raises(Restricted) as told:
        venue.place(ticket, as_of=NOW)

    assert (told.value.restriction, told.value.retry_after_s) == (restriction, wait)


@pytest.mark.parametrize(
    "says",
    [
        refused("could not run the execution", 500),
        refused("order timed out", 400),
        refused("anything", 502),
        refused("unheard of", 503),
        Says(body=b"<html>"),
        Says(body=None),
        Says(body={"success": True}),
        HANG_UP,
    ],
    ids=["500", "timed out", "502", "503", "html", "null", "torn", "reset"],
)
def test_what_proves_nothing_stays_unknown(venue, stub, says):
    ticket = prepared(venue)
    stub.says[ORDER] = says

    with pytest.raises(OutcomeUnknown):
        venue.place(ticket, as_of=NOW)


@pytest.mark.parametrize(
    "changes",
    [{"status": "unmatched"}, {"status": "a new word"}, {"orderID": "0x" + "ab" * 32},
     {"success": False, "errorMsg": "a sentence of a later release"}],
    ids=["unmatched", "new word", "another id", "new sentence"],
)  # fmt: skip
def test_an_acceptance_that_we_do_not_understand_is_unknown(venue, stub, changes):
    ticket = prepared(venue)
    stub.says[ORDER] = accepted(ticket, **changes)

    with pytest.raises(OutcomeUnknown):
        venue.place(ticket, as_of=NOW)


def test_only_a_connection_that_was_never_made_proves_that_nothing_was_sent(stub):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        venue = a_venue(stub)
        ticket = prepared(venue)
        venue._client._ctx.secure_clob._client.base_url = closed
        with pytest.raises(Unsent):
            venue.place(ticket, as_of=NOW)
        venue.close()
        with pytest.raises(Unsent):
            a_venue(stub, endpoints=dataclasses.replace(stub.endpoints, clob=closed))


def test_a_reply_that_does_not_come_in_time_is_unknown(stub):
    venue = a_venue(stub, timeout_s=0.1)
    ticket = prepared(venue)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        venue._client._ctx.secure_clob._client.base_url = (
            f"http://127.0.0.1:{silent.getsockname()[1]}"
        )
        with pytest.raises(OutcomeUnknown):
            venue.place(ticket, as_of=NOW)
    venue.close()


# ── look_up ─────────────────────────────────────────────────────────────────────────────────────


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
    knows(stub, ticket, None, a_trade(ticket, size=str(signed.shares)))

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


# ── cancel, account ─────────────────────────────────────────────────────────────────────────────


def test_only_an_acknowledged_cancel_counts(venue, stub):
    first, second = prepared(venue), prepared(venue)
    stub.says["DELETE", "/clob/orders"] = Says(
        body={
            "canceled": [first.venue_order_id],
            "not_canceled": {second.venue_order_id: "already canceled or matched"},
        }
    )

    assert list(venue.cancel([first, second], as_of=NOW)) == [first.order_id]


def test_the_accounts_orders_and_trades_are_told_in_our_terms(venue, stub):
    ticket = prepared(venue)
    stub.says["GET", "/clob/data/orders"] = Says(
        body={
            **EMPTY_PAGE,
            "data": [an_order(ticket, size_matched="4"), an_order(ticket, status="MATCHED")],
        }
    )
    makers = [
        an_entry(
            ticket, order_id="0xmine", matched_amount="3", asset_id=OTHER, price="0.5", side="BUY"
        ),
        an_entry(ticket, order_id="0xtheirs", owner="somebody", maker_address="0x" + "99" * 20),
    ]
    stub.says["GET", "/clob/data/trades"] = Says(
        body={**EMPTY_PAGE, "data": [
            a_trade(ticket, id="t1"),
            a_trade(
                ticket, id="t2", taker_order_id="0xtaker", trader_side="MAKER", maker_orders=makers
            ),
        ]}
    )  # fmt: skip

    (order,) = venue.open_orders()
    taken, made = venue.trades(since=NOW)

    assert (order.shares, order.matched, order.is_buy) == (10, 4, True)
    assert (taken.venue_order_id, taken.execution.fee) == (
        ticket.venue_order_id,
        Decimal("0.17500"),
    )
    assert (made.venue_order_id, made.token_id, made.execution.shares) == ("0xmine", OTHER, 3)
    assert (made.execution.is_maker, made.execution.fee) == (True, 0)


def test_what_a_token_without_a_known_schedule_took_is_not_told_as_free(stub):
    unknowing = a_venue(stub, fees_of=lambda _tokens: {})
    ticket = prepared(unknowing)
    stub.says["GET", "/clob/data/trades"] = Says(
        body={**EMPTY_PAGE, "data": [a_trade(ticket, id="t1")]}
    )

    (taken,) = unknowing.trades(since=NOW)
    receipts = unknowing.look_up([dataclasses.replace(ticket, fee_rate=None)], as_of=NOW)
    unknowing.close()

    assert taken.execution.fee is None
    assert receipts[ticket.order_id].executions[0].fee is None


def test_balances_and_allowances_are_read_in_dollars_and_shares(venue, stub):
    stub.says["GET", "/clob/balance-allowance"] = Says(
        body={"balance": "20462540", "allowances": {"0xSpender": "5000000"}}
    )

    assert venue.cash() == Decimal("20.462540")
    assert venue.shares([TOKEN, V2_TOKEN]) == {
        TOKEN: Decimal("20.462540"),
        V2_TOKEN: Decimal("20.462540"),
    }
    assert venue.allowances() == {"0xSpender": Decimal(5)}
    kinds = [r.query["asset_type"] for r in stub.asked("GET", "/clob/balance-allowance")]
    assert kinds == ["COLLATERAL", "CONDITIONAL", "CONDITIONAL-V2", "COLLATERAL"]


def test_a_heartbeat_hands_on_its_id_and_a_stale_one_says_which_is_right(venue, stub):
    stub.says["POST", "/clob/v1/heartbeats"] = [
        Says(body={"heartbeat_id": "one"}),
        Says(status=400, body={"error_msg": "Invalid Heartbeat ID", "heartbeat_id": "two"}),
        HANG_UP,
    ]

    assert venue.beat("") == "one"
    with pytest.raises(WrongHeartbeat) as stale:
        venue.beat("zero")
    assert stale.value.expected == "two"
    with pytest.raises(OutcomeUnknown):
        venue.beat("two")


def test_a_venue_that_tells_nothing_of_the_wallet_leaves_everything_unknown(venue, stub):
    for path in ("/clob/time", "/clob/balance-allowance", "/clob/auth/ban-status/closed-only"):
        stub.says["GET", path] = refused("away", 500)

    facts = wallet_facts.look(
        venue, geoblock_url=f"{stub.url}/geoblock", needed=Decimal(1),
        config=ReadinessSettings(version=0).as_config(), clock=lambda: NOW,
    )  # fmt: skip

    states = {fact.name: fact.state.value for fact in facts}
    assert states.pop("credentials") == "UNMET"
    assert set(states.values()) == {"UNKNOWN"}


# ── credentials ─────────────────────────────────────────────────────────────────────────────────


def test_credentials_are_asked_for_with_one_signature_and_shown_nowhere(stub):
    stub.says["POST", "/clob/auth/api-key"] = refused("could not create", 400)
    stub.says["GET", "/clob/auth/derive-api-key"] = Says(
        body={"apiKey": "the-owner", "secret": SECRET, "passphrase": "the-passphrase"}
    )

    venue = a_venue(stub)
    found = credentials.ask_for_credentials(
        Signer(KEY), clob_url=stub.endpoints.clob, timeout_s=1, as_of=NOW
    )
    venue.close()

    (request, _) = stub.asked("GET", "/clob/auth/derive-api-key")
    assert request.headers["poly_signature"] == Signer(KEY).credentials_request(
        timestamp_s=int(NOW.timestamp())
    )
    shown = repr(venue) + repr(vars(venue)) + repr(found)
    assert SECRET not in shown
    assert "the-passphrase" not in shown


@pytest.mark.parametrize(
    ("says", "failure"),
    [
        (refused("Invalid L1 Request headers", 401), Unauthorised),
        (Says(body={"apiKey": "half"}), OutcomeUnknown),
        (Says(status=500, body={}), OutcomeUnknown),
        (HANG_UP, OutcomeUnknown),
    ],
    ids=["401", "half", "500", "reset"],
)
def test_without_credentials_there_is_no_venue(stub, says, failure):
    stub.says["POST", "/clob/auth/api-key"] = says

    with pytest.raises(failure):
        a_venue(stub)


# ── what it never does ──────────────────────────────────────────────────────────────────────────

FORBIDDEN = (
    "place_",
    "approv",
    "transfer",
    "split_position",
    "merge_",
    "redeem",
    "setup_",
    "create_limit",
    "create_market",
)


@pytest.mark.parametrize("module", [clob, clob_client])
def test_the_adapter_names_nothing_that_signs_approves_or_moves_money(module):
    tree = ast.parse(Path(module.__file__).read_text())
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}

    assert not [name for name in names if name.startswith(FORBIDDEN) or "approv" in name]


def test_the_client_holds_no_key_and_so_can_sign_nothing(venue):
    context = venue._client._ctx

    assert not hasattr(context.signer, "key")
    with pytest.raises(AttributeError):
        context.signer.sign_typed_data(full_message={})
    assert KEY.hex() not in repr(vars(venue))


# ── the official client itself ──────────────────────────────────────────────────────────────────


def test_the_pinned_client_still_has_what_we_touch_of_it() -> None:
    """A red test here means: a release moved private names; mend `clob_client.without_key`."""
    assert polymarket.__version__ == "0.14.0"
    config = environments.PRODUCTION._config
    for name in ("clob_url", "relayer_url", "clob_market_ws_url", "clob_user_ws_url", "rpc_url"):
        assert hasattr(config, name)
    assert callable(environments._create_environment)
    wanted = {
        "signer",
        "wallet",
        "wallet_type",
        "signer_type",
        "environment",
        "config",
        "credentials",
        "api_key",
        "logger",
        "on_rate_limit_update",
    }
    assert set(inspect.signature(SecureClient._construct_for_wallet).parameters) == wanted
    assert {e.address for e in signing.EXCHANGES} == {
        config.standard_exchange, config.neg_risk_exchange, config.exchange_v3,
    }  # fmt: skip


def test_the_official_client_sends_what_we_send(venue, stub):
    """Its own order, signed by its own code from the same fields, is byte for byte ours."""
    ticket = prepared(venue)
    signed = order_payload.read(ticket.payload)
    stub.says[ORDER] = accepted(ticket)
    venue.place(ticket, as_of=NOW)
    ours = json.loads(stub.asked(*ORDER)[0].body)

    account = Account.from_key(KEY)
    recovered = account.unsafe_sign_hash(signing.to_sign(signed.order, signing.STANDARD).digest)
    assert ours["order"]["signature"].startswith("0x" + recovered.signature.hex())
    assert ours["order"]["signatureType"] == 3
    assert set(ours) == {"deferExec", "order", "orderType", "owner"}
