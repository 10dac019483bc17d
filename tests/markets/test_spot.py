"""Spot prices are recorded from every source at once; what fails or disagrees is told once."""

import threading
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from django.core.exceptions import ValidationError

from config.env import Env
from markets import models as markets
from markets import spot, spot_prices, tasks
from markets.adapters import exchange, http
from markets.core import spot as prices
from markets.core.wire_exchanges import Price
from tests.factories import NOW, ago, ahead
from tests.markets import exchange_replies as say
from tests.revised import revise

pytestmark = pytest.mark.django_db
Said = dict[str, float] | Exception


def settings_of(**changes: Any) -> None:
    revise(markets.SpotSettings, **({"assets": "btc eth"} | changes))


def poll(at: datetime = NOW, **said: Said) -> spot.Poll:
    feeds = [say.Feed(name, prices) for name, prices in said.items()]
    return spot.record(as_of=at, feeds=feeds)


def test_every_price_becomes_a_row_with_its_source_and_times() -> None:
    settings_of()

    found = poll(binance={"btc": 90_000.0, "eth": 3_000.0}, kraken={"btc": 90_010.0})

    rows = markets.SpotTick.objects.values_list("asset", "source", "interval_s", "close")
    assert found.added == 3
    assert set(rows) == {
        ("btc", "binance", 0, 90_000.0),
        ("eth", "binance", 0, 3_000.0),
        ("btc", "kraken", 0, 90_010.0),
    }
    assert {row.observed_at for row in markets.SpotTick.objects.all()} == {NOW}
    assert {row.received_at for row in markets.SpotTick.objects.all()} == {NOW}


def test_the_consensus_is_what_was_known_then() -> None:
    settings_of()
    poll(ago(20), binance={"btc": 100.0}, coinbase={"btc": 100.1}, kraken={"btc": 100.2})
    poll(NOW, binance={"btc": 101.0}, coinbase={"btc": 101.1}, kraken={"btc": 101.2})

    before = spot_prices.spot("btc", as_of=ago(1))
    now = spot_prices.spot("btc", as_of=NOW)
    later = spot_prices.spot("btc", as_of=ahead(31))

    assert (before.price, now.price, later.price) == (100.1, 101.1, None)
    assert now.used == ("binance", "coinbase", "kraken")
    assert [r.age_s for r in later.stale] == [31.0] * 3
    assert spot_prices.spot("doge", as_of=NOW).readings == ()


def test_a_source_whose_clock_runs_ahead_does_not_stay_the_newest() -> None:
    settings_of()
    tick = spot.Tick(
        asset="btc", source="binance", price=1.0, observed_at=ahead(10**6), received_at=ago(60)
    )
    spot.store([tick])

    poll(binance={"btc": 100.0}, kraken={"btc": 100.0})

    assert spot_prices.spot("btc", as_of=NOW).price == 100.0


def test_what_is_no_price_is_not_recorded() -> None:
    settings_of()

    found = poll(binance={"btc": 0.0, "eth": 3_000.0})

    assert found.added == 1
    assert list(markets.SpotTick.objects.values_list("asset", flat=True)) == ["eth"]


def test_polling_again_in_the_same_instant_adds_nothing() -> None:
    settings_of()

    assert poll(binance={"btc": 100.0}).added == 1
    assert poll(binance={"btc": 100.0}).added == 0


def notices(kind: markets.Notice.Kind) -> list[str]:
    found = markets.Notice.objects.filter(kind=kind).order_by("received_at")
    return list(found.values_list("subject", flat=True))


def test_a_source_that_fails_is_counted_and_told_once_an_outage() -> None:
    settings_of()
    dead = http.VenueUnreachable("no reply")
    for step in range(5):
        found = poll(ahead(10 * step), binance=dead, kraken={"btc": 100.0})

    state = next(s for s in spot.states(as_of=ahead(40)) if s.source == "binance")
    assert found.failed == {"binance": "no reply"}
    assert (state.failures, state.error, state.answered_at) == (5, "no reply", None)
    assert notices(markets.Notice.Kind.SOURCE_DOWN) == ["spot prices of binance"]

    poll(ahead(50), binance={"btc": 100.0})
    state = next(s for s in spot.states(as_of=ahead(50)) if s.source == "binance")
    assert (state.failures, state.error, state.answered_at) == (0, "", ahead(50))

    for step in range(6, 10):
        poll(ahead(10 * step), binance=dead)
    assert len(notices(markets.Notice.Kind.SOURCE_DOWN)) == 2


def test_a_reply_that_is_not_understood_is_kept_raw() -> None:
    settings_of()
    feed = say.binance(lambda _request: say.httpx.Response(200, json={"odd": 1}))

    found = spot.record(as_of=NOW, feeds=[feed])

    kept = markets.RawMessage.objects.get()
    assert "binance" in found.failed
    assert (kept.source, kept.body) == ("binance.ticker", '{"odd":1}')


