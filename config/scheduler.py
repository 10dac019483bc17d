"""The scheduler that only a leader ticks, so that two beats may run."""

from datetime import datetime
from typing import Any

from django.utils import timezone
from django_celery_beat.schedulers import DatabaseScheduler

from config.beat import follow_settings
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
        self.leading = False
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """One look at the schedule, or a short wait in second place."""
        if not self.leader.held():
            self.leading = False
            return self.STANDBY_S
        if not self.leading:
            self._take_over()
        now = timezone.now()
        if (
            self.last_beat_at is None
            or (now - self.last_beat_at).total_seconds() >= self.BEAT_PERIOD_S / 2
        ):
            self.last_beat_at = now
            heartbeats.beat("beat", period_s=self.BEAT_PERIOD_S, as_of=now)
            follow_settings()
        return float(super().tick(*args, **kwargs))

    def reserve(self, entry: Any) -> Any:
        """Note the run in the row before the message goes: a leader that dies doubles nothing."""
        reserved = super().reserve(entry)
        # The base class forgets to keep it; a heap built anew would then run the slot again.
        self._schedule[reserved.name] = reserved
        self.sync()
        return reserved

    def _take_over(self) -> None:
        """Read the rows anew: what the dead leader sent must not be sent again."""
        self.leading = True
        self._initial_read = True
        self._heap = None
