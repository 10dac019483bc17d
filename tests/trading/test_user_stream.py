"""The user channel wakes whoever asks over REST, and its silence keeps nobody waiting."""

import dataclasses
import functools
import queue
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest

from sandbox.exchange.running import Running, running_exchange
from tests.sandbox.trader import WORLD, happening, token_of
from tests.trading.test_clob_exchange import AT_ONCE, environment
from trading.adapters import guarded, user_stream
from trading.adapters.credentials import Credentials
from trading.venue import Ticket


@pytest.fixture(scope="module")
def up() -> Iterator[Running]:
    with running_exchange(WORLD, conduct=AT_ONCE, sockets=True, every_s=0.05) as running:
        yield running


def now() -> datetime:
    return datetime.now(UTC)


def test_a_connection_and_every_order_are_news(up: Running, tmp_path: Path) -> None:
    env = environment(up, tmp_path)
    venue = guarded.open_venue("REHEARSAL", env, as_of=now(), timeout_s=5)
    token = token_of(happening(second=int(time.time())))
    news: queue.Queue[str] = queue.Queue()
    end = user_stream.in_background(f"{up.ws_url}/ws/user", venue.credentials, wake=news.put)
    ticket = Ticket(
        order_id=uuid4(), market_id=1, outcome_index=0, is_buy=True, price=Decimal("0.05"),
        shares=Decimal(20), fee_rate=Decimal(0), fee_exponent=Decimal(1), submitted_at=now(),
        expires_at=now() + timedelta(seconds=60), type="GTC", token_id=token, tick=Decimal("0.01"),
    )  # fmt: skip
    made = venue.prepare(ticket, as_of=now())
    ticket = dataclasses.replace(ticket, venue_order_id=made.venue_order_id, payload=made.payload)

    try:
        assert news.get(timeout=10) == "connected"
        venue.place(ticket, as_of=now())
        assert news.get(timeout=10) == "order"
    finally:
        end()
        venue.close()


def test_a_channel_that_is_away_is_tried_again_and_shows_no_credentials(capsys) -> None:
    secret = Credentials(key="k", secret="the-secret", passphrase="the-passphrase")
    end = user_stream.in_background("ws://127.0.0.1:9/ws/user", secret, wake=print)

    end()

    said = capsys.readouterr()
    assert "the-secret" not in said.out + said.err + repr(secret)


@pytest.mark.parametrize(
    ("said", "kinds"),
    [
        ("PONG", []), ("", []), ("null", []), ("[[1]]", []), ('{"event_type":"book"}', []),
        ('{"event_type":"trade"}', ["trade"]), ("[" * 200_000, []), ('{"a":' * 200_000, []),
        ('[{"event_type":"order"},{"event_type":"trade"}]', ["order", "trade"]),
    ],
)  # fmt: skip
def test_only_orders_and_trades_are_news(said, kinds):
    assert user_stream.kinds(said) == kinds
    assert functools.reduce(lambda a, b: a and b in user_stream.KINDS, kinds, True)
