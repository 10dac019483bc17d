"""Every table stays as large as its window; nothing is lost on the way out."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.db import connection
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from config.kernel import jobs, partitions, vendor
from markets import archive, retention, retention_rows, retention_ticks
from markets.core.retention import ROWS, TICKS
from markets.models import (
    CalendarEvent,
    EventImpact,
    FetchState,
    HistorySettings,
    MarketVersion,
    NewsItem,
    NewsLink,
    Notice,
    Origin,
    PublicTrade,
    Quote,
    RawMessage,
    SpotTick,
)
from tests.factories import MarketFactory, revise

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
OLD = datetime(2026, 4, 10, 7, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def own_archive(tmp_path: Path, settings: LazySettings) -> None:
    settings.ENV = replace(settings.ENV, archive_dir=tmp_path)


def quote(market: Any, at: datetime, **figures: Any) -> Quote:
    return Quote.objects.create(
        market=market, observed_at=at, received_at=at, **{"price": 0.5, "kind": 1} | figures
    )


def context(market: Any, at: datetime) -> None:
    """One row of each table that is no tick table."""
    item = NewsItem.objects.create(
        digest=f"{at}", source="s", url="u", title="t", published_at=at, received_at=at
    )
    NewsLink.objects.create(item=item, market=market, similarity=0.5, backend="b", received_at=at)
    Notice.objects.create(
        key=f"{at}", kind="WHALE_TRADE", subject="s", text="t", observed_at=at, received_at=at
    )
    RawMessage.objects.create(
        digest=f"{at}", source="s", reason="r", body="b", first_seen_at=at, last_seen_at=at
    )
    scheduled = CalendarEvent.objects.create(
        source="s",
        source_key=f"{at}",
        kind="CPI",
        title="t",
        scheduled_at=at,
        importance=1,
        received_at=at,
    )
    EventImpact.objects.create(
        calendar_event=scheduled, market=market, strength=0.5, why="w", received_at=at
    )
    FetchState.objects.create(url=f"{at}", name="n", asked_at=at)


def test_retention_task_bounds_tables() -> None:
    from markets.tasks import retain

    market = MarketFactory(origin=Origin.VENUE)
    years_ago = OLD - timedelta(days=730)
    for at in (years_ago, datetime.now(tz=UTC)):
        quote(market, at)
        context(market, at)
        SpotTick.objects.create(
            asset="btc", source="s", interval_s=0, observed_at=at, received_at=at, close=1
        )

    retain()

    young = datetime.now(tz=UTC) - timedelta(days=1)
    assert Quote.objects.get().observed_at > young
    assert SpotTick.objects.get().observed_at > young
    for model in (NewsItem, NewsLink, Notice, RawMessage, CalendarEvent, EventImpact, FetchState):
        assert model.objects.count() == 1, model
    kept = archive.read("quotes")
    assert kept["market_key"].to_list() == [f"{market.venue}:{market.venue_key}"]
    assert {len(archive.read(t)) for t in ("news", "news_links", "notices", "calendar")} == {1}


def test_imported_history_stays_unless_it_is_asked_for() -> None:
    ours, imported = MarketFactory(origin=Origin.VENUE), MarketFactory(origin=Origin.IMPORT)
    quote(ours, OLD)
    quote(imported, OLD)
    SpotTick.objects.create(asset="btc", source="s", interval_s=60, observed_at=OLD, close=1)

    report = retention.run(as_of=NOW)

    assert Quote.objects.get().market_id == imported.pk
    assert SpotTick.objects.count() == 1
    assert report.tables["quotes"].rows == 1

    retention.run(as_of=NOW, include_imports=True)
    assert not Quote.objects.exists()
    assert not SpotTick.objects.exists()
    assert len(archive.read("quotes", ["venue", "recorded_import"])) == 2


def test_on_postgresql_a_month_without_imported_rows_is_dropped_whole() -> None:
    market = MarketFactory(origin=Origin.VENUE)
    frame = pl.DataFrame(
        {"market_id": [market.pk] * 3, "kind": [1, 2, 3], "price": [0.1, 0.2, 0.3]}
    ).with_columns(observed_at=pl.lit(OLD), received_at=pl.lit(OLD))
    vendor.append(Quote, frame.cast({"observed_at": pl.Datetime("us", "UTC")}))
    had = [month.start for month in partitions.months(Quote)]

    report = retention.run(as_of=NOW)

    assert report.tables["quotes"].rows == 3
    assert report.tables["quotes"].months == (1 if connection.vendor == "postgresql" else 0)
    april = datetime(2026, 4, 1, tzinfo=UTC)
    assert (april in had) == (connection.vendor == "postgresql")
    assert april not in [month.start for month in partitions.months(Quote)]
    assert archive.read("quotes")["kind"].to_list() == [1, 2, 3]


def test_a_dry_run_counts_and_changes_nothing() -> None:
    quote(MarketFactory(origin=Origin.VENUE), OLD)

    report = retention.run(as_of=NOW, dry_run=True)

    assert report.tables["quotes"].rows == 1
    assert Quote.objects.count() == 1
    assert archive.files("quotes") == []


def test_without_the_archive_rows_just_leave() -> None:
    revise(HistorySettings, archive_first=False)
    quote(MarketFactory(origin=Origin.VENUE), OLD)

    retention.run(as_of=NOW)

    assert not Quote.objects.exists()
    assert archive.files("quotes") == []


def test_of_an_ended_market_the_newest_version_stays() -> None:
    ended = MarketFactory(closed_at=NOW - timedelta(days=500))
    running = MarketFactory()
    for market in (ended, running):
        for day in (900, 800, 700):
            MarketVersion.objects.create(
                market=market, received_at=NOW - timedelta(days=day), question="?", protocol="v1"
            )

    report = retention.run(as_of=NOW)

    assert report.tables["market_versions"].rows == 2
    assert ended.versions.get().received_at == NOW - timedelta(days=700)
    assert running.versions.count() == 3


def test_only_one_process_does_it() -> None:
    jobs.start(retention.KIND, "all", as_of=NOW)

    with pytest.raises(jobs.AlreadyRunning):
        retention.run(as_of=NOW)


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("at", range(4))
def test_killed_anywhere_and_started_again_nothing_is_lost_or_doubled(
    at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    market = MarketFactory(origin=Origin.VENUE)
    times = [OLD + timedelta(hours=8 * n) for n in range(4)]
    for moment in times:
        quote(market, moment)
        context(market, moment - timedelta(days=700))
    real, calls = archive.add, iter(range(100))

    def dies(*args: Any, **kwargs: Any) -> Any:
        done = real(*args, **kwargs)
        if next(calls) == at:
            raise Killed
        return done

    with monkeypatch.context() as patch:
        patch.setattr(archive, "add", dies)
        with pytest.raises(Killed):
            retention.run(as_of=NOW)
    retention.run(as_of=NOW)

    assert not Quote.objects.exists()
    assert archive.read("quotes")["observed_at"].sort().to_list() == times
    assert len(archive.read("notices")) == 4


def test_rows_that_arrive_while_a_span_is_archived_are_not_deleted_unarchived(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    market = MarketFactory(origin=Origin.VENUE)
    quote(market, OLD)
    real = archive.add

    def late(*args: Any, **kwargs: Any) -> Any:
        Quote.objects.get_or_create(
            market=market, observed_at=OLD, kind=2, defaults={"received_at": OLD}
        )
        return real(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(archive, "add", late)
        retention.run(as_of=NOW)
    stayed = set(Quote.objects.values_list("kind", flat=True))
    assert {1, 2} - stayed <= set(archive.read("quotes")["kind"])

    retention.run(as_of=NOW)
    assert not Quote.objects.exists()
    assert archive.read("quotes")["kind"].to_list() == [1, 2]


def test_an_archive_that_does_not_hold_the_rows_stops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    quote(MarketFactory(origin=Origin.VENUE), OLD)
    monkeypatch.setattr(archive, "add", lambda *_a, **_k: (1, False))

    with pytest.raises(CommandError, match="does not hold"):
        call_command("retention")

    assert Quote.objects.count() == 1


def test_the_command_prints_its_report() -> None:
    out = StringIO()

    call_command("retention", "--dry-run", "--json", stdout=out)
    call_command("retention", stdout=(shown := StringIO()))

    assert set(json.loads(out.getvalue())["tables"]) == {p.table for p in (*TICKS, *ROWS)}
    assert "market_versions" in shown.getvalue()


figures = st.none() | st.floats(allow_nan=False)
ROW = st.tuples(st.integers(0, 86_399_999_999), st.integers(1, 14), figures, figures)


@pytest.fixture
def fresh_archive(tmp_path: Path, settings: LazySettings) -> Iterator[Any]:
    count = iter(range(10_000))

    def use() -> None:
        settings.ENV = replace(settings.ENV, archive_dir=tmp_path / str(next(count)))

    return use


@hypothesis_settings(
    max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    rows=st.lists(
        st.tuples(ROW, st.none() | st.binary(max_size=40)),
        max_size=8,
        unique_by=lambda row: row[0][:2],
    )
)
def test_rows_lose_nothing_on_the_way_to_the_archive(rows: Any, fresh_archive: Any) -> None:
    fresh_archive()
    market = MarketFactory(origin=Origin.VENUE)
    policy = TICKS[0]
    names = ("observed_at", "kind", "price", "bid", "levels")
    for (micro, kind, price, bid), levels in rows:
        at = OLD.replace(hour=0, minute=0) + timedelta(microseconds=micro)
        quote(market, at, kind=kind, price=price, bid=bid, levels=levels)
    wanted = (
        sorted(
            (q.observed_at, q.kind, q.price, q.bid, None if q.levels is None else bytes(q.levels))
            for q in Quote.objects.all()
        )
        if rows
        else []
    )

    for _ in retention_ticks.leave(policy, NOW, archive_first=True, include_imports=False):
        pass

    kept = archive.read("quotes")
    assert not Quote.objects.exists()
    assert (sorted(kept.select(names).rows()) if rows else []) == wanted


def test_every_dated_table_of_the_markets_has_a_policy() -> None:
    unbounded = {"Event", "Market", "Outcome", "Series", "FeeSchedule", "Resolution"}
    unbounded |= {"ResolutionCase", "Wallet", "Backfill"}
    from django.apps import apps

    tables = {
        m.__name__
        for m in apps.get_app_config("markets").get_models()
        if not m.__name__.endswith("Settings")
    }

    assert tables - unbounded == {policy.model for policy in (*TICKS, *ROWS)}
    assert PublicTrade in [retention_rows.model_of(p) for p in TICKS]


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite reuses room by itself")
def test_tables_that_rows_left_have_no_dead_rows() -> None:
    context(MarketFactory(), OLD - timedelta(days=730))

    retention.run(as_of=NOW)

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relallvisible >= 0, reltuples FROM pg_class WHERE relname = %s",
            ["markets_newsitem"],
        )
        seen = cursor.fetchone()
    assert seen == (True, 0.0)  # −1 where nobody vacuumed
