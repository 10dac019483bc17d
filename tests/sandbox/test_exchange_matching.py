"""Who meets whom at the sandbox's exchange, and that no dollar and no share is made or lost."""

import threading
import time
from collections import defaultdict
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from sandbox.core.placed import COLLATERAL
from sandbox.core.world import World
from sandbox.exchange.books import NotResolved, OtherWorld
from sandbox.exchange.desk import Exchange
from sandbox.exchange.state import order_fact
from tests.sandbox.trader import WORLD, Clock, Trader, exchange_at, happening, token_of

TICK = Decimal("0.01")
MARKET = happening("talk", lasts=300)  # a wide spread: users can meet inside it
TOKEN, OTHER = token_of(MARKET), token_of(MARKET, 1)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ann(clock) -> Trader:
    return Trader(exchange_at(clock), clock)


@pytest.fixture
def bob(ann) -> Trader:
    return Trader(ann.exchange, ann.clock, 2)


def check_nothing_is_made_or_lost(exchange: Exchange, given: int) -> None:
    balances = exchange.balances()
    totals: dict[str, int] = defaultdict(int)
    for wallet in balances.values():
        for asset, amount in wallet.items():
            totals[asset] += amount
    assert totals.pop("cash", 0) == given
    backing = balances.get(COLLATERAL, {}).get("cash", 0)
    tokens = [totals.get(token, 0) for token in (TOKEN, OTHER)]
    assert tokens[0] == tokens[1] == backing


def inside(trader: Trader) -> Decimal:
    bid, ask = trader.best(TOKEN)
    assert ask - bid >= 3 * TICK
    return bid + TICK


def test_a_purchase_meets_a_sale_inside_the_spread(ann, bob, clock):
    price = inside(ann)
    ann.faucet(token=TOKEN, shares="50")

    rests = ann.place(TOKEN, "SELL", str(price), "20")
    takes = bob.place(TOKEN, "BUY", str(price), "12", order_type="FAK")

    assert (rests["status"], takes["status"]) == ("live", "matched")
    seen = ann.get(f"/data/order/{rests['orderID']}")
    assert (seen["status"], seen["size_matched"]) == ("LIVE", "12")
    ann.call("DELETE", "/cancel-all")
    clock.wait(5)
    fee = (12 * Decimal("0.05") * price * (1 - price)).quantize(Decimal("0.00001"))
    assert ann.cash() == 1_000_000_000 + int(12 * price * 10**6)
    assert bob.cash() == 1_000_000_000 - int((12 * price + fee) * 10**6)
    assert (ann.shares(TOKEN), bob.shares(TOKEN)) == (38_000_000, 12_000_000)


def test_the_maker_reads_the_takers_trade_with_his_own_part_in_it(ann, bob):
    price = inside(ann)
    rests = ann.place(TOKEN, "BUY", str(price), "20")
    takes = bob.place(OTHER, "BUY", str(1 - price), "20", order_type="FOK")

    (trade,) = ann.get("/data/trades", maker_address=ann.wallet)["data"]

    assert (trade["trader_side"], trade["asset_id"], trade["side"]) == ("MAKER", OTHER, "BUY")
    assert (trade["taker_order_id"], trade["price"]) == (takes["orderID"], str(1 - price))
    (part,) = trade["maker_orders"]
    assert (part["order_id"], part["asset_id"], part["side"]) == (rests["orderID"], TOKEN, "BUY")
    assert (part["price"], part["matched_amount"], part["owner"]) == (str(price), "20", ann.key)
    assert bob.get("/data/trades", asset_id=TOKEN)["data"][0]["id"] == trade["id"]


def test_two_purchases_of_both_sides_make_shares_and_two_sales_unmake_them(ann, bob, clock):
    price = inside(ann)
    ann.place(TOKEN, "BUY", str(price), "20")
    bob.place(OTHER, "BUY", str(1 - price), "20", order_type="FAK")
    clock.wait(5)
    assert (ann.shares(TOKEN), bob.shares(OTHER)) == (20_000_000, 20_000_000)
    assert ann.exchange.cash(COLLATERAL) == 20_000_000

    price = inside(ann)
    ann.place(TOKEN, "SELL", str(price), "20")
    bob.place(OTHER, "SELL", str(1 - price), "20", order_type="FAK")
    clock.wait(5)
    assert (ann.shares(TOKEN), bob.shares(OTHER)) == (0, 0)
    assert ann.exchange.cash(COLLATERAL) == 0
    check_nothing_is_made_or_lost(ann.exchange, 2_000_000_000)


