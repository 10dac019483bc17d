"""Crypto up/down markets: which asset, which window, from when to when."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
BY_EPOCH = re.compile(r"([a-z0-9]{2,12})-updown-(\d{1,3})([smh])-(\d{9,11})")
BY_CLOCK = re.compile(
    r"([a-z0-9]{2,12})-up-or-down-(on-)?[a-z]+-\d{1,2}(-\d{4})?(-\d{1,2}[ap]m-et)?"
)
SHORT_NAMES = {
    "bitcoin": "btc",
    "ethereum": "eth",
    "solana": "sol",
    "dogecoin": "doge",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """The window that an up/down market is about; `window_s` in seconds."""

    asset: str
    window_s: int
    starts_at: datetime

    @property
    def ends_at(self) -> datetime:
        """When the closing price is taken."""
        return self.starts_at + timedelta(seconds=self.window_s)


def from_slug(slug: str, *, ends_at: datetime | None) -> Epoch | None:
    """The epoch a market slug names, or None for any other market.

    Windows of minutes carry their start as epoch seconds. Hourly and daily slugs carry a wall clock
    in New York, so their start is the announced end minus the window (None without an end).
    """
    if found := BY_EPOCH.fullmatch(slug):
        asset, count, unit, start = found.groups()
        window_s = int(count) * UNITS[unit]
        return Epoch(
            asset=asset, window_s=window_s, starts_at=datetime.fromtimestamp(int(start), UTC)
        )
    found = BY_CLOCK.fullmatch(slug)
    if found is None or ends_at is None:
        return None
    name, daily, _year, hour = found.groups()
    if bool(daily) == bool(hour):
        return None
    window_s = UNITS["d"] if daily else UNITS["h"]
    return Epoch(
        asset=SHORT_NAMES.get(name, name),
        window_s=window_s,
        starts_at=ends_at - timedelta(seconds=window_s),
    )


def slugs(asset: str, window: str, *, since: datetime, until: datetime) -> tuple[str, ...]:
    """Slugs of the windows of one series that overlap [since, until); `window` like 5m, 15m or 4h.

    Windows are aligned to whole multiples of their length in UTC.
    """
    length = int(window[:-1]) * UNITS[window[-1]]
    first = int(since.timestamp()) // length * length
    return tuple(
        f"{asset}-updown-{window}-{start}" for start in range(first, int(until.timestamp()), length)
    )
