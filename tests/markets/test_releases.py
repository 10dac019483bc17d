"""Official calendars in four forms become one; a market is linked by the words it shares."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from markets.core import releases
from markets.core.wire import NotUnderstood

ICS = b"""BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//statistics//EN
BEGIN:VEVENT
UID:cpi-november
DTSTART;TZID=US-Eastern:20261210T083000
SUMMARY:Consumer Price Index for November 2026
END:VEVENT
BEGIN:VEVENT
UID:no-start
SUMMARY:Something without a date
END:VEVENT
BEGIN:VEVENT
UID:jolts
DTSTART;VALUE=DATE:20261208
SUMMARY:Job Openings and Labor Turnover Survey
STATUS:CANCELLED
END:VEVENT
END:VCALENDAR
"""


def test_an_icalendar_keeps_its_own_keys_time_zones_and_cancellations() -> None:
    found = releases.read(ICS, source="bls.gov")

    cpi, jolts = found.releases
    assert (cpi.source_key, cpi.kind, cpi.importance) == ("cpi-november", "CPI", releases.HIGH)
    assert cpi.scheduled_at == datetime(2026, 12, 10, 13, 30, tzinfo=UTC)
    assert (jolts.kind, jolts.all_day, jolts.cancelled) == ("JOLTS", True, True)
    assert found.unread == 1


def test_a_meeting_of_two_days_decides_on_the_second() -> None:
    body = b"""{"events": [
      {"title": "FOMC Meeting", "month": "2026-12", "days": "8, 9", "time": "2:00 p.m."},
      {"title": "Speech - somebody", "month": "2026-12", "days": "3"},
      {"title": "", "month": "2026-12", "days": "3"}]}"""

    found = releases.read(body, source="federalreserve.gov")

    meeting, speech = found.releases
    assert meeting.scheduled_at == datetime(2026, 12, 9, 19, 0, tzinfo=UTC)
    assert (meeting.kind, meeting.all_day) == ("FOMC", False)
    assert (speech.kind, speech.all_day) == ("SPEECH", True)
    assert found.unread == 1


def test_dates_listed_under_their_release_are_read() -> None:
    body = b"""{"Gross Domestic Product": {"release_dates": ["2026-12-22T08:30:00-05:00", "soon"]},
      "International Trade in Goods and Services": {"release_dates": []}}"""

    found = releases.read(body, source="bea.gov")

    (gdp,) = found.releases
    assert (gdp.kind, gdp.scheduled_at) == ("GDP", datetime(2026, 12, 22, 13, 30, tzinfo=UTC))
    assert found.unread == 1


def test_of_a_list_of_all_series_only_known_kinds_are_events() -> None:
    body = b"""{"release_dates": [
      {"release_id": 10, "release_name": "Consumer Price Index", "date": "2026-12-10"},
      {"release_id": 99, "release_name": "Coinbase Cryptocurrencies", "date": "2026-12-10"}]}"""

    found = releases.read(body, source="fred")

    assert [row.title for row in found.releases] == ["Consumer Price Index"]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"a": 1}', b"BEGIN:VCALENDAR\nnonsense"])
def test_what_is_no_calendar_is_refused_or_empty(body: bytes) -> None:
    try:
        found = releases.read(body, source="x")
    except NotUnderstood:
        return
    assert found.releases == ()


@given(st.binary(max_size=400) | st.text(max_size=400).map(str.encode))
def test_nothing_but_the_own_error_escapes(noise: bytes) -> None:
    for body in (noise, ICS[:90] + noise, b'{"events": [' + noise + b"]}"):
        try:
            found = releases.read(body, source="x")
        except NotUnderstood:
            continue
        assert isinstance(found.releases, tuple)


def test_the_shipped_schedule_reaches_to_the_end_of_2027_on_working_days() -> None:
    rows = [row for _, row in releases.seeded()]

    decisions = [row for row in rows if row.kind == "FOMC"]
    assert len(decisions) == 16
    assert max(row.scheduled_at for row in decisions).year == 2027
    assert all(row.scheduled_at.weekday() < 5 for row in rows)
    assert {row.kind for row in rows} == {"FOMC", "CPI", "PAYROLLS"}


@pytest.mark.parametrize(
    ("question", "kind", "strong"),
    [
        ("Will the Fed decrease interest rates by 25 bps in December?", "FOMC", True),
        ("Will annual inflation reach 3 %?", "CPI", False),
        ("Will CPI for November exceed 2.9 %?", "CPI", True),
        ("How many jobs added? Nonfarm above 100k?", "PAYROLLS", True),
    ],
)
def test_a_market_is_linked_by_its_words(question: str, kind: str, strong: bool) -> None:
    weight, why = releases.strength(kind, question)

    assert (weight > 0.5) is strong
    assert weight > 0
    assert why


def test_a_market_about_something_else_is_not_linked() -> None:
    found = {k.code: releases.strength(k.code, "Will it rain in Oslo?")[0] for k in releases.KINDS}

    assert set(found.values()) == {0.0}
