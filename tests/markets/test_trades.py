"""Every public trade is recorded once, whoever tells it and however often."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
import stamina

from config.kernel.units import TokenId
from markets import coverage, trades
from markets.adapters.data_api import DataApi
from markets.core.public_trades import Heard
from markets.models import Backfill, PublicTrade
from tests import factories as make
from tests.markets import wire_payloads as say
from tests.moments import NOW, ago, ahead

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_backoff() -> Iterator[None]:
    with stamina.set_testing(True, attempts=1):
        yield


def heard(market: Any, *, wallet: str = "", tx: str = "0xaa", **changes: Any) -> Heard:
    values: dict[str, Any] = {
        "token_id": TokenId(f"{market.pk}0"),
        "side": "BUY",
        "price": Decimal("0.42"),
        "shares": Decimal(10),
        "traded_at": ago(60),
        "tx_hash": tx,
        "wallet": wallet,
    }
    return Heard(**values | changes)


def row(market: Any, *, at: datetime, tx: str = "0xaa", **changes: Any) -> say.Json:
    values = {
        "proxy_wallet": "0xw",
        "side": "BUY",
        "token_id": f"{market.pk}0",
        "condition_id": market.condition_id,
        "size": 10,
        "price": 0.42,
        "timestamp": int(at.timestamp()),
        "outcome_index": 999,
        "transaction_hash": tx,
    }
    return values | changes


def service(*rows: say.Json, broken: str = "") -> tuple[DataApi, list[httpx.Request]]:
    """A data service with these trades that refuses every question about the market `broken`."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        wanted = request.url.params["condition_id"].split(",")
        if broken in wanted:
            return httpx.Response(400, json={"error": "malformed", "retryable": False})
        found = [r for r in rows if r["condition_id"] in wanted]
        return httpx.Response(200, json={"data": found})

    return DataApi("https://data.example", transport=httpx.MockTransport(answer)), seen


def test_the_same_trades_told_again_are_not_recorded_again() -> None:
    market = make.MarketFactory()
    told = [heard(market, wallet="0xw"), heard(market, wallet="0xw", tx="0xbb")]

    first = trades.record(told, as_of=NOW)
    again = trades.record(told, as_of=ahead(60))

    assert first == {"added": 2}
    assert again == {"known": 2}
    assert PublicTrade.objects.count() == 2


def test_two_equal_rows_of_one_transaction_are_two_trades() -> None:
    market = make.MarketFactory()

    counts = trades.record([heard(market, wallet="0xw")] * 2, as_of=NOW)

    assert counts == {"added": 2}
    assert trades.record([heard(market, wallet="0xw")] * 2, as_of=NOW) == {"known": 2}


@pytest.mark.parametrize("first", ["", "0xw"], ids=["stream first", "service first"])
def test_a_trade_that_stream_and_service_tell_is_recorded_once(first: str) -> None:
    market = make.MarketFactory()
    second = "0xw" if not first else ""

    trades.record([heard(market, wallet=first, traded_at=ago(60))], as_of=NOW)
    # The service stamps the block, rounds to its own digits and knows the wallet.
    counts = trades.record(
        [heard(market, wallet=second, price=Decimal("0.4200000031"), traded_at=ago(58))], as_of=NOW
    )

    assert counts == {"known": 1}
    assert PublicTrade.objects.count() == 1


def test_a_sweep_told_by_the_stream_is_not_counted_again_at_its_mean_price() -> None:
    market = make.MarketFactory()
    sweep = [heard(market), heard(market, price=Decimal("0.43"))]

    trades.record(sweep, as_of=NOW)
    mean = heard(market, wallet="0xw", price=Decimal("0.425"), shares=Decimal(20))
    counts = trades.record([mean], as_of=NOW)

    assert counts == {"told_by_the_other_source": 1}
    assert sum(PublicTrade.objects.values_list("shares", flat=True)) == 20


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"tx": ""}, "without_hash"),
        ({"traded_at": NOW + timedelta(hours=1)}, "from_the_future"),
        ({"shares": Decimal(0)}, "empty"),
        ({"token_id": TokenId("77")}, "of_no_market"),
    ],
)
def test_what_cannot_be_a_trade_of_ours_is_counted_by_its_reason(
    changes: dict[str, Any], reason: str
) -> None:
    market = make.MarketFactory()

    assert trades.record([heard(market, **changes)], as_of=NOW) == {reason: 1}
    assert not PublicTrade.objects.exists()


def test_tracked_markets_are_asked_from_where_they_are_covered() -> None:
    market = make.MarketFactory()
    source, seen = service(row(market, at=ago(200)))

    first = trades.follow(as_of=NOW, venue=source)
    later = trades.follow(as_of=ahead(120), venue=source)

    assert first == {"added": 1}
    assert later == {"known": 1}
    held = Backfill.objects.get(market=market, kind=Backfill.Kind.TRADES)
    assert (held.covered_from, held.covered_until) == (ago(3600), ahead(120 - 300))
    assert [r.url.params["start"] for r in seen] == [
        str(int(ago(3600).timestamp())),
        str(int(ago(300).timestamp())),
    ]
    trade = PublicTrade.objects.get()
    assert (trade.market_id, trade.outcome_index, trade.wallet) == (market.pk, 0, "0xw")
    assert trade.received_at == NOW


def test_a_market_that_the_service_refuses_does_not_hide_the_others() -> None:
    good, bad = make.MarketFactory(), make.MarketFactory()
    source, seen = service(row(good, at=ago(60)), broken=bad.condition_id)

    counts = trades.follow(as_of=NOW, venue=source)

    assert counts == {"added": 1, "failed": 1}
    refused = Backfill.objects.get(market=bad)
    assert (refused.failures, "malformed" in refused.error) == (1, True)

    del seen[:]
    trades.follow(as_of=ahead(60), venue=source)
    assert [r.url.params["condition_id"] for r in seen] == [good.condition_id]
    trades.follow(as_of=ahead(121), venue=source)
    assert bad.condition_id in seen[1].url.params["condition_id"]


def test_an_interval_that_does_not_touch_the_held_one_is_refused() -> None:
    market, kind = make.MarketFactory(), Backfill.Kind.TRADES
    coverage.extend(market.pk, kind, since=ago(100), until=ago(50), rows=1, as_of=NOW)

    with pytest.raises(coverage.Gap):
        coverage.extend(market.pk, kind, since=ago(40), until=ago(10), rows=1, as_of=NOW)
    grown = coverage.extend(market.pk, kind, since=ago(50), until=NOW, rows=2, as_of=NOW)

    assert (grown.covered_from, grown.covered_until, grown.rows) == (ago(100), NOW, 3)


def test_pauses_double_and_end_with_a_success() -> None:
    market, kind = make.MarketFactory(), Backfill.Kind.TRADES
    for _ in range(3):
        coverage.fail(market.pk, kind, "broken", as_of=NOW)

    row = Backfill.objects.get()
    assert not coverage.is_due(row, as_of=ahead(479))
    assert coverage.is_due(row, as_of=ahead(480))
    coverage.extend(market.pk, kind, since=ago(10), until=NOW, rows=0, as_of=NOW)
    assert coverage.is_due(Backfill.objects.get(), as_of=NOW)
