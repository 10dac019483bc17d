"""Funding rates are recorded with their period; unknown stays unknown."""

from typing import Any

import httpx
import pytest

from markets import funding, spot_prices
from markets import models as markets
from tests.factories import NOW, ago, ahead
from tests.markets import exchange_replies as say
from tests.revised import revise

pytestmark = pytest.mark.django_db


def answer(request: httpx.Request) -> httpx.Response:
    if request.url.path.endswith("fundingInfo"):
        return httpx.Response(200, json=[{"symbol": "ETHUSDT", "fundingIntervalHours": 4}])
    symbol = request.url.params["symbol"]
    if symbol == "XRPUSDT":
        return httpx.Response(400, json={"code": -1121, "msg": "Invalid symbol."})
    rate = {"BTCUSDT": "0.00010000", "ETHUSDT": "-0.00002500"}[symbol]
    return httpx.Response(200, json=say.perpetual(symbol, rate, int(ago(3).timestamp() * 1000)))


def settings_of(**changes: Any) -> None:
    revise(markets.SpotSettings, **({"assets": "btc eth xrp"} | changes))


def test_rates_are_kept_with_period_and_age() -> None:
    settings_of()

    added = funding.record(as_of=NOW, source=say.futures(answer))

    btc, eth = (spot_prices.funding(asset, as_of=ahead(57)) for asset in ("btc", "eth"))
    assert added == 2
    assert btc is not None
    assert eth is not None
    assert (btc.rate, btc.period_s, btc.age_s, btc.source) == (0.0001, 28_800, 60.0, "binance")
    assert (eth.rate, eth.period_s) == (-0.000025, 14_400)


def test_what_was_not_known_yet_is_not_told() -> None:
    settings_of()

    funding.record(as_of=NOW, source=say.futures(answer))

    assert spot_prices.funding("btc", as_of=ago(1)) is None
    assert spot_prices.funding("xrp", as_of=NOW) is None


def test_nothing_is_asked_where_the_settings_say_so() -> None:
    settings_of(funding=False)
    asked = []

    def count(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return answer(request)

    assert funding.record(as_of=NOW, source=say.futures(count)) == 0
    assert asked == []


@pytest.mark.parametrize("reply", [httpx.Response(418), httpx.Response(502)])
def test_a_source_that_fails_is_counted_and_nothing_is_made_up(reply: httpx.Response) -> None:
    settings_of()

    added = funding.record(as_of=NOW, source=say.futures(lambda _request: reply))

    assert added == 0
    assert markets.FetchState.objects.get(url=funding.STATE_KEY).failures == 1
    assert not markets.FundingRate.objects.exists()
