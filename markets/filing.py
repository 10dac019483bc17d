"""File what a pass over the catalogue read, and count it; what cannot be read is kept raw."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from markets import listing, unknown
from markets.core import wire
from markets.core.wire import NotUnderstood
from markets.core.wire_gamma import ASSET_LISTS, EventRow

# A venue that changes a field refuses us everything at once: the first ones tell the story.
KEPT_RAW = 200


@dataclass(slots=True, kw_only=True)
class SyncReport:
    """What one pass over the catalogue found and changed.

    `unread` are the keys of markets and events that were listed but could not be read.
    """

    events: int = 0
    markets: int = 0
    added: int = 0
    changed: int = 0
    delisted: int = 0
    refused: int = 0
    complete: bool = False
    seen: set[int] = field(default_factory=set, repr=False)
    unread: set[str] = field(default_factory=set, repr=False)

    def figures(self) -> dict[str, Any]:
        """The counts, for a report."""
        return {k: v for k, v in asdict(self).items() if k not in ("seen", "unread")}


def store(
    events: Iterable[EventRow], report: SyncReport, *, simulated: bool, as_of: datetime
) -> None:
    """File these events with their markets, outcomes and fees; counts go to `report`."""
    many = list(events)
    report.events += len(many)
    for event in many:
        note_refused(event.refused, report, as_of=as_of)
    _keep_unknown_versions(many, as_of=as_of)
    filed = listing.store(many, simulated=simulated, as_of=as_of)
    note_refused(filed.refused, report, as_of=as_of)
    report.markets += filed.markets
    report.added += filed.added
    report.changed += filed.changed
    report.seen |= filed.seen


def note_refused(refused: Iterable[NotUnderstood], report: SyncReport, *, as_of: datetime) -> None:
    """Count what could not be read, keep the first of it raw, and remember that it was listed."""
    for wrong in refused:
        report.refused += 1
        report.unread.add(_key(wrong))
        if report.refused <= KEPT_RAW:
            unknown.refused(wrong, as_of=as_of)


def _keep_unknown_versions(events: Iterable[EventRow], *, as_of: datetime) -> None:
    """One example of each protocol that we do not know; its markets are filed, not traded."""
    rows = (market for event in events for market in event.markets)
    strange = {row.version: row for row in rows if row.version and row.version not in ASSET_LISTS}
    for version, row in strange.items():
        reason = f"protocol version {version!r} is unknown"
        unknown.keep("gamma.market", reason, repr(row), as_of=as_of, subject=version)


def _key(wrong: NotUnderstood) -> str:
    try:
        value = wire.decode(wrong.body.encode(), source="")
    except NotUnderstood:
        return ""
    return str(value.get("id", "")) if isinstance(value, dict) else ""
