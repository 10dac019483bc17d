"""The whole venue is read: no page for ever, nothing lost, no broken row at the others' cost."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import stamina
from django.db import connection
from django.test.utils import CaptureQueriesContext

from markets import catalog, universe
from markets.adapters import http
from markets.adapters.gamma import Gamma, StuckCursor
from markets.core import wire_catalog
from markets.models import Event, Market, Notice, Outcome, Protocol, RawMessage, Series
from tests.markets import wire_payloads as say

pytestmark = pytest.mark.django_db

AS_OF = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = AS_OF + timedelta(minutes=5)


def venue(*pages: list[say.Json]) -> Gamma:
    routes = {"/events/keyset": say.paged("events", *pages)}
    return Gamma("https://venue.example", transport=say.serving(routes), attempts=1)


def sync(*events: say.Json, as_of: datetime = AS_OF) -> catalog.SyncReport:
    return catalog.sync(as_of=as_of, venue=venue(list(events)))


def answering(answer: Callable[[httpx.Request], httpx.Response]) -> Gamma:
    transport = say.serving({"/events/keyset": answer})
    return Gamma("https://venue.example", transport=transport, attempts=1)


def test_repeating_cursor_raises_and_alerts() -> None:
    numbers = iter(range(1, 10))

    def stuck(_request: httpx.Request) -> httpx.Response:
        page = {"events": [say.event(next(numbers))], "next_cursor": "same"}
        return httpx.Response(200, content=say.encoded(page))

    with pytest.raises(StuckCursor):
        catalog.sync(as_of=AS_OF, venue=answering(stuck))

    notice = Notice.objects.get()
    assert (notice.kind, notice.severity) == (Notice.Kind.STUCK_LISTING, Notice.Severity.WARNING)
    assert "the cursor 'same' twice" in notice.text
    assert Market.objects.count() == 2, "what was read before stays filed"


def test_a_repeating_first_row_raises_and_alerts_and_closes_nothing() -> None:
    sync(say.event(1), say.event(2))
    numbers = iter(range(10))

    def stuck(_request: httpx.Request) -> httpx.Response:
        page = {"events": [say.event(1)], "next_cursor": str(next(numbers))}
        return httpx.Response(200, content=say.encoded(page))

    with pytest.raises(StuckCursor, match="began twice"):
        catalog.sync(as_of=LATER, venue=answering(stuck))

    assert Notice.objects.filter(kind=Notice.Kind.STUCK_LISTING).exists()
    assert not Market.objects.filter(closed_at__isnull=False).exists()


def test_a_pass_that_breaks_off_keeps_what_it_read_and_the_next_one_loses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(catalog, "BATCH", 1)
    pages = [[say.event(number)] for number in range(1, 6)]
    whole = say.paged("events", *pages)

    def breaks(request: httpx.Request) -> httpx.Response:
        if request.url.params.get("after_cursor") == "3":
            return httpx.Response(502)
        return whole(request)

    with stamina.set_testing(True, attempts=1), pytest.raises(http.VenueUnreachable):
        catalog.sync(as_of=AS_OF, venue=answering(breaks))
    assert Market.objects.count() == 3

    report = catalog.sync(as_of=LATER, venue=venue(*pages))

    assert (report.added, report.changed, report.delisted, report.complete) == (2, 0, 0, True)
    assert Outcome.objects.count() == 10


def test_what_was_listed_but_not_understood_is_not_closed() -> None:
    sync(say.event(1), say.event(2), say.event(3), say.event(4))
    broken = say.event(1, markets=[say.market(1, outcomes="?")])
    nameless = say.event(2) | {"title": 7, "markets": "none"}

    report = sync(broken, nameless, say.event(3), as_of=LATER)

    closed = Market.objects.filter(closed_at__isnull=False)
    assert report.delisted == 1
    assert list(closed.values_list("venue_key", flat=True)) == ["4"]


def test_an_event_whose_own_words_are_unreadable_keeps_its_markets() -> None:
    sync(say.event(1))

    report = sync(
        say.event(1) | {"title": 7, "markets": [say.market(1, volume="2000")]}, as_of=LATER
    )

    event = Event.objects.get()
    assert (report.refused, report.delisted) == (1, 0)
    assert "title: expected a text" in RawMessage.objects.get().reason
    assert (event.title, event.tags, event.category) == ("Weather of day 1", "weather", "climate")
    market = Market.objects.get()
    assert (market.volume, market.category) == (2000.0, "climate")


def test_a_market_that_the_database_refuses_costs_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from django.db import DataError

    from markets import listing

    original = listing._write

    def refusing(venue: str, touched: Any, known: Any, *, as_of: datetime) -> dict[str, int]:
        if "3" in touched:
            raise DataError("value too long")
        return original(venue, touched, known, as_of=as_of)

    monkeypatch.setattr(listing, "_write", refusing)

    report = sync(*(say.event(number) for number in range(1, 8)))

    assert (report.added, report.refused) == (6, 1)
    assert "the database refused it: value too long" in RawMessage.objects.get().reason
    assert not Market.objects.filter(venue_key="3").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"question": "nul \0 inside", "slug": "x\0" * 400},
        {"description": "long " * 10_000, "resolutionSource": "r" * 3000},
        {"orderMinSize": 5.0000001, "orderPriceMinTickSize": 0.010},
        {"umaResolutionStatus": "a status nobody has heard of before", "negRisk": None},
        {"slug": "btc-updown-999d-99999999999"},
        {"cryptoMarketConfig": {"asset": "a" * 40, "duration": "1d", "twapLookbackSeconds": 2**40}},
        {"negRiskMarketID": "z" * 100, "events": []},
    ],
)
def test_odd_values_are_filed_as_far_as_they_make_sense(changes: say.Json) -> None:
    report = sync(say.event(1, markets=[say.market(1, **changes), say.market(2)]))

    again = sync(say.event(1, markets=[say.market(1, **changes), say.market(2)]), as_of=LATER)

    assert (report.added, report.refused) == (2, 0)
    assert again.changed == 0, "the same news twice is no change"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"volume": "1e400"}, "volume: '1e400' is beyond"),
        ({"endDate": "9999-12-31T23:59:59Z"}, "endDate: .* is not a time of the years"),
        ({"endDate": "0001-01-01T00:00:00Z"}, "endDate: .* is not a time of the years"),
    ],
)
def test_a_number_or_time_beyond_reason_refuses_its_market_alone(
    changes: say.Json, reason: str
) -> None:
    report = sync(say.event(1, markets=[say.market(1, **changes), say.market(2)]))

    assert (report.added, report.refused) == (1, 1)
    assert re.search(reason, RawMessage.objects.get().reason)


def test_a_listing_that_shrank_at_once_closes_nothing_and_is_told() -> None:
    events = [say.event(number) for number in range(1, 41)]
    sync(*events)

    short = sync(*events[:5], as_of=LATER)
    empty = sync(as_of=LATER)
    usual = sync(*events[:38], as_of=LATER)

    assert (short.delisted, short.complete) == (0, False)
    assert (empty.delisted, empty.complete) == (0, False)
    assert (usual.delisted, usual.complete) == (2, True)
    assert Market.objects.filter(closed_at__isnull=False).count() == 2
    notice = Notice.objects.get(kind=Notice.Kind.STUCK_LISTING)
    assert "closed nothing" in notice.text


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        ({"rate": 7, "exponent": 1}, "rate"),
        ({"rate": 0.0000001, "exponent": 1}, "rate"),
        ({"rate": 0.05, "exponent": 1000}, "exponent"),
        ({"rate": 0.05, "exponent": 1, "rebateRate": -1}, "rebateRate"),
    ],
)
def test_a_fee_that_cannot_be_is_refused_and_leaves_the_market_without_one(
    terms: say.Json, field: str
) -> None:
    sync(say.event(1))

    report = sync(say.event(1, markets=[say.market(1, feeSchedule=terms)]), as_of=LATER)

    assert report.refused == 1
    assert f"feeSchedule.{field}" in RawMessage.objects.get().reason
    assert Market.objects.get().fees is None


def test_unknown_version_not_tradable() -> None:
    sync(say.event(1, markets=[say.market(1, version="v3", description="x")]))

    reasons = universe.refresh(as_of=AS_OF)

    market = Market.objects.get()
    assert market.protocol == Protocol.UNKNOWN
    assert market.tracked is False
    assert sum(reasons.values()) == 1
    assert "'v3'" in RawMessage.objects.get().reason


def test_a_market_of_the_second_generation_is_filed_beside_the_first() -> None:
    short = "0x" + "ab" * 31
    second = say.market(
        2, version="v2", conditionId=None, condition=short, positionIds=["11", "12"]
    )

    sync(say.event(1, markets=[say.market(1), second]))

    market = Market.objects.get(venue_key="2")
    assert (market.protocol, market.condition_id) == (Protocol.V2, short)
    assert list(market.outcomes.order_by("index").values_list("asset_id", flat=True)) == [
        "11",
        "12",
    ]


def test_an_augmented_group_names_its_placeholders_and_its_other() -> None:
    group = "0x" + "7" * 64
    children = [
        say.market(1, groupItemTitle="Ann Lee", negRiskMarketID=group),
        say.market(2, groupItemTitle="Person B", negRiskMarketID=group),
        say.market(3, groupItemTitle="Other", negRiskOther=True, negRiskMarketID=group),
    ]

    sync(say.event(1, markets=children, negRisk=True, negRiskAugmented=True))

    event = Event.objects.get()
    flags = Market.objects.order_by("venue_key").values_list("placeholder", "neg_risk_other")
    assert (event.neg_risk_market_id, event.neg_risk_augmented) == (group, True)
    assert list(flags) == [(False, False), (True, False), (False, True)]


def test_an_event_may_belong_to_several_series() -> None:
    many = [
        {"id": "5", "slug": "daily-weather", "title": "Daily weather", "recurrence": "daily"},
        {"id": "6", "slug": "autumn", "title": "Autumn"},
    ]

    sync(say.event(1, series=many))

    event = Event.objects.select_related("series").get()
    assert event.all_series == "daily-weather|autumn"
    assert event.series is not None
    assert event.series.venue_key == "5"
    assert Series.objects.count() == 2


def test_what_the_listing_says_about_rules_and_oracle_is_kept() -> None:
    said = {
        "description": "Rain, as the office measures it.",
        "resolutionSource": "https://office.example",
        "umaResolutionStatus": "disputed",
    }

    sync(say.event(1, markets=[say.market(1, **said)]))

    market = Market.objects.get()
    assert market.description == said["description"]
    assert market.resolution_source == said["resolutionSource"]
    assert market.oracle_status == "disputed"


def test_a_page_costs_the_same_number_of_statements_whatever_it_holds() -> None:
    counts = []
    for first, many in ((1, 3), (100, 60)):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            sync(*(say.event(number) for number in range(first, first + many)))
        counts.append(len(queries))

    # The second pass closes the markets of the first, in two statements more.
    assert counts[1] - counts[0] <= 8


@pytest.mark.parametrize(
    ("title", "is_one"),
    [("Person B", True), ("Party AA", True), ("Other C", True), ("Ann Lee", False), ("", False)],
)
def test_placeholders_are_known_by_their_names(title: str, is_one: bool) -> None:
    event = say.read_event(
        say.event(1, negRiskAugmented=True, markets=[say.market(1, groupItemTitle=title)])
    )

    assert wire_catalog.is_placeholder(event, event.markets[0]) is is_one


def test_progress_is_told_batch_by_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "BATCH", 1)
    told: list[int] = []

    catalog.sync(
        as_of=AS_OF,
        venue=venue([say.event(1)], [say.event(2)], [say.event(3)]),
        progress=lambda report: told.append(report.markets),
    )

    assert told == [1, 2, 3]
