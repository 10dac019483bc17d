"""Hold the venue's messages of today against their recorded shapes; a change is a notice."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import structlog

from markets import notices
from markets.adapters import http, samples
from markets.adapters.samples import Sample
from markets.core import shapes
from markets.core.shapes import Drift
from markets.core.wire import NotUnderstood
from markets.models import Notice, Outcome

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one kind of message looked like: rows seen, drifts, or why there was no sample."""

    source: str
    rows: int = 0
    drifts: tuple[Drift, ...] = ()
    missing: str = ""


def run(*, as_of: datetime, listen_s: float = samples.LISTEN_S) -> list[Finding]:
    """Sample every kind of message and note each drift once a day; a finding per kind.

    A service that does not answer costs its own samples only: they are listed as missing.
    Raises `http.SimulatedVenue` where an address names the stand-in outside a demo.
    """
    found = judge([*_rest(), *_stream(listen_s, as_of=as_of)], as_of=as_of)
    silent = set(shapes.CONTRACTS) - {finding.source for finding in found}
    missing = [Finding(source=name, missing="no sample came") for name in silent]
    log.info("contracts.checked", seen=len(found), drifts=sum(len(f.drifts) for f in found))
    return sorted([*found, *missing], key=lambda finding: finding.source)


def judge(sampled: Iterable[Sample], *, as_of: datetime) -> list[Finding]:
    """Hold samples against their contracts; each drift becomes a notice, once a day."""
    found = [
        Finding(source=source, rows=len(rows), drifts=shapes.compare(source, rows))
        for source, rows in sampled
        if rows and source in shapes.CONTRACTS
    ]
    for finding in found:
        for drift in finding.drifts:
            _note(drift, as_of=as_of)
    return found


def _rest() -> list[Sample]:
    found: list[Sample] = []
    try:
        found.extend(samples.rest())
    except (http.VenueUnreachable, http.VenueRefused, NotUnderstood) as failure:
        log.warning("contracts.unreachable", error=str(failure))
    return found


def _stream(listen_s: float, *, as_of: datetime) -> list[Sample]:
    tracked = Outcome.objects.filter(
        index=0, asset_id__isnull=False, market__tracked=True, market__received_at__lte=as_of
    )
    tokens = [
        token for token in tracked.values_list("asset_id", flat=True)[: samples.TOKENS] if token
    ]
    if not tokens or listen_s <= 0:
        return []
    try:
        return samples.stream(tokens, listen_s=listen_s)
    except (http.VenueUnreachable, NotUnderstood) as failure:
        log.warning("contracts.unreachable", error=str(failure))
        return []


def _note(drift: Drift, *, as_of: datetime) -> None:
    notices.note(
        Notice.Kind.CONTRACT_DRIFT,
        f"{drift.subject}:{drift.what}:{as_of:%Y-%m-%d}",
        f"The venue's {drift.source}: {drift.field or 'the message'} {drift.what}. Markets that "
        "need it may read as unknown until the parser knows the new form.",
        as_of=as_of,
        subject=drift.subject,
        severity=Notice.Severity.WARNING,
    )
