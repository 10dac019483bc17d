"""Pages show what is, say what is simulated, and stay cheap."""

import re
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone
from django.views.defaults import server_error

from config.pages import charts, situation, words
from markets import universe
from predictions.models import Source
from risk.core.contracts import DenialReason
from tests import factories as make
from tests.config.wishes import a_wish
from trading.core.edge import Reason
from trading.models import Redemption, TradeIntent

pytestmark = pytest.mark.django_db
PAGES = ("overview", "markets", "data", "backtests")
CODES = {*Reason, *DenialReason, *universe.REASONS}


def a_market_with_history(**knobs: Any) -> Any:
    now = timezone.now()
    market = make.MarketFactory(**knobs)
    for minutes in (90, 60, 30, 1):
        at = now - timedelta(minutes=minutes)
        make.QuoteFactory(market=market, at=at)
        signal = make.SignalFactory(prediction__market=market, prediction__as_of=at)
    make.RiskDecisionFactory(market=market, requested_shares=100)
    return market, signal


@pytest.fixture
def client() -> Client:
    signed_in = Client()
    signed_in.force_login(make.UserFactory())
    return signed_in


def queries(client: Client, address: str, counter: Any) -> int:
    with counter as captured:
        answer = client.get(address)
    assert answer.status_code == 200, answer.status_code
    return len(captured)


@pytest.mark.parametrize("name", PAGES)
def test_every_page_asks_for_a_login(name: str) -> None:
    answer = Client().get(reverse(name))

    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("admin:login"))


@pytest.mark.parametrize("name", PAGES)
def test_every_page_says_that_paper_trading_is_simulated(client: Client, name: str) -> None:
    assert "No real money moves" in client.get(reverse(name)).content.decode()


@pytest.mark.parametrize("name", PAGES)
def test_every_page_says_that_a_demo_world_is_not_real(
    client: Client, settings: Any, name: str
) -> None:
    settings.ENV = replace(settings.ENV, mode="DEMO")

    assert (
        "No market, price or dollar on this page is real"
        in client.get(reverse(name)).content.decode()
    )


def test_a_live_page_does_not_claim_to_be_simulated(client: Client) -> None:
    make.trading_settings(mode="LIVE")

    page = client.get(reverse("overview")).content.decode()

    assert "Live: real money" in page
    assert "simulated" not in page


def test_an_open_halt_is_on_every_page_with_its_reason(client: Client) -> None:
    make.HaltFactory(reason="the book looked wrong")

    for name in PAGES:
        assert "the book looked wrong" in client.get(reverse(name)).content.decode()


def test_an_empty_installation_shows_pages_that_say_what_comes_next(client: Client) -> None:
    assert "Nothing has been traded yet" in client.get(reverse("overview")).content.decode()
    assert "sync_catalogue" in client.get(reverse("markets")).content.decode()
    assert "No backtest yet" in client.get(reverse("backtests")).content.decode()


def test_the_list_names_price_forecast_edge_and_why(client: Client) -> None:
    a_market_with_history(question="Will the bridge open?")
    make.MarketFactory(question="Left out", tracked=False, filter_reason="TOO_SHALLOW")

    tracked = client.get(reverse("markets")).content.decode()
    left_out = client.get(reverse("markets"), {"scope": "left_out"}).content.decode()

    assert "Will the bridge open?" in tracked
    assert "0.700" in tracked
    assert "0.180" in tracked
    assert "worth trading" in tracked
    assert "Left out" not in tracked
    assert "too shallow" in left_out


def test_the_list_can_be_searched_and_narrowed(client: Client) -> None:
    make.MarketFactory(question="Will the bridge open?", category="politics")
    make.MarketFactory(question="Will it rain?", category="weather")

    by_word = client.get(reverse("markets"), {"q": "BRIDGE"}).content.decode()
    by_category = client.get(reverse("markets"), {"category": "weather"}).content.decode()

    assert "bridge" in by_word
    assert "Will it rain?" not in by_word
    assert "Will it rain?" in by_category
    assert "bridge" not in by_category


