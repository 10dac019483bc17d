"""Handing an order in: what each answer of the venue proves, and what is never done."""

import dataclasses
import json
import socket
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.factories import NOW
from tests.trading.clob_stub import HANG_UP, SECRET, Says
from tests.trading.clob_venue import ORDER, a_ticket, a_venue, accepted, prepared, refused
from tests.trading.test_signing import V2_TOKEN
from trading.core import order_payload, signing
from trading.venue import (
    OutcomeUnknown,
    Rejected,
    Restricted,
    Unauthorised,
    Unsent,
)

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
