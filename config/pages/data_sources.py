"""What speaks to us, and when it last did: streams, spot prices, news, the calendar."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count

from config.kernel.models import Heartbeat
from config.pages.lines import BAD, GOOD, NEUTRAL, WARN, Line, ago, counted, known
from config.templatetags.figures import age
from markets import news, queries, spot
from markets.core.spot import Consensus
from markets.models import (
    CalendarEvent,
    EventImpact,
    FundingRate,
    NewsItem,
    SpotSettings,
    StreamSettings,
)
from markets.news import SourceState as NewsState
from markets.spot import SourceState as SpotState

STREAM = "stream_markets"
# The beginning of what the process says of itself while nobody answers it.
UNCONNECTED = "0 connections"
FUNDING_WITHIN = timedelta(days=1)
UNREAD_WITHIN = timedelta(days=1)
EVENTS = 10


def read(*, as_of: datetime, staff: bool) -> dict[str, Any]:
    """The sections about what comes in."""
    config = SpotSettings.objects.current(as_of=as_of).as_config()
    spots = spot.states(as_of=as_of)
    consensus = queries.spot_all(config.assets, as_of=as_of)
    return {
        "streams": [books(as_of=as_of), prices(spots, as_of=as_of)],
        "assets": assets(consensus, spots, as_of=as_of),
        "spot_sources": [_spot_source(state, staff=staff, as_of=as_of) for state in spots],
        "news": [
            _news_source(state, staff=staff, as_of=as_of) for state in news.states(as_of=as_of)
        ],
        "unread": NewsItem.objects.filter(sentiment__isnull=True).count(),
        "events": events(as_of=as_of),
    }


def books(*, as_of: datetime) -> Line:
    """The stream of live order books: on, late, or off, with what it says of itself."""
    name = "Live order books"
    if not StreamSettings.objects.current(as_of=as_of).enabled:
        note = "Switched off in the stream settings: books are polled once a cycle."
        return Line(name=name, note=note, word="off", mark=WARN)
    beat = Heartbeat.objects.filter(component=STREAM).first()
    if beat is None:
        note = "Never heard. Start manage.py stream_markets; manage.py up does it by itself."
        return Line(name=name, note=note, word="not running", mark=BAD)
    late = beat.is_late(as_of=as_of)
    said = ago(beat.beat_at, as_of=as_of)
    if not late and beat.note.startswith(UNCONNECTED):
        note = "The process runs and has no connection; books are polled meanwhile."
        return Line(name=name, note=note, word="not connected", mark=BAD)
    return Line(
        name=name,
        note=beat.note.replace("messages_per_s", "messages/s").replace("_", " "),
        word=f"late: {said}" if late else said,
        mark=BAD if late else GOOD,
    )


def prices(states: Sequence[SpotState], *, as_of: datetime) -> Line:
    """The venue's own price stream."""
    name = "The venue's price stream"
    state = next((s for s in states if s.source == spot.VENUE), None)
    if state is None:
        note = f"Not among the sources of the spot settings; add “{spot.VENUE}” to follow it."
        return Line(name=name, note=note, word="off", mark=NEUTRAL)
    if state.off:
        return Line(name=name, note=state.off, word="off", mark=NEUTRAL)
    heard = [(reading.age_s, reading.fresh) for reading in state.readings.values()]
    if not heard:
        note = "No price yet; stream_markets follows it beside the books."
        return Line(name=name, note=note, word="silent", mark=WARN)
    youngest, fresh = min(heard)
    return Line(
        name=name,
        note=counted(len(heard), "asset"),
        word=f"{age(youngest)} ago" if fresh else f"late: {age(youngest)} ago",
        mark=GOOD if fresh else BAD,
    )


