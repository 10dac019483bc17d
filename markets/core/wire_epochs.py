"""Crypto up/down markets: which asset, which window, from when to when, decided on which price."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import chain
from zoneinfo import ZoneInfo

from markets.core.wire_gamma import MarketRow

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
HOUR, FOUR_HOURS, DAY = 3600, 14_400, 86_400
NEW_YORK = ZoneInfo("America/New_York")
NOON = time(12)
WINDOW = re.compile(r"(\d{1,3})([smhd])")
BY_EPOCH = re.compile(r"([a-z0-9]{2,12})-updown-(\d{1,3}[smhd])-(\d{9,11})")
BY_CLOCK = re.compile(
    r"([a-z0-9]{2,12})-up-or-down-(on-)?([a-z]+)-(\d{1,2})(?:-(\d{4}))?(?:-(\d{1,2})([ap]m)-et)?"
)
TWAP_SOURCE = re.compile(r"-twap-(\d{1,4})s-")
MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
LONG_NAMES = {"btc": "bitcoin", "eth": "ethereum", "sol": "solana", "doge": "dogecoin"}
SHORT_NAMES = {name: asset for asset, name in LONG_NAMES.items()}
FIRST_YEAR_NAMED = 2026
"""Until then the slugs of hours and days left the year out."""
TWAP_SINCE = datetime(2026, 8, 7, tzinfo=UTC)
TWAP_60_SINCE = datetime(2026, 8, 14, tzinfo=UTC)
LONGEST_TWAP_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """The window that an up/down market is about.

    `window_s` is its nominal length in seconds; a day on which clocks change is an hour off.
    """

    asset: str
    window_s: int
    starts_at: datetime
    ends_at: datetime


def seconds_of(window: str) -> int | None:
    """Length of a window named like 5m, 4h or 1d; None for any other text.

    >>> seconds_of("15m")
    900
    """
    found = WINDOW.fullmatch(window)
    return int(found[1]) * UNITS[found[2]] or None if found else None


def of_market(row: MarketRow) -> Epoch | None:
    """The window of a market: what its settings and times say, then its slug; None = no up/down."""
    try:
        return _of_market(row)
    except OverflowError:  # a time at the edge of the calendar
        return None


def _of_market(row: MarketRow) -> Epoch | None:
    named = from_slug(row.slug, ends_at=row.end_date)
    config = row.crypto_market_config
    asset = (config.asset.lower() if config else "") or (named.asset if named else "")
    told = seconds_of(config.duration.lower()) if config else None
    window_s = told or (named.window_s if named else None)
    if not asset or window_s is None or window_s > DAY:
        return None
    starts_at = row.event_start_time or (named.starts_at if named else None)
    if starts_at is None and row.end_date is not None:
        starts_at = row.end_date - timedelta(seconds=window_s)
    if starts_at is None:
        return None
    ends_at = starts_at + timedelta(seconds=window_s)
    if row.end_date is not None and row.end_date > starts_at:
        ends_at = row.end_date
    elif named is not None and named.starts_at == starts_at:
        ends_at = named.ends_at
    return Epoch(asset=asset[:12], window_s=window_s, starts_at=starts_at, ends_at=ends_at)


def from_slug(slug: str, *, ends_at: datetime | None) -> Epoch | None:
    """The epoch a market slug names, or None for any other market.

    Windows of minutes carry their start as epoch seconds; hours and days a wall clock in New York,
    whose year `ends_at` tells where the slug does not (None where neither does).
    """
    if found := BY_EPOCH.fullmatch(slug):
        window_s = seconds_of(found[2])
        if window_s is None:
            return None
        starts_at = datetime.fromtimestamp(int(found[3]), UTC)
        ends_at = starts_at + timedelta(seconds=window_s)
        return Epoch(asset=found[1], window_s=window_s, starts_at=starts_at, ends_at=ends_at)
    clock = BY_CLOCK.fullmatch(slug)
    if clock is None or clock[3] not in MONTHS or bool(clock[2]) == bool(clock[6]):
        return None
    year = int(clock[5]) if clock[5] else ends_at.astimezone(NEW_YORK).year if ends_at else None
    try:
        day = date(year or 0, MONTHS.index(clock[3]) + 1, int(clock[4]))
    except ValueError:
        return None
    return _by_clock(SHORT_NAMES.get(clock[1], clock[1]), day, clock[6], clock[7], ends_at=ends_at)


def _by_clock(
    asset: str, day: date, hour: str | None, half: str | None, *, ends_at: datetime | None
) -> Epoch | None:
    if hour is None:
        # The day ends at noon of the date that names it, and began at noon of the day before.
        end = datetime.combine(day, NOON, NEW_YORK).astimezone(UTC)
        start = datetime.combine(day - timedelta(days=1), NOON, NEW_YORK).astimezone(UTC)
        return Epoch(asset=asset, window_s=DAY, starts_at=start, ends_at=end)
    if not 1 <= int(hour) <= 12:
        return None
    clock = time(int(hour) % 12 + (12 if half == "pm" else 0))
    start = datetime.combine(day, clock, NEW_YORK).astimezone(UTC)
    hour_long = timedelta(hours=1)
    if ends_at is not None and ends_at - start == 2 * hour_long:
        # When clocks go back one hour of the night has its name twice: the end says which.
        start += hour_long
    return Epoch(asset=asset, window_s=HOUR, starts_at=start, ends_at=start + hour_long)


def slugs(asset: str, window: str, *, since: datetime, until: datetime) -> tuple[str, ...]:
    """Slugs of the windows of one series that overlap [since, until); `window` like 5m, 1h or 1d.

    Minutes are aligned to whole multiples in UTC; hours and days are named by the wall clock in New
    York. Windows of four hours follow that clock too, though the venue has named them by whole
    multiples in UTC as well: in winter both are given. Nothing for an unknown window.
    """
    length = seconds_of(window)
    if length is None or until <= since:
        return ()
    if length == HOUR:
        return _hourly(asset, since, until)
    if length == DAY:
        return _daily(asset, since, until)
    starts = set(_aligned(length, since, until))
    if length == FOUR_HOURS:
        starts |= set(_by_wall_clock(since, until))
    return tuple(f"{asset}-updown-{window}-{start}" for start in sorted(starts))


def _aligned(length: int, since: datetime, until: datetime) -> range:
    return range(int(since.timestamp()) // length * length, int(until.timestamp()), length)


def _by_wall_clock(since: datetime, until: datetime) -> list[int]:
    first, last = _date_in_new_york(since), _date_in_new_york(until)
    days = (first + timedelta(days=n) for n in range(-1, (last - first).days + 2))
    grid = chain.from_iterable(
        (datetime.combine(day, time(hour), NEW_YORK).timestamp() for hour in range(0, 24, 4))
        for day in days
    )
    starts = [int(start) for start in grid]
    ends = starts[1:]
    return [
        start
        for start, end in zip(starts, ends, strict=False)
        if end > since.timestamp() and start < until.timestamp()
    ]


def _hourly(asset: str, since: datetime, until: datetime) -> tuple[str, ...]:
    starts = (datetime.fromtimestamp(at, NEW_YORK) for at in _aligned(HOUR, since, until))
    named = (
        f"{_dated(asset, at.date())}-{at.hour % 12 or 12}{'ap'[at.hour // 12]}m" for at in starts
    )
    return tuple(dict.fromkeys(f"{name}-et" for name in named))


def _daily(asset: str, since: datetime, until: datetime) -> tuple[str, ...]:
    first = _date_in_new_york(since)
    days = (first + timedelta(days=n) for n in range((until - since).days + 3))
    return tuple(
        _dated(asset, day, on="on-")
        for day in days
        if datetime.combine(day, NOON, NEW_YORK) > since
        and datetime.combine(day - timedelta(days=1), NOON, NEW_YORK) < until
    )


def _dated(asset: str, day: date, *, on: str = "") -> str:
    year = f"-{day.year}" if day.year >= FIRST_YEAR_NAMED else ""
    return f"{LONG_NAMES.get(asset, asset)}-up-or-down-{on}{MONTHS[day.month - 1]}-{day.day}{year}"


def _date_in_new_york(at: datetime) -> date:
    return at.astimezone(NEW_YORK).date()


def twap_s(row: MarketRow, epoch: Epoch) -> int | None:
    """Seconds of the mean price that decides the window; 0 = a spot price, None = unknown.

    The market's own settings count, then its source; else the rule that held at its start: hours
    and days are decided on an exchange's candles, the shorter ones on a mean since 2026-08-07.
    """
    config = row.crypto_market_config
    if config is not None and config.twap_enabled is False:
        return 0
    told = config.twap_lookback_seconds if config else None
    if told is not None and 0 < told <= LONGEST_TWAP_S:
        return told
    if found := TWAP_SOURCE.search(row.resolution_source or ""):
        return int(found[1])
    if epoch.window_s in (HOUR, DAY) or epoch.starts_at < TWAP_SINCE:
        return 0
    if epoch.window_s == 5 * 60 and epoch.starts_at < TWAP_60_SINCE:
        return 30
    return 60 if epoch.window_s in (5 * 60, 15 * 60, FOUR_HOURS) else None
