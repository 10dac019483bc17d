"""What a crypto asset costs when several sources say so: the median of those that are fresh."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from markets.core.contracts import SpotConfig
from markets.core.series import Floats, Ints

Flags = NDArray[np.bool_]
BPS = 1e4
SOURCES = ("binance", "coinbase", "kraken", "venue")
"""What the settings may name: exchanges that are asked, and the venue's stream."""
# Two sources that contradict each other leave nobody to say which one is wrong.
OUTVOTING = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The newest price of one source; `age_s` seconds since it held there."""

    source: str
    price: float
    age_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A reading beside the consensus; `deviation_bps` is NaN where there is none to compare."""

    source: str
    price: float
    age_s: float
    fresh: bool
    deviation_bps: float
    outlier: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Consensus:
    """What the sources agree on.

    Attributes
    ----------
    price
        Dollars; None where there is no consensus, with the `reason` in words.
    readings
        Every source that ever spoke, fresh or not, in the order given.
    """

    asset: str
    price: float | None
    reason: str
    readings: tuple[Judged, ...]

    @property
    def used(self) -> tuple[str, ...]:
        """The sources that were counted."""
        return tuple(r.source for r in self.readings if r.fresh)

    @property
    def stale(self) -> tuple[Judged, ...]:
        """The sources left out because their price is too old, with its age."""
        return tuple(r for r in self.readings if not r.fresh)

    @property
    def outliers(self) -> tuple[Judged, ...]:
        """Fresh sources that are farther from the median than allowed."""
        return tuple(r for r in self.readings if r.outlier)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """`agree` for n questions and s sources.

    Attributes
    ----------
    price
        float64[n], dollars, NaN without a consensus.
    median
        float64[n], of the fresh sources, however few; NaN without any.
    fresh, outlier
        bool[n, s].
    deviation_bps
        float64[n, s], signed, against the median; NaN where the source is not fresh.
    """

    price: Floats
    median: Floats
    fresh: Flags
    outlier: Flags
    deviation_bps: Floats


def agree(prices: Floats, ages: Floats, *, config: SpotConfig) -> Agreement:
    """The median of the fresh sources of each row.

    Parameters
    ----------
    prices, ages
        float64[n, s], dollars and seconds; NaN where a source said nothing. A price that is not
        finite and positive is no price.

    Notes
    -----
    A median of three or more stays within the honest prices while fewer than half lie (Huber 1981,
    breakdown point). Fewer than `min_sources` fresh ones, or fewer than three that contradict each
    other beyond `max_deviation_bps`, give no consensus.
    """
    usable = np.isfinite(prices) & (prices > 0)
    fresh = usable & (ages <= config.stale_after_s)
    count = fresh.sum(axis=1)
    median = _median(np.where(fresh, prices, np.nan), count)
    # Prices so far apart that their ratio overflows deviate without bound, which is what inf says.
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        deviation = np.where(fresh, (prices / median[:, None] - 1) * BPS, np.nan)
        outlier = np.abs(deviation) > config.max_deviation_bps
    unsettled = (count < OUTVOTING) & outlier.any(axis=1)
    enough = (count >= max(config.min_sources, 1)) & ~unsettled
    return Agreement(
        price=np.where(enough, median, np.nan),
        median=median,
        fresh=fresh,
        outlier=outlier,
        deviation_bps=deviation,
    )


