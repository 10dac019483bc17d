"""The books that everybody sees hold the users' orders, and not what users took away."""

import json
from decimal import Decimal

import pytest

from sandbox.core.faults import Faults
from sandbox.market_channel import Market
from sandbox.venue import StandIn
from tests.sandbox.trader import SECOND, WORLD, Clock, Trader, exchange_at, happening, token_of

TICK = Decimal("0.01")
MARKET = happening("talk", lasts=300)
TOKEN, OTHER = token_of(MARKET), token_of(MARKET, 1)
Sides = dict[str, dict[Decimal, Decimal]]


@pytest.fixture
def ann() -> Trader:
    clock = Clock()
    return Trader(exchange_at(clock), clock)


def rest(trader: Trader, token: str) -> Sides:
    """The book as REST tells it now."""
    venue = StandIn(WORLD, trader.exchange)
    second = int(trader.clock())
    return sides(venue.get("/clob/book", {"token_id": [token]}, second=second).body)


def sides(book: dict) -> Sides:
    return {
        side: {Decimal(level["price"]): Decimal(level["size"]) for level in book[key]}
        for side, key in (("BUY", "bids"), ("SELL", "asks"))
    }


def apply(books: dict[str, Sides], frames: list[bytes]) -> list[dict]:
    """Bring local books up to date; the trades that were told."""
    trades = []
    for frame in frames:
        said = json.loads(frame)
        for message in said if isinstance(said, list) else [said]:
            if message["event_type"] == "book":
                books[message["asset_id"]] = sides(message)
            trades += [message] if message["event_type"] == "last_trade_price" else []
            for change in message.get("price_changes", ()):
                levels = books[change["asset_id"]][change["side"]]
                levels.pop(Decimal(change["price"]), None)
                if Decimal(change["size"]):
                    levels[Decimal(change["price"])] = Decimal(change["size"])
    return trades


def test_a_resting_order_is_in_both_books_until_it_goes(ann):
    bid, _ = ann.best(TOKEN)
    before = rest(ann, TOKEN)["BUY"].get(bid + TICK, 0)
    placed = ann.place(TOKEN, "BUY", str(bid + TICK), "25")["orderID"]

    assert rest(ann, TOKEN)["BUY"][bid + TICK] == before + 25
    assert rest(ann, OTHER)["SELL"][1 - bid - TICK] == before + 25
    ann.call("DELETE", "/order", {"orderID": placed})
    assert bid + TICK not in rest(ann, TOKEN)["BUY"]


def test_what_was_taken_is_missing_until_it_heals(ann):
    _, ask = ann.best(TOKEN)
    there = rest(ann, TOKEN)["SELL"][ask]
    ann.exchange.behave()

    ann.place(TOKEN, "BUY", str(ask), "10", order_type="FAK")

    assert rest(ann, TOKEN)["SELL"][ask] == there - 10


def test_the_stream_ends_at_the_books_of_rest_whatever_users_do(ann):
    bob = Trader(ann.exchange, ann.clock, 2)
    channel = Market(WORLD, ann.exchange)
    wanted = {"assets_ids": [TOKEN, OTHER], "type": "market"}
    books: dict[str, Sides] = {}
    apply(books, channel.hear(json.dumps(wanted), second=SECOND, faults=Faults()))
    seen: list[dict] = []

    for step in range(40):
        bid, ask = ann.best(TOKEN)
        if step % 4 == 0:
            ann.post(TOKEN, "BUY", str(bid + TICK), "20")
        if step % 4 == 1:
            bob.post(OTHER, "BUY", str(1 - bid - TICK), "6", order_type="FAK")
        if step % 4 == 2:
            bob.post(TOKEN, "BUY", str(ask), "7", order_type="FAK")
        if step % 12 == 11:
            ann.call("DELETE", "/cancel-all")
        before = int(ann.clock())
        ann.clock.wait(1)
        ann.exchange.advance(ann.clock())
        seen += apply(books, channel.said(before, int(ann.clock())))
        assert books == {token: rest(ann, token) for token in (TOKEN, OTHER)}

    taken = [t for t in ann.exchange.state.trades.values() if t.taker_wallet == bob.wallet]
    told = {message["transaction_hash"] for message in seen}
    assert len(taken) > 5
    assert {t.transaction_hash for t in taken if t.status == "CONFIRMED"} <= told


def test_coming_back_to_a_market_begins_with_its_present_book(ann):
    channel = Market(WORLD, ann.exchange)
    wanted = json.dumps({"assets_ids": [TOKEN], "type": "market"})
    channel.hear(wanted, second=SECOND, faults=Faults())
    gone = json.dumps({"assets_ids": [TOKEN], "operation": "unsubscribe"})
    channel.hear(gone, second=SECOND, faults=Faults())
    ann.clock.wait(30)
    books: dict[str, Sides] = {}

    apply(books, channel.hear(wanted, second=SECOND + 30, faults=Faults()))

    assert books[TOKEN] == rest(ann, TOKEN)