@pytest.mark.parametrize("name", ["q", "category", "reason", "scope", "page"])
def test_a_search_that_no_database_takes_finds_what_is_left_of_it(
    client: Client, name: str
) -> None:
    make.MarketFactory(question="Will the bridge open?")

    answer = client.get(reverse("markets"), {"scope": "all", "q": "bri\0dge", name: "bri\0dge"})

    assert answer.status_code == 200
    assert "\0" not in answer.content.decode()


def test_the_market_page_shows_book_forecast_decision_and_resolution(client: Client) -> None:
    market, _ = a_market_with_history()
    make.ResolutionFactory(market=market)

    page = client.get(reverse("market", args=[market.pk])).content.decode()

    for shown in (
        "market-data",
        "0.490",
        "0.510",
        "10,000",
        "worth trading",
        "approved",
        "Yes on",
    ):
        assert shown in page, shown


def test_a_market_without_anything_still_has_a_page(client: Client) -> None:
    market = make.MarketFactory(outcomes=(), scheduled_end_at=None, fees=None, tick_size=None)

    page = client.get(reverse("market", args=[market.pk])).content.decode()

    assert "No book was seen" in page
    assert "no forecast yet" in page


def test_an_unknown_market_gets_a_styled_404(client: Client) -> None:
    answer = client.get(reverse("market", args=[404]))

    assert answer.status_code == 404
    assert "There is nothing at this address" in answer.content.decode()


@pytest.mark.parametrize("name", ["markets", "overview"])
def test_more_rows_do_not_mean_more_queries(
    client: Client, name: str, django_assert_max_num_queries: Any
) -> None:
    a_market_with_history()
    few = queries(client, reverse(name), django_assert_max_num_queries(40))
    for _ in range(6):
        market, _signal = a_market_with_history()
        make.PositionFactory(market=market)

    many = queries(client, reverse(name), django_assert_max_num_queries(40))

    assert many <= few


def test_the_charts_hold_what_the_rows_say() -> None:
    now = timezone.now()
    market, _ = a_market_with_history()

    spec = charts.market(market.pk, since=now - timedelta(hours=2), as_of=timezone.now())

    assert spec is not None
    price, forecast, high, low = (line["values"] for line in spec["lines"])
    assert price == [0.5] * 4
    assert forecast == [0.7] * 4
    assert [round(h - f, 6) for h, f in zip(high, forecast, strict=True)] == [0.02] * 4
    assert all(lo < f for lo, f in zip(low, forecast, strict=True))
    assert spec["x"] == sorted(spec["x"])


def test_a_forecast_that_is_the_price_has_no_band() -> None:
    now = timezone.now()
    market = make.MarketFactory()
    since = now - timedelta(hours=2)
    for minutes in (60, 30):
        at = now - timedelta(minutes=minutes)
        make.QuoteFactory(market=market, at=at)
        make.PredictionFactory(market=market, as_of=at, probability=0.5, source=Source.PRICE)

    alone = charts.market(market.pk, since=since, as_of=now)
    make.PredictionFactory(market=market, as_of=now, source=Source.EXPERTS)
    mixed = charts.market(market.pk, since=since, as_of=now)

    assert alone is not None
    assert "band" not in alone
    assert [line["label"] for line in alone["lines"]] == ["price", "forecast"]
    assert mixed is not None
    high, low = (line["values"] for line in mixed["lines"][2:])
    assert [round(h - lo, 6) for h, lo in zip(high, low, strict=True)] == [0, 0, 0.04]


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_reason_has_words_of_its_own(code: str) -> None:
    short, long = words.WORDS[code]

    assert 0 < len(short) <= 20, "a table's cell is narrow"
    assert long.endswith(".")


