"""The user channel tells the owner of a key what happens to his orders, and nobody else."""

import json

import pytest

from sandbox.core.conduct import Conduct
from sandbox.core.faults import Faults
from sandbox.user_channel import User
from tests.sandbox.trader import SECOND, Clock, Trader, exchange_at, happening, token_of

MARKET = happening()
TOKEN, OTHER = token_of(MARKET), token_of(MARKET, 1)


@pytest.fixture
def ann() -> Trader:
    clock = Clock()
    return Trader(exchange_at(clock), clock)


def channel(trader: Trader, **said) -> User:
    """A connection of the trader."""
    user = User(trader.exchange)
    assert hear(user, {"type": "user", "auth": trader.creds, **said}) == []
    return user


def hear(user: User, said: object) -> list[bytes]:
    return user.hear(json.dumps(said), second=SECOND, faults=Faults())


def told(user: User) -> list[dict]:
    return [json.loads(frame) for frame in user.said(SECOND, SECOND + 1)]


def test_an_orders_life_is_told_in_order(ann):
    user = channel(ann)
    _, ask = ann.best(TOKEN)
    rests = ann.place(TOKEN, "BUY", "0.02", "60")["orderID"]
    ann.place(TOKEN, "BUY", str(ask), "10", order_type="FAK")
    ann.call("DELETE", "/order", {"orderID": rests})
    ann.clock.wait(4)
    ann.exchange.advance(ann.clock())

    events = told(user)

    orders = [(e["type"], e["status"]) for e in events if e["event_type"] == "order"]
    assert orders == [("PLACEMENT", "LIVE"), ("UPDATE", "MATCHED"), ("CANCELLATION", "CANCELED")]
    trades = [e["status"] for e in events if e["event_type"] == "trade"]
    assert trades == ["MATCHED", "MINED", "CONFIRMED"]
    assert {e["owner"] for e in events} == {ann.key}
    assert told(user) == []


def test_strangers_are_told_nothing(ann):
    stranger = User(ann.exchange)
    assert b"Unauthorized" in hear(stranger, {"type": "user", "auth": {"apiKey": ann.key}})[0]
    assert stranger.hear("{", second=SECOND, faults=Faults()) == [b"INVALID OPERATION"]
    bob = channel(Trader(ann.exchange, ann.clock, 2))
    ann.place(TOKEN, "BUY", "0.02", "60")

    assert told(stranger) == told(bob) == []


def test_who_names_markets_hears_of_these(ann):
    condition = ann.exchange.listing.by_token(TOKEN)[0].condition
    user = channel(ann, markets=["0x" + "00" * 32])
    ann.place(TOKEN, "BUY", "0.02", "60")
    assert told(user) == []
    hear(user, {"operation": "subscribe", "markets": [condition]})

    ann.place(TOKEN, "BUY", "0.02", "60")

    assert len(told(user)) == 1


def test_a_channel_may_be_silent_or_say_everything_twice(ann):
    user = channel(ann)
    ann.exchange.behave(Conduct(silent_user=True))
    ann.place(TOKEN, "BUY", "0.02", "60")
    assert told(user) == []
    ann.exchange.behave(Conduct(doubled=1.0))

    ann.place(TOKEN, "BUY", "0.02", "60")

    first, second = told(user)
    assert first == second
