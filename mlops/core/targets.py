"""What a price horizon's experts learn: the price some time ahead, as a signed target.

The target is the later price itself. Against an offset of today's price its residual is the move:
above zero exactly where the price rose, so an expert that says "up" adds to the market's log odds.
"""

import numpy as np

from markets.core.series import Floats, Ints, QuoteSeries
from mlops.core.snapshots import TICKS_PER_S


def target(later: Floats) -> Floats:
    """The label y of a price horizon: the later price, in [0, 1]; NaN where none was known."""
    return np.asarray(later, dtype=np.float64)


def move(y: Floats, price: Floats) -> Floats:
    """How far the price moved until the horizon, signed: above zero where it rose."""
    return y - price


def first_price(
    series: QuoteSeries, market: Ints, since: Floats, *, until: Floats
) -> tuple[Floats, Floats]:
    """The first price known in `[since, until]`, and when: both NaN where there is none.

    Parameters
    ----------
    market
        int64[n], index into the series.
    since, until
        float64[n], UTC epoch seconds; pass `until` strictly before a close by `before`.
    """
    nothing = np.full(len(market), np.nan)
    if not len(series.known_at) or not len(market):
        return nothing, nothing.copy()
    priced = np.flatnonzero(np.isfinite(series.price))
    known, owner = series.known_at[priced], _owners(series)[priced]
    if not len(priced):
        return nothing, nothing.copy()
    origin = min(float(known.min()), float(since.min()))
    span = np.int64((max(float(known.max()), float(since.max())) - origin) * TICKS_PER_S + 2)
    keys = owner * span + np.rint((known - origin) * TICKS_PER_S).astype(np.int64)
    asked = market * span + np.rint((since - origin) * TICKS_PER_S).astype(np.int64)
    at = np.searchsorted(keys, asked, side="left")
    safe = np.minimum(at, len(priced) - 1)
    # Rounding may find a quote of the same tick that was known a little too early.
    early = (at < len(priced)) & (owner[safe] == market) & (known[safe] < since)
    safe = np.minimum(safe + early, len(priced) - 1)
    good = (at < len(priced)) & (owner[safe] == market)
    good &= (known[safe] >= since) & (known[safe] <= until)
    price = np.where(good, series.price[priced][safe], np.nan)
    return price, np.where(good, known[safe], np.nan)


def before(close_at: Floats) -> Floats:
    """The last instant before a close: nothing that is known at the close is a price ahead."""
    return np.nextafter(close_at, -np.inf)


def _owners(series: QuoteSeries) -> Ints:
    return np.repeat(np.arange(series.markets), np.diff(series.starts))
