"""Note what ingestion saw and a person may want to know, once; `risk.watch` makes it heard."""

from datetime import datetime

import structlog

from markets.models import Notice

log = structlog.get_logger()


def note(
    kind: Notice.Kind,
    key: str,
    text: str,
    *,
    as_of: datetime,
    subject: str = "",
    severity: Notice.Severity = Notice.Severity.INFO,
    market_id: int | None = None,
    observed_at: datetime | None = None,
) -> bool:
    """Note a happening under its key, seen at `as_of`; False where it is noted already.

    `key` names the happening, not the telling: whoever sees the same again derives the same key.
    """
    full_key = f"{kind}:{key}"[:200]
    row = Notice(
        key=full_key,
        kind=kind,
        severity=severity,
        subject=subject[:200],
        text=text[:600],
        market_id=market_id,
        observed_at=observed_at or as_of,
        received_at=as_of,
    )
    if Notice.objects.filter(key=full_key).exists():
        return False
    # A second writer of the same key loses without an error.
    Notice.objects.bulk_create([row], ignore_conflicts=True)
    log.info("notice.noted", kind=str(kind), subject=subject, key=full_key)
    return True