def test_the_better_price_is_met_first_and_at_one_price_the_older(ann, bob):
    carl = Trader(ann.exchange, ann.clock, 3)
    low = inside(ann)
    first = ann.place(TOKEN, "BUY", str(low), "10")
    second = carl.place(TOKEN, "BUY", str(low), "10")
    best = carl.place(TOKEN, "BUY", str(low + TICK), "10")
    bob.faucet(token=TOKEN, shares="100")

    placed = bob.place(TOKEN, "SELL", str(low), "25")

    assert placed["status"] == "matched"
    trades = [bob.get("/data/trades", id=trade)["data"][0] for trade in placed["tradeIDs"]]
    met = [part["order_id"] for trade in trades for part in trade["maker_orders"]]
    assert met == [best["orderID"], first["orderID"], second["orderID"]]
    assert [trade["price"] for trade in trades] == [str(low + TICK), str(low)]
    assert ann.exchange.state.orders[second["orderID"]].matched == 5_000_000


def test_nobody_meets_himself(ann):
    price = inside(ann)
    ann.place(TOKEN, "BUY", str(price), "10")

    assert ann.place(OTHER, "BUY", str(1 - price), "10")["status"] == "live"


def test_a_purchase_beyond_the_best_price_rests_with_what_was_not_there(ann):
    market, _ = ann.exchange.listing.by_token(TOKEN)
    price, there = market.side(int(ann.clock()), bids=False)[0]
    shares = there // 10**6 + 20

    placed = ann.place(TOKEN, "BUY", str(Decimal(price) / 10_000), str(shares))

    assert placed["status"] == "matched"
    seen = ann.get(f"/data/order/{placed['orderID']}")
    assert seen["status"] == "LIVE"
    assert Decimal(seen["size_matched"]) * 10**6 == there


