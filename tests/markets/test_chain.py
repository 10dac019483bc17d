"""The ledger is read in batches, its address stays secret, and strange replies are refused."""

import json
from typing import Any

import httpx
import pytest

from config.kernel.units import ConditionId
from markets.adapters import http
from markets.adapters.chain import CONDITIONS_PER_CALL, Chain, Payouts
from markets.core.wire import NotUnderstood
from tests.markets import wire_payloads as say

CONDITIONS = [ConditionId(say.condition(n)) for n in range(1, 33)]


def chain(answer: Any, url: str = "https://node.example/v2/SECRET") -> Chain:
    return Chain(url, transport=httpx.MockTransport(answer))


def paying(request: httpx.Request) -> httpx.Response:
    calls = json.loads(request.content)
    assert request.url.path == "/v2/SECRET"
    assert len(calls) <= 3 * CONDITIONS_PER_CALL
    words = {"": 2, "0": 1, "1": 1}
    replies = [
        {"jsonrpc": "2.0", "id": c["id"], "result": f"0x{words[c['id'].rsplit(':')[1]]:064x}"}
        for c in calls
    ]
    return httpx.Response(200, json=replies)


def test_payouts_are_read_in_batches() -> None:
    requests = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return paying(request)

    found = chain(answer).payouts(CONDITIONS)

    assert found == dict.fromkeys(CONDITIONS, Payouts(denominator=2, numerators=(1, 1)))
    assert len(requests) == 3
    call = json.loads(requests[0].content)[1]
    assert call["params"][0]["data"] == f"0x0504c814{1:064x}{0:064x}"


def test_ids_of_the_second_protocol_are_not_asked_about() -> None:
    assert chain(lambda _: httpx.Response(500)).payouts([ConditionId("0x" + "1" * 62)]) == {}


def test_a_call_that_the_node_refuses_leaves_its_condition_out() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        replies = paying(request).json()
        replies[1] = {"id": replies[1]["id"], "error": {"code": -32000, "message": "busy"}}
        return httpx.Response(200, json=replies)

    assert set(chain(answer).payouts(CONDITIONS[:2])) == {CONDITIONS[1]}


@pytest.mark.parametrize("status", [403, 429, 500])
def test_no_message_names_the_key_in_the_address(status: int) -> None:
    with pytest.raises((http.VenueUnreachable, http.VenueRefused)) as failure:
        chain(lambda _: httpx.Response(status, text="v2/SECRET")).payouts(CONDITIONS)

    assert "node.example" in str(failure.value)
    assert "SECRET" not in f"{failure.value!r}{failure.value.__cause__!r}"


@pytest.mark.parametrize("body", [b"{}", b"no", b'[{"id": "%s", "result": "0x"}]'])
def test_strange_replies_are_refused(body: bytes) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if b"%s" not in body:
            return httpx.Response(200, content=body)
        rows = [{"id": c["id"], "result": "0x"} for c in json.loads(request.content)]
        return httpx.Response(200, json=rows)

    with pytest.raises(NotUnderstood):
        chain(answer).payouts(CONDITIONS[:1])
