"""Scheduled releases and meetings: official calendars → one form; which markets they bear on."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo

from markets.core.wire import NotUnderstood, decode, moment

EASTERN = ZoneInfo("America/New_York")
LOW, MEDIUM, HIGH = 1, 2, 3
WORDS = re.compile(r"[a-z0-9']+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of event: how calendars name it, and the words by which a market asks about it.

    Names and phrases are lower case; a phrase matches where all its words occur.
    """

    code: str
    importance: int
    names: tuple[str, ...]
    phrases: tuple[str, ...]


# The first kind whose name a title contains counts.
KINDS: tuple[Kind, ...] = (
    Kind(
        code="FOMC_MINUTES",
        importance=MEDIUM,
        names=("minutes of the federal open market", "fomc minutes"),
        phrases=("fomc", "fed", "rate cut", "rate hike", "interest rates"),
    ),
    Kind(
        code="FOMC",
        importance=HIGH,
        names=("fomc", "federal open market committee"),
        phrases=(
            "fomc",
            "fed decision",
            "fed rate",
            "fed interest",
            "fed cut",
            "fed cuts",
            "fed hike",
            "federal reserve",
            "rate cut",
            "rate cuts",
            "rate hike",
            "interest rates",
            "powell",
        ),
    ),
    Kind(
        code="CPI",
        importance=HIGH,
        names=("consumer price index",),
        phrases=("cpi", "inflation", "consumer price", "fed rate", "rate cut"),
    ),
    Kind(
        code="PAYROLLS",
        importance=HIGH,
        names=("employment situation",),
        phrases=("payrolls", "nonfarm", "unemployment", "jobs report", "jobs added", "rate cut"),
    ),
    Kind(
        code="PCE",
        importance=HIGH,
        names=("personal income and outlays", "personal consumption"),
        phrases=("pce", "inflation"),
    ),
    Kind(
        code="GDP",
        importance=HIGH,
        names=("gross domestic product", "gdp"),
        phrases=("gdp", "recession", "economic growth"),
    ),
    Kind(
        code="PPI",
        importance=MEDIUM,
        names=("producer price index",),
        phrases=("ppi", "producer price", "inflation"),
    ),
    Kind(
        code="JOLTS",
        importance=MEDIUM,
        names=("job openings and labor turnover",),
        phrases=("jolts", "job openings"),
    ),
    Kind(
        code="RETAIL",
        importance=MEDIUM,
        names=("retail sales", "advance monthly sales for retail"),
        phrases=("retail sales",),
    ),
    Kind(
        code="TRADE",
        importance=MEDIUM,
        names=("international trade in goods",),
        phrases=("trade deficit", "trade balance"),
    ),
    Kind(
        code="SPEECH", importance=LOW, names=("speech", "remarks"), phrases=("powell", "fed chair")
    ),
    Kind(code="OTHER", importance=LOW, names=("",), phrases=()),
)
BY_CODE: Mapping[str, Kind] = {kind.code: kind for kind in KINDS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One scheduled event, in UTC; `all_day` where the source gave no time of day."""

    source_key: str
    title: str
    kind: str
    importance: int
    scheduled_at: datetime
    all_day: bool
    cancelled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """What a calendar held, and how many of its entries could not be read."""

    releases: tuple[Release, ...]
    unread: int = 0


def read(body: bytes, *, source: str) -> Calendar:
    """A calendar in any of the forms that official sources publish; raises `NotUnderstood`.

    iCalendar (BLS, Census), `{"events": …}` (Federal Reserve), release → dates (BEA), and
    `{"release_dates": …}` (FRED).
    """
    if body.lstrip()[:15].upper().startswith(b"BEGIN:VCALENDAR"):
        return _gather(_ics_entries(body, source), _from_ics)
    value = decode(body, source=source)
    if isinstance(value, dict) and isinstance(value.get("events"), list):
        return _gather(value["events"], _from_fed)
    if isinstance(value, dict) and isinstance(value.get("release_dates"), list):
        # FRED dates every series it holds; only the kinds that we know are events.
        named = [row for row in value["release_dates"] if _is_known(row)]
        return _gather(named, _from_fred)
    if isinstance(value, dict) and any(isinstance(v, dict) for v in value.values()):
        return _gather(_bea_entries(value), _from_bea)
    raise NotUnderstood(source, "none of the known calendar forms", body)


def kind_of(title: str) -> Kind:
    """The kind of event that a title names."""
    lower = title.lower()
    return next(kind for kind in KINDS if any(name in lower for name in kind.names))


def strength(kind: str, text: str) -> tuple[float, str]:
    """How much an event of a kind bears on a market with this text: (0 … 1, the words shared).

    The importance of the kind, a third a step, for one shared phrase; half of that where the only
    phrase is one that several kinds share.
    """
    this = BY_CODE[kind]
    words = set(WORDS.findall(text.lower()))
    shared = [phrase for phrase in this.phrases if words.issuperset(phrase.split())]
    if not shared:
        return 0.0, ""
    own = [p for p in shared if sum(p in other.phrases for other in KINDS) == 1]
    weight = this.importance / HIGH
    return weight if own else weight / 2, ", ".join(shared)


def _gather(entries: Sequence[Any], parse: Callable[[Any], Release]) -> Calendar:
    found, unread = {}, 0
    for entry in entries:
        try:
            release = parse(entry)
        except (ValueError, KeyError, TypeError, AttributeError):
            unread += 1
            continue
        found[release.source_key] = release
    return Calendar(releases=tuple(found.values()), unread=unread)


def _release(
    title: str, when: datetime | date, *, key: str = "", cancelled: bool = False
) -> Release:
    title = " ".join(title.split())[:300]
    if not title:
        raise ValueError("an event without a title")
    all_day = not isinstance(when, datetime)
    at = when if isinstance(when, datetime) else datetime.combine(when, time(), EASTERN)
    if at.tzinfo is None:
        at = at.replace(tzinfo=EASTERN)
    kind = kind_of(title)
    # Without a key of its own an event is named by title and day: a moved hour is no new event.
    fallback = sha256(f"{title}|{at.astimezone(EASTERN).date()}".encode()).hexdigest()[:40]
    return Release(
        source_key=key[:200] or fallback,
        title=title,
        kind=kind.code,
        importance=kind.importance,
        scheduled_at=at.astimezone(UTC),
        all_day=all_day,
        cancelled=cancelled,
    )


def _ics_entries(body: bytes, source: str) -> list[Any]:
    import icalendar  # noqa: PLC0415 - large, and only who reads an iCalendar needs it

    try:
        return list(icalendar.Calendar.from_ical(body).walk("VEVENT"))
    except (ValueError, KeyError, IndexError) as cause:
        raise NotUnderstood(source, f"not an iCalendar: {cause}", body) from cause


def _from_ics(entry: Any) -> Release:
    return _release(
        str(entry["SUMMARY"]),
        entry["DTSTART"].dt,
        key=str(entry.get("UID", "")),
        cancelled=str(entry.get("STATUS", "")).upper() == "CANCELLED",
    )


CLOCK = re.compile(r"(\d{1,2})(?::(\d{2}))?\s*([ap])\.?m", re.IGNORECASE)


def _from_fed(entry: Any) -> Release:
    """Month `2026-12` and days `8, 9`: a meeting of two days decides on the second."""
    days = [int(day) for day in re.findall(r"\d+", str(entry["days"]))]
    year, month = (int(part) for part in str(entry["month"]).split("-")[:2])
    day = date(year, month, days[-1])
    clock = CLOCK.search(str(entry.get("time") or ""))
    if clock is None:
        return _release(str(entry["title"]), day)
    hour = int(clock[1]) % 12 + (12 if clock[3].lower() == "p" else 0)
    at = datetime.combine(day, time(hour, int(clock[2] or 0)), EASTERN)
    return _release(str(entry["title"]), at)


def _is_known(entry: Any) -> bool:
    title = entry.get("release_name") if isinstance(entry, dict) else None
    return not isinstance(title, str) or kind_of(title).code != "OTHER"


def _from_fred(entry: Any) -> Release:
    return _release(str(entry["release_name"]), date.fromisoformat(str(entry["date"])))


def _bea_entries(value: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [
        (title, when)
        for title, row in value.items()
        if isinstance(row, dict)
        for when in row.get("release_dates") or ()
    ]


def _from_bea(entry: tuple[str, Any]) -> Release:
    title, when = entry
    return _release(title, moment(when))


def seeded() -> Iterator[tuple[str, Release]]:
    """The schedule that is shipped, as (source, release): what was published by autumn 2026."""
    for source, title, clock, days in SEED:
        for day in days.split():
            at = datetime.combine(date.fromisoformat(day), time.fromisoformat(clock), EASTERN)
            yield source, _release(title, at)


FED_2026 = "2026-01-28 2026-03-18 2026-04-29 2026-06-17 2026-07-29 2026-09-16 2026-10-28 2026-12-09"
FED_2027 = "2027-01-27 2027-03-17 2027-04-28 2027-06-09 2027-07-28 2027-09-15 2027-10-27 2027-12-08"
SEED: tuple[tuple[str, str, str, str], ...] = (
    # Federal Reserve, announced 2024-08-09 (2026) and 2025-09-05 (2027): the decision, at 14:00.
    ("federalreserve.gov", "FOMC rate decision", "14:00", f"{FED_2026} {FED_2027}"),
    # Bureau of Labor Statistics, its schedule for 2026 (2027 comes with its own calendar).
    (
        "bls.gov",
        "Consumer Price Index",
        "08:30",
        "2026-07-14 2026-08-12 2026-09-11 2026-10-14 2026-11-10 2026-12-10",
    ),
    (
        "bls.gov",
        "Employment Situation",
        "08:30",
        "2026-07-02 2026-08-07 2026-09-04 2026-10-02 2026-11-06 2026-12-04",
    ),
)
