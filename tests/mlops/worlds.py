"""Small synthetic histories with a known truth."""

from functools import cache

import numpy as np
import polars as pl

from markets import history
from markets.core.series import Floats, QuoteSeries
from markets.history import History

START = 1_700_000_000.0 // 3600 * 3600
HOUR = 3600.0
TIMES = ("opens_at", "scheduled_end_at", "close_at", "label_known_at")


@cache
def world(
    *,
    events: int = 300,
    hours: int = 6,
    slope: float = 1.0,
    seed: int = 1,
    strength: str = "official",
    apart_s: float = 4 * HOUR,
    leak: bool = False,
    category: str = "sports",
) -> History:
    """One market an event, quoted every half hour for `hours`.

    The market is underconfident by `slope`: the true log odds are `slope` × those of the price.
    With `leak`, the spread tells the answer. Made once for the same knobs: change nothing in it.
    """
    rng = np.random.default_rng(seed)
    opened = START + np.arange(events) * apart_s
    closed = opened + hours * HOUR
    odds = rng.normal(0, 1.2, events)
    truth = 1 / (1 + np.exp(-slope * odds))
    payout = (rng.random(events) < truth).astype(float)
    each = 2 * hours
    steps = rng.normal(0, 0.02, (events, each)).cumsum(axis=1)
    price = 1 / (1 + np.exp(-(odds[:, None] + steps)))
    half = np.full_like(price, 0.01)
    if leak:
        half = np.where(payout[:, None] > 0, 0.004, 0.008) * np.ones_like(price)
    known = opened[:, None] + np.arange(each) * HOUR / 2
    blank = np.full(events * each, np.nan)
    markets = _markets(opened, closed, payout, strength=strength, category=category)
    series = QuoteSeries(
        starts=np.arange(events + 1, dtype=np.int64) * each,
        known_at=known.ravel(),
        price=price.ravel(),
        bid=(price - half).ravel(),
        ask=(price + half).ravel(),
        bid_depth=blank,
        ask_depth=blank,
        volume_24h=blank,
    )
    return History(markets=markets, facts=history.facts(markets), series=series, digest="test")


def _markets(
    opened: Floats, closed: Floats, payout: Floats, *, strength: str, category: str
) -> pl.DataFrame:
    events = len(opened)
    return pl.DataFrame(
        {
            "market_key": [f"m{i}" for i in range(events)],
            "venue": "test",
            "dataset": "made_up",
            "event_key": [f"e{i:05d}" for i in range(events)],
            "question": "Will it?",
            "category": category,
            "opens_at": opened,
            "scheduled_end_at": closed,
            "close_at": closed,
            "close_is_scheduled": True,
            "payout": payout,
            "label_strength": strength,
            "label_known_at": closed + 600,
            "asset": pl.Series([None] * events, dtype=pl.String),
            "window_s": pl.Series([None] * events, dtype=pl.Float64),
            "epoch_start_at": pl.Series([None] * events, dtype=pl.Float64),
            "reference_price": pl.Series([None] * events, dtype=pl.Float64),
            "single_stamp": False,
            "exclusive": False,
            "slug": "",
            "hindsight": False,
        }
    )
