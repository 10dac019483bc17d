"""The sandbox's exchange takes what the venue would take, and refuses in the venue's words."""

from decimal import Decimal

import pytest
from eth_abi import encode
from eth_account import Account

from sandbox.core.signed_orders import NEG_RISK, order_hash, parse
from sandbox.routes import Call
from tests.sandbox.trader import (
    Clock,
    Trader,
    exchange_at,
    happening,
    id_of,
    token_of,
)

TICK = Decimal("0.01")
HARDHAT = 0xAC0974BEC39A17E36BA4A6B4D238FF944BACB478CBED5EFCAE784D7BF4F2FF80
MARKET = happening()
TOKEN, OTHER = token_of(MARKET), token_of(MARKET, 1)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ann(clock) -> Trader:
    return Trader(exchange_at(clock), clock)


def another(ann: Trader, secret: int = 2, **other) -> Trader:
    return Trader(ann.exchange, ann.clock, secret, **other)


IDS = {
    (0, False, 0): "0x63b922516aabcddf646e6bd99be7a68781830cebe920b8f74a52f43ffd3ffa72",
    (0, True, 0): "0xf7750cb384879357d873777b019059f9dce8c947353c1495bc47c8d51775374c",
    (1, False, 0): "0x087532576026a094e6068db4270a3c58cc407b2a742bb9db17bdbd858bd0b800",
    (0, False, 3): "0x67dab90f63746294d53bc7bc8c041fea419bf7427286b2a4527cb3f92af7c450",
}
"""Of side, exclusive market or not, and wallet type: ids that the venue's older client computes."""


@pytest.mark.parametrize("case", IDS)
def test_the_id_of_an_order_is_the_hash_that_the_venue_computes(case):
    side, neg_risk, kind = case
    owner = Account.from_key(HARDHAT.to_bytes(32, "big")).address
    wallet = "0x" + "11" * 20 if kind == 3 else owner
    amounts = ("5200000", "10000000")[:: -1 if side else 1]
    order = {
        "salt": 123456789, "maker": wallet, "signer": wallet,
        "tokenId": "48418917734180607831833027288777571190488909295977497623601373906809754084036",
        "makerAmount": amounts[0], "takerAmount": amounts[1], "side": ("BUY", "SELL")[side],
        "expiration": "0", "signatureType": kind, "timestamp": "1778584200000",
        "metadata": "0x" + "00" * 32, "builder": "0x" + "00" * 32, "signature": "0x",
    }  # fmt: skip
    body = {"order": order, "orderType": "GTC", "owner": "me"}

    assert order_hash(parse(body), neg_risk=neg_risk) == IDS[case]
    assert id_of(body, neg_risk=neg_risk) == IDS[case]


def test_a_resting_order_is_seen_and_can_be_cancelled_once(ann):
    bid, _ = ann.best(TOKEN)
    body = ann.body(TOKEN, "BUY", str(bid), "10")

    placed = ann.call("POST", "/order", body).body
    assert (placed["status"], placed["orderID"]) == ("live", id_of(body))
    assert (placed["makingAmount"], placed["tradeIDs"]) == ("", [])
    seen = ann.get(f"/data/order/{placed['orderID']}")
    assert (seen["status"], seen["original_size"], seen["size_matched"]) == ("LIVE", "10", "0")
    assert [row["id"] for row in ann.get("/data/orders")["data"]] == [placed["orderID"]]

    said = {"orderID": placed["orderID"]}
    assert ann.call("DELETE", "/order", said).body["canceled"] == [placed["orderID"]]
    assert ann.call("DELETE", "/order", said).body == {
        "canceled": [],
        "not_canceled": {placed["orderID"]: "already canceled or matched"},
    }
    assert ann.get("/data/orders")["data"] == []
    assert ann.get(f"/data/order/{placed['orderID']}")["status"] == "CANCELED"