def test_what_was_taken_from_the_world_stays_taken_for_a_while(ann, clock):
    _, ask = ann.best(TOKEN)
    whole = ann.exchange.listing.by_token(TOKEN)[0].side(int(clock()), bids=False)[0][1]
    ann.place(TOKEN, "BUY", str(ask), str(whole // 10**6 + 1))
    ann.call("DELETE", "/cancel-all")

    assert "no orders found to match" in ann.refusal(TOKEN, "BUY", str(ask), "10", order_type="FAK")


def test_the_worlds_trades_meet_a_resting_order_in_its_turn(clock):
    exchange = exchange_at(clock)
    ann = Trader(exchange, clock, dollars="100000")
    market, _ = exchange.listing.by_token(TOKEN)
    prints = market.prints(int(clock()), MARKET.ends_at)
    bid, ask = ann.best(TOKEN)
    better = ann.place(TOKEN, "BUY", str(ask - TICK), "30")["orderID"]
    behind = ann.place(TOKEN, "BUY", str(bid), "30")["orderID"]
    assert exchange.state.orders[behind].ahead > 0
    assert exchange.state.orders[better].ahead == 0

    while exchange.state.orders[better].is_alive and clock() < MARKET.ends_at:
        clock.wait(1)
        exchange.advance(clock())

    assert prints
    assert exchange.state.orders[better].matched == 30_000_000
    assert exchange.state.orders[better].ended_at <= exchange.state.orders[behind].ended_at or (
        exchange.state.orders[behind].is_alive
    )
    trade = ann.get("/data/trades")["data"][-1]
    assert trade["trader_side"] == "MAKER"
    clock.wait(5)
    assert ann.shares(TOKEN) >= 30_000_000


def test_a_ghost_trade_moves_nothing(clock):
    ann = Trader(exchange_at(clock, ghosts=1.0), clock)
    _, ask = ann.best(TOKEN)
    ann.place(TOKEN, "BUY", str(ask), "10", order_type="FAK")
    told = []

    for _ in range(3):
        told.append(ann.get("/data/trades")["data"][0]["status"])
        clock.wait(2)

    assert told == ["MATCHED", "RETRYING", "FAILED"]
    assert (ann.cash(), ann.shares(TOKEN)) == (1_000_000_000, 0)
    assert ann.place(TOKEN, "BUY", "0.10", "9900")["status"] == "live"


def test_what_is_not_settled_yet_cannot_be_sold(ann, clock):
    bid, ask = ann.best(TOKEN)
    ann.place(TOKEN, "BUY", str(ask), "10", order_type="FAK")
    assert "balance: 0, order amount: 10000000" in ann.refusal(
        TOKEN, "SELL", str(bid), "10", order_type="FAK"
    )

    clock.wait(4)
    bid, _ = ann.best(TOKEN)

    assert ann.place(TOKEN, "SELL", str(bid), "10", order_type="FAK")["status"] == "matched"


def test_a_limited_order_ends_a_minute_before_its_time(ann, clock):
    until = int(clock()) + 120
    placed = ann.place(TOKEN, "BUY", "0.02", "60", order_type="GTD", expiration=str(until))

    clock.wait(59)
    assert ann.get(f"/data/order/{placed['orderID']}")["status"] == "LIVE"
    clock.wait(1)
    assert ann.get(f"/data/order/{placed['orderID']}")["status"] == "CANCELED_EXPIRED_ORDER"


def test_a_result_ends_resting_orders_and_is_paid_once(ann, bob, clock):
    price = inside(ann)
    ann.place(TOKEN, "BUY", str(price), "20")
    bob.place(OTHER, "BUY", str(1 - price), "20", order_type="FAK")
    low = ann.place(TOKEN, "BUY", "0.02", "60")["orderID"]
    condition = ann.get(f"/data/order/{low}")["market"]
    clock.wait(5)
    ann.exchange.advance(clock())
    with pytest.raises(NotResolved):
        ann.exchange.redeem(ann.wallet, condition, now=clock())

    clock.now = float(MARKET.closed_at)
    assert ann.get(f"/data/order/{low}")["status"] in (
        "CANCELED_MARKET_RESOLVED",
        "MATCHED",
    )
    assert "does not exist" in ann.refusal(TOKEN, "BUY", "0.02", "60")
    clock.now = float(MARKET.settled_at) + 5
    paid = [t.exchange.redeem(t.wallet, condition, now=clock()) for t in (ann, bob)]
    assert 20_000_000 in paid
    assert [t.exchange.redeem(t.wallet, condition, now=clock()) for t in (ann, bob)] == [0, 0]


def test_sets_are_split_and_merged(ann, clock):
    condition = ann.exchange.listing.by_token(TOKEN)[0].condition

    ann.exchange.split(ann.wallet, condition, 5_000_000, now=clock())
    assert (ann.shares(TOKEN), ann.shares(OTHER), ann.cash()) == (5_000_000, 5_000_000, 995_000_000)
    ann.exchange.merge(ann.wallet, condition, 2_000_000, now=clock())

    assert (ann.shares(TOKEN), ann.cash()) == (3_000_000, 997_000_000)


def test_orders_without_cover_are_taken_off_the_newest_first(ann, clock):
    old = ann.place(TOKEN, "BUY", "0.10", "5000")["orderID"]
    new = ann.place(TOKEN, "BUY", "0.10", "4000")["orderID"]

    ann.exchange.transfer(ann.wallet, "0x" + "77" * 20, 300_000_000, now=clock())

    assert ann.get(f"/data/order/{new}")["status"] == "CANCELED_NOT_ENOUGH_BALANCE"
    assert ann.get(f"/data/order/{old}")["status"] == "LIVE"


def test_ten_seconds_without_a_heartbeat_cancel_everything(ann, clock):
    placed = ann.place(TOKEN, "BUY", "0.02", "60")["orderID"]
    first = ann.call("POST", "/v1/heartbeats", {"heartbeat_id": ""}).body["heartbeat_id"]
    clock.wait(6)
    wrong = ann.call("POST", "/v1/heartbeats", {"heartbeat_id": ""})
    assert (wrong.status, wrong.body) == (
        400,
        {"error_msg": "Invalid Heartbeat ID", "heartbeat_id": first},
    )
    ann.call("POST", "/v1/heartbeats", {"heartbeat_id": first})
    clock.wait(6)
    assert ann.get(f"/data/order/{placed}")["status"] == "LIVE"

    clock.wait(5)

    assert ann.get(f"/data/order/{placed}")["status"] == "CANCELED"
    assert ann.call("POST", "/v1/heartbeats", {"heartbeat_id": ""}).status == 200


def test_a_restarted_exchange_knows_all_that_it_knew(clock, tmp_path):
    journal = tmp_path / "exchange.jsonl"
    ann = Trader(exchange_at(clock, journal=journal), clock)
    bob = Trader(ann.exchange, clock, 2)
    price = inside(ann)
    ann.place(TOKEN, "BUY", str(price), "20")
    bob.place(OTHER, "BUY", str(1 - price), "12", order_type="FAK")
    gone = ann.place(TOKEN, "BUY", "0.02", "60")["orderID"]
    ann.call("DELETE", "/order", {"orderID": gone})
    clock.wait(3)
    ann.exchange.advance(clock())
    before, told = ann.exchange, ann.get("/data/trades")
    before.close()
    journal.write_bytes(journal.read_bytes() + b'{"fact": "mov')

    after = ann.exchange = Exchange(WORLD, journal=journal)

    assert after.accepted_orders() == before.accepted_orders()
    assert after.trades() == before.trades()
    assert after.balances() == before.balances()
    assert {k: n for k, n in after.state.kept.items() if n} == {
        k: n for k, n in before.state.kept.items() if n
    }
    assert ann.get("/data/trades") == told
    clock.wait(5)
    assert ann.get("/data/trades")["data"][0]["status"] == "CONFIRMED"
    assert ann.place(TOKEN, "BUY", "0.02", "60")["status"] == "live"


def test_a_journal_of_another_world_is_refused(clock, tmp_path):
    exchange_at(clock, journal=tmp_path / "journal").close()

    with pytest.raises(OtherWorld, match="seed 7, not of the demo world of seed 8"):
        Exchange(World(8), journal=tmp_path / "journal")


def test_orders_at_the_same_time_spend_nothing_twice(ann, clock):
    others = [Trader(ann.exchange, clock, secret, dollars="30") for secret in (5, 6, 7)]
    bodies = [[o.body(TOKEN, "BUY", "0.40", "10") for _ in range(12)] for o in others]

    def send(of: int) -> None:
        for body in bodies[of] * 2:
            others[of].call("POST", "/order", body)
        others[of].get("/data/trades")

    threads = [threading.Thread(target=send, args=(at % 3,)) for at in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for trader in others:
        mine = [o for o in ann.exchange.state.orders.values() if o.wallet == trader.wallet]
        assert len(mine) == 7
        assert ann.exchange.state.free(trader.wallet, "") >= 0
    check_nothing_is_made_or_lost(ann.exchange, 1_090_000_000)


def test_a_thousand_resting_orders_slow_no_other_down(clock):
    exchange = exchange_at(clock)
    ann = Trader(exchange, clock, dollars="10000000")
    template = ann.place(TOKEN, "BUY", "0.05", "60")["orderID"]
    order = exchange.state.orders[template]

    def seconds() -> float:
        began = time.process_time()
        for _ in range(5):
            made = ann.place(TOKEN, "BUY", "0.04", "60")["orderID"]
            ann.call("DELETE", "/order", {"orderID": made})
        return time.process_time() - began

    seconds()
    alone = min(seconds() for _ in range(3))
    for number in range(1000):
        extra = replace(
            order, id=f"0x{number:064x}", number=exchange.next_number(),
            price=100 + 100 * (number % 5), held=0, trades=[],
        )  # fmt: skip
        exchange.record(**order_fact(extra))
    crowded = min(seconds() for _ in range(3))

    assert crowded - alone < 5 * 0.004


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ann", "bob"]),
        st.sampled_from(["buy", "sell", "other", "cancel", "wait", "fak"]),
        st.integers(-3, 3),
        st.integers(5, 60),
    ),
    min_size=4,
    max_size=14,
)


@settings(max_examples=30, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(steps=STEPS, ghosts=st.sampled_from([0.0, 0.4]))
def test_whatever_users_do_no_dollar_and_no_share_is_made_or_lost(steps, ghosts):
    clock = Clock()
    exchange = exchange_at(clock, ghosts=ghosts)
    traders = {
        "ann": Trader(exchange, clock, 1, kind=0, dollars="50"),
        "bob": Trader(exchange, clock, 2, kind=0, dollars="50"),
    }
    for who, what, ticks, shares in steps:
        trader = traders[who]
        middle = sum(trader.best(TOKEN)).quantize(TICK) / 2
        price = (middle + ticks * 2 * TICK).quantize(TICK)
        if what == "wait":
            clock.wait(abs(ticks))
        elif what == "cancel":
            trader.call("DELETE", "/cancel-all")
        else:
            token = OTHER if what == "other" else TOKEN
            side = "SELL" if what == "sell" else "BUY"
            kind = "FAK" if what == "fak" else "GTC"
            own = 1 - price if what == "other" else price
            trader.post(token, side, str(own), str(shares), order_type=kind)
        exchange.advance(clock())
        for wallet in (t.wallet for t in traders.values()):
            assert all(n >= 0 for n in exchange.balances()[wallet].values())
        check_nothing_is_made_or_lost(exchange, 100_000_000)
    for trader in traders.values():
        trader.call("DELETE", "/cancel-all")
    clock.wait(5)
    exchange.advance(clock())

    assert not any(exchange.state.kept.values())
