"""What goes wrong at the sandbox's exchange on command, and what really happened meanwhile."""

import json

import pytest
from django.core.management import CommandError, call_command

from sandbox.core.conduct import Conduct, UnknownConduct, parse
from sandbox.routes import Call
from tests.sandbox.trader import Clock, Trader, exchange_at, happening, id_of, token_of

MARKET = happening()
TOKEN, OTHER = token_of(MARKET), token_of(MARKET, 1)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ann(clock) -> Trader:
    return Trader(exchange_at(clock), clock)


def behave(trader: Trader, **conduct) -> None:
    trader.exchange.behave(Conduct(**conduct), now=trader.clock())


LOST = {
    "before_500": (500, False, False),
    "limited": (429, False, False),
    "accept_500": (500, True, False),
    "accept_drop": (200, True, True),
    "accept_hang": (200, True, True),
    "accept_duplicated": (400, True, False),
}


@pytest.mark.parametrize("fate", LOST)
def test_a_call_ends_as_told_and_the_order_is_there_or_not(ann, fate):
    status, is_taken, is_lost = LOST[fate]
    behave(ann, **{fate: 1.0})
    body = ann.body(TOKEN, "BUY", "0.02", "60")

    reply = ann.call("POST", "/order", body)

    assert (reply.status, reply.is_lost) == (status, is_lost)
    taken = [row["id"] for row in ann.exchange.accepted_orders()]
    assert taken == ([id_of(body)] if is_taken else [])
    ann.exchange.behave()
    again = ann.call("POST", "/order", body)
    assert again.status == (400 if is_taken else 200)


def test_only_the_calls_named_fail(ann):
    placed = ann.place(TOKEN, "BUY", "0.02", "60")["orderID"]
    behave(ann, before_500=1.0, on=("DELETE /order",))

    assert ann.place(TOKEN, "BUY", "0.02", "60")["status"] == "live"
    assert ann.call("DELETE", "/order", {"orderID": placed}).status == 500
    assert ann.get(f"/data/order/{placed}")["status"] == "LIVE"


def test_shares_of_calls_fail_and_the_same_calls_in_any_order(clock):
    def statuses(order: list[int]) -> dict[int, int]:
        ann = Trader(exchange_at(clock, before_500=0.3, accept_500=0.3), clock, dollars="100000")
        bodies = {n: ann.body(TOKEN, "BUY", "0.02", "60", salt=n) for n in range(40)}
        return {n: ann.call("POST", "/order", bodies[n]).status for n in order}

    forward, backward = statuses(list(range(40))), statuses(list(range(40))[::-1])

    assert forward == backward
    assert 8 <= sum(status == 500 for status in forward.values()) <= 36


def test_a_restart_is_425_then_two_minutes_of_post_only(ann, clock):
    placed = ann.place(TOKEN, "BUY", "0.02", "60")["orderID"]
    behave(ann, restart_s=30)

    assert ann.post(TOKEN, "BUY", "0.02", "60").status == 425
    assert ann.call("DELETE", "/order", {"orderID": placed}).status == 425
    assert ann.get(f"/data/order/{placed}")["status"] == "LIVE"
    clock.wait(30)
    refused = ann.post(TOKEN, "BUY", "0.02", "60")
    assert (refused.status, refused.body["code"]) == (503, "post_only_mode")
    assert ann.place(TOKEN, "BUY", "0.02", "60", postOnly=True)["status"] == "live"
    clock.wait(120)
    assert ann.place(TOKEN, "BUY", "0.02", "60")["status"] == "live"


def test_cancel_only_and_disabled_say_so(ann):
    placed = ann.place(TOKEN, "BUY", "0.02", "60")["orderID"]
    behave(ann, mode="cancel_only")
    refused = ann.post(TOKEN, "BUY", "0.02", "60")
    assert (refused.status, "cancel-only" in refused.body["error"]) == (503, True)
    behave(ann, mode="disabled")
    assert ann.call("DELETE", "/order", {"orderID": placed}).status == 503
    behave(ann, mode="cancel_only")

    assert ann.call("DELETE", "/order", {"orderID": placed}).body["canceled"] == [placed]


def test_new_orders_and_trades_may_be_seen_late(ann, clock):
    _, ask = ann.best(TOKEN)
    behave(ann, hidden_s=5, trades_hidden_s=8)

    placed = ann.place(TOKEN, "BUY", str(ask), "10", order_type="FAK")["orderID"]

    assert ann.call("GET", f"/data/order/{placed}").status == 404
    clock.wait(5)
    assert ann.get(f"/data/order/{placed}")["size_matched"] == "10"
    assert ann.get("/data/trades")["data"] == []
    clock.wait(3)
    assert len(ann.get("/data/trades")["data"]) == 1


