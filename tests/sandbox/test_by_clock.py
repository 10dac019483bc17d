"""Hours and days of the stand-in are named by New York's clock, hidden, and found by name alone."""

from datetime import UTC, datetime

import pytest

from config.kernel import revise
from markets import epochs
from markets.core import wire_epochs
from markets.models import IngestSettings, Market
from sandbox.core import names
from sandbox.core.families import BY_CLOCK, DAY_S, HOUR_S
from sandbox.core.world import World
from sandbox.venue import StandIn
from tests.support.simulated import Clock, clock

__all__ = ["clock"]

VENUE = StandIn(World(7))
NIGHT_OF_LONGER_HOURS = int(datetime(2026, 11, 1, 12, tzinfo=UTC).timestamp())
SUMMER = int(datetime(2026, 7, 4, 2, 30, tzinfo=UTC).timestamp())
WINTER = int(datetime(2026, 11, 21, 20, 30, tzinfo=UTC).timestamp())


def event(slug: str, second: int) -> dict:
    return VENUE.get(f"/gamma/events/slug/{slug}", {}, second=second).body


@pytest.mark.parametrize(
    ("second", "slugs"),
    [
        (
            WINTER,
            (
                "bitcoin-up-or-down-november-21-2026-3pm-et",
                "bitcoin-up-or-down-on-november-22-2026",
            ),
        ),
        (SUMMER, ("bitcoin-up-or-down-july-3-2026-10pm-et", "bitcoin-up-or-down-on-july-4-2026")),
    ],
)
def test_an_hour_is_named_by_its_start_and_a_day_by_its_end(second, slugs):
    found = [event(slug, second) for slug in slugs]

    assert [row["slug"] for row in found] == list(slugs)
    assert [row["series"][0]["slug"] for row in found] == [
        "btc-up-or-down-hourly",
        "btc-up-or-down-daily",
    ]
    assert all(row["startTime"] <= f"{datetime.fromtimestamp(second, UTC):%FT%TZ}" for row in found)
    assert all("cryptoMarketConfig" not in row["markets"][0] for row in found)


def test_a_day_runs_from_noon_to_noon_also_where_the_clocks_change():
    row = event("ethereum-up-or-down-on-november-1-2026", NIGHT_OF_LONGER_HOURS)

    assert (row["startTime"], row["endDate"]) == ("2026-10-31T16:00:00Z", "2026-11-01T17:00:00Z")


@pytest.mark.parametrize("second", [SUMMER, NIGHT_OF_LONGER_HOURS, WINTER])
def test_the_reader_of_names_agrees_with_their_writer(second):
    listed = [h for h in VENUE.world.listed(second) if h.family in BY_CLOCK]

    assert {h.family.window_s for h in listed} == {HOUR_S, DAY_S}
    for happening in listed:
        epoch = wire_epochs.from_slug(names.slug(happening), ends_at=None)
        assert epoch is not None
        assert (epoch.asset, epoch.window_s) == (happening.family.asset, happening.family.window_s)
        assert (epoch.starts_at.timestamp(), epoch.ends_at.timestamp()) == (
            happening.starts_at,
            happening.ends_at,
        )


@pytest.mark.parametrize(
    "slug",
    [
        "bitcoin-up-or-down-november-31-2026-3pm-et",
        "bitcoin-up-or-down-november-21-2026-13pm-et",
        "bitcoin-up-or-down-on-november-25-2026",
        "dogecoin-up-or-down-on-november-21-2026",
    ],
)
def test_a_name_of_no_such_window_is_not_found(slug):
    assert VENUE.get(f"/gamma/events/slug/{slug}", {}, second=WINTER).status == 404


@pytest.mark.django_db
def test_the_catalogue_finds_hours_and_days_by_their_names(clock: Clock) -> None:
    changes = {"epoch_windows": "1h 1d", "epoch_assets": "btc eth"}
    now = clock.now
    revise.settings(IngestSettings, changes, author=None, reason="hours and days", as_of=now)

    epochs.sync(as_of=now)

    found = Market.objects.order_by("asset", "window_s").values_list("asset", "window_s", "slug")
    assert list(found) == [
        ("btc", HOUR_S, "bitcoin-up-or-down-november-20-2026-7am-et"),
        ("btc", DAY_S, "bitcoin-up-or-down-on-november-20-2026"),
        ("eth", HOUR_S, "ethereum-up-or-down-november-20-2026-7am-et"),
        ("eth", DAY_S, "ethereum-up-or-down-on-november-20-2026"),
    ]
    for market in Market.objects.select_related("event__series"):
        assert market.reference_price is not None
        assert market.twap_s == 0
        assert market.event.series is not None
        assert market.event.series.slug.endswith(("-hourly", "-daily"))