def _median(prices: Floats, count: Ints) -> Floats:
    """Row medians of what is not NaN: sorted, NaN comes last."""
    rows, sources = prices.shape
    if not sources:
        return np.full(rows, np.nan)
    ordered = np.sort(prices, axis=1)
    every = np.arange(rows)
    low = ordered[every, np.maximum(count - 1, 0) // 2]
    high = ordered[every, np.minimum(count // 2, sources - 1)]
    # Half of each, for a sum of two huge prices would overflow; never outside the two.
    return np.asarray(np.clip(low / 2 + high / 2, low, high), dtype=np.float64)


def consensus(asset: str, readings: Sequence[Reading], *, config: SpotConfig) -> Consensus:
    """What the sources of one asset agree on, and what became of each."""
    found = agree(
        np.array([[r.price for r in readings]], dtype=np.float64).reshape(1, -1),
        np.array([[r.age_s for r in readings]], dtype=np.float64).reshape(1, -1),
        config=config,
    )
    judged = tuple(
        Judged(
            source=r.source,
            price=r.price,
            age_s=r.age_s,
            fresh=bool(found.fresh[0, i]),
            deviation_bps=float(found.deviation_bps[0, i]),
            outlier=bool(found.outlier[0, i]),
        )
        for i, r in enumerate(readings)
    )
    price = float(found.price[0])
    known = bool(np.isfinite(price))
    return Consensus(
        asset=asset,
        price=price if known else None,
        reason="" if known else _why_none(judged, config),
        readings=judged,
    )


def _why_none(judged: Sequence[Judged], config: SpotConfig) -> str:
    fresh = [r for r in judged if r.fresh]
    if len(fresh) < config.min_sources:
        old = ", ".join(f"{r.source} {r.age_s:.0f} s" for r in judged if not r.fresh)
        stale = f"; too old: {old}" if old else ""
        return f"{len(fresh)} fresh sources of {config.min_sources} needed{stale}"
    widest = max((abs(r.deviation_bps) for r in fresh), default=0.0)
    names = " and ".join(r.source for r in fresh)
    return f"{names} are {2 * widest:.0f} bps apart, and no third source tells which is right"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticks:
    """Prices of one source of one asset, in order of `known_at`; float64[n] each, epoch seconds."""

    known_at: Floats
    held_at: Floats
    price: Floats


def as_known(ticks: Ticks, moments: Floats) -> tuple[Floats, Floats]:
    """The price of a source that was newest at each moment, and its age: float64[m] each.

    Only what was known by then counts. A late message about an older price changes nothing, and a
    source whose clock runs ahead is as old as its arrival.
    """
    newest = np.full(len(moments), np.nan)
    if not len(ticks.price):
        return newest, newest.copy()
    held = np.minimum(ticks.held_at, ticks.known_at)
    leader = _index_of_running_maximum(held)
    last = np.searchsorted(ticks.known_at, moments, side="right") - 1
    known = last >= 0
    which = leader[np.maximum(last, 0)]
    price = np.where(known, ticks.price[which], np.nan)
    age = np.where(known, moments - held[which], np.nan)
    return price, age


def _index_of_running_maximum(values: Floats) -> Ints:
    """For each place, the last index so far that holds the largest value so far."""
    reached = values >= np.maximum.accumulate(values)
    return np.maximum.accumulate(np.where(reached, np.arange(len(values)), 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotSeries:
    """Consensus over time of several assets.

    Attributes
    ----------
    moments
        float64[m], UTC epoch seconds, ascending, evenly spaced.
    price
        float64[a, m], dollars, as known at each moment; NaN without a consensus.
    """

    assets: tuple[str, ...]
    moments: Floats
    price: Floats


def consensus_over_time(sources: Sequence[Ticks], moments: Floats, *, config: SpotConfig) -> Floats:
    """The consensus of one asset at each moment, as it was known then: float64[m]."""
    if not sources:
        return np.full(len(moments), np.nan)
    pairs = [as_known(ticks, moments) for ticks in sources]
    prices = np.column_stack([price for price, _ in pairs])
    ages = np.column_stack([age for _, age in pairs])
    return agree(prices, ages, config=config).price


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingNow:
    """What holders of a perpetual pay each other next.

    Attributes
    ----------
    rate
        Fraction of notional per period; longs pay when positive.
    period_s
        Seconds between two payments.
    age_s
        Seconds since the rate held; the caller decides how old is too old.
    """

    rate: float
    period_s: int
    source: str
    age_s: float
