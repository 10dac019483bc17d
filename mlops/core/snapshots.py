"""Decision points on the clock, never on the outcome.

Markets are asked at every full hour UTC, epochs at fixed times before their scheduled end; only a
price that was fresh at that instant counts, and only strictly before the close.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from markets.core.series import Floats, Ints, QuoteSeries

HOUR_S = 3600.0  # of the reported buckets
MARKET_HORIZONS = ("<1h", "1-6h", "6-24h", "1-7d", ">7d")
EPOCH_HORIZONS = ("14m", "10m", "5m", "2m", "1m", "30s")
TICKS_PER_S = 1e4
HORIZONS = MARKET_HORIZONS + EPOCH_HORIZONS
EPOCH_LEFT_S = np.array([840.0, 600.0, 300.0, 120.0, 60.0, 30.0])
MARKET_EDGES_S = np.array([1.0, 6.0, 24.0, 168.0]) * HOUR_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """What decides when a market is asked: row i describes market i of the series.

    `close_at` in UTC epoch seconds, `window_s` in seconds (NaN for other than epochs);
    `max_age_s`: an older price is no price. `quote_max_age_s` limits each quote of the series
    further, where its source would have spoken again sooner. `single_stamp` marks markets whose
    few logged prices are their only possible decision points.
    """

    close_at: Floats
    window_s: Floats
    max_age_s: Floats
    single_stamp: NDArray[np.bool_]
    quote_max_age_s: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """Decision points, sorted by market and time.

    Attributes
    ----------
    horizon
        int8, index into `HORIZONS`: the time left, known exactly only in hindsight (for reports).
    own_stamp
        Whether the instant is the price's own stamp instead of the clock's.
    """

    market: Ints
    as_of: Floats
    price: Floats
    horizon: NDArray[np.int8]
    own_stamp: NDArray[np.bool_]

    @property
    def rows(self) -> int:
        """How many decisions."""
        return len(self.market)

    def take(self, rows: NDArray[np.bool_] | Ints) -> "Decisions":
        """The given rows, in the given order."""
        return Decisions(
            market=self.market[rows],
            as_of=self.as_of[rows],
            price=self.price[rows],
            horizon=self.horizon[rows],
            own_stamp=self.own_stamp[rows],
        )


def decisions(series: QuoteSeries, clock: Clock, *, every_s: float) -> Decisions:
    """Every decision point at which a price in (0, 1), no older than allowed, was known.

    The price is the newest there was, as for live forecasts (`features.price_at`): a later quote
    without a price does not end it.

    Markets are asked at the multiples of `every_s`, epochs at `EPOCH_LEFT_S` before their end.
    """
    epoch = np.isfinite(clock.window_s)
    asked = np.diff(series.starts) > 0
    asked &= np.isfinite(clock.close_at)
    plain = np.flatnonzero(asked & ~epoch & ~clock.single_stamp)
    hours = _full_hours(series, plain, clock.close_at, every_s=every_s)
    marks = _marks(np.flatnonzero(asked & epoch & ~clock.single_stamp), clock)
    market = np.concatenate([hours[0], marks[0]])
    as_of = np.concatenate([hours[1], marks[1]])
    quote = _priced(series, market, latest(series, market, as_of))
    limit = clock.max_age_s[market]
    if clock.quote_max_age_s is not None and len(quote):
        limit = np.minimum(limit, clock.quote_max_age_s[quote])
    known = quote >= 0
    known[known] = (as_of - series.known_at[quote])[known] <= limit[known]
    own = _own_stamps(series, np.flatnonzero(asked & clock.single_stamp), clock.close_at)
    market = np.concatenate([market[known], own[0]])
    as_of = np.concatenate([as_of[known], series.known_at[own[1]]])
    price = series.price[np.concatenate([quote[known], own[1]])]
    found = Decisions(
        market=market,
        as_of=as_of,
        price=price,
        horizon=horizon_of(clock.close_at[market] - as_of, epoch=epoch[market]),
        own_stamp=clock.single_stamp[market],
    )
    usable = (price > 0) & (price < 1)
    found = found.take(usable)
    return found.take(np.lexsort((found.as_of, found.market)))


def latest(series: QuoteSeries, market: Ints, as_of: Floats) -> Ints:
    """Index of the newest quote known at each instant, -1 where there was none."""
    if not len(series.known_at):
        return np.full(len(market), -1)
    origin = min(series.known_at.min(), as_of.min(initial=np.inf))
    latest_at = max(series.known_at.max(), as_of.max(initial=-np.inf))
    # One sorted key for all markets: market × span + time, in ticks of 0.1 ms.
    span = np.int64((latest_at - origin) * TICKS_PER_S + 2)
    owner = np.repeat(np.arange(series.markets), np.diff(series.starts))
    keys = owner * span + np.rint((series.known_at - origin) * TICKS_PER_S).astype(np.int64)
    asked = market * span + np.rint((as_of - origin) * TICKS_PER_S).astype(np.int64)
    found = np.searchsorted(keys, asked, side="right") - 1
    early = found >= series.starts[market]
    found = np.where(early, found, -1)
    # Rounding may let in a quote of the same tick that is later by less than one: step back.
    while (late := (found >= 0) & (series.known_at[found] > as_of)).any():
        found[late] -= 1
        found[found < series.starts[market]] = -1
    return found


def _priced(series: QuoteSeries, market: Ints, quote: Ints) -> Ints:
    """The newest quote with a price up to each of these of its market, -1 where there is none."""
    if not len(series.price):
        return quote
    numbers = np.where(np.isnan(series.price), -1, np.arange(len(series.price)))
    found = np.maximum.accumulate(numbers)[quote]
    return np.where((quote >= 0) & (found >= series.starts[market]), found, -1)


def horizon_of(left_s: Floats, *, epoch: NDArray[np.bool_]) -> NDArray[np.int8]:
    """Index into `HORIZONS` of the time left; an epoch's is the nearest of its marks."""
    market = np.searchsorted(MARKET_EDGES_S, left_s, side="right")
    market[left_s == MARKET_EDGES_S[-1]] -= 1
    marks = np.abs(np.log(np.maximum(left_s, 1.0))[:, None] - np.log(EPOCH_LEFT_S)).argmin(axis=1)
    return np.where(epoch, len(MARKET_HORIZONS) + marks, market).astype(np.int8)


def _full_hours(
    series: QuoteSeries, market: Ints, close_at: Floats, *, every_s: float
) -> tuple[Ints, Floats]:
    first = np.ceil(series.known_at[series.starts[market]] / every_s)
    last = np.ceil(close_at[market] / every_s) - 1  # strictly before the close
    count = np.maximum(last - first + 1, 0).astype(np.int64)
    number = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return np.repeat(market, count), (np.repeat(first, count) + number) * every_s


def _marks(market: Ints, clock: Clock) -> tuple[Ints, Floats]:
    fits = EPOCH_LEFT_S[None, :] < clock.window_s[market][:, None]
    row, mark = np.nonzero(fits)
    return market[row], clock.close_at[market[row]] - EPOCH_LEFT_S[mark]


def _own_stamps(series: QuoteSeries, market: Ints, close_at: Floats) -> tuple[Ints, Ints]:
    # A price logged "before the start" is stamped with the start: it may equal the close.
    owner = np.repeat(np.arange(series.markets), np.diff(series.starts))
    mine = np.zeros(series.markets, dtype=bool)
    mine[market] = True
    quote = np.flatnonzero(mine[owner] & (series.known_at <= close_at[owner]))
    return owner[quote], quote
