"""Scheduled events are filed once, linked to the markets they bear on, and announced in time."""

from datetime import timedelta

import pytest

from markets import calendar
from markets.models import CalendarEvent, ContextSettings, EventImpact, FetchState, Notice
from tests import factories as make
from tests.markets.loopback import Asked, Said, serving
from tests.moments import NOW, ahead
from tests.revised import revise

pytestmark = pytest.mark.django_db
URL = "https://calendar.example/releases.ics"
DAY = 86_400


def ics(*events: tuple[str, str, str]) -> bytes:
    rows = "".join(
        f"BEGIN:VEVENT\r\nUID:{key}\r\nDTSTART:{start}\r\nSUMMARY:{title}\r\nEND:VEVENT\r\n"
        for key, start, title in events
    )
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{rows}END:VCALENDAR\r\n".encode()


def refresh(*bodies: bytes) -> list[calendar.Report]:
    """One look at the calendar per body; an empty body is an error of the server."""
    revise(ContextSettings, calendars=URL.replace("https", "http"))
    reports = []
    for body in bodies:

        def answer(_asked: Asked, body: bytes = body) -> Said:
            kind = {"Content-Type": "text/calendar"}
            return Said(body=body, headers=kind) if body else Said(status=500)

        with serving(answer) as net:
            reports.append(calendar.refresh(as_of=NOW, fetcher=net.fetcher()))
    return reports


CPI = ("cpi", "20261210T133000Z", "Consumer Price Index")


def test_an_event_is_filed_once_and_moved_when_its_calendar_moves_it() -> None:
    moved = ("cpi", "20261211T133000Z", "Consumer Price Index")

    first, again, third = refresh(ics(CPI), ics(CPI), ics(moved))

    own = CalendarEvent.objects.get(source="calendar.example")
    assert (again.added, again.changed, third.added, third.changed) == (0, 0, 0, 1)
    assert first.added >= 1
    assert own.scheduled_at.day == 11


def test_without_any_network_the_shipped_schedule_stands() -> None:
    (report,) = refresh(b"")

    assert report.failed == 1
    assert CalendarEvent.objects.filter(source="shipped: federalreserve.gov").count() == 16
    assert FetchState.objects.get(name="calendar.example").failures == 1


def test_an_event_is_linked_to_the_followed_markets_that_ask_about_it() -> None:
    asked = make.MarketFactory(
        question="Will November CPI exceed 3 %?", scheduled_end_at=ahead(30 * DAY)
    )
    make.MarketFactory(question="Will November CPI exceed 4 %?", scheduled_end_at=ahead(2 * DAY))
    make.MarketFactory(question="Will it rain?", scheduled_end_at=ahead(30 * DAY))
    make.MarketFactory(question="Will CPI fall?", scheduled_end_at=ahead(30 * DAY), tracked=False)

    first, again = refresh(ics(CPI), ics(CPI))

    impacts = EventImpact.objects.filter(calendar_event__source="calendar.example")
    (impact,) = impacts
    assert (impact.market_id, impact.why) == (asked.pk, "cpi")
    assert impact.strength == pytest.approx(1.0)
    assert (first.impacts > 0, again.impacts) == (True, 0)


def test_an_important_event_is_announced_once_when_it_is_near() -> None:
    soon = (NOW + timedelta(hours=5)).strftime("%Y%m%dT%H%M%SZ")
    later = (NOW + timedelta(hours=50)).strftime("%Y%m%dT%H%M%SZ")
    body = ics(
        ("a", soon, "Consumer Price Index"),
        ("b", later, "Gross Domestic Product"),
        ("c", soon, "Import prices"),
    )

    refresh(body, body)

    (notice,) = Notice.objects.filter(kind=Notice.Kind.EVENT_AHEAD)
    assert notice.subject == "CPI"
    assert "Consumer Price Index is due" in notice.text


def test_a_release_that_two_calendars_and_the_shipped_schedule_name_happens_once() -> None:
    moved = ("cpi", "20261211T133000Z", "Consumer Price Index")
    make.MarketFactory(question="Will CPI exceed 3 %?", scheduled_end_at=ahead(30 * DAY))
    refresh(ics(moved))
    CalendarEvent.objects.create(
        source="fred", source_key="1", kind="CPI", title="Consumer Price Index", all_day=True,
        scheduled_at=NOW.replace(month=12, day=11, hour=5), importance=3, received_at=NOW,
    )  # fmt: skip

    found = calendar.coming(as_of=NOW, until=NOW + timedelta(days=30))

    assert CalendarEvent.objects.filter(kind="CPI", scheduled_at__gt=NOW).count() == 3
    assert [e.source for e in found if e.kind == "CPI"] == ["calendar.example"]
    assert EventImpact.objects.filter(calendar_event__kind="CPI").count() == 1


def test_a_cancellation_silences_the_shipped_schedule_too() -> None:
    body = ics(CPI).replace(b"END:VEVENT", b"STATUS:CANCELLED\r\nEND:VEVENT")

    refresh(body)

    found = calendar.coming(as_of=NOW, until=NOW + timedelta(days=30))
    assert "CPI" not in {event.kind for event in found}
    assert {"FOMC", "PAYROLLS"} <= {event.kind for event in found}