def test_orders_of_a_market_and_all_orders_go_at_one_word(ann):
    low = Decimal("0.02")
    ids = [ann.place(token, "BUY", str(low), "10")["orderID"] for token in (TOKEN, TOKEN, OTHER)]

    gone = ann.call("DELETE", "/cancel-market-orders", {"asset_id": OTHER}).body["canceled"]
    assert gone == [ids[2]]
    assert ann.call("DELETE", "/orders", [ids[0], "0xabc"]).body == {
        "canceled": [ids[0]],
        "not_canceled": {"0xabc": "order not found"},
    }
    assert ann.call("DELETE", "/cancel-all").body["canceled"] == [ids[1]]


def test_a_taker_pays_price_and_fee_and_has_them_only_once_confirmed(ann, clock):
    _, ask = ann.best(TOKEN)
    spend = (ask * 10).quantize(TICK)

    placed = ann.place(TOKEN, "BUY", str(ask), "10", order_type="FAK")
    assert (placed["status"], placed["takingAmount"]) == ("matched", "10")
    assert Decimal(placed["makingAmount"]) == spend
    assert (ann.cash(), ann.shares(TOKEN)) == (1_000_000_000, 0)

    clock.wait(2)
    (trade,) = ann.get("/data/trades", id=placed["tradeIDs"][0])["data"]
    assert (trade["status"], trade["trader_side"]) == ("MINED", "TAKER")
    assert trade["taker_order_id"] == placed["orderID"]
    clock.wait(2)
    fee = (10 * Decimal("0.05") * ask * (1 - ask)).quantize(Decimal("0.00001"))
    assert ann.shares(TOKEN) == 10_000_000
    assert ann.cash() == 1_000_000_000 - int((spend + fee) * 10**6)
    (trade,) = ann.get("/data/trades")["data"]
    assert trade["status"] == "CONFIRMED"
    assert trade["transaction_hash"].startswith("0x")


def test_an_instant_purchase_spends_its_dollars_where_the_price_is_better(ann):
    _, ask = ann.best(TOKEN)

    placed = ann.place(TOKEN, "BUY", str(ask + 5 * TICK), "20", order_type="FAK")

    assert Decimal(placed["takingAmount"]) > 20
    assert 0 <= (ask + 5 * TICK) * 20 - Decimal(placed["makingAmount"]) < Decimal("0.001")


def test_an_exchange_may_be_told_to_stop_at_the_shares(clock):
    ann = Trader(exchange_at(clock, buys_spend_dollars=False), clock)
    _, ask = ann.best(TOKEN)

    placed = ann.place(TOKEN, "BUY", str(ask + 5 * TICK), "20", order_type="FAK")

    assert placed["takingAmount"] == "20"


def test_the_same_bytes_are_taken_once_for_ever(ann):
    bid, ask = ann.best(TOKEN)
    for body in (
        ann.body(TOKEN, "BUY", str(bid), "10"),
        ann.body(TOKEN, "BUY", str(ask), "10", order_type="FAK"),
        ann.body(TOKEN, "BUY", "0.02", "60", order_type="FOK"),
    ):
        ann.call("POST", "/order", body)
        again = ann.call("POST", "/order", body)
        assert again.status == 400
        assert again.body["error"] == f"order {id_of(body)} is invalid. Duplicated."
    ann.call("DELETE", "/cancel-all")
    assert "Duplicated" in ann.call("POST", "/order", body).body["error"]
    assert len(ann.exchange.accepted_orders()) == 3


