"""How fast we may ask: a token bucket kept as one number a limit.

The generic cell rate algorithm (ITU-T I.371): instead of counting tokens, a bucket stores the
instant at which it would be full again. One number is easily shared by processes, and what a
caller reserves is his, so that no crowd wakes up at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass

WINDOW_S = 10.0
BURST_SHARE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """Requests per ten seconds that a service allows to the paths below `prefix`."""

    prefix: str
    requests: int

    def covers(self, path: str) -> bool:
        """Whether the path counts: whole segments decide, `/book` does not cover `/books`."""
        return not self.prefix or path == self.prefix or path.startswith(self.prefix + "/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Our part of a limit: `burst` requests at once, then `rate` a second."""

    rate: float
    burst: float


def pace(limit: Limit, *, share: float) -> Pace:
    """The pace that stays within `share` of a limit in every window of ten seconds.

    A bucket lets burst + rate × window pass within a window; both together are our share.

    >>> pace(Limit(prefix="/books", requests=500), share=0.25)
    Pace(rate=10.0, burst=25.0)
    """
    ours = limit.requests * share
    burst = max(1.0, ours * BURST_SHARE)
    return Pace(rate=max(ours - burst, ours / 2) / WINDOW_S, burst=burst)


def reserve(
    full_at: Mapping[str, float], paces: Mapping[str, Pace], *, now: float
) -> tuple[dict[str, float], float]:
    """Take one token of each bucket: the new `full_at` per key, and the seconds to wait first.

    `full_at` holds epoch seconds per key; a missing key is a full bucket.
    """
    taken, wait = {}, 0.0
    for key, p in paces.items():
        taken[key] = max(full_at.get(key, 0.0), now) + 1 / p.rate
        wait = max(wait, taken[key] - p.burst / p.rate - now)
    return taken, wait


def pause(
    full_at: Mapping[str, float], paces: Mapping[str, Pace], *, now: float, seconds: float
) -> dict[str, float]:
    """Empty the buckets so far that nobody asks within `seconds`."""
    return {
        key: max(full_at.get(key, 0.0), now + seconds + (p.burst - 1) / p.rate)
        for key, p in paces.items()
    }


def used(full_at: float, p: Pace, *, now: float) -> float:
    """How much of the burst is taken: 0 = idle, 1 = exhausted, more = callers wait.

    >>> used(100.0, Pace(rate=10.0, burst=20.0), now=99.0)
    0.5
    """
    return max(0.0, full_at - now) * p.rate / p.burst
