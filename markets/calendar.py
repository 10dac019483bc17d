"""Know what is scheduled: official calendars, the markets they bear on, and what is near."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.db import transaction

from config.kernel.clocks import Clock, given
from markets import notices, polling
from markets.adapters import fetch
from markets.adapters.fetch import Fetcher
from markets.core import releases
from markets.core.releases import Release
from markets.models import (
    CalendarEvent,
    ContextSettings,
    EventImpact,
    FetchState,
    Market,
    Notice,
)

log = structlog.get_logger()
CHUNK = 500
SEED = "shipped"
DEMO_CALENDAR = "/calendar.ics"
FRED = "https://api.stlouisfed.org/fred/releases/dates"
HORIZON = timedelta(days=180)
ACCEPT = ("text/calendar", "application/json", "text/json", "text/plain")
# On one day there is one release of such a kind, whatever calendars call it.
UNIQUE_BY_DAY = frozenset(k.code for k in releases.KINDS) - {"OTHER", "SPEECH", "TRADE"}
COLUMNS = ("kind", "title", "scheduled_at", "all_day", "importance", "cancelled")


@dataclass(slots=True, kw_only=True)
class Report:
    """What one look at the calendars changed."""

    added: int = 0
    changed: int = 0
    unread: int = 0
    failed: int = 0
    impacts: int = 0
    announced: int = 0


def refresh(
    *, as_of: datetime, clock: Clock | None = None, fetcher: Fetcher | None = None
) -> Report:
    """Read every calendar, link its events to the followed markets, announce what is near.

    A calendar that fails costs nothing but itself; what it said before stays.
    """
    report = Report()
    report.added += ensure_shipped(as_of=as_of)
    config = ContextSettings.objects.current(as_of=as_of).as_config()
    client = fetcher or fetch.fetcher(feeds_url=settings.ENV.feeds_url, mode=settings.ENV.mode)
    for source in _sources(config.calendars, as_of=as_of):
        with polling.asking(
            source.key,
            name=source.name,
            down_after=config.source_down_after,
            now=given(clock, as_of),
        ) as state:
            report.failed += 1
            _read(source, state, client, report, as_of=as_of)
            report.failed -= 1
    report.impacts = link(as_of=as_of)
    report.announced = announce(hours=config.calendar_notice_hours, as_of=as_of)
    log.info("calendar.refreshed", added=report.added, changed=report.changed)
    return report


def ensure_shipped(*, as_of: datetime) -> int:
    """File the shipped schedule where no event is known yet, network or not; events added."""
    report = Report()
    if CalendarEvent.objects.exists():
        return 0
    by_source: dict[str, list[Release]] = {}
    for source, release in releases.seeded():
        by_source.setdefault(source, []).append(release)
    for source, rows in by_source.items():
        store(rows, source=f"{SEED}: {source}", report=report, as_of=as_of)
    return report.added


@transaction.atomic
def store(rows: Iterable[Release], *, source: str, report: Report, as_of: datetime) -> None:
    """File the events of one source; a moved or cancelled one is changed, not doubled."""
    wanted = {row.source_key: row for row in rows}
    known = {
        event.source_key: event
        for event in CalendarEvent.objects.filter(source=source, source_key__in=wanted)
    }
    fresh, moved = [], []
    for key, row in wanted.items():
        values = {name: getattr(row, name) for name in COLUMNS}
        event = known.get(key)
        if event is None:
            fresh.append(CalendarEvent(source=source, source_key=key, received_at=as_of, **values))
        elif any(getattr(event, name) != value for name, value in values.items()):
            for name, value in values.items():
                setattr(event, name, value)
            moved.append(event)
    CalendarEvent.objects.bulk_create(fresh, batch_size=CHUNK, ignore_conflicts=True)
    CalendarEvent.objects.bulk_update(moved, COLUMNS, batch_size=CHUNK)
    report.added += len(fresh)
    report.changed += len(moved)


def link(*, as_of: datetime) -> int:
    """Say which coming events bear on which followed markets; returns new links.

    An event bears on a market whose words it shares and which does not end before it.
    """
    events = coming(as_of=as_of, until=as_of + HORIZON)
    markets = list(
        Market.objects.filter(tracked=True, window_s__isnull=True, received_at__lte=as_of).only(
            "question", "scheduled_end_at"
        )
    )
    links = {
        kind: [(m, found) for m in markets if (found := releases.strength(kind, m.question))[0]]
        for kind in {event.kind for event in events}
    }
    rows = [
        EventImpact(
            calendar_event=event, market=market, strength=weight, why=why[:300], received_at=as_of
        )
        for event in events
        for market, (weight, why) in links[event.kind]
        if market.scheduled_end_at is None or market.scheduled_end_at >= event.scheduled_at
    ]
    known = set(
        EventImpact.objects.filter(calendar_event__in=events).values_list(
            "calendar_event_id", "market_id"
        )
    )
    fresh = [row for row in rows if (row.calendar_event_id, row.market_id) not in known]
    EventImpact.objects.bulk_create(fresh, batch_size=CHUNK, ignore_conflicts=True)
    return len(fresh)


def announce(*, hours: int, as_of: datetime) -> int:
    """Note each important event that is near, once, with how many markets it bears on."""
    near = coming(as_of=as_of, until=as_of + timedelta(hours=hours))
    told = 0
    for event in near:
        if event.importance != CalendarEvent.Importance.HIGH:
            continue
        count = EventImpact.objects.filter(calendar_event=event).count()
        when = f"{event.scheduled_at:%Y-%m-%d}" if event.all_day else f"{event.scheduled_at:%c} UTC"
        told += notices.note(
            Notice.Kind.EVENT_AHEAD,
            f"{event.kind}:{event.scheduled_at:%Y-%m-%d}",
            f"{event.title} is due {when}; it bears on {count} followed markets.",
            subject=event.kind,
            as_of=as_of,
            observed_at=event.scheduled_at,
        )
    return told


def coming(*, as_of: datetime, until: datetime) -> list[CalendarEvent]:
    """What is due in (as_of, until], each happening once, in order.

    Several calendars name the same release: the one that tells the time of day counts. The shipped
    schedule gives way to an official one within three days of its date, also to a cancellation.
    """
    around = timedelta(days=3)
    rows = CalendarEvent.objects.filter(
        scheduled_at__gt=as_of - around, scheduled_at__lte=until + around, received_at__lte=as_of
    )
    official = [e for e in rows if not e.source.startswith(SEED)]
    told = [
        e
        for e in rows
        if e not in official and not any(_is_near(e, other, within=around) for other in official)
    ]
    once: dict[object, CalendarEvent] = {}
    for event in sorted([*official, *told], key=lambda e: (e.all_day, e.scheduled_at, e.pk)):
        if not event.cancelled and as_of < event.scheduled_at <= until:
            once.setdefault(_happening(event), event)
    return sorted(once.values(), key=lambda e: (e.scheduled_at, e.pk))


def _is_near(event: CalendarEvent, other: CalendarEvent, *, within: timedelta) -> bool:
    return event.kind == other.kind and abs(event.scheduled_at - other.scheduled_at) <= within


def _happening(event: CalendarEvent) -> object:
    """The same for two calendars' rows of one release."""
    if event.kind in UNIQUE_BY_DAY:
        return event.kind, event.scheduled_at.astimezone(releases.EASTERN).date()
    return event.pk


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """A calendar to read: `key` names it in our rows, `url` may hold a secret and is not kept."""

    key: str
    url: str
    name: str


def _sources(configured: Iterable[str], *, as_of: datetime) -> list[_Source]:
    env = settings.ENV
    if env.feeds_url:
        configured = [env.feeds_url + DEMO_CALENDAR]
    found = [_Source(key=url, url=url, name=urlsplit(url).hostname or url) for url in configured]
    if env.fred_api_key and not env.feeds_url:
        query = (
            "file_type=json&include_release_dates_with_no_data=true&sort_order=asc&limit=1000"
            f"&realtime_start={as_of:%Y-%m-%d}&api_key={env.fred_api_key}"
        )
        found.append(_Source(key=FRED, url=f"{FRED}?{query}", name="FRED"))
    return found


def _read(
    source: _Source, state: FetchState, client: Fetcher, report: Report, *, as_of: datetime
) -> None:
    reply = client.get(
        source.url, accept=ACCEPT, etag=state.etag, last_modified=state.last_modified
    )
    if reply.not_modified:
        return
    found = releases.read(reply.body, source=source.name)
    store(found.releases, source=source.name, report=report, as_of=as_of)
    report.unread += found.unread
    state.etag, state.last_modified = reply.etag, reply.last_modified
    state.items = len(found.releases)
