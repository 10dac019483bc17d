"""Learn of crypto up/down windows, which the listings hide, and of their opening prices.

Nearly all of it is one request: the windows that settings want are asked for by name together.
What has another name is found through its series, and a few are asked for one by one, because the
venue's lists have missed windows that its pages show.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

import structlog
from django.db.models import Q

from markets import filing
from markets.adapters import gamma, http
from markets.adapters.gamma import SLUGS_PER_CALL, Gamma
from markets.core import wire_epochs
from markets.core.contracts import IngestConfig
from markets.core.wire import NotUnderstood
from markets.core.wire_gamma import EventRow, Page
from markets.filing import SyncReport
from markets.models import IngestSettings, Market, Series

log = structlog.get_logger()
# One by one, at most so many a run; the others stay for the next.
SINGLES = 4
TURN_S = 30
# An opening price that has not come so long after the end never will.
PRICE_PATIENCE = timedelta(hours=2)
LATE_PRICES = SLUGS_PER_CALL


def sync(*, as_of: datetime, venue: Gamma | None = None) -> SyncReport:
    """Look up the up/down windows around `as_of` that we do not know in full, and file them.

    A window is asked about again until its opening price is known, about a minute after its start.
    Raises the adapter's errors.
    """
    report = SyncReport()
    look_up(venue or gamma.connect(), report, as_of=as_of)
    if report.events:
        log.info("epochs.synced", **report.figures())
    return report


def look_up(source: Gamma, report: SyncReport, *, as_of: datetime) -> None:
    """As `sync`, as part of a greater pass."""
    config = IngestSettings.objects.current(as_of=as_of).as_config()
    until = as_of + timedelta(seconds=config.max_epoch_lead_s)
    wanted = wanted_slugs(config, since=as_of, until=until)
    missing = _without(wanted, _complete(wanted, as_of=as_of))
    found = _named(source, missing, report, as_of=as_of)
    missing = _without(missing, (event.slug for event in found))
    if missing:
        found += _in_series(source, config, report, as_of=as_of, until=until)
        missing = _without(missing, (event.slug for event in found))
        found += _one_by_one(source, missing, report, as_of=as_of)
    found += _named(source, _without_price(as_of), report, as_of=as_of, closed=True)
    filing.store(found, report, simulated=source.simulated, as_of=as_of)


def wanted_slugs(config: IngestConfig, *, since: datetime, until: datetime) -> list[str]:
    """Names of the windows that overlap the period, of all assets and windows of the settings."""
    return [
        slug
        for asset in config.epoch_assets
        for window in config.epoch_windows
        for slug in wire_epochs.slugs(asset, window, since=since, until=until)
    ]


def _complete(slugs: Sequence[str], *, as_of: datetime) -> set[str]:
    """Windows about which there is nothing left to ask: their price is known or not due."""
    known = Market.objects.filter(slug__in=slugs, outcomes__asset_id__isnull=False)
    told = Q(reference_price__isnull=False) | Q(epoch_start_at__gt=as_of)
    return set(known.filter(told).values_list("slug", flat=True))


def _without_price(as_of: datetime) -> list[str]:
    """Windows that ended a while ago without an opening price, the latest first."""
    ended = Market.objects.filter(
        window_s__isnull=False,
        reference_price__isnull=True,
        scheduled_end_at__gt=as_of - PRICE_PATIENCE,
        scheduled_end_at__lte=as_of,
    )
    return list(ended.order_by("-scheduled_end_at").values_list("slug", flat=True)[:LATE_PRICES])


def _named(
    source: Gamma,
    slugs: Sequence[str],
    report: SyncReport,
    *,
    as_of: datetime,
    closed: bool = False,
) -> list[EventRow]:
    """Those of these events that the list shows."""
    parts = (slugs[n : n + SLUGS_PER_CALL] for n in range(0, len(slugs), SLUGS_PER_CALL))
    pages = (source.named(part, closed=closed) for part in parts)
    asked = set(slugs)
    return [event for event in _events(pages, report, as_of=as_of) if event.slug in asked]


def _in_series(
    source: Gamma, config: IngestConfig, report: SyncReport, *, as_of: datetime, until: datetime
) -> list[EventRow]:
    """Windows of known series that settings want, whatever they are called."""
    windows = {wire_epochs.seconds_of(window) for window in config.epoch_windows}
    ours = Series.objects.exclude(venue_key="").filter(
        event__markets__asset__in=config.epoch_assets, event__markets__window_s__in=windows
    )
    keys = list(ours.order_by("venue_key").values_list("venue_key", flat=True).distinct())
    if not keys:
        return []
    longest = max((seconds for seconds in windows if seconds), default=0)
    pages = source.in_series(keys, ends_after=as_of, ends_before=until + timedelta(seconds=longest))
    return [
        event
        for event in _events(pages, report, as_of=as_of)
        if any(_is_wanted(event, config, as_of=as_of, until=until))
    ]


def _is_wanted(
    event: EventRow, config: IngestConfig, *, as_of: datetime, until: datetime
) -> Iterator[bool]:
    windows = {wire_epochs.seconds_of(window) for window in config.epoch_windows}
    for market in event.markets:
        epoch = wire_epochs.of_market(market)
        yield (
            epoch is not None
            and epoch.asset in config.epoch_assets
            and epoch.window_s in windows
            and epoch.starts_at < until
            and epoch.ends_at > as_of
        )


def _one_by_one(
    source: Gamma, slugs: Sequence[str], report: SyncReport, *, as_of: datetime
) -> list[EventRow]:
    """A few that no list shows: those that we know to exist first, the others in turn."""
    filed = Market.objects.filter(slug__in=slugs).values_list("slug", flat=True)
    strange = _without(slugs, filed)
    turn = int(as_of.timestamp()) // TURN_S * SINGLES % max(len(strange), 1)
    found = []
    for slug in [*_without(slugs, strange), *strange[turn:], *strange[:turn]][:SINGLES]:
        try:
            found.append(source.event(slug))
        except http.NotThere:
            continue
        except NotUnderstood as wrong:
            filing.note_refused([wrong], report, as_of=as_of)
    return found


def _events(pages: Iterable[Page], report: SyncReport, *, as_of: datetime) -> Iterator[EventRow]:
    for page in pages:
        filing.note_refused(page.refused, report, as_of=as_of)
        yield from page.events


def _without(slugs: Sequence[str], found: Iterable[str]) -> list[str]:
    have = set(found)
    return [slug for slug in slugs if slug not in have]
