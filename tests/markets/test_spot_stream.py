"""The price stream is followed through breaks, silence and nonsense; boundaries are kept."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from websockets.asyncio.server import ServerConnection, serve

from markets import models as markets
from markets import price_stream, spot, spot_prices
from tests.factories import NOW, ahead
from tests.revised import revise

Talk = Callable[[ServerConnection], Awaitable[None]]


def message(topic: str, symbol: str, second: int, value: float) -> str:
    exact = f"{value:.2f}" if topic == "crypto_prices" else str(int(value * 100) * 10**16)
    at = int(ahead(second).timestamp() * 1000)
    payload = {"symbol": symbol, "timestamp": at, "value": value, "full_accuracy_value": exact}
    return json.dumps({"topic": topic, "type": "update", "timestamp": at, "payload": payload})


@asynccontextmanager
async def venue(*talks: Talk) -> AsyncIterator[tuple[str, list[str]]]:
    """A loopback venue: its nth connection talks like the nth of `talks`, later ones as the last.

    Gives its address, and the first frame of every connection.
    """
    heard: list[str] = []

    async def handle(socket: ServerConnection) -> None:
        heard.append(str(await socket.recv()))
        await talks[min(len(heard), len(talks)) - 1](socket)

    async with serve(handle, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}", heard


def saying(*frames: str | bytes, then: str = "") -> Talk:
    """Send these; then close, or say nothing more until the other side leaves."""

    async def talk(socket: ServerConnection) -> None:
        for frame in frames:
            await socket.send(frame)
        if then == "silence":
            await socket.wait_closed()

    return talk


def follow(talks: list[Talk], reached: Callable[[], bool], **how: Any) -> tuple[str, list[str]]:
    """Follow such a venue until `reached`; why it ended, and what the venue heard."""

    async def run() -> tuple[str, list[str]]:
        stop = asyncio.Event()
        async with venue(*talks) as (url, heard):
            task = asyncio.create_task(
                price_stream.follow(
                    stop,
                    clock=lambda: ahead(700),
                    url=url,
                    wait_s=0.01,
                    flush_every_s=0.1,
                    **how,
                )
            )
            while not await sync_to_async(reached)():
                assert not task.done()
                await asyncio.sleep(0.02)  # asking without a pause would take the core from it
            stop.set()
            return await task, heard

    return async_to_sync(run)()


def stored() -> list[tuple[str, str, float, float]]:
    rows = markets.SpotTick.objects.order_by("source", "observed_at")
    return [(r.asset, r.source, (r.observed_at - NOW).total_seconds(), r.close) for r in rows]


@pytest.mark.django_db(transaction=True)
def test_prices_are_kept_every_few_seconds_and_at_every_boundary() -> None:
    frames = [message("crypto_prices_twap_sixty", "btc/usd", s, 100 + s) for s in range(297, 307)]
    others = [
        message("crypto_prices_chainlink", "btc/usd", 300, 99.5),
        message("crypto_prices", "btcusdt", 300, 98.5),
        message("crypto_prices", "pepeusdt", 300, 1.0),
    ]

    ended, heard = follow([saying(*frames, *others, then="silence")], lambda: len(stored()) >= 5)

    assert ended == "stopped"
    assert stored() == [
        ("btc", "venue", 300.0, 99.5),
        ("btc", "venue_binance", 300.0, 98.5),
        ("btc", "venue_twap_60", 297.0, 397.0),
        ("btc", "venue_twap_60", 300.0, 400.0),
        ("btc", "venue_twap_60", 305.0, 405.0),
    ]
    topics = [row["topic"] for row in json.loads(heard[0])["subscriptions"]]
    assert topics == ["crypto_prices_chainlink", "crypto_prices_twap_sixty", "crypto_prices"]
    assert spot_prices.spot("btc", as_of=ahead(700)).readings[0].source == "venue"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("ends", ["", "silence"])
def test_a_break_or_a_silence_is_followed_by_a_new_connection(ends: str) -> None:
    first = saying(message("crypto_prices_chainlink", "btc/usd", 10, 1.0), then=ends)
    second = saying(message("crypto_prices_chainlink", "btc/usd", 20, 2.0), then="silence")

    _, heard = follow([first, second], lambda: len(stored()) == 2, silent_after_s=0.3)

    assert [row[2:] for row in stored()] == [(10.0, 1.0), (20.0, 2.0)]
    assert len(heard) >= 2


@pytest.mark.django_db(transaction=True)
def test_an_outage_is_counted_and_told_once() -> None:
    def told() -> bool:
        state = markets.FetchState.objects.filter(url=spot.state_key("venue")).first()
        return state is not None and state.failures >= 5

    follow([saying()], told, silent_after_s=0.3)

    notice = markets.Notice.objects.get(kind=markets.Notice.Kind.SOURCE_DOWN)
    assert "venue's stream" in notice.text


@pytest.mark.django_db(transaction=True)
def test_nonsense_is_kept_raw_and_the_stream_goes_on() -> None:
    frames = ["PONG", "", "{", b"\xff\x00", '{"topic":"comments","type":"new","payload":{}}']
    price = message("crypto_prices_chainlink", "btc/usd", 10, 1.0)

    follow([saying(*frames, price, then="silence")], lambda: len(stored()) == 1)

    reasons = markets.RawMessage.objects.values_list("reason", flat=True)
    assert len(reasons) == 3
    assert any("carries no prices" in reason for reason in reasons)


@pytest.mark.django_db(transaction=True)
def test_a_stream_that_may_not_be_followed_says_why(settings: Any) -> None:
    def run() -> str:
        return async_to_sync(price_stream.follow)(asyncio.Event(), clock=lambda: NOW)

    settings.ENV = replace(settings.ENV, mode="DEMO", venue_prices_url="wss://prices.example")
    assert "VENUE_PRICES_URL" in run()
    settings.ENV = replace(settings.ENV, mode="PAPER", venue_prices_url="ws://127.0.0.1:1")
    assert "MODE=DEMO" in run()
    revise(markets.SpotSettings, sources="binance kraken")
    assert "do not name the venue" in run()


def test_a_price_that_was_kept_is_not_kept_again() -> None:
    kept = price_stream.Kept(assets=["btc"])
    frame = message("crypto_prices_chainlink", "btc/usd", 10, 1.0).encode()

    assert kept.take(frame, received_at=NOW + timedelta(seconds=11))
    assert kept.take(frame, received_at=NOW + timedelta(seconds=12))

    ticks, refused = kept.drain()
    assert [(t.asset, t.price) for t in ticks] == [("btc", 1.0)]
    assert refused == []
    assert kept.drain() == ([], [])


def test_a_price_from_the_future_silences_nobody() -> None:
    kept = price_stream.Kept(assets=("btc",))
    wrong = message("crypto_prices", "btcusdt", 86400, 1.0)
    right = message("crypto_prices", "btcusdt", 5, 100.0)

    for frame in (wrong, right):
        kept.take(frame.encode(), received_at=ahead(5))

    ticks, refused = kept.drain()
    assert [tick.price for tick in ticks] == [100.0]
    assert len(refused) == 1
