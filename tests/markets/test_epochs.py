"""Up/down windows hide from the listings: they are asked for by name, in few requests."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from markets import epochs, filing
from markets.adapters.gamma import Gamma
from markets.core import wire_epochs
from markets.models import Market, Series
from tests.factories import ingest_settings
from tests.markets import wire_payloads as say

pytestmark = pytest.mark.django_db

AS_OF = datetime(2026, 11, 20, 17, 2, tzinfo=UTC)
START = int(AS_OF.timestamp()) // 300 * 300


def source(
    events: Iterable[say.Json], asked: list[httpx.URL] | None = None, **routes: Any
) -> Gamma:
    listing = {"/events/keyset": say.listing("events", events, asked)}
    return Gamma("https://venue.example", transport=say.serving(listing | routes))


def hourly(**changes: Any) -> say.Json:
    slug = "bitcoin-up-or-down-november-20-2026-12pm-et"
    row = say.market(77, slug=slug, endDate="2026-11-20T18:00:00Z", outcomes='["Up", "Down"]')
    series = [{"id": "10114", "slug": "btc-up-or-down-hourly", "recurrence": "hourly"}]
    return say.event(77, slug=slug, markets=[row], series=series, hidden=True, **changes)


def test_all_windows_of_the_settings_are_asked_for_in_one_request() -> None:
    asked: list[httpx.URL] = []
    daily = say.event(
        78,
        slug="bitcoin-up-or-down-on-november-21-2026",
        markets=[
            say.market(
                78,
                slug="bitcoin-up-or-down-on-november-21-2026",
                endDate="2026-11-21T17:00:00Z",
            )
        ],
    )
    ingest_settings(epoch_assets="btc", epoch_windows="5m 1h 1d", max_epoch_lead_s=60)

    epochs.sync(as_of=AS_OF, venue=source([say.epoch_event(START), hourly(), daily], asked))

    found = Market.objects.order_by("window_s").values_list("asset", "window_s", "epoch_start_at")
    assert list(found) == [
        ("btc", 300, datetime.fromtimestamp(START, UTC)),
        ("btc", 3600, datetime(2026, 11, 20, 17, tzinfo=UTC)),
        ("btc", 86_400, datetime(2026, 11, 20, 17, tzinfo=UTC)),
    ]
    assert [url.path for url in asked] == ["/events/keyset"]


def test_known_windows_cost_one_request_however_many_there_are() -> None:
    everything = [say.epoch_event(start) for start in range(START, START + 3600, 300)]
    ingest_settings(epoch_assets="btc", epoch_windows="5m", max_epoch_lead_s=3400)
    epochs.sync(as_of=AS_OF, venue=source(everything))
    asked: list[httpx.URL] = []

    epochs.sync(as_of=AS_OF + timedelta(seconds=30), venue=source(everything, asked))

    assert Market.objects.count() == 12
    assert len(asked) == 1


def test_a_window_of_a_known_series_is_found_under_another_name() -> None:
    ingest_settings(epoch_assets="btc", epoch_windows="1h")
    epochs.sync(as_of=AS_OF, venue=source([hourly()]))
    assert Series.objects.get().venue_key == "10114"
    later = AS_OF + timedelta(hours=1)
    renamed = say.market(
        79,
        slug="btc-hour-of-one",
        eventStartTime="2026-11-20T18:00:00Z",
        endDate="2026-11-20T19:00:00Z",
        cryptoMarketConfig={"asset": "btc", "duration": "1h", "twapEnabled": False},
    )
    event = say.event(79, slug="btc-hour-of-one", markets=[renamed], series=hourly()["series"])

    epochs.sync(as_of=later, venue=source([event]))

    market = Market.objects.get(venue_key="79")
    assert (market.asset, market.window_s, market.twap_s) == ("btc", 3600, 0)
    assert market.epoch_start_at == datetime(2026, 11, 20, 18, tzinfo=UTC)


def test_an_opening_price_is_asked_for_after_the_window_ended_too() -> None:
    ingest_settings(epoch_assets="btc", epoch_windows="5m")
    epochs.sync(as_of=AS_OF, venue=source([say.epoch_event(START)]))
    ended = say.epoch_event(START, opening=91_234.5) | {"closed": True}

    epochs.sync(as_of=AS_OF + timedelta(minutes=20), venue=source([ended]))

    assert Market.objects.get().reference_price == 91_234.5


def test_windows_that_no_list_shows_are_asked_for_one_by_one_within_bounds() -> None:
    ingest_settings(epoch_assets="btc eth sol xrp", epoch_windows="5m 15m 1h 4h 1d")
    single: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if "/slug/" in request.url.path:
            single.append(request.url.path)
            return httpx.Response(404)
        return httpx.Response(200, json={"events": []})

    for seconds in (0, 30):
        venue = Gamma("https://venue.example", transport=httpx.MockTransport(answer))
        epochs.sync(as_of=AS_OF + timedelta(seconds=seconds), venue=venue)

    assert len(single) == 2 * epochs.SINGLES
    assert len(set(single)) == len(single), "the same were asked for again before the others"


@pytest.mark.parametrize(
    ("window", "since", "expected"),
    [
        # Summer: New York is four hours behind, so both grids of four hours are one.
        ("4h", "2026-09-28T17:32:00", ["btc-updown-4h-1790611200"]),
        # Winter: the wall clock's windows begin an hour later.
        ("4h", "2026-11-20T17:30:00", ["btc-updown-4h-1795190400", "btc-updown-4h-1795194000"]),
        ("1h", "2026-09-28T16:30:00", ["bitcoin-up-or-down-september-28-2026-12pm-et"]),
        ("1h", "2026-11-20T05:30:00", ["bitcoin-up-or-down-november-20-2026-12am-et"]),
        ("1h", "2025-06-03T13:30:00", ["bitcoin-up-or-down-june-3-9am-et"]),
        ("1d", "2026-09-28T15:59:00", ["bitcoin-up-or-down-on-september-28-2026"]),
        ("1d", "2026-09-28T16:00:00", ["bitcoin-up-or-down-on-september-29-2026"]),
        ("1d", "2025-06-03T15:00:00", ["bitcoin-up-or-down-on-june-3"]),
        ("7x", "2025-06-03T15:00:00", []),
    ],
)
def test_windows_are_named_by_the_clock_in_new_york(
    window: str, since: str, expected: list[str]
) -> None:
    at = datetime.fromisoformat(since).replace(tzinfo=UTC)

    found = wire_epochs.slugs("btc", window, since=at, until=at + timedelta(seconds=1))

    assert list(found) == expected


@pytest.mark.parametrize(
    ("slug", "ends", "start", "end"),
    [
        # The clock goes back at two: this hour happens twice, and its end says which is meant.
        (
            "bitcoin-up-or-down-november-1-2026-1am-et",
            "2026-11-01T07:00:00",
            "2026-11-01T06:00:00",
            "2026-11-01T07:00:00",
        ),
        (
            "bitcoin-up-or-down-november-1-2026-1am-et",
            "2026-11-01T06:00:00",
            "2026-11-01T05:00:00",
            "2026-11-01T06:00:00",
        ),
        # A day of twenty-five hours, from noon to noon.
        (
            "bitcoin-up-or-down-on-november-1-2026",
            "2026-11-01T17:00:00",
            "2026-10-31T16:00:00",
            "2026-11-01T17:00:00",
        ),
        (
            "bitcoin-up-or-down-on-june-3",
            "2025-06-03T16:00:00",
            "2025-06-02T16:00:00",
            "2025-06-03T16:00:00",
        ),
    ],
)
def test_hours_and_days_begin_by_the_wall_clock(slug: str, ends: str, start: str, end: str) -> None:
    told = datetime.fromisoformat(ends).replace(tzinfo=UTC)

    epoch = wire_epochs.from_slug(slug, ends_at=told)

    assert epoch is not None
    assert f"{epoch.starts_at:%Y-%m-%dT%H:%M:%S}" == start
    assert f"{epoch.ends_at:%Y-%m-%dT%H:%M:%S}" == end


@pytest.mark.parametrize(
    ("slug", "changes", "seconds"),
    [
        ("btc-updown-15m-1790616600", {"twapEnabled": True, "twapLookbackSeconds": 30}, 30),
        ("btc-updown-15m-1790616600", {"twapEnabled": False}, 0),
        ("btc-updown-15m-1790616600", None, 60),
        ("btc-updown-5m-1786147200", None, 30),  # 2026-08-08
        ("btc-updown-5m-1786665600", None, 60),  # 2026-08-14
        ("btc-updown-5m-1785974400", None, 0),  # 2026-08-06
        ("btc-updown-7m-1790616600", None, None),
        ("bitcoin-up-or-down-september-28-2026-12pm-et", None, 0),
    ],
)
def test_the_price_that_decides_is_a_mean_where_the_venue_says_so(
    slug: str, changes: say.Json | None, seconds: int | None
) -> None:
    ingest_settings(epoch_assets="btc")
    config = {"asset": "btc", "duration": "15m", **changes} if changes else None
    row = say.market(1, slug=slug, endDate=None, cryptoMarketConfig=config)
    event = say.event(1, slug=slug, markets=[row], hidden=False)
    report = filing.SyncReport()

    filing.store([say.read_event(event)], report, simulated=False, as_of=AS_OF)

    assert Market.objects.get().twap_s == seconds
