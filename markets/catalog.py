"""Learn which events and markets exist, and their rules and fees: one pass over the venue."""

from collections.abc import Callable
from datetime import datetime

import structlog

from markets import epochs, filing, notices, versions
from markets.adapters import gamma
from markets.adapters.gamma import Gamma, StuckCursor
from markets.core.wire_gamma import EventRow
from markets.filing import SyncReport as SyncReport  # noqa: PLC0414 - what `sync` returns
from markets.models import Event, IngestSettings, Market, Notice, Origin

log = structlog.get_logger()
CHUNK = 500
# A handful of markets may well end together.
FEWEST_TO_JUDGE = 20
# Pages are filed together until they hold so many markets: fewer statements, and memory stays flat.
BATCH = 1000
Progress = Callable[[SyncReport], None]


def sync(
    *,
    as_of: datetime,
    limit: int | None = None,
    venue: Gamma | None = None,
    progress: Progress | None = None,
) -> SyncReport:
    """Read all open events, then the up/down windows around `as_of`, and file what changed.

    `progress` is called after each batch.
    `limit` stops after about so many markets. Raises the adapter's errors; what was read until then
    stays filed, and the next pass starts from the beginning. A listing that repeats itself raises
    `StuckCursor` and leaves a notice.
    """
    source = venue or gamma.connect()
    report = SyncReport()
    waiting: list[EventRow] = []
    try:
        for page in source.events():
            filing.note_refused(page.refused, report, as_of=as_of)
            waiting += page.events
            report.complete = not page.next_cursor
            held = sum(len(event.markets) for event in waiting)
            if held >= BATCH:
                _flush(waiting, report, source, as_of=as_of, progress=progress)
            if limit is not None and report.markets + held >= limit:
                break
    except StuckCursor as stuck:
        _note_stuck(stuck, as_of=as_of)
        raise
    finally:
        _flush(waiting, report, source, as_of=as_of, progress=progress)
    if report.complete:
        _delist(report, simulated=source.simulated, as_of=as_of)
    epochs.look_up(source, report, as_of=as_of)
    log.info("catalogue.synced", **report.figures())
    return report


def _flush(
    waiting: list[EventRow],
    report: SyncReport,
    source: Gamma,
    *,
    as_of: datetime,
    progress: Progress | None,
) -> None:
    if not waiting:
        return
    filing.store(waiting, report, simulated=source.simulated, as_of=as_of)
    waiting.clear()
    if progress is not None:
        progress(report)


def _note_stuck(stuck: StuckCursor, *, as_of: datetime) -> None:
    notices.note(
        Notice.Kind.STUCK_LISTING,
        f"gamma:{as_of:%Y-%m-%d}",
        f"The catalogue was not read to its end: {stuck}.",
        as_of=as_of,
        subject="gamma",
        severity=Notice.Severity.WARNING,
    )


def _delist(report: SyncReport, *, simulated: bool, as_of: datetime) -> None:
    """Markets that a complete listing of open events no longer contains are closed.

    Those that were listed but could not be read are not among them. A listing that lacks too many
    markets whose end is still ahead is not believed: it closes nothing, and is told.
    """
    origin = Origin.SANDBOX if simulated else Origin.VENUE
    still = Market.objects.filter(origin=origin, closed_at__isnull=True, window_s__isnull=True)
    rows = list(still.values_list("pk", "venue_key", "event_id", "scheduled_end_at"))
    unseen = [(pk, key, event) for pk, key, event, _ in rows if pk not in report.seen]
    lasting = {pk for pk, _, _, end in rows if end is None or end > as_of}
    missing = sum(pk in lasting for pk, _, _ in unseen)
    share = IngestSettings.objects.current(as_of=as_of).min_listing_share
    if len(lasting) >= FEWEST_TO_JUDGE and missing > (1 - share) * len(lasting):
        report.complete = False
        _note_short(missing, len(lasting), as_of=as_of)
        return
    unread = _events_of(report.unread, unseen)
    ids = [pk for pk, key, event in unseen if key not in report.unread and event not in unread]
    for start in range(0, len(ids), CHUNK):
        part = ids[start : start + CHUNK]
        Market.objects.filter(pk__in=part).update(accepting_orders=False, closed_at=as_of)
        versions.keep(part, as_of=as_of)
    report.delisted = len(ids)


def _note_short(missing: int, known: int, *, as_of: datetime) -> None:
    notices.note(
        Notice.Kind.STUCK_LISTING,
        f"short:{as_of:%Y-%m-%d}",
        f"The venue's listing lacks {missing} of {known} open markets that should still trade; it "
        "closed nothing. If they really ended, lower the share in the ingest settings.",
        as_of=as_of,
        subject="listing",
        severity=Notice.Severity.WARNING,
    )


def _events_of(unread: set[str], gone: list[tuple[int, str, int]]) -> set[int]:
    if not unread or not gone:
        return set()
    chosen = Event.objects.filter(venue_key__in=sorted(unread)[:10_000])
    return set(chosen.values_list("pk", flat=True))
