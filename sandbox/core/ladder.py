"""The order book that the world shows around its quoted mid."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sandbox.core import chance
from sandbox.core.chance import Floats
from sandbox.core.world import Happening

DEPTH = 6
REFRESH_S = 5  # sizes change this often
FINE_BEYOND = 0.96  # the venue's tick narrows near the edges
FINE_TICK = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """Levels of outcome 0, best first: (price in whole ticks, shares)."""

    tick: float
    bids: tuple[tuple[int, float], ...]
    asks: tuple[tuple[int, float], ...]

    def best(self) -> tuple[float, float]:
        """Best bid and ask, dollars; NaN where a side is empty."""
        bid = self.bids[0][0] * self.tick if self.bids else float("nan")
        ask = self.asks[0][0] * self.tick if self.asks else float("nan")
        return bid, ask

    def mirrored(self) -> "Ladder":
        """The same book seen from outcome 1: its bids are 1 − our asks."""
        top = round(1 / self.tick)
        return Ladder(
            tick=self.tick,
            bids=tuple((top - price, shares) for price, shares in self.asks),
            asks=tuple((top - price, shares) for price, shares in self.bids),
        )


def tick_size(happening: Happening, child: int, second: int) -> float:
    """0.01 between the edges, 0.001 beyond 0.96 and below 0.04."""
    at = happening.at(second)
    return float(_ticks(happening.mid[child, at : at + 1])[0])


def tick_changes(happening: Happening, child: int) -> list[int]:
    """The seconds at which the tick of one market changes, in order."""
    ticks = _ticks(happening.mid[child])
    changed = np.flatnonzero(ticks[1:] != ticks[:-1]) + 1
    return [happening.opens_at + int(at) for at in changed]


def best_paths(happening: Happening) -> tuple[Floats, Floats]:
    """Best bid and ask, float64[markets, seconds], dollars; NaN where that side is empty."""
    tick, bid, ask = _best(happening.mid, happening.family.half_spread)
    return (
        np.where(bid > 0, bid * tick, np.nan),
        np.where(ask < np.round(1 / tick), ask * tick, np.nan),
    )


def _ticks(mid: Floats) -> Floats:
    fine = (mid > FINE_BEYOND) | (mid < 1 - FINE_BEYOND)
    return np.where(fine, 0.001, 0.01)


def _best(mid: Floats, half_spread: float) -> tuple[Floats, Floats, Floats]:
    """Tick, and best bid and ask in whole ticks; spreads narrow with the tick."""
    tick = _ticks(mid)
    half = np.where(tick < FINE_TICK, half_spread / 4, half_spread)
    return tick, np.floor((mid - half) / tick), np.ceil((mid + half) / tick)


def best_shares(happening: Happening, child: int, seconds: NDArray[np.int64]) -> Floats:
    """Shares at the best bid and at the best ask, float64[2, seconds]."""
    number = happening.market_number(child)
    first = np.array([[0], [DEPTH]])
    luck = chance.normal(happening.seed, 8, number, seconds[None, :] // REFRESH_S, first)
    return np.asarray(np.round(happening.family.shares * np.exp(0.5 * luck), 2), dtype=np.float64)


def ladder(happening: Happening, child: int, second: int) -> Ladder:
    """Bids and asks at `second`; the best prices lie a half spread or more from the mid."""
    family, at = happening.family, happening.at(second)
    ticks, bid, ask = _best(happening.mid[child, at : at + 1], family.half_spread)
    tick, best_bid, best_ask = float(ticks[0]), int(bid[0]), int(ask[0])
    top = round(1 / tick)
    number = happening.market_number(child)
    luck = chance.normal(
        happening.seed, 8, number, second // REFRESH_S, np.arange(2 * DEPTH)
    ).reshape(2, DEPTH)
    sizes = np.round(family.shares * (1 + np.arange(DEPTH) / 2) * np.exp(0.5 * luck), 2)
    bids = [(best_bid - i, float(sizes[0, i])) for i in range(DEPTH) if best_bid - i > 0]
    asks = [(best_ask + i, float(sizes[1, i])) for i in range(DEPTH) if best_ask + i < top]
    return Ladder(tick=tick, bids=tuple(bids), asks=tuple(asks))
