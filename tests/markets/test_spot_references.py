"""A price to beat that the venue has not told is estimated, labelled, and never official."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from markets import models as markets
from markets import references, spot
from markets.core import epoch_rules
from markets.core.epoch_rules import Basis, Tie
from tests.factories import NOW, EpochMarketFactory, ago, ahead
from tests.markets import exchange_replies as say

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("window_s", "at", "basis", "twap_s"),
    [
        (300, datetime(2026, 8, 6, 23, 59, tzinfo=UTC), Basis.ORACLE_SPOT, 0),
        (300, datetime(2026, 8, 7, tzinfo=UTC), Basis.ORACLE_TWAP, 30),
        (300, datetime(2026, 8, 14, tzinfo=UTC), Basis.ORACLE_TWAP, 60),
        (900, datetime(2026, 8, 7, tzinfo=UTC), Basis.ORACLE_TWAP, 60),
        (14_400, datetime(2026, 8, 6, tzinfo=UTC), Basis.ORACLE_SPOT, 0),
        (3_600, NOW, Basis.HOUR_OPEN, 0),
        (86_400, NOW, Basis.NOON_CLOSE, 0),
    ],
)
def test_the_rule_is_the_one_of_its_date(
    window_s: int, at: datetime, basis: Basis, twap_s: int
) -> None:
    rule = epoch_rules.resolution_rule(window_s, as_of=at)

    assert rule is not None
    assert (rule.basis, rule.twap_s) == (basis, twap_s)
    assert rule.tie is (Tie.SPLIT if window_s == 86_400 else Tie.UP)
    assert "BTC" in epoch_rules.described(rule, "btc")


def test_a_window_nobody_described_has_no_rule() -> None:
    assert epoch_rules.resolution_rule(60, as_of=NOW) is None


@pytest.mark.parametrize(
    ("end", "start"),
    [
        (datetime(2026, 11, 20, 17, tzinfo=UTC), datetime(2026, 11, 19, 17, tzinfo=UTC)),
        (datetime(2026, 11, 1, 17, tzinfo=UTC), datetime(2026, 10, 31, 16, tzinfo=UTC)),
        (datetime(2026, 3, 8, 16, tzinfo=UTC), datetime(2026, 3, 7, 17, tzinfo=UTC)),
    ],
)
def test_noon_is_new_yorks_noon_also_where_the_clocks_change(
    end: datetime, start: datetime
) -> None:
    assert epoch_rules.start_noon(end) == start


def tick(source: str, at: datetime, price: float) -> None:
    late = at + timedelta(seconds=1.5)
    found = spot.Tick(asset="btc", source=source, price=price, observed_at=at, received_at=late)
    assert spot.store([found]) == 1


def epoch(**changes: Any) -> markets.Market:
    return EpochMarketFactory(reference_price=None, **changes)


def estimated(market: markets.Market) -> tuple[float | None, str]:
    market.refresh_from_db()
    assert market.reference_price is None
    return market.reference_estimate, market.reference_source


@pytest.mark.django_db
def test_the_venues_mean_at_the_boundary_second_is_the_estimate() -> None:
    market = epoch()
    tick("venue_twap_60", ago(5), 1.0)
    tick("venue_twap_60", NOW, 100_001.0)
    tick("venue_twap_60", ahead(1), 3.0)

    assert references.estimate(as_of=ahead(4)) == 1
    assert estimated(market) == (100_001.0, "ESTIMATE: the venue's 60 s mean at the start")
    assert market.reference_estimated_at == ahead(4)
    assert references.estimate(as_of=ahead(5)) == 0


@pytest.mark.django_db
def test_without_it_the_exchanges_of_that_moment_are() -> None:
    market = epoch()
    assert references.estimate(as_of=ahead(4)) == 0

    for source, price in (("binance", 100.0), ("coinbase", 101.0), ("kraken", 100.2)):
        tick(source, ago(3), price)
    tick("binance", ahead(3), 999.0)

    assert references.estimate(as_of=ahead(5)) == 1
    assert estimated(market) == (100.2, "ESTIMATE: spot of 3 sources at the start")


@pytest.mark.django_db
def test_an_official_price_is_left_alone() -> None:
    market = EpochMarketFactory(reference_price=7.0)
    tick("venue_twap_60", NOW, 100.0)

    assert references.estimate(as_of=ahead(4)) == 0
    market.refresh_from_db()
    assert (market.reference_price, market.reference_estimate) == (7.0, None)


@pytest.mark.django_db
@pytest.mark.parametrize("late", [-1, 900])
def test_windows_that_did_not_begin_or_are_over_get_none(late: float) -> None:
    epoch()
    tick("venue_twap_60", NOW, 100.0)

    assert references.estimate(as_of=ahead(late)) == 0


@pytest.mark.django_db
def test_an_hour_begins_at_the_open_of_its_candle() -> None:
    market = epoch(window_s=3600, scheduled_end_at=ahead(3600))
    other = epoch(window_s=3600, scheduled_end_at=ahead(3600))
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(dict(request.url.params))
        return httpx.Response(200, json=[say.candle(int(NOW.timestamp() * 1000))])

    done = references.estimate(as_of=ahead(4), bars=say.binance(answer))

    assert done == 2
    assert estimated(market) == estimated(other)
    assert estimated(market) == (100.5, "ESTIMATE: open of the Binance 1 h candle")
    assert [(row["interval"], row["startTime"]) for row in asked] == [("1h", "1795176000000")]


@pytest.mark.django_db
@pytest.mark.parametrize(("since_noon", "price"), [(59, None), (60, 101.5)])
def test_a_day_begins_at_the_close_of_new_yorks_noon_minute(
    since_noon: float, price: float | None
) -> None:
    noon = datetime(2026, 11, 20, 17, tzinfo=UTC)
    market = epoch(window_s=86_400, epoch_start_at=noon, scheduled_end_at=noon + DAY)
    opened = int(noon.timestamp() * 1000)
    source = say.binance(lambda _request: httpx.Response(200, json=[say.candle(opened)]))

    references.estimate(as_of=noon + timedelta(seconds=since_noon), bars=source)

    assert estimated(market)[0] == price


@pytest.mark.django_db
@pytest.mark.parametrize(
    "reply", [httpx.Response(500), httpx.Response(200, json=[]), httpx.Response(200, json=[[1]])]
)
def test_without_a_candle_nothing_is_guessed(reply: httpx.Response) -> None:
    market = epoch(window_s=3600, scheduled_end_at=ahead(3600))

    done = references.estimate(as_of=ahead(4), bars=say.binance(lambda _request: reply))

    assert done == 0
    assert estimated(market) == (None, "")
