"""What a node says wrongly, or not at all: without a chain and without a database."""

import json
from typing import Any

import httpx
import pytest

from trading.adapters.chain import Chain, WouldRevert, connect
from trading.core import abi
from trading.core.redemption import (
    POLYGON,
    Call,
    Condition,
    NotRedeemable,
    per_share,
    redeem_call,
)
from trading.venue import NonceUsed, OutcomeUnknown, Underpriced, Unsent

WALLET = "0x" + "7" * 40
CONDITION = Condition(condition_id="0x" + "c" * 64, token_ids=("11", "22"))


def node(answer: Any) -> Chain:
    """A node that answers each call by `answer(method)`: a result, or an error as a dict."""

    def reply(request: httpx.Request) -> httpx.Response:
        said = json.loads(request.content)
        calls = said if isinstance(said, list) else [said]
        rows = [{"id": call["id"], **answer(call["method"])} for call in calls]
        return httpx.Response(200, json=rows if isinstance(said, list) else rows[0])

    return Chain(
        "https://node.example/v2/SECRET", wallet=WALLET, transport=httpx.MockTransport(reply)
    )


def broken(status: int, body: bytes = b"SECRET") -> Chain:
    transport = httpx.MockTransport(lambda _: httpx.Response(status, content=body))
    return Chain("https://node.example/v2/SECRET", wallet=WALLET, transport=transport)


@pytest.mark.parametrize(("status", "body"), [(500, b""), (403, b""), (429, b""), (200, b"no")])
def test_a_node_without_an_answer_is_unsent_and_its_key_stays_secret(status, body):
    with pytest.raises(Unsent, match=r"node\.example") as failure:
        broken(status, body).cash()

    assert "SECRET" not in f"{failure.value!r}{failure.value.__cause__!r}"


def test_a_transaction_without_an_answer_is_neither_sent_nor_unsent():
    with pytest.raises(OutcomeUnknown):
        broken(502).send("0x02")


def test_half_an_answer_is_none():
    with pytest.raises(Unsent, match="left eth_call unanswered"):
        node(lambda _method: {}).cash()


@pytest.mark.parametrize("result", ["0x", "", None, "0x" + "0" * 63 + "1"])
def test_a_balance_that_cannot_be_read_is_none(result):
    behind = node(lambda _method: {"result": result})

    with pytest.raises(Unsent, match="no balance"):
        behind.shares(["11"])
    if result is None or len(result) < 3:
        with pytest.raises(Unsent, match="no balance"):
            behind.cash()


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("nonce too low: next nonce 5", NonceUsed),
        ("replacement transaction underpriced", Underpriced),
        ("execution reverted: no", WouldRevert),
    ],
)
def test_refusals_are_told_apart(message, kind):
    with pytest.raises(kind, match=message.split(":", maxsplit=1)[0]):
        node(lambda _: {"error": {"code": -32000, "message": message}}).send("0x02")


def test_bytes_that_the_node_knows_already_are_no_error():
    node(lambda _: {"error": {"code": -32000, "message": "already known"}}).send("0x02")


def test_a_node_of_another_chain_is_refused(monkeypatch):
    for said, complaint in (
        ({"result": "0x1"}, "chain 1, not 137"),
        ({"error": {"message": "busy"}}, "does not tell its chain"),
    ):
        other = node(lambda _, said=said: said)
        monkeypatch.setattr("trading.adapters.chain.Chain", lambda *_a, other=other, **_k: other)
        with pytest.raises(Unsent, match=complaint):
            connect("https://node.example", wallet=WALLET)


def test_a_node_without_a_base_fee_prices_nothing():
    with pytest.raises(Unsent, match="no base fee"):
        node(lambda _: {"result": {}}).market_fees()


def test_what_cannot_be_redeemed_is_refused_by_name():
    with pytest.raises(NotRedeemable, match="protocol 'v9'"):
        Condition(condition_id="0x", token_ids=("1", "2"), protocol="v9")
    with pytest.raises(NotRedeemable, match="no numbers"):
        Condition(condition_id="0x", token_ids=("x", "2"))
    with pytest.raises(NotRedeemable, match="no outcome"):
        redeem_call(CONDITION, held=[])
    with pytest.raises(NotRedeemable, match="one outcome a call"):
        redeem_call(Condition(condition_id="0x", token_ids=("1", "2"), protocol="v2"), held=[0, 1])
    with pytest.raises(NotRedeemable, match="nothing is reported"):
        per_share(1, 0)


def test_only_held_index_sets_are_named():
    one, both = redeem_call(CONDITION, held=[1]), redeem_call(CONDITION, held=[1, 0])

    assert abi.words(one.data[10:])[-2:] == [1, 2]
    assert abi.words(both.data[10:])[-3:] == [2, 1, 2]
    assert one.target == POLYGON.collateral_adapter
    assert one == Call(target=one.target, data=one.data)


def test_the_second_protocol_takes_ids_with_and_without_their_outcome():
    short = Condition(condition_id="0x" + "01" * 31, token_ids=("1", "2"), protocol="v2")
    whole = Condition(condition_id="0x" + "01" * 31 + "00", token_ids=("1", "2"), protocol="v2")

    assert redeem_call(short, held=[1], shares=[5]) == redeem_call(whole, held=[1], shares=[5])


@pytest.mark.parametrize(
    ("encode", "value"), [(abi.uint, -1), (abi.address, "0x12"), (abi.words, "0x123")]
)
def test_what_has_no_place_in_a_word_is_refused(encode, value):
    with pytest.raises(abi.NotEncodable):
        encode(value)


def test_an_array_that_is_shorter_than_it_says_is_refused():
    with pytest.raises(abi.NotEncodable):
        abi.array("0x" + abi.uint(32) + abi.uint(2) + abi.uint(7))


def test_shares_that_leave_in_a_batch_are_counted_by_token():
    owner = f"0x{abi.address(WALLET)}"
    data = "0x" + abi.uint(64) + abi.uint(160) + abi.uints([11, 22]) + abi.uints([5, 6])
    batch = abi.Log(
        address=POLYGON.conditional_tokens,
        topics=(abi.TRANSFER_BATCH, owner, owner, "0x" + abi.ZERO_WORD),
        data=data,
        transaction_hash="0x1",
        block_number=1,
    )

    assert abi.departed([batch], wallet=WALLET) == {"11": 5, "22": 6}
    assert abi.pays_out([batch], wallet=WALLET)
    assert not abi.pays_out([batch], wallet="0x" + "8" * 40)
    assert abi.received([batch], token=POLYGON.collateral, wallet=WALLET) == 0
