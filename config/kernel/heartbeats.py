"""Record the heartbeats of components."""

from datetime import datetime

from config.kernel.models import Heartbeat


def beat(component: str, *, period_s: int, as_of: datetime, note: str = "") -> None:
    """Note that `component` is alive at `as_of`; the next beat is due in `period_s` seconds."""
    Heartbeat.objects.update_or_create(
        component=component, defaults={"beat_at": as_of, "period_s": period_s, "note": note[:200]}
    )
