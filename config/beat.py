"""The timetable: what runs when, and why; and the scheduler that only a leader ticks."""

from datetime import datetime
from typing import Any

from django.utils import timezone
from django_celery_beat.schedulers import DatabaseScheduler

from config.kernel import heartbeats
from config.kernel.locks import LeaderLock


class LeaderScheduler(DatabaseScheduler):  # type: ignore[misc]
    """The database schedule, ticked only by the process that holds the leader lock.

    Two beats may run: the standby takes over within a second of the leader's death.
    """

    STANDBY_S = 1.0
    BEAT_PERIOD_S = 10

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.leader = LeaderLock("beat")
        self.last_beat_at: datetime | None = None
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """One look at the schedule, or a short wait in second place."""
        if not self.leader.held():
            return self.STANDBY_S
        now = timezone.now()
        if (
            self.last_beat_at is None
            or (now - self.last_beat_at).total_seconds() >= self.BEAT_PERIOD_S / 2
        ):
            self.last_beat_at = now
            heartbeats.beat("beat", period_s=self.BEAT_PERIOD_S, as_of=now)
        return float(super().tick(*args, **kwargs))
