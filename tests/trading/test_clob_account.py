"""Cancels, balances and credentials of the real adapter, and what it can never do."""

import ast
import dataclasses
import inspect
import json
from decimal import Decimal
from pathlib import Path

import polymarket
import pytest
from eth_account import Account
from polymarket import SecureClient, environments

from tests.factories import NOW
from tests.trading.clob_stub import EMPTY_PAGE, HANG_UP, SECRET, Says
from tests.trading.clob_venue import (
    ORDER,
    OTHER,
    a_trade,
    a_venue,
    accepted,
    an_entry,
    an_order,
    prepared,
    refused,
)
from tests.trading.test_signing import KEY, TOKEN, V2_TOKEN
from trading.adapters import clob, clob_client, credentials, wallet_facts
from trading.adapters.signer import Signer
from trading.core import order_payload, signing
from trading.settings import ReadinessSettings
from trading.venue import (
    OutcomeUnknown,
    Unauthorised,
    WrongHeartbeat,
)

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
