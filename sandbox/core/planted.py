"""Simulated markets whose true probabilities are known, with one inefficiency planted in the price.

The outcome is the sign of a Brownian motion at the scheduled end, so that the true probability at
any moment, Φ(w / √(time left)), is exactly what a perfect forecaster would say. Prices follow it,
except where a `World` plants something: then following the true probability would gain 3 to 8 % of
the price's log loss in the affected slice (asserted by the tests).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DOMAINS: Final = ("politics", "sports", "culture", "finance")
WORLDS: Final = ("fair", "compressed", "longshot", "stale", "lagging")
START: Final = 1_700_000_000 // 3600 * 3600
HOUR: Final = 3600
LIFE_H: Final = 12
APART_S: Final = 2 * HOUR
STEP_S: Final = 600
HALF_SPREAD: Final = 0.001
NEAREST: Final = 0.002

COMPRESSED: Final = "politics"
COMPRESSION: Final = 0.66
LONGSHOT_FROM: Final = 1.4  # log odds beyond which the price is drawn towards even
LONGSHOT_SLOPE: Final = 0.55
THIN: Final = "culture"
STALE_H: Final = 2  # a thin book is renewed so seldom, while trades print at the true price
WINDOW_S: Final = 900
SPOT_STEP_S: Final = 5
LAG_S: Final = 25
VOLATILITY: Final = 0.6 / np.sqrt(365 * 86_400.0)  # of log spot, per √second
SPOT: Final = 60_000.0
ASSET: Final = "BTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """n markets at t moments each.

    Attributes
    ----------
    at
        int64[n, t], epoch seconds, rising along a row.
    price, truth
        float64[n, t], what the market says and the probability that it is about.
    last
        float64[n, t], price of the newest public trade; NaN where none printed at that moment.
    domain
        Per market an index into `DOMAINS`; -1 for up/down epochs.
    affected
        bool[n, t], where the price is wrong on purpose.
    won
        bool[n], whether outcome 0 came true.
    spot_at, spot
        Moments and prices of the asset that up/down epochs follow; empty elsewhere.
    reference
        float64[n], the spot price at the start of the epoch; NaN elsewhere.
    """

    at: Ints
    price: Floats
    truth: Floats
    last: Floats
    domain: Ints
    affected: NDArray[np.bool_]
    won: NDArray[np.bool_]
    spot_at: Ints
    spot: Floats
    reference: Floats


def paths(world: str, *, events: int, seed: int) -> Paths:
    """The markets of one world; the same seed gives the same markets. Raises `KeyError`."""
    rng = np.random.Generator(np.random.PCG64([WORLDS.index(world), seed]))
    return _epochs(events, rng) if world == "lagging" else _markets(world, events, rng)


def _markets(world: str, events: int, rng: np.random.Generator) -> Paths:
    steps = LIFE_H * HOUR // STEP_S
    opened = START + np.arange(events) * APART_S
    left = 1.0 - np.arange(steps) / steps
    begun = rng.normal(0.0, 1.0, (events, 1))
    walk = rng.normal(0.0, np.sqrt(1 / steps), (events, steps)).cumsum(axis=1)
    w = np.concatenate([begun, begun + walk], axis=1)
    truth = ndtr(w[:, :-1] / np.sqrt(left))
    domain = rng.integers(0, len(DOMAINS), events)
    odds, affected = _odds(truth), np.zeros(truth.shape, dtype=bool)
    last = np.full(truth.shape, np.nan)
    if world == "compressed":
        affected[domain == DOMAINS.index(COMPRESSED)] = True
        odds = np.where(affected, COMPRESSION * odds, odds)
    elif world == "longshot":
        affected = np.abs(odds) > LONGSHOT_FROM
        beyond = LONGSHOT_FROM + LONGSHOT_SLOPE * (np.abs(odds) - LONGSHOT_FROM)
        odds = np.where(affected, np.sign(odds) * beyond, odds)
    elif world == "stale":
        affected[domain == DOMAINS.index(THIN)] = True
        hold = STALE_H * HOUR // STEP_S
        renewed = np.arange(steps) - (np.arange(steps) + rng.integers(0, hold, (events, 1))) % hold
        old = np.take_along_axis(odds, np.maximum(renewed, 0), axis=1)
        odds = np.where(affected, old, odds)
        printed = rng.random(truth.shape) < 0.7
        last = np.where(printed, np.clip(truth, NEAREST, 1 - NEAREST), np.nan)
    return Paths(
        at=opened[:, None] + np.arange(steps) * STEP_S,
        price=_priced(odds),
        truth=truth,
        last=last,
        domain=domain,
        affected=affected,
        won=w[:, -1] > 0,
        spot_at=np.empty(0, dtype=np.int64),
        spot=np.empty(0),
        reference=np.full(events, np.nan),
    )


def _epochs(events: int, rng: np.random.Generator) -> Paths:
    """Up/down windows one after the other, priced from the spot of `LAG_S` ago."""
    per = WINDOW_S // SPOT_STEP_S
    moves = rng.normal(0.0, VOLATILITY * np.sqrt(SPOT_STEP_S), events * per + per)
    spot_at = START - WINDOW_S + np.arange(len(moves) + 1, dtype=np.int64) * SPOT_STEP_S
    log_spot = np.log(SPOT) + np.concatenate([[0.0], moves.cumsum()])
    first = per * (1 + np.arange(events))
    offsets = np.arange(0, per, 2)
    index = first[:, None] + offsets
    left = np.sqrt((per - offsets) * SPOT_STEP_S) * VOLATILITY
    truth = ndtr((log_spot[index] - log_spot[first][:, None]) / left)
    # The market reads an older spot price, but never one from before the window began.
    seen = np.maximum(index - LAG_S // SPOT_STEP_S, first[:, None])
    lagged = ndtr((log_spot[seen] - log_spot[first][:, None]) / left)
    return Paths(
        at=START + np.arange(events)[:, None] * WINDOW_S + offsets * SPOT_STEP_S,
        price=_priced(_odds(lagged)),
        truth=truth,
        last=np.full(truth.shape, np.nan),
        domain=np.full(events, -1),
        affected=np.ones(truth.shape, dtype=bool),
        won=log_spot[first + per] >= log_spot[first],
        spot_at=spot_at,
        spot=np.exp(log_spot),
        reference=np.exp(log_spot[first]),
    )


def _odds(p: Floats) -> Floats:
    clipped = np.clip(p, 1e-6, 1 - 1e-6)
    return np.log(clipped) - np.log1p(-clipped)


def _priced(odds: Floats) -> Floats:
    """Probabilities on a grid of 0.001 that leaves room for a book."""
    return np.clip(
        np.round(1 / (1 + np.exp(-odds)), 3), NEAREST + HALF_SPREAD, 1 - NEAREST - HALF_SPREAD
    )