def test_equity_and_drawdown_come_from_the_snapshots_of_the_mode() -> None:
    now = timezone.now()
    for minutes, cash in ((30, 10_000), (20, 9_000)):
        at = now - timedelta(minutes=minutes)
        make.EquityPointFactory(observed_at=at, cash=cash, drawdown=0.1 if cash < 10_000 else 0.0)
    make.EquityPointFactory(observed_at=now, mode="DEMO", cash=1)
    before_any_money = now - timedelta(minutes=40)
    make.EquityPointFactory(observed_at=before_any_money, cash=0, risk_equity=0)

    curves = charts.equity("PAPER", since=now - timedelta(hours=1), as_of=now)

    assert curves is not None
    assert curves[0]["lines"][0]["values"] == [10_000.0, 9_000.0]
    assert curves[1]["lines"][0]["values"] == [0.0, -0.1]
    assert charts.equity("DEMO", since=now - timedelta(hours=1), as_of=now) is None


def test_a_broken_page_says_that_trading_is_not_touched() -> None:
    answer = server_error(RequestFactory().get("/"))

    assert answer.status_code == 500
    assert "Trading runs in other processes" in answer.content.decode()


def test_a_switch_outside_the_database_is_named_as_the_cause(
    client: Client, settings: Any, tmp_path: Path
) -> None:
    values = {name: getattr(settings.ENV, name) for name in settings.ENV.__dataclass_fields__}
    settings.ENV = type(settings.ENV)(**(values | {"state_dir": tmp_path}))
    (tmp_path / "HALT").touch()

    page = client.get(reverse("overview")).content.decode()

    assert "Stopped from outside the database" in page


def test_the_master_switch_and_the_dry_run_are_shown(client: Client) -> None:
    make.trading_settings(dry_run=True)
    dry = client.get(reverse("overview")).content.decode()
    make.trading_settings(placing_orders=False)
    watching = client.get(reverse("overview")).content.decode()

    assert "Dry run" in dry
    assert "Watching only" in watching


def test_pages_need_nothing_from_other_machines(client: Client) -> None:
    market, _ = a_market_with_history()

    for address in (reverse("overview"), reverse("markets"), reverse("market", args=[market.pk])):
        page = client.get(address).content.decode()
        assert "https://" not in page
        assert "http://" not in page.replace("http://www.w3.org", "")


def test_a_signal_that_the_gate_refused_says_why(client: Client) -> None:
    market = make.MarketFactory()
    decision = make.RiskDecisionFactory(
        market=market, approved_shares=0, denials="EVENT_LIMIT NO_CASH"
    )
    make.SignalFactory(prediction__market=market, decision=decision)

    page = client.get(reverse("markets")).content.decode()

    assert "event limit, no free cash" in page
    assert "No more may be at risk in this event." in page
    assert "worth trading" not in page


def test_the_funnel_names_its_units_and_shows_each_bar_once(client: Client) -> None:
    a_market_with_history()

    now = situation.read(as_of=timezone.now())
    headings = [bar["heading"] for bar in now.funnel_bars if bar["heading"]]

    assert headings == ["markets now", "forecasts, last hour", "orders, last hour"]
    page = client.get(reverse("overview")).content.decode()
    assert "stopped by the risk gate" in page.lower()


def test_a_newcomer_reads_why_equity_falls_after_a_purchase(client: Client) -> None:
    make.trading_settings(mode="DEMO")

    page = client.get(reverse("overview")).content.decode()

    assert "falls by spread and fee right after each purchase" in page
    assert "a profit here proves nothing" in page


def test_a_signal_that_waits_for_a_person_is_not_called_approved(client: Client) -> None:
    wish = a_wish()

    before = client.get(reverse("overview")).content.decode()
    TradeIntent.objects.filter(pk=wish.pk).update(status="APPROVED")
    after = client.get(reverse("overview")).content.decode()

    assert ">waits for a yes</span>" in before
    assert ">waits for a yes</span>" not in after


def test_a_settlement_of_nothing_is_called_lost(client: Client) -> None:
    Redemption.objects.create(
        key="redeem:PAPER::1:1",
        mode="PAPER",
        market=make.MarketFactory(),
        shares=10,
        payout=0,
        status="PAID",
        created_at=timezone.now(),
        paid_at=timezone.now(),
    )
    out = StringIO()
    call_command("redeem", "--dry-run", stdout=out)

    assert '<span class="pill">lost</span>' in client.get(reverse("overview")).content.decode()
    assert re.search(r"^LOST +PAPER", out.getvalue(), re.MULTILINE)