REFUSALS = {
    "off the grid": (("BUY", "0.305", "10"), {}, "breaks minimum tick size rule: 0.01"),
    "too small": (("BUY", "0.30", "2"), {}, "Size (2) lower than the minimum: 5"),
    "under a dollar": (("BUY", "0.90", "1"), {"order_type": "FAK"}, "min size: $1"),
    "too fine": (("BUY", "0.30", "10.001"), {}, "max accuracy of 4 decimals"),
    "in the past": (("BUY", "0.30", "10"), {"order_type": "GTD", "expiration": "1790000250"},
                    "invalid expiration"),
    "expiring for ever": (("BUY", "0.30", "10"), {"expiration": "1790009999"},
                          "invalid expiration"),
    "crossing": (("BUY", "0.97", "10"), {"postOnly": True},
                 "invalid post-only order: order crosses book"),
    "killed": (("BUY", "0.02", "60"), {"order_type": "FAK"}, "no orders found to match with FAK"),
    "never whole": (("BUY", "0.02", "60"), {"order_type": "FOK"}, "FOK orders are fully filled or"),
    "of another key": (("BUY", "0.30", "10"), {"owner": "x"}, "owner of the API KEY"),
    "without money": (("BUY", "0.10", "99999"), {}, "the balance is not enough -> balance: "
                      "1000000000, order amount: 9999900000"),
    "of shares not held": (("SELL", "0.90", "10"), {}, "balance: 0, order amount: 10000000"),
    "tampered": (("BUY", "0.30", "10"), {"late": {"salt": 5}}, "invalid signature"),
    "for a retired exchange": (("BUY", "0.30", "10"), {
        "exchange": "0xe3333700cA9d93003F00f0F71f8515005F6c00Aa", "version": "3"},
        "order_version_mismatch"),
    "for the other exchange": (("BUY", "0.30", "10"), {"exchange": NEG_RISK},
                               "invalid signature"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_the_venues_words_say_why_an_order_was_refused(ann, case):
    args, other, words = REFUSALS[case]

    assert words in ann.refusal(TOKEN, *args, **other)
    kept = [row for row in ann.exchange.accepted_orders() if row["status"] != "CANCELED"]
    assert kept == []


def test_an_unknown_token_has_no_book(ann):
    assert "does not exist" in ann.refusal("12345", "BUY", "0.30", "10")


@pytest.mark.parametrize("kind", range(4))
def test_wallets_of_all_types_trade(clock, kind):
    ann = Trader(exchange_at(clock), clock, kind=kind)

    assert ann.place(TOKEN, "BUY", "0.02", "10")["status"] == "live"


def test_an_owner_without_a_wallet_is_sent_to_the_deposit_wallet_flow(clock):
    poor = Trader(exchange_at(clock), clock, kind=0, dollars="0")

    assert "use the deposit wallet flow" in poor.refusal(TOKEN, "BUY", "0.30", "10")


def test_nobody_orders_for_anothers_wallet(ann):
    bob = another(ann)
    bob.wallet = ann.wallet

    assert "use the deposit wallet flow" in bob.refusal(TOKEN, "BUY", "0.30", "10")


def test_a_session_key_speaks_for_the_wallet_that_let_it(ann):
    session = another(ann, dollars="0")
    session.wallet = ann.wallet
    magic = bytes.fromhex("6492" * 16)

    def wrapped(digest: bytes) -> bytes:
        inner = type(session).sign(session, digest)
        named = bytes.fromhex(session.account.address[2:]).rjust(32, b"\0")
        return encode(["bytes32", "bytes32", "bytes"], [named, bytes(32), inner]) + magic

    session.sign = wrapped
    assert "deposit wallet flow" in session.refusal(TOKEN, "BUY", "0.02", "10")
    ann.faucet(signer=session.account.address)

    assert session.place(TOKEN, "BUY", "0.02", "10")["status"] == "live"


def test_what_resting_orders_need_is_not_spent_twice(ann):
    ann.place(TOKEN, "BUY", "0.10", "9000")

    words = ann.refusal(TOKEN, "BUY", "0.10", "2000")
    assert "balance: 1000000000, sum of active orders: 900000000, order amount: 200000000" in words
    ann.call("DELETE", "/cancel-all")
    assert ann.place(TOKEN, "BUY", "0.10", "2000")["status"] == "live"


def test_the_fee_of_a_purchase_must_be_there_too(clock):
    ann = Trader(exchange_at(clock), clock, dollars="10")
    _, ask = ann.best(TOKEN)
    shares = (Decimal(10) / ask).quantize(Decimal(1), "ROUND_FLOOR")
    ann.faucet(dollars=str(ask * shares - 10))

    assert "the balance is not enough" in ann.refusal(
        TOKEN, "BUY", str(ask), str(shares), order_type="FAK"
    )


def test_an_allowance_is_asked_for(clock):
    ann = Trader(exchange_at(clock), clock, dollars="0")
    ann.faucet(dollars="100", approve=False)

    assert "the allowance is not enough" in ann.refusal(TOKEN, "BUY", "0.30", "10")
    ann.exchange.approve(ann.wallet, "0xE111180000d2663C0091e4f400237545B87B996B", 5_000_000)
    assert ann.place(TOKEN, "BUY", "0.02", "10")["status"] == "live"
    shown = ann.get("/balance-allowance", asset_type="COLLATERAL", signature_type="3")
    assert shown["balance"] == "100000000"
    assert sorted(shown["allowances"].values()) == ["0", "5000000"]


def test_a_batch_answers_each_and_refuses_in_the_answer(ann):
    bodies = [ann.body(TOKEN, "BUY", price, "10") for price in ("0.02", "0.025", "0.03")]

    good, bad, also = ann.call("POST", "/orders", bodies).body

    assert all(row["orderID"] for row in (good, also))
    assert (bad["success"], bad["orderID"]) == (True, "")
    assert "breaks minimum tick size" in bad["errorMsg"]


def test_a_killed_order_may_come_with_status_200(clock):
    ann = Trader(exchange_at(clock, kills_as=200), clock)

    reply = ann.post(TOKEN, "BUY", "0.02", "60", order_type="FOK")

    assert (reply.status, reply.body["orderID"]) == (200, "")
    assert reply.body["errorMsg"].startswith("order couldn't be fully filled")


@pytest.mark.parametrize(
    "spoil", ["poly_signature", "poly_passphrase", "poly_api_key", "poly_address", "stale"]
)
def test_a_call_under_a_wrong_key_is_unauthorised(ann, spoil):
    headers = ann.headers("GET", "/data/orders", b"")
    if spoil == "stale":
        ann.clock.wait(61)
    else:
        headers[spoil] = headers[spoil][:-4] + "AAA="

    reply = ann.call("GET", "/data/orders", headers=headers)

    assert (reply.status, reply.body) == (401, {"error": "Unauthorized/Invalid api key"})


def test_the_signature_covers_the_path_without_its_query_and_the_body(ann):
    body = ann.body(TOKEN, "BUY", "0.02", "10")
    headers = ann.headers("POST", "/order", b"{}")

    assert ann.get("/data/trades", id="none")["data"] == []
    assert ann.call("POST", "/order", body, headers=headers).status == 401


def test_a_key_is_made_once_and_found_again(ann):
    assert ann.call("POST", "/auth/api-key", headers=ann.attestation()).status == 400
    again = ann.call("GET", "/auth/derive-api-key", headers=ann.attestation())
    assert again.body == ann.creds
    assert ann.call("GET", "/auth/derive-api-key", headers=ann.attestation(5)).status == 400
    forged = {**ann.attestation(), "poly_address": "0x" + "22" * 20}
    assert ann.call("GET", "/auth/derive-api-key", headers=forged).status == 401


def test_the_terms_of_a_market_are_public(ann):
    def asked(path: str, **query: str) -> dict:
        values = {name: [value] for name, value in query.items()}
        return ann.send(Call(method="GET", path=f"/clob{path}", query=values)).body

    condition = asked(f"/markets-by-token/{OTHER}")["condition_id"]
    terms = asked(f"/clob-markets/{condition}")

    assert [row["t"] for row in terms["t"]] == [TOKEN, OTHER]
    assert (terms["mos"], terms["mts"], terms["fd"]["r"]) == (5, 0.01, 0.05)
    assert asked("/tick-size", token_id=TOKEN) == {"minimum_tick_size": 0.01}
    assert asked("/neg-risk", token_id=TOKEN) == {"neg_risk": False}
    assert asked("/fee-rate", token_id=TOKEN) == {"base_fee": 1000}
    assert asked("/version") == 2


def test_exclusive_markets_trade_on_their_own_exchange(ann):
    token = token_of(happening("race"))

    assert ann.refusal(token, "BUY", "0.02", "10") == "invalid signature"
    body = ann.body(token, "BUY", "0.02", "10", exchange=NEG_RISK)
    assert ann.call("POST", "/order", body).body["orderID"] == id_of(body, neg_risk=True)