def test_a_source_that_disagrees_is_told_once_an_episode() -> None:
    settings_of()
    honest = {"coinbase": {"btc": 100.0}, "kraken": {"btc": 100.1}}

    for step in range(3):
        poll(ahead(10 * step), binance={"btc": 103.0}, **honest)
    assert notices(markets.Notice.Kind.SPOT_DISAGREES) == ["btc binance"]
    assert spot_prices.spot("btc", as_of=ahead(20)).price == 100.1

    poll(ahead(30), binance={"btc": 100.0}, **honest)
    poll(ahead(40), binance={"btc": 103.0}, **honest)
    assert len(notices(markets.Notice.Kind.SPOT_DISAGREES)) == 1

    poll(ahead(900), binance={"btc": 100.0}, **honest)
    poll(ahead(910), binance={"btc": 103.0}, **honest)
    assert len(notices(markets.Notice.Kind.SPOT_DISAGREES)) == 2


def test_states_show_each_source_with_its_last_price_age_and_deviation() -> None:
    settings_of(sources="binance kraken moon")
    poll(ago(12), binance={"btc": 100.0}, kraken={"btc": 100.2})

    binance, kraken, moon = spot.states(as_of=NOW)

    assert (binance.readings["btc"].price, binance.readings["btc"].age_s) == (100.0, 12.0)
    assert binance.readings["btc"].deviation_bps == pytest.approx(-9.99, abs=0.01)
    assert kraken.readings["btc"].fresh
    assert "no such source" in moon.off
    assert moon.readings == {}


class Hanging:
    """A source that says nothing until the test is over."""

    name = "coinbase"

    def __init__(self) -> None:
        self.over = threading.Event()

    def prices(self, assets: Collection[str]) -> Sequence[Price]:
        self.over.wait(30)
        return [Price(asset=asset, price=Decimal(1)) for asset in assets]


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    feed = Hanging()
    yield feed
    feed.over.set()


def test_a_source_that_never_finishes_delays_nobody(
    hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings_of()
    monkeypatch.setattr(spot, "DEADLINE_S", 0.2)
    alive = [say.Feed(name, {"btc": 100.0}) for name in ("binance", "kraken")]

    found = spot.record(as_of=NOW, feeds=[*alive, hanging])

    assert found.added == 2
    assert found.failed == {"coinbase": "no whole answer within 0.2 s"}
    assert spot_prices.spot("btc", as_of=NOW).price == 100.0


def in_mode(settings: Any, **changes: Any) -> None:
    env: Env = settings.ENV
    values = {name: getattr(env, name) for name in Env.__dataclass_fields__}
    settings.ENV = Env(**{**values, **changes})


def test_a_demo_without_a_stand_in_asks_no_exchange(settings: Any) -> None:
    in_mode(settings, mode="DEMO", spot_url="", venue_prices_url="wss://prices.example")

    found = spot.record(as_of=NOW)

    assert set(found.off) == {"binance", "coinbase", "kraken", "venue"}
    assert "SPOT_URL" in found.off["binance"]
    assert (found.added, found.failed) == (0, {})


def test_a_stand_in_is_refused_outside_a_demo(settings: Any) -> None:
    in_mode(settings, mode="PAPER", spot_url="http://127.0.0.1:1")

    found = spot.record(as_of=NOW)

    assert "MODE=DEMO" in found.off["kraken"]
    assert exchange.address is not None
    in_mode(settings, mode="DEMO", spot_url="http://127.0.0.1:1")
    assert exchange.address("kraken", "https://real.example") == "http://127.0.0.1:1/kraken"


def test_the_task_polls_at_the_present_time(settings: Any) -> None:
    in_mode(settings, mode="DEMO", spot_url="", venue_prices_url="wss://prices.example")

    tasks.record_spot()
    tasks.record_funding()
    tasks.estimate_references()

    assert not markets.SpotTick.objects.exists()
    assert not markets.FundingRate.objects.exists()


def test_a_series_holds_the_consensus_as_known_at_each_step() -> None:
    settings_of()
    for step, price in enumerate([100.0, 101.0, 102.0]):
        at = ahead(60 * step)
        poll(at, binance={"btc": price}, kraken={"btc": price}, coinbase={"btc": price})

    found = spot_prices.spot_series(["eth", "btc"], since=NOW, as_of=ahead(150), step_s=15)

    unknown = float("nan")
    expected = [100.0] * 3 + [unknown] + [101.0] * 3 + [unknown] + [102.0] * 3
    assert np.array_equal(found.price, [[unknown] * 11, expected], equal_nan=True)
    assert found.moments[1] - found.moments[0] == 15.0


def test_a_series_reads_all_assets_in_one_query(django_assert_num_queries: Any) -> None:
    settings_of()
    poll(binance={"btc": 1.0, "eth": 2.0}, kraken={"btc": 1.0, "eth": 2.0})

    # One for the settings, one for the ticks.
    with django_assert_num_queries(2):
        found = spot_prices.spot_series(
            ["btc", "eth"], since=NOW, as_of=NOW + timedelta(minutes=1), step_s=30
        )

    assert found.price.tolist()[1][0] == 2.0


def test_a_source_named_twice_counts_once_and_only_known_names_are_accepted() -> None:
    twice = revise(markets.SpotSettings, sources="binance binance moon")

    assert twice.as_config().sources == ("binance", "moon")
    with pytest.raises(ValidationError, match=r"Unknown: moon"):
        twice.clean()
    twice.sources = "binance binance"
    with pytest.raises(ValidationError, match="Each name once"):
        twice.clean()
    assert set(prices.SOURCES) == {*spot.FEEDS, spot.VENUE}
