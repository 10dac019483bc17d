"""What surrounds one market on its page: reasons, news, events, wallets, rules and their past."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from config.pages import market_context
from markets import versions
from markets.models import (
    CalendarEvent,
    CohortMood,
    EventImpact,
    Market,
    NewsItem,
    NewsLink,
    Profile,
    QuoteKind,
    ResolutionCase,
    Wallet,
    WalletTrade,
)
from tests import factories as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    signed_in = Client()
    signed_in.force_login(make.UserFactory())
    return signed_in


def shown(client: Client, market: Market) -> str:
    answer = client.get(reverse("market", args=[market.pk]))
    assert answer.status_code == 200
    return answer.content.decode()


def a_headline(market: Market, number: int, sentiment: float | None) -> None:
    now = timezone.now()
    item = NewsItem.objects.create(
        digest=f"{market.pk}-{number}", source="feed", publisher="The Herald", url="https://n",
        title=f"Headline {number}", published_at=now - timedelta(minutes=5), received_at=now,
        sentiment=sentiment,
    )  # fmt: skip
    NewsLink.objects.create(
        item=item, market=market, similarity=0.7, backend="tfidf", received_at=now
    )


def a_large_trade(market: Market, number: int, *, is_whale: bool) -> None:
    now = timezone.now()
    wallet, _ = Wallet.objects.get_or_create(
        address=f"0xwallet{number}", defaults={"first_seen_at": now, "last_seen_at": now}
    )
    WalletTrade.objects.create(
        trade_key=f"{market.pk}-{number}", wallet=wallet, market=market, outcome_index=1,
        side="BUY", price=0.4, shares=100_000, dollars=40_000, is_whale=is_whale,
        observed_at=now, received_at=now,
    )  # fmt: skip


def an_impact(market: Market, number: int) -> None:
    now = timezone.now()
    event = CalendarEvent.objects.create(
        source="bls.gov", source_key=str(number), kind="CPI", title=f"Release {number}",
        scheduled_at=now + timedelta(hours=3, minutes=1), importance=3, received_at=now,
    )  # fmt: skip
    EventImpact.objects.create(
        calendar_event=event, market=market, strength=0.8, why="shares: inflation", received_at=now
    )


def test_a_market_that_is_not_followed_says_why_in_words(client: Client) -> None:
    market = make.MarketFactory(
        tracked=False, filter_reason="ENDS_TOO_LATE", profile=Profile.OUTCOME
    )

    page = shown(client, market)

    assert "Money would be bound for longer than allowed." in page
    assert "Outcome (a week to half a year)" in page


def test_news_events_and_wallets_stand_beside_the_market(client: Client) -> None:
    market = make.MarketFactory()
    a_headline(market, 1, None)
    a_headline(market, 2, -0.4)
    an_impact(market, 1)
    a_large_trade(market, 1, is_whale=True)

    page = shown(client, market)

    for said in (
        "Headline 1", "not read", "Headline 2", "−0.40", "The Herald", "5 min ago",
        "Release 1", "in 3.0 h", "shares: inflation", "whale", "$40,000.00", "buy No",
    ):  # fmt: skip
        assert said in page, said


def test_a_mood_that_nobody_knows_is_unknown_and_never_zero() -> None:
    market = make.MarketFactory()
    now = timezone.now()
    CohortMood.objects.create(
        market=market, cohort="WHALES", as_of=now, mood=-0.5, wallets=3, dollars=9.0
    )

    found = {line.name: line for line in market_context.moods(market, as_of=now)}

    assert (found["skilled wallets"].word, found["skilled wallets"].mark) == ("unknown", "")
    assert (found["whales"].word, found["whales"].mark) == ("−0.50", "bad")


def test_an_estimated_price_to_beat_says_that_it_is_one(client: Client) -> None:
    values: dict[str, Any] = {"reference_estimate": 99_000.0, "reference_source": "ESTIMATE: x"}
    estimated = make.EpochMarketFactory(reference_price=None, **values)
    official = make.EpochMarketFactory(reference_price=100_000.0, **values)
    unknown = make.EpochMarketFactory(reference_price=None)

    pages = [shown(client, market) for market in (estimated, official, unknown)]

    assert "$99,000.00" in pages[0]
    assert ">estimate<" in pages[0]
    assert "$100,000.00" in pages[1]
    assert ">official<" in pages[1]
    assert "$99,000.00" not in pages[1]
    assert ">unknown<" in pages[2]
    assert "Chainlink BTC/USD" in pages[2]


def test_a_window_that_is_over_has_no_move() -> None:
    market = make.EpochMarketFactory()

    running = market_context.epoch(market, as_of=make.ahead(60))
    over = market_context.epoch(market, as_of=make.ahead(901))

    assert running["left"] == "14 min left"
    assert (over["left"], over["moved_bps"]) == ("the window is over", None)


def test_the_past_of_the_listing_names_what_changed_and_when() -> None:
    market = make.MarketFactory()
    versions.keep([market.pk], as_of=make.ago(300))
    Market.objects.filter(pk=market.pk).update(
        tick_size=Decimal("0.001"), description="Clarified.", scheduled_end_at=None
    )
    versions.keep([market.pk], as_of=make.ago(60))
    market.refresh_from_db()

    (change,) = market_context.changes(market, as_of=make.NOW)

    assert change["at"] == make.ago(60)
    assert change["said"] == [
        "the rules changed", "scheduled end: 2026-11-27 12:00 → unknown", "tick size: 0.01 → 0.001",
    ]  # fmt: skip
    assert market_context.changes(market, as_of=make.ago(120)) == []


def test_an_open_case_and_the_oracle_are_named(client: Client) -> None:
    market = make.MarketFactory(oracle_status="disputed")
    now = timezone.now()
    ResolutionCase.objects.create(
        market=market, reason="gamma and chain differ", opened_at=now, checked_at=now
    )

    page = shown(client, market)

    assert "gamma and chain differ" in page
    assert "disputed" in page
    assert "Decide it in the queue" in page


def test_a_broken_stream_is_told_from_a_book() -> None:
    market = make.MarketFactory()
    make.QuoteFactory(market=market, at=make.ago(90))
    make.QuoteFactory(
        market=market, at=make.ago(30), kind=QuoteKind.BOOK_TOP, bid=None, ask=None, book=None
    )

    live, whole = market_context.prices_seen(market, as_of=make.NOW)

    assert (live.word, live.mark) == ("stream broke 30 s ago", "bad")
    assert whole.word == "90 s ago"


def test_more_around_a_market_does_not_mean_more_queries(
    client: Client, django_assert_max_num_queries: Any
) -> None:
    market = make.EpochMarketFactory()

    def fill(number: int) -> None:
        a_headline(market, number, 0.1)
        an_impact(market, number)
        a_large_trade(market, number, is_whale=False)

    fill(0)
    with django_assert_max_num_queries(45) as few:
        shown(client, market)
    for number in range(1, 5):
        fill(number)
    with django_assert_max_num_queries(45) as many:
        shown(client, market)

    assert len(many) <= len(few)
