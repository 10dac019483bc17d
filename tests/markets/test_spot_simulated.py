"""The whole way against the stand-in exchanges: every source answers, agrees, and is shown."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from markets import funding, references, spot, spot_prices
from markets import models as markets
from markets.adapters import binance, coinbase, kraken
from sandbox.core.world import World
from sandbox.server import serve
from sandbox.venue import StandIn
from tests.factories import NOW, EpochMarketFactory
from tests.revised import revise

HOUR = timedelta(hours=1)


@pytest.fixture
def exchanges(settings: Any) -> Iterator[None]:
    """A demo whose exchanges are simulated, at `NOW`."""
    server = serve(StandIn(World(7)), host="127.0.0.1", port=0, clock=NOW.timestamp)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    address = f"http://127.0.0.1:{server.server_address[1]}/spot"
    settings.ENV = replace(settings.ENV, mode="DEMO", spot_url=address)
    yield
    # They are kept alive for the next poll of a process; here there is none.
    for connect in (binance.connect, binance.connect_futures, coinbase.connect, kraken.connect):
        connect()._session.close()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.django_db
def test_all_sources_answer_and_agree(exchanges: None) -> None:
    revise(markets.SpotSettings, assets="btc eth sol")

    found = spot.record(as_of=NOW)

    prices = spot_prices.spot_all(["btc", "eth", "sol"], as_of=NOW)
    assert found.failed == {}
    assert found.added == 6
    assert prices["btc"].used == ("binance", "coinbase", "kraken")
    assert prices["btc"].price is not None
    assert prices["btc"].outliers == ()
    assert prices["sol"].readings == ()
    shown = {state.source: set(state.readings) for state in spot.states(as_of=NOW)}
    assert shown["kraken"] == {"btc", "eth"}


@pytest.mark.django_db
def test_funding_and_the_open_of_an_hour_are_read(exchanges: None) -> None:
    revise(markets.SpotSettings, assets="btc eth sol")
    hour = EpochMarketFactory(
        reference_price=None, window_s=3600, scheduled_end_at=NOW + HOUR, epoch_start_at=NOW
    )

    assert funding.record(as_of=NOW) == 2
    assert references.estimate(as_of=datetime(2026, 11, 20, 12, tzinfo=UTC)) == 1

    rate = spot_prices.funding("btc", as_of=NOW)
    hour.refresh_from_db()
    assert rate is not None
    assert rate.period_s == 28_800
    assert hour.reference_source.startswith("ESTIMATE")
    assert hour.reference_estimate == pytest.approx(90_000, rel=0.5)