def assets(
    consensus: Mapping[str, Consensus], states: Sequence[SpotState], *, as_of: datetime
) -> list[dict[str, Any]]:
    """Each asset: the median, why there is none, its funding rate, and what each source says."""
    rates = _funding(list(consensus), as_of=as_of)
    off = {state.source for state in states if state.off}
    return [
        {
            "asset": name.upper(),
            "price": found.price,
            "reason": found.reason,
            "funding": rates.get(name),
            "readings": [
                {
                    "source": reading.source,
                    "price": reading.price,
                    "age_s": reading.age_s,
                    "deviation_bps": known(reading.deviation_bps),
                    "word": _verdict(reading.fresh, reading.outlier, reading.source in off),
                    "mark": GOOD if reading.fresh and not reading.outlier else BAD,
                }
                for reading in found.readings
            ],
        }
        for name, found in consensus.items()
    ]


def _verdict(fresh: bool, outlier: bool, off: bool) -> str:  # noqa: FBT001 - three facts of one row
    if fresh:
        return "disagrees" if outlier else "counted"
    return "off" if off else "stale"


def _funding(names: Sequence[str], *, as_of: datetime) -> dict[str, dict[str, Any]]:
    """The newest rate of a day per asset; a rate that is older says nothing about now."""
    rows = (
        FundingRate.objects.filter(
            asset__in=names, observed_at__gt=as_of - FUNDING_WITHIN, received_at__lte=as_of
        )
        .order_by("observed_at")
        .values("asset", "rate", "period_s", "source", "observed_at", "received_at")
    )
    newest = {row["asset"]: row for row in rows}
    return {
        name: {
            "rate_bps": 1e4 * row["rate"],
            "hours": row["period_s"] / 3600,
            "source": row["source"],
            "ago": ago(min(row["observed_at"], row["received_at"]), as_of=as_of),
        }
        for name, row in newest.items()
    }


def _spot_source(state: SpotState, *, staff: bool, as_of: datetime) -> Line:
    if state.off:
        return Line(name=state.source, note=state.off, word="off")
    error = (state.error if staff else "does not answer") if state.failures else ""
    if state.failures:
        word, mark = f"{counted(state.failures, 'failure')} in a row", BAD
    elif state.readings:
        youngest = min(reading.age_s for reading in state.readings.values())
        fresh = any(reading.fresh for reading in state.readings.values())
        word, mark = (f"{age(youngest)} ago", GOOD) if fresh else (f"stale: {age(youngest)}", BAD)
    else:
        word, mark = ("not asked yet" if state.asked_at is None else "no price yet"), WARN
    return Line(name=state.source, note=error, word=word, mark=mark)


def _news_source(state: NewsState, *, staff: bool, as_of: datetime) -> Line:
    if not state.on:
        return Line(name=state.name, note=state.why, word="off")
    if state.failures:
        note = state.why if staff else "does not answer"
        word, mark = f"{counted(state.failures, 'failure')} in a row", BAD
    elif state.answered_at is None:
        note, word, mark = "not asked yet", "waiting", WARN
    else:
        note = f"answered {ago(state.answered_at, as_of=as_of)}"
        word, mark = "answers", GOOD
    return Line(
        name=state.name,
        note=("simulated · " if state.simulated else "") + note,
        figure="no item yet" if state.age_s is None else f"{age(state.age_s)} ago",
        word=word,
        mark=mark,
    )


def events(*, as_of: datetime) -> list[dict[str, Any]]:
    """The next ten scheduled events, and on how many markets each bears."""
    coming = list(
        CalendarEvent.objects.filter(
            scheduled_at__gt=as_of, cancelled=False, received_at__lte=as_of
        ).order_by("scheduled_at", "id")[:EVENTS]
    )
    bears = dict(
        EventImpact.objects.filter(calendar_event__in=coming)
        .values_list("calendar_event")
        .annotate(n=Count("pk"))
    )
    return [
        {
            "row": event,
            "when": f"in {age((event.scheduled_at - as_of).total_seconds())}",
            "markets": bears.get(event.pk, 0),
        }
        for event in coming
    ]
