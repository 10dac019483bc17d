"""Tick tables by month: nothing is lost, whatever the time of a row and whoever makes the month."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from django.db import connection

from config.kernel import partitions, vendor
from markets.models import FundingRate, PublicTrade, Quote, SpotTick
from tests.factories import MarketFactory
from tests.markets.own_database import instead_of_the_suites, moved

MAY = datetime(2021, 5, 1, tzinfo=UTC)
PARTED = (Quote, PublicTrade, SpotTick, FundingRate)
BEFORE = ("markets", "0007_series_are_asked_for_by_their_key")
AFTER = ("markets", "0008_ticks_are_kept_by_month")

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has no partitions"),
]


def ticks(*times: datetime, close: float = 1.0) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "asset": ["btc"] * len(times),
            "source": ["s"] * len(times),
            "interval_s": [0] * len(times),
            "observed_at": list(times),
            "close": [close] * len(times),
        },
        schema_overrides={"observed_at": pl.Datetime("us", "UTC")},
    )


def rows_in(part: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {part}")
        return int(cursor.fetchone()[0])


def names(model: Any = SpotTick) -> list[str]:
    return [month.name for month in partitions.months(model)]


@pytest.mark.parametrize("model", PARTED)
def test_tick_tables_have_parts_and_a_default(model: Any) -> None:
    with connection.cursor() as cursor:
        assert partitions.is_partitioned(cursor, model._meta.db_table)
    assert rows_in(f"{model._meta.db_table}_default") == 0


def test_a_frame_makes_the_months_it_needs() -> None:
    last, first = MAY + timedelta(days=31, microseconds=-1), MAY + timedelta(days=31)

    assert vendor.append(SpotTick, ticks(last, first)) == 2

    assert {"markets_spottick_2021_05", "markets_spottick_2021_06"} <= set(names())
    assert (rows_in("markets_spottick_2021_05"), rows_in("markets_spottick_2021_06")) == (1, 1)
    assert vendor.append(SpotTick, ticks(last, first)) == 0


def test_a_strange_time_finds_a_place_and_makes_no_month() -> None:
    strange = [datetime(1970, 1, 1, tzinfo=UTC), datetime(2400, 1, 1, tzinfo=UTC)]
    before = names()

    assert vendor.append(SpotTick, ticks(*strange)) == 2

    assert names() == before
    assert SpotTick.objects.filter(observed_at__in=strange).count() == 2


def test_rows_that_waited_in_the_default_part_move_when_their_month_is_made() -> None:
    SpotTick.objects.create(asset="btc", source="s", interval_s=0, observed_at=MAY, close=2)
    assert rows_in("markets_spottick_default") == 1

    made = partitions.prepare(SpotTick, as_of=MAY + timedelta(days=400))

    assert "markets_spottick_2021_05" in made
    assert rows_in("markets_spottick_default") == 0
    assert SpotTick.objects.get(observed_at=MAY).close == 2
    assert partitions.prepare(SpotTick, as_of=MAY + timedelta(days=400)) == []


def test_the_orm_works_on_parts_as_on_a_plain_table() -> None:
    market = MarketFactory()
    vendor.append(SpotTick, ticks(MAY))
    many = [
        Quote(market=market, observed_at=MAY + timedelta(days=20 * n), kind=1, received_at=MAY)
        for n in range(5)
    ]

    Quote.objects.bulk_create(many)
    Quote.objects.bulk_create(many, ignore_conflicts=True)

    assert Quote.objects.filter(observed_at__gte=MAY + timedelta(days=60)).count() == 2
    assert Quote.objects.filter(market=market).delete()[0] == 5


def test_an_upsert_across_months_tells_added_from_changed() -> None:
    june = MAY + timedelta(days=40)
    vendor.append(SpotTick, ticks(MAY, june))
    key = ["asset", "source", "interval_s", "observed_at"]
    frame = ticks(june, june + timedelta(days=40), close=5)

    assert vendor.upsert(SpotTick, frame, key=key, update=["close"]) == (1, 1)
    assert vendor.upsert(SpotTick, frame, key=key, update=["close"]) == (0, 0)


def test_a_month_leaves_whole_or_not_at_all() -> None:
    vendor.append(SpotTick, ticks(MAY, MAY + timedelta(days=1)))
    (may,) = partitions.months(SpotTick)[:1]

    assert not partitions.drop_month(SpotTick, may, rows=1)
    assert SpotTick.objects.count() == 2
    assert partitions.drop_month(SpotTick, may, rows=2)
    assert not SpotTick.objects.exists()
    assert may.name not in names()
    assert vendor.append(SpotTick, ticks(MAY)) == 1


def test_the_history_of_a_market_reads_only_its_months() -> None:
    vendor.append(SpotTick, ticks(*(MAY + timedelta(days=31 * n) for n in range(6))))
    until = MAY + timedelta(days=40)

    plan = (
        SpotTick.objects.filter(observed_at__gte=MAY, observed_at__lt=until).values("close")
    ).explain()

    assert "2021_05" in plan
    assert "2021_09" not in plan


@pytest.mark.django_db(transaction=True)
def test_two_processes_that_make_a_month_at_once_make_it_once() -> None:
    failures: list[BaseException] = []
    barrier = threading.Barrier(2)

    def write(second: int) -> None:
        try:
            barrier.wait(10)
            vendor.append(SpotTick, ticks(MAY + timedelta(seconds=second)))
        except BaseException as failure:
            failures.append(failure)
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert failures == []
    assert SpotTick.objects.count() == 2
    assert names().count("markets_spottick_2021_05") == 1
    (may,) = [m for m in partitions.months(SpotTick) if m.start == MAY]
    assert partitions.drop_month(SpotTick, may, rows=2)


@pytest.mark.django_db(transaction=True)
def test_a_month_that_cannot_be_made_now_loses_nothing() -> None:
    done = threading.Event()
    counts: list[int] = []

    def write() -> None:
        counts.append(vendor.append(SpotTick, ticks(MAY)))
        connection.close()
        done.set()

    from django.db import transaction

    with transaction.atomic():
        assert rows_in("markets_spottick_default") == 0  # a reader that does not let go
        writer = threading.Thread(target=write)
        writer.start()
        assert done.wait(20)
    writer.join(20)

    assert counts == [1]
    assert "markets_spottick_2021_05" not in names()
    assert SpotTick.objects.get().observed_at == MAY


def test_existing_tables_are_converted_with_their_rows_and_back() -> None:
    times = [MAY, MAY + timedelta(days=45), datetime(1970, 1, 1, tzinfo=UTC)]
    with instead_of_the_suites():
        old = moved(BEFORE)
        _tell_an_old_version(old, times)
        plain = _state()
        assert [row[0] for row in plain[0]] == sorted(times)
        assert partitions.months(SpotTick) == []

        moved(AFTER)

        assert _state() == plain
        assert rows_in("markets_spottick_2021_05") == 1
        assert rows_in("markets_spottick_default") == 1
        with connection.cursor() as cursor:
            indexes = connection.introspection.get_constraints(cursor, "markets_publictrade")
        assert "public_trade_by_market" in indexes

        moved(BEFORE)

        assert _state() == plain
        assert partitions.months(SpotTick) == []


def _tell_an_old_version(apps: Any, times: list[datetime]) -> None:
    """Ticks of these times and a quote, as a version without parts kept them."""
    at = {"received_at": MAY}
    made = {name: apps.get_model("markets", name).objects for name in ("Event", "Market", "Quote")}
    event = made["Event"].create(venue="polymarket", venue_key="e", **at)
    market = made["Market"].create(
        venue="polymarket", venue_key="m", event=event, question="?", **at
    )
    made["Quote"].create(market=market, observed_at=MAY, kind=1, levels=b"\x00x", **at)
    apps.get_model("markets", "SpotTick").objects.bulk_create(
        apps.get_model("markets", "SpotTick")(
            asset="btc", source="s", interval_s=0, observed_at=time, close=1
        )
        for time in times
    )


def _state() -> list[Any]:
    return [
        sorted(SpotTick.objects.values_list("observed_at", "close")),
        [(q.pk, bytes(q.levels)) for q in Quote.objects.all()],
    ]
