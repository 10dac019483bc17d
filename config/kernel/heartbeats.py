"""Record and read the heartbeats of components."""

from datetime import datetime

from config.kernel.models import Heartbeat


def beat(component: str, *, period_s: int, as_of: datetime, note: str = "") -> None:
    """Note that `component` is alive at `as_of`; the next beat is due in `period_s` seconds."""
    Heartbeat.objects.update_or_create(
        component=component, defaults={"beat_at": as_of, "period_s": period_s, "note": note[:200]}
    )


def stale(*, as_of: datetime) -> list[Heartbeat]:
    """Components whose last beat is older than three periods."""
    return [h for h in Heartbeat.objects.order_by("component") if h.is_stale(as_of=as_of)]
