"""The adapter and the stand-in's exchange, which were written apart, agree on every order."""

import dataclasses
import functools
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from config.env import parse
from sandbox.core.conduct import Conduct
from sandbox.exchange.running import Running, running_exchange
from tests.sandbox.trader import WORLD, happening, token_of
from trading.adapters import clob, guarded
from trading.adapters.clob_client import endpoints
from trading.adapters.signer import Signer
from trading.adapters.token_fees import Fees
from trading.venue import OutcomeUnknown, Rejected, Restricted, Ticket, WrongHeartbeat

CENT = Decimal("0.01")
AT_ONCE = Conduct(mined_s=0, confirmed_s=0)


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def up() -> Iterator[Running]:
    with running_exchange(WORLD, conduct=AT_ONCE) as running:
        yield running


@pytest.fixture(autouse=True)
def behaving(up: Running) -> Iterator[None]:
    yield
    up.exchange.behave(AT_ONCE)


def environment(up: Running, folder: Path) -> Any:
    return parse(
        {
            "STATE_DIR": str(folder), "VENUE_CLOB_URL": f"{up.url}/clob",
            "VENUE_RELAYER_URL": f"{up.url}/relayer", "POLYGON_RPC_URL": f"{up.url}/rpc",
            "VENUE_GAMMA_URL": f"{up.url}/gamma", "VENUE_DATA_URL": f"{up.url}/data",
            "GEOBLOCK_URL": f"{up.url}/geoblock", "MODE": "DEMO",
        },
        debug=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def venue(up: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[clob.Clob]:
    """A rehearsal's venue, with play money; fees by the world's own rate."""
    env = environment(up, tmp_path_factory.mktemp("state"))
    opened = guarded.open_venue("REHEARSAL", env, as_of=now(), timeout_s=2)
    opened._fees_of = lambda tokens: {token: Fees(rate=FEE) for token in tokens}
    yield opened
    opened.close()


FEE = Decimal("0.05")


@functools.cache
def token() -> str:
    """An outcome that is open now; asked for when the first test runs, not when it is read."""
    return token_of(happening(second=int(time.time())))


def ask(venue: clob.Clob) -> Decimal:
    """The best ask of the outcome."""
    return Decimal(str(venue._client.get_order_book(asset_id=token()).asks[-1].price))


def wanted(venue: clob.Clob, **changes: Any) -> Ticket:
    values: dict[str, Any] = {
        "order_id": uuid4(), "market_id": 1, "outcome_index": 0, "is_buy": True,
        "price": Decimal("0.05"), "shares": Decimal(20), "fee_rate": FEE,
        "fee_exponent": Decimal(1), "submitted_at": now(),
        "expires_at": now() + timedelta(seconds=60), "type": "GTC", "token_id": token(),
        "tick": CENT,
    }  # fmt: skip
    ticket = Ticket(**values | changes)
    made = venue.prepare(ticket, as_of=now())
    return dataclasses.replace(ticket, venue_order_id=made.venue_order_id, payload=made.payload)


def placed_ids(up: Running) -> list[str]:
    return [str(order["id"]) for order in up.exchange.accepted_orders()]


def test_an_order_rests_is_seen_and_cancelled_under_the_hash_that_we_computed(venue, up):
    ticket = wanted(venue, post_only=True)

    placed = venue.place(ticket, as_of=now())
    seen = venue.look_up([ticket], as_of=now())[ticket.order_id]
    listed = [order.venue_order_id for order in venue.open_orders()]
    done = venue.cancel([ticket], as_of=now())
    gone = venue.look_up([ticket], as_of=now())[ticket.order_id]

    assert (placed.status, seen.status, gone.status) == ("OPEN", "OPEN", "CANCELED")
    assert list(done) == [ticket.order_id]
    assert ticket.venue_order_id in listed
    assert ticket.venue_order_id in placed_ids(up)


def test_a_taken_order_is_filled_and_paid_to_the_last_millionth(venue):
    before = venue.cash()
    ticket = wanted(venue, type="FAK", price=ask(venue), shares=Decimal(10))

    venue.place(ticket, as_of=now())
    told = venue.look_up([ticket], as_of=now())[ticket.order_id]

    cost = sum((part.price * part.shares + part.fee for part in told.executions), Decimal(0))
    bought = sum((part.shares for part in told.executions), Decimal(0))
    assert told.status in ("FILLED", "CANCELED")
    assert before - venue.cash() == cost
    assert venue.shares([token()])[token()] == bought
    assert {trade.venue_order_id for trade in venue.trades(since=now() - timedelta(minutes=1))} >= {
        ticket.venue_order_id
    }


@pytest.mark.parametrize("fault", ["accept_drop", "accept_500"])
def test_a_lost_answer_is_found_again_and_never_doubled(venue, up, fault):
    ticket = wanted(venue)
    up.exchange.behave(dataclasses.replace(AT_ONCE, **{fault: 1.0}))
    with pytest.raises(OutcomeUnknown):
        venue.place(ticket, as_of=now())
    up.exchange.behave(AT_ONCE)

    found = venue.look_up([ticket], as_of=now())
    again = venue.place(ticket, as_of=now())
    venue.cancel([ticket], as_of=now())

    assert found[ticket.order_id].status == again.status == "OPEN"
    assert placed_ids(up).count(ticket.venue_order_id) == 1


def test_an_order_that_never_arrived_leaves_no_trace_and_may_be_handed_in(venue, up):
    ticket = wanted(venue)
    up.exchange.behave(dataclasses.replace(AT_ONCE, before_500=1.0))
    with pytest.raises(OutcomeUnknown):
        venue.place(ticket, as_of=now())
    up.exchange.behave(AT_ONCE)

    assert venue.look_up([ticket], as_of=now()) == {}
    assert venue.place(ticket, as_of=now()).status == "OPEN"
    venue.cancel([ticket], as_of=now())


def test_refusals_and_restrictions_come_through(venue, up):
    with pytest.raises(Rejected, match="balance"):
        venue.place(wanted(venue, shares=Decimal(10_000_000)), as_of=now())
    with pytest.raises(Rejected, match="minimum"):
        venue.place(wanted(venue, shares=Decimal(1)), as_of=now())
    killed = venue.place(wanted(venue, type="FOK"), as_of=now())
    up.exchange.behave(dataclasses.replace(AT_ONCE, limited=1.0))
    with pytest.raises(Restricted) as told:
        venue.place(wanted(venue), as_of=now())

    assert killed.status == "CANCELED"
    assert told.value.restriction == "RATE_LIMITED"


def test_the_heartbeat_runs_on(venue):
    first = venue.beat("")

    assert venue.beat(first)
    with pytest.raises(WrongHeartbeat):
        venue.beat("not-this-one")


def test_real_and_rehearsed_keys_keep_to_their_hosts(up, tmp_path):
    env = environment(up, tmp_path)
    with pytest.raises(guarded.WrongHost, match="LIVE"):
        guarded.open_venue("LIVE", env, as_of=now())
    with pytest.raises(guarded.WrongHost, match="stand-in"):
        guarded.open_venue(
            "REHEARSAL", parse({"STATE_DIR": str(tmp_path)}, debug=True), as_of=now()
        )
    with pytest.raises(guarded.WrongHost):
        guarded.open_venue("PAPER", env, as_of=now())


def test_a_deposit_wallet_trades_too(up):
    env = environment(up, Path("/nonexistent"))
    signer = Signer(bytes(31) + b"\x07")
    httpx.post(f"{up.url}/sandbox/faucet", json={"wallet": signer.wallet, "dollars": "50"})
    opened = clob.connect(signer, endpoints=endpoints(env), as_of=now(), timeout_s=2)
    ticket = wanted(opened)

    assert opened.place(ticket, as_of=now()).status == "OPEN"
    assert opened.cash() == 50
    opened.close()
