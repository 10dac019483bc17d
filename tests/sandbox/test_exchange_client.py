"""The venue's own client, unmodified, trades at the sandbox over real sockets."""

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import Iterator
from decimal import Decimal

import pytest
from polymarket import AsyncSecureClient, SecureClient
from polymarket.environments import PRODUCTION, Environment, _create_environment
from polymarket.errors import RequestRejectedError, TransportError
from polymarket.streams import UserSpec

from sandbox.core import names
from sandbox.core.conduct import Conduct
from sandbox.core.world import Happening, World
from sandbox.exchange.running import Running, running_exchange

KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
QUICK = Conduct(mined_s=0.0, confirmed_s=0.0)


class Ahead:
    """The real time, and what a test lets pass besides."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture(scope="module")
def up() -> Iterator[Running]:
    with running_exchange(World(7), sockets=True, every_s=0.05, clock=Ahead()) as running:
        yield running


@pytest.fixture(scope="module")
def environment(up) -> Environment:
    config = dataclasses.replace(
        PRODUCTION._config,
        clob_url=f"{up.url}/clob",
        gamma_url=f"{up.url}/gamma",
        data_url=f"{up.url}/data",
        relayer_url=f"{up.url}/relayer",
        rpc_url=f"{up.url}/rpc",
        clob_user_ws_url=f"{up.ws_url}/ws/user",
        clob_market_ws_url=f"{up.ws_url}/ws/market",
    )
    return _create_environment(name="sandbox", config=config)


@pytest.fixture(scope="module")
def client(up, environment) -> Iterator[SecureClient]:
    with SecureClient.create(private_key=KEY, environment=environment) as client:
        up.exchange.give(str(client.wallet).lower(), dollars=10_000_000_000, now=time.time())
        up.exchange.approve_all(str(client.wallet))
        yield client


@pytest.fixture(autouse=True)
def heal(up) -> Iterator[None]:
    """The next test finds no orders, no armed heartbeat and a venue at its best."""
    yield
    up.exchange.behave()
    up.exchange.timers.heartbeats.clear()
    for key in up.exchange.state.keys:
        up.exchange.cancel_where(key, lambda _order: True, now=time.time())


@pytest.fixture
def token() -> str:
    now = int(time.time())
    found = next(
        h for h in World(7).listed(now) if h.starts_at < now < h.ends_at - 120 and _is_wide(h, now)
    )
    return names.token_id(found, 0, 0)


def _is_wide(found: Happening, now: int) -> bool:
    """Whether it is on the standard exchange and its price far from both edges."""
    return found.markets == 1 and 0.1 < found.mid[0, found.at(now)] < 0.9


def test_the_client_places_sees_and_cancels(client, token):
    signed = client.create_limit_order(asset_id=token, price="0.02", size=60, side="BUY")

    placed = client.post_order(signed)

    assert (placed.ok, placed.status) == (True, "live")
    order = client.get_order(order_id=placed.order_id)
    assert (order.status, order.original_size, order.price) == ("LIVE", 60, Decimal("0.02"))
    assert [row.id for row in client.list_open_orders().iter_items()] == [placed.order_id]
    assert client.cancel_order(order_id=placed.order_id).canceled == (placed.order_id,)
    with pytest.raises(RequestRejectedError, match="Duplicated"):
        client.post_order(signed)


def test_the_client_buys_holds_and_sells(up, client, token):
    up.exchange.behave(QUICK)
    before = client.get_balance_allowance(asset_type="COLLATERAL").balance
    had = client.get_balance_allowance(asset_type="CONDITIONAL", asset_id=token).balance

    bought = client.post_order(
        client.create_market_order(asset_id=token, side="BUY", amount=5, max_price="0.99")
    )
    assert bought.status == "matched"
    trades = list(client.list_account_trades().iter_items())
    assert {trade.id for trade in trades} >= set(bought.trade_ids)
    assert client.list_account_trades(id=bought.trade_ids[0]).first_page().items[0].status == (
        "CONFIRMED"
    )
    held = client.get_balance_allowance(asset_type="CONDITIONAL", asset_id=token).balance
    assert Decimal(held - had) / 10**6 == bought.taking_amount
    spent = before - client.get_balance_allowance(asset_type="COLLATERAL").balance
    assert Decimal(spent) / 10**6 > bought.making_amount
    (position,) = [p for p in _positions(client) if p.asset_id == token]
    assert position.current_size == Decimal(held) / 10**6

    sold = client.post_order(
        client.create_market_order(
            asset_id=token, side="SELL", shares=int(bought.taking_amount), min_price="0.01"
        )
    )
    assert sold.making_amount == int(bought.taking_amount)


def _positions(client: SecureClient) -> list:
    return list(client.list_positions(user=str(client.wallet)).iter_items())


def test_the_client_beats_and_learns_that_it_is_not_banned(client):
    beat = client.send_order_heartbeat()

    assert client.send_order_heartbeat(heartbeat_id=beat.heartbeat_id).heartbeat_id
    assert client.get_closed_only_mode() is False


@pytest.mark.parametrize(
    "conduct",
    [
        Conduct(accept_drop=1.0),
        Conduct(accept_hang=1.0, hang_s=0.1),
    ],
)
def test_the_client_cannot_tell_a_lost_answer_from_a_lost_order(up, client, token, conduct):
    signed = client.create_limit_order(asset_id=token, price="0.03", size=40, side="BUY")
    up.exchange.behave(conduct)
    with pytest.raises(TransportError):
        client.post_order(signed)
    up.exchange.behave()

    with pytest.raises(RequestRejectedError, match="Duplicated"):
        client.post_order(signed)
    assert [o for o in client.list_open_orders().iter_items() if o.price == Decimal("0.03")]


def test_the_client_reads_the_moods_of_the_engine(up, client, token):
    signed = client.create_limit_order(asset_id=token, price="0.04", size=40, side="BUY")
    moods = {
        "restarting": Conduct(restart_s=60),
        "post_only": Conduct(mode="post_only"),
        "cancel_only": Conduct(mode="cancel_only"),
    }
    for name, conduct in moods.items():
        up.exchange.behave(conduct, now=time.time())
        with pytest.raises(RequestRejectedError) as refused:
            client.post_order(signed)
        assert refused.value.restriction == name


def test_the_client_hears_of_its_orders_and_trades(up, environment, client, token):
    async def heard() -> list:
        async with await AsyncSecureClient.create(
            private_key=KEY, environment=environment
        ) as listener:
            handle = await listener.subscribe(UserSpec())
            # Subscribing is not acknowledged: the first order is repeated until it is heard.
            found: list = []
            async with asyncio.timeout(20):
                while not found:
                    await _buy(listener, token)
                    found += await _soon(handle)
                while not any(e.type == "trade" and e.payload.status == "CONFIRMED" for e in found):
                    found += await _soon(handle)
            return found

    up.exchange.behave(QUICK)
    events = asyncio.run(heard())

    kinds = {event.payload.order_event_type for event in events if event.type == "order"}
    assert "UPDATE" in kinds
    statuses = [event.payload.status for event in events if event.type == "trade"]
    assert statuses[:3] == ["MATCHED", "MINED", "CONFIRMED"]


async def _buy(listener: AsyncSecureClient, token: str) -> None:
    order = await listener.create_market_order(
        asset_id=token, side="BUY", amount=5, max_price="0.99"
    )
    await listener.post_order(order)


async def _soon(handle) -> list:
    """What is told within a moment."""
    found: list = []

    async def listen() -> None:
        async for event in handle:
            found.append(event)  # noqa: PERF401 - what was heard before the time is up counts

    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(listen(), 0.3)
    return found