def test_a_finished_order_may_be_forgotten(ann, clock):
    _, ask = ann.best(TOKEN)
    behave(ann, keeps_closed_s=0)
    placed = ann.place(TOKEN, "BUY", str(ask), "10", order_type="FAK")["orderID"]

    clock.wait(1)

    assert ann.call("GET", f"/data/order/{placed}").status == 404
    assert ann.get("/data/trades")["data"][0]["taker_order_id"] == placed


def test_a_delayed_order_cannot_be_cancelled_and_meets_the_book_later(ann, clock):
    behave(ann, delay_s=3)

    placed = ann.place(TOKEN, "BUY", "0.97", "10", order_type="FAK")
    assert (placed["status"], placed["tradeIDs"]) == ("delayed", [])
    said = ann.call("DELETE", "/order", {"orderID": placed["orderID"]}).body
    assert "delayed" in said["not_canceled"][placed["orderID"]]
    clock.wait(3)

    assert ann.get(f"/data/order/{placed['orderID']}")["status"] == "MATCHED"


def test_rows_may_be_told_twice(ann):
    _, ask = ann.best(TOKEN)
    behave(ann, doubled=1.0)
    ann.place(TOKEN, "BUY", str(ask), "10", order_type="FAK")

    first, second = ann.get("/data/trades")["data"]

    assert first == second


def test_positions_lag_behind_the_chain(ann, clock):
    _, ask = ann.best(TOKEN)
    behave(ann, positions_lag_s=60)
    ann.place(TOKEN, "BUY", str(ask), "10", order_type="FAK")

    def shown(path: str, **query: str) -> list[dict]:
        values = {name: [value] for name, value in query.items()}
        call = Call(method="GET", path=path, query={"user": [ann.wallet], **values})
        body = ann.send(call).body
        return body["data"] if isinstance(body, dict) else body

    clock.wait(30)
    assert ann.shares(TOKEN) == 10_000_000
    assert shown("/data/v2/positions") == shown("/data/positions") == []
    clock.wait(40)
    (position,) = shown("/data/v2/positions", status="OPEN")
    assert (position["token_id"], position["current_size"]) == (TOKEN, 10.0)
    (old,) = shown("/data/positions")
    assert (old["asset"], old["size"], old["curPrice"]) == (TOKEN, 10.0, position["current_price"])
    (did,) = shown("/data/v2/activity")
    fee = round(10 * 0.05 * float(ask * (1 - ask)), 5)
    assert did["usdc_size"] == pytest.approx(10 * float(ask) + fee)
    assert shown("/data/v2/trades")[0]["side"] == "BUY"


def test_the_closed_only_may_sell_and_the_banned_nothing(ann):
    ann.faucet(token=TOKEN, shares="50")
    own = (ann.account.address.lower(),)
    behave(ann, closed_only=own)
    assert ann.get("/auth/ban-status/closed-only") == {"closed_only": True}
    assert "closed only mode" in ann.refusal(TOKEN, "BUY", "0.02", "60")
    assert ann.place(TOKEN, "SELL", "0.95", "10")["status"] == "live"
    behave(ann, banned=own)

    assert ann.refusal(TOKEN, "SELL", "0.95", "10") == "address banned"


def test_a_blocked_region_may_read_and_not_order(ann):
    behave(ann, blocked=True)

    assert ann.send(Call(method="GET", path="/api/geoblock")).body["blocked"] is True
    assert ann.post(TOKEN, "BUY", "0.02", "60").status == 403
    assert ann.get("/data/orders")["data"] == []


def test_conduct_is_told_over_http_and_nonsense_is_refused(ann):
    def tell(said: dict) -> int:
        body = json.dumps(said).encode()
        path = "/sandbox/exchange/faults"
        return ann.send(Call(method="POST", path=path, body=body)).status

    assert tell({"ghosts": 0.5, "on": ["POST /order"]}) == 200
    assert ann.exchange.conduct == Conduct(ghosts=0.5, on=("POST /order",))
    assert tell({"gosts": 0.5}) == tell({"mode": "odd"}) == tell({"ghosts": "all"}) == 400
    assert tell({}) == 200
    assert ann.exchange.conduct == Conduct()
    with pytest.raises(UnknownConduct):
        parse([])


def test_the_truth_is_told_over_http(ann):
    ann.place(TOKEN, "BUY", "0.02", "60")

    told = ann.send(Call(method="GET", path="/sandbox/exchange/state")).body

    assert [row["price"] for row in told["orders"]] == ["0.02"]
    assert told["trades"] == []
    assert told["balances"][ann.wallet] == {"cash": 1_000_000_000}


def test_a_sandbox_that_could_not_behave_does_not_start(tmp_path):
    (tmp_path / "journal").write_text('{"fact": "nonsense"}\n')

    for asked, words in (
        (("--conduct", '{"gosts": 1}'), "nothing is called gosts"),
        (("--journal", str(tmp_path / "journal")), "cannot be used"),
        (("--journal", str(tmp_path)), "cannot be used"),
    ):
        with pytest.raises(CommandError, match=words) as refused:
            call_command("sandbox", "--port", "0", *asked)
        assert refused.value.returncode == 2
