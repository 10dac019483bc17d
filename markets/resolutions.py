"""Record how markets ended, once, and only where the sources are unambiguous.

Everybody's turn comes: markets stand in line by the time at which they fall due, what holds money
stands in front, and the longer a market hangs the longer it rests between two turns. Booked results
are asked about again a few times, so that a source that changes its mind is noticed.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import structlog
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce

from markets import resolution_cases as cases
from markets import resolution_records as records
from markets import resolution_sources
from markets.core import wire_resolution as wire
from markets.core.wire_resolution import Evidence, NotYet, Result, Unclear
from markets.models import IngestSettings, Market, Origin, Resolution, ResolutionCase
from markets.resolution_records import SECOND_LOOKS
from markets.resolution_sources import Sources

log = structlog.get_logger()
AT_MOST = 2000
DEEPLY_AT_MOST = 100
CHUNK = 500
# (waited since the end at least, rests so long): soon after the end often, later seldom.
PATIENCE: tuple[tuple[timedelta, timedelta], ...] = (
    (timedelta(days=30), timedelta(days=1)),
    (timedelta(days=7), timedelta(hours=6)),
    (timedelta(days=1), timedelta(hours=1)),
    (timedelta(hours=2), timedelta(minutes=10)),
    (timedelta(minutes=20), timedelta(minutes=2)),
)
SHORTEST = timedelta(seconds=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Round:
    """What one round knows: who is asked, what holds money, when waiting ends."""

    sources: Sources
    held: Collection[int]
    patience: timedelta
    as_of: datetime
    failed: list[int] = field(default_factory=list)

    def overdue(self, market: Market) -> bool:
        """Whether a person should hear of sources that still disagree about it."""
        return self.as_of - ended_at(market, self.as_of) >= self.patience

    def needed(self, market: Market) -> int:
        """Sources that must agree: money asks for two, where a second can be asked."""
        return 2 if market.pk in self.held and market.condition_id else 1


def check(
    *, as_of: datetime, held: Collection[int] = frozenset(), sources: Sources | None = None
) -> int:
    """Ask about the markets whose turn it is; returns how many resolutions were recorded.

    `held` are the ids of markets with money in them. What no source settles becomes a
    `ResolutionCase`. Raises `http.VenueUnreachable` where the catalogue does not answer at all.
    """
    asked = sources or resolution_sources.connect()
    this = _round(asked, held, as_of=as_of)
    due = _due(this)
    recorded = 0
    for start in range(0, len(due), CHUNK):
        recorded += _settle(due[start : start + CHUNK], this)
    if due:
        log.info("resolutions.checked", asked=len(due), recorded=recorded, failed=len(this.failed))
    return recorded


def wake(condition_ids: Collection[str], *, as_of: datetime) -> int:
    """Put markets at the head of the line, e.g. because a stream said that they resolved.

    Only `check` decides, for it knows which of them hold money and need a second source. Returns
    how many will be asked about; those with a result, and those we do not know, are left alone.
    """
    waiting = Market.objects.filter(condition_id__in=condition_ids, resolution__isnull=True)
    later = Q(result_due_at__isnull=True) | Q(result_due_at__gt=as_of)
    return waiting.filter(later).update(result_due_at=as_of)


def record(market: Market, result: Result, *, as_of: datetime) -> bool:
    """File the result and close the market; False where a resolution exists already."""
    return records.book([(market, result)], as_of=as_of) == 1


def ended_at(market: Market, as_of: datetime) -> datetime:
    """When the market ended as far as we know; `as_of` where nothing says so."""
    ends = [at for at in (market.scheduled_end_at, market.closed_at) if at is not None]
    return min([*ends, as_of])


def pause_after(waited: timedelta) -> timedelta:
    """How long a market rests that ended `waited` ago without a result."""
    return next((pause for since, pause in PATIENCE if waited >= since), SHORTEST)


def _round(sources: Sources, held: Collection[int], *, as_of: datetime) -> _Round:
    hours = IngestSettings.objects.current(as_of=as_of).unclear_after_hours
    return _Round(
        sources=sources, held=frozenset(held), patience=timedelta(hours=hours), as_of=as_of
    )


def _rows() -> QuerySet[Market]:
    return Market.objects.select_related("resolution", "resolution_case").prefetch_related(
        "outcomes"
    )


def _due(this: _Round) -> list[Market]:
    """Whose turn it is: money first, then who has been due for longest."""
    origin = Origin.SANDBOX if this.sources.catalogue.simulated else Origin.VENUE
    live = Market.objects.filter(origin=origin)
    over = Q(scheduled_end_at__lte=this.as_of) | Q(closed_at__lte=this.as_of)
    never = live.filter(over, result_asked_at__isnull=True, resolution__isnull=True)
    again = live.filter(result_due_at__lte=this.as_of)
    ids = [*_first(never.filter(pk__in=this.held)), *_first(again.filter(pk__in=this.held))]
    line = sorted([*_first(never), *_first(again)])
    chosen = list(dict.fromkeys(pk for _, pk in [*sorted(ids), *line]))[:AT_MOST]
    found: dict[int, Market] = {}
    for start in range(0, len(chosen), CHUNK):
        found |= _rows().in_bulk(chosen[start : start + CHUNK])
    return [found[pk] for pk in chosen if pk in found]


def _first(rows: QuerySet[Market]) -> list[tuple[datetime, int]]:
    """(due since, id) of the first in line."""
    since = Coalesce("result_due_at", "scheduled_end_at", "closed_at")
    line = rows.annotate(since=since).order_by(F("since").asc(nulls_last=True), "pk")
    return list(line.values_list("since", "pk")[:AT_MOST])


def _settle(markets: Sequence[Market], this: _Round) -> int:
    """One slice of the line: ask, decide, write; returns how many were recorded."""
    first = resolution_sources.first_words(markets, this.sources, as_of=this.as_of)
    booked = [m for m in markets if _resolution(m) is not None]
    waiting = [m for m in markets if _resolution(m) is None]
    wanting = [m for m in waiting if _wants_more(m, first[m.pk], this)]
    deep, postponed = wanting[:DEEPLY_AT_MOST], {m.pk for m in wanting[DEEPLY_AT_MOST:]}
    words = {pk: [word] for pk, word in first.items()}
    words |= resolution_sources.more_words(deep, first, this.sources, as_of=this.as_of)
    results, rest, unclear = [], [], []
    # What another source denied is not booked before all are asked again.
    for market in (m for m in waiting if m.pk not in postponed or _open_case(m) is None):
        verdict = wire.decide(
            words[market.pk], needed=this.needed(market), overdue=this.overdue(market)
        )
        if isinstance(verdict, Result):
            results.append((market, verdict))
        elif market.pk not in postponed:
            rest.append(market)
            if not isinstance(verdict, NotYet):
                unclear.append((market, verdict))
    recorded = records.book(results, as_of=this.as_of)
    _rest(rest, as_of=this.as_of)
    _tell(results, unclear, words, this)
    _look_again(booked, first, this)
    return recorded


def _tell(
    results: Sequence[tuple[Market, Result]],
    unclear: Sequence[tuple[Market, Unclear]],
    words: Mapping[int, list[Evidence]],
    this: _Round,
) -> None:
    """Close the cases of what is settled, and open those of what is unclear."""
    for market, result in results:
        if (case := _open_case(market)) is not None:
            said = words[market.pk]
            _apart(market, partial(cases.settled_by_source, case, result.source, said), this)
    for market, why in unclear:
        _apart(market, partial(cases.open_case, market, why.reason, words[market.pk]), this)


def _apart(market: Market, write: Callable[..., object], this: _Round) -> None:
    """Write about one market in a savepoint of its own: what fails here costs no other market."""
    try:
        with transaction.atomic():
            write(as_of=this.as_of)
    except Exception:
        this.failed.append(market.pk)
        log.exception("resolution.case_failed", market=market.pk)


def _wants_more(market: Market, word: Evidence, this: _Round) -> bool:
    if this.overdue(market) or not wire.is_plain(word) or _open_case(market) is not None:
        return True
    return word.said == wire.Said.RESULT and this.needed(market) > 1


def _open_case(market: Market) -> ResolutionCase | None:
    case = getattr(market, "resolution_case", None)
    return case if case is not None and case.settled_at is None else None


def _resolution(market: Market) -> Resolution | None:
    return getattr(market, "resolution", None)


def _denied(booked: Resolution, word: Evidence) -> bool:
    by_hand = booked.strength == cases.BY_HAND
    return bool(wire.contradicts(booked.payout_0, [word], by_hand=by_hand))


def _look_again(markets: Sequence[Market], first: Mapping[int, Evidence], this: _Round) -> None:
    """Compare booked results with what is said now: facts stay, contradictions are shown."""
    doubted = [m for m in markets if _denied(m.resolution, first[m.pk])][:DEEPLY_AT_MOST]
    words = resolution_sources.more_words(doubted, dict(first), this.sources, as_of=this.as_of)
    for market in doubted:
        booked = market.resolution
        _apart(market, partial(cases.contradicted, market, booked, words[market.pk]), this)
    by_look: dict[datetime | None, list[int]] = {}
    for market in markets:
        learned = market.resolution.received_at
        looks = (learned + span for span in SECOND_LOOKS if learned + span > this.as_of)
        by_look.setdefault(next(looks, None), []).append(market.pk)
    for at, ids in by_look.items():
        Market.objects.filter(pk__in=ids).update(result_asked_at=this.as_of, result_due_at=at)


def _rest(markets: Sequence[Market], *, as_of: datetime) -> None:
    """Send markets without a result to the end of the line."""
    by_pause: dict[timedelta, list[int]] = {}
    for market in markets:
        pause = pause_after(as_of - ended_at(market, as_of))
        by_pause.setdefault(pause, []).append(market.pk)
    for pause, ids in by_pause.items():
        Market.objects.filter(pk__in=ids).update(result_asked_at=as_of, result_due_at=as_of + pause)
