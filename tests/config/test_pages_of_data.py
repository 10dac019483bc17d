"""The data page: what is fresh, late, off or open, in words, at a cost that does not grow."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from config.kernel import estimates, heartbeats, vendor
from config.pages import data_kept, data_sources
from markets import budgets, coverage, notices, unknown
from markets.adapters import budget
from markets.adapters.budget import Budget, InMemory
from markets.core.wire import NotUnderstood
from markets.models import (
    Backfill,
    CalendarEvent,
    EventImpact,
    FetchState,
    FundingRate,
    Market,
    Notice,
    Profile,
    Quote,
    ResolutionCase,
    SpotSettings,
    SpotTick,
    StreamSettings,
)
from tests import factories as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    signed_in = Client()
    signed_in.force_login(make.UserFactory())
    return signed_in


def shown(client: Client) -> str:
    answer = client.get(reverse("data"))
    assert answer.status_code == 200
    return answer.content.decode()


def spot(asset: str, source: str, price: float, *, at: datetime) -> None:
    SpotTick.objects.create(
        asset=asset, source=source, interval_s=0, observed_at=at, received_at=at, close=price
    )


def an_event(number: int, *, at: datetime) -> CalendarEvent:
    return CalendarEvent.objects.create(
        source="bls.gov", source_key=str(number), kind="CPI", title=f"Release {number}",
        scheduled_at=at, importance=3, received_at=at - timedelta(days=30),
    )  # fmt: skip


def test_an_empty_installation_says_what_comes_next(client: Client) -> None:
    page = shown(client)

    for said in (
        "Start manage.py stream_markets",
        "manage.py sync_catalogue",
        "manage.py backfill",
        "Nothing is scheduled",
        "Every ended market has a clear result",
        "Everything that was said was understood",
        "No market was judged yet",
    ):
        assert said in page, said


def test_a_late_stream_is_marked_and_a_stream_that_is_off_is_not_blamed() -> None:
    now = timezone.now()
    heartbeats.beat("stream_markets", period_s=5, as_of=now, note="76 tokens · 9 messages_per_s")

    fresh = data_sources.books(as_of=now)
    late = data_sources.books(as_of=now + timedelta(seconds=61))
    make.revise(StreamSettings, enabled=False)
    off = data_sources.books(as_of=timezone.now() + timedelta(seconds=61))

    assert (fresh.mark, fresh.note) == ("good", "76 tokens · 9 messages/s")
    assert (late.mark, late.word) == ("bad", "late: 61 s ago")
    assert (off.mark, off.word) == ("warn", "off")


def test_spot_shows_the_median_and_marks_the_stale_and_the_wrong() -> None:
    now = timezone.now()
    make.revise(SpotSettings, sources="binance coinbase kraken", assets="btc eth")
    now = timezone.now()
    for source, price in (("binance", 100.0), ("coinbase", 100.2), ("kraken", 105.0)):
        spot("btc", source, price, at=now)
    spot("eth", "binance", 10.0, at=now - timedelta(minutes=5))
    FundingRate.objects.create(
        asset="btc", source="binance", observed_at=now, received_at=now, rate=0.0001
    )

    btc, eth = data_sources.read(as_of=now, staff=True)["assets"]

    assert btc["price"] == pytest.approx(100.2)
    assert btc["funding"]["rate_bps"] == pytest.approx(1.0)
    assert {r["source"]: r["word"] for r in btc["readings"]} == {
        "binance": "counted", "coinbase": "counted", "kraken": "disagrees",
    }  # fmt: skip
    assert eth["price"] is None
    assert "fresh" in eth["reason"]
    assert eth["funding"] is None
    assert [(r["word"], r["deviation_bps"]) for r in eth["readings"]] == [("stale", None)]


def test_what_a_source_answered_is_for_staff(settings: Any) -> None:
    now = timezone.now()
    FetchState.objects.create(
        url="spot:kraken", name="kraken", asked_at=now, failures=4, error="503 from host-7"
    )
    visitor = Client()
    visitor.force_login(get_user_model().objects.create_user("guest"))

    staff, guest = Client(), shown(visitor)
    staff.force_login(make.UserFactory())

    assert "503 from host-7" in shown(staff)
    assert "503 from host-7" not in guest
    assert "4 failures in a row" in guest or "off" in guest
    assert "/admin/markets/" not in guest


def test_the_next_ten_events_come_with_how_many_markets_they_bear_on() -> None:
    now = timezone.now()
    events = [an_event(n, at=now + timedelta(hours=n)) for n in range(-1, 12)]
    for _ in range(2):
        EventImpact.objects.create(
            calendar_event=events[2], market=make.MarketFactory(), strength=0.9, why="CPI",
            received_at=now,
        )  # fmt: skip

    found = data_sources.events(as_of=now)

    assert [e["row"].title for e in found] == [f"Release {n}" for n in range(1, 11)]
    assert [e["markets"] for e in found] == [2] + [0] * 9
    assert found[0]["when"] == "in 60 min"


def test_the_universe_counts_each_open_market_once_and_links_to_its_reason(client: Client) -> None:
    make.MarketFactory(profile=Profile.SHORT)
    for _ in range(2):
        make.MarketFactory(profile=Profile.SHORT, tracked=False, filter_reason="THIN_BOOK")
    make.MarketFactory(tracked=False, filter_reason="UNKNOWN_END", question="Endless?")
    make.MarketFactory(tracked=False, filter_reason="CLOSED", closed_at=timezone.now())

    found = data_kept.catalogue(as_of=timezone.now())
    page = shown(client)
    narrowed = client.get(
        reverse("markets"), {"scope": "left_out", "reason": "UNKNOWN_END"}
    ).content.decode()

    short, none = found["profiles"]
    assert found["open_markets"] == 4
    assert (short["followed"], [(r["code"], r["count"]) for r in short["reasons"]]) == (
        1, [("THIN_BOOK", 2)],
    )  # fmt: skip
    assert none["name"] == "No universe fits"
    assert "reason=UNKNOWN_END" in page
    assert "Endless?" in narrowed
    assert narrowed.count("Will it happen?") == 0


def test_history_says_how_far_back_it_reaches_and_what_fails(client: Client) -> None:
    now = timezone.now()
    first, second = make.MarketFactory(), make.MarketFactory()
    since = datetime(2026, 3, 4, tzinfo=UTC)
    coverage.extend(first.pk, Backfill.Kind.PRICES, since=since, until=now, rows=1200, as_of=now)
    coverage.fail(second.pk, Backfill.Kind.TRADES, "no such market", as_of=now)

    page = shown(client)

    assert "1 market from 2026-03-04 on, 1,200 rows" in page
    assert "1 failing" in page
    assert "No market&#x27;s past could be fetched yet." in page


def test_open_questions_are_listed_with_their_age(client: Client) -> None:
    now = timezone.now()
    market = make.MarketFactory(question="Who won in the end?")
    ResolutionCase.objects.create(
        market=market, reason="two sources disagree", opened_at=now - timedelta(hours=3),
        checked_at=now,
    )  # fmt: skip
    unknown.refused(NotUnderstood("gamma", "a new field", b"{}"), as_of=now)
    notices.note(Notice.Kind.WHALE_TRADE, "k", "A wallet bought $90,000 of Yes.", as_of=now)

    page = shown(client)

    for said in (
        "Who won in the end?", "two sources disagree", "3.0 h ago", "a new field",
        "A wallet bought $90,000 of Yes.", "A very large trade",
    ):  # fmt: skip
        assert said in page, said


def test_the_fullest_limit_comes_first(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    store = InMemory(clock=lambda: 1000.0)
    monkeypatch.setattr(budget, "shared", lambda: store)
    service, (name, limits) = next(iter(budgets.SERVICES.items()))
    host = getattr(settings.ENV, name).split("//")[1].split("/")[0]
    Budget(host, limits, store).reserve(limits[-1].prefix)

    found = budgets.used()

    assert found is not None
    assert found[0].service == service
    assert found[0].taken > 0
    assert found[-1].taken == 0


def test_row_counts_are_close() -> None:
    market = make.MarketFactory()
    for minutes in range(5):
        make.QuoteFactory(market=market, at=make.ago(60 * minutes))
    vendor.analyze(Quote)

    assert estimates.rows([Quote, Notice])["markets_quote"] == 5


def test_gaps_between_row_numbers_are_no_rows() -> None:
    first = make.MarketFactory(pk=10)
    make.MarketFactory(pk=9_000, event=first.event, fees=first.fees)
    vendor.analyze(Market)

    assert estimates.rows([Market])["markets_market"] == 2


def test_more_rows_do_not_mean_more_queries(
    client: Client, django_assert_max_num_queries: Any
) -> None:
    def fill(n: int) -> None:
        now = timezone.now()
        market = make.MarketFactory()
        event = an_event(n, at=now + timedelta(hours=n + 1))
        EventImpact.objects.create(
            calendar_event=event, market=market, strength=0.9, why="CPI", received_at=now
        )
        coverage.fail(market.pk, Backfill.Kind.TRADES, "no", as_of=now)
        ResolutionCase.objects.create(
            market=market, reason="unclear", opened_at=now, checked_at=now
        )
        notices.note(Notice.Kind.WHALE_TRADE, str(n), "text", as_of=now, market_id=market.pk)
        spot("btc", "binance", 100.0, at=now - timedelta(seconds=n))

    fill(0)
    with django_assert_max_num_queries(45) as few:
        shown(client)
    for n in range(1, 6):
        fill(n)
    with django_assert_max_num_queries(45) as many:
        shown(client)

    assert len(many) <= len(few)
