"""The REST API about what surrounds the markets: wallets, calendar, news, spot, notices, books."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from markets import notices
from markets.models import (
    CalendarEvent,
    EventImpact,
    NewsItem,
    NewsLink,
    Notice,
    QuoteKind,
    SpotSettings,
    SpotTick,
    Wallet,
    WalletScore,
)
from tests import factories as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    signed_in = Client()
    signed_in.force_login(make.UserFactory())
    return signed_in


def rows(client: Client, route: str, **asked: Any) -> list[dict[str, Any]]:
    answer = client.get(reverse(route), asked)
    assert answer.status_code == 200, answer.content
    found: list[dict[str, Any]] = answer.json()["results"]
    return found


def a_score(address: str, *, at: datetime, low: float, **values: Any) -> None:
    Wallet.objects.get_or_create(address=address, first_seen_at=make.NOW, last_seen_at=make.NOW)
    WalletScore.objects.create(
        **{
            "wallet_id": address, "category": "", "as_of": at, "events": 40, "enough": True,
            "skill": low + 0.1, "skill_low": low, "skill_high": low + 0.2, "pnl": 1.0,
        }
        | values
    )  # fmt: skip


def test_the_best_wallets_are_those_of_the_newest_judgement(client: Client) -> None:
    before, now = make.ago(3600), make.NOW
    a_score("0xold", at=before, low=0.9)
    a_score("0xgood", at=now, low=0.3, skilled=True)
    a_score("0xfair", at=now, low=0.1)
    a_score("0xfew", at=now, low=0.5, enough=False)
    a_score("0xsport", at=before, low=0.2, category="sports")

    assert [row["address"] for row in rows(client, "api_whales")] == ["0xgood", "0xfair"]
    assert [row["address"] for row in rows(client, "api_whales", skilled="true")] == ["0xgood"]
    assert [row["address"] for row in rows(client, "api_whales", category="sports")] == ["0xsport"]


def test_the_calendar_runs_forward_and_knows_its_markets(client: Client) -> None:
    market = make.MarketFactory()
    for days in (3, 1, 2):
        event = CalendarEvent.objects.create(
            source="bls.gov", source_key=str(days), kind="CPI", title=f"in {days}",
            scheduled_at=make.ahead(86_400 * days), importance=days, received_at=make.NOW,
        )  # fmt: skip
    EventImpact.objects.create(
        calendar_event=event, market=market, strength=0.8, why="CPI", received_at=make.NOW
    )

    assert [row["title"] for row in rows(client, "api_calendar")] == ["in 1", "in 2", "in 3"]
    assert [row["title"] for row in rows(client, "api_calendar", market=market.pk)] == ["in 2"]
    assert [row["title"] for row in rows(client, "api_calendar", min_importance=3)] == ["in 3"]
    late = rows(client, "api_calendar", since=make.ahead(86_400 * 1.5).isoformat())
    assert [row["title"] for row in late] == ["in 2", "in 3"]


def test_news_not_read_has_no_sentiment_and_can_be_asked_for_by_market(client: Client) -> None:
    market = make.MarketFactory()
    for number, sentiment in enumerate((None, 0.5)):
        item = NewsItem.objects.create(
            digest=str(number), source="feed", url=f"https://n/{number}", title=f"Title {number}",
            published_at=make.NOW, received_at=make.ahead(number), sentiment=sentiment,
        )  # fmt: skip
    NewsLink.objects.create(
        item=item, market=market, similarity=0.7, backend="tfidf", received_at=make.NOW
    )

    newest, older = rows(client, "api_news")
    linked = rows(client, "api_news", market=market.pk)

    assert (newest["sentiment"], older["sentiment"]) == (0.5, None)
    assert [row["digest"] for row in linked] == ["1"]


def test_spot_prices_are_the_consensus_now(client: Client, django_assert_num_queries: Any) -> None:
    make.revise(SpotSettings, sources="binance coinbase", assets="btc eth")
    now = timezone.now()
    for source, price in (("binance", 100.0), ("coinbase", 100.2)):
        SpotTick.objects.create(
            asset="btc", source=source, interval_s=0, observed_at=now, received_at=now, close=price
        )
    SpotTick.objects.create(
        asset="eth", source="binance", interval_s=0, observed_at=now - timedelta(hours=1), close=1.0
    )

    with django_assert_num_queries(5):  # session, user, settings here and there, prices
        btc, eth = rows(client, "api_spot")

    assert btc["price"] == pytest.approx(100.1)
    assert [r["source"] for r in btc["readings"]] == ["binance", "coinbase"]
    assert eth["price"] is None
    assert eth["reason"]
    assert eth["readings"][0]["deviation_bps"] is None
    assert [row["asset"] for row in rows(client, "api_spot", asset="eth")] == ["eth"]
    assert rows(client, "api_spot", asset="doge") == []


def test_notices_come_newest_first_by_kind_and_severity(client: Client) -> None:
    notices.note(Notice.Kind.WHALE_TRADE, "a", "whale", as_of=make.ago(60))
    notices.note(
        Notice.Kind.SOURCE_DOWN, "b", "down", as_of=make.NOW, severity=Notice.Severity.WARNING
    )

    assert [row["text"] for row in rows(client, "api_notices")] == ["down", "whale"]
    assert [row["text"] for row in rows(client, "api_notices", kind="WHALE_TRADE")] == ["whale"]
    assert [row["text"] for row in rows(client, "api_notices", severity="WARNING")] == ["down"]


def test_live_markets_tell_the_newest_top_and_whether_the_stream_told_it(client: Client) -> None:
    live, polled, none = (make.MarketFactory() for _ in range(3))
    make.MarketFactory(tracked=False)
    for market in (live, polled):
        make.QuoteFactory(market=market, at=make.ago(60), bid=0.40, ask=0.42)
    make.QuoteFactory(market=live, at=make.NOW, bid=0.48, kind=QuoteKind.BOOK_TOP, book=None)
    make.QuoteFactory(market=none, at=make.NOW, kind=QuoteKind.HISTORY_1M, book=None)

    found = {row["id"]: row for row in rows(client, "api_live_markets")}

    assert set(found) == {live.pk, polled.pk, none.pk}
    assert (found[live.pk]["bid"], found[live.pk]["is_live"]) == (0.48, True)
    assert (found[polled.pk]["bid"], found[polled.pk]["is_live"]) == (0.40, False)
    assert (found[none.pk]["bid"], found[none.pk]["is_live"]) == (None, None)


def test_pages_of_equal_moments_lose_nothing(client: Client) -> None:
    for number in range(5):
        NewsItem.objects.create(
            digest=str(number), source="feed", url=f"https://n/{number}", title="t",
            published_at=make.NOW, received_at=make.NOW,
        )  # fmt: skip

    seen: list[str] = []
    address: str | None = reverse("api_news") + "?page_size=2"
    while address:
        body = client.get(address).json()
        seen += [row["digest"] for row in body["results"]]
        address = body["next"]

    assert sorted(seen) == list("01234")
