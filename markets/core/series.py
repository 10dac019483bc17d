"""Price histories of many markets as flat arrays: what kernels read, live and in training."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteSeries:
    """Quotes of m markets, concatenated: market i owns `[starts[i], starts[i + 1])`.

    Those of one market are in order of `known_at`.

    Attributes
    ----------
    starts
        int64[m + 1], non-decreasing, `starts[0] == 0`.
    known_at
        float64, UTC epoch seconds at which we learned of the quote (`received_at`).
    price, bid, ask, bid_depth, ask_depth, volume_24h
        float64 of outcome 0; NaN where unknown. Depth in shares, volume in dollars.
    """

    starts: Ints
    known_at: Floats
    price: Floats
    bid: Floats
    ask: Floats
    bid_depth: Floats
    ask_depth: Floats
    volume_24h: Floats

    @property
    def markets(self) -> int:
        """How many markets the series holds."""
        return len(self.starts) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketFacts:
    """What is known of each of m markets apart from its quotes; NaN or "" where unknown.

    Times are UTC epoch seconds; `scheduled_end_at` only where an end was announced, no hindsight.
    `event` numbers the question groups; `exclusive`: the group's outcomes exclude each other.
    `reference_price` is for later: no feature reads it, because its distance needs the spot price.
    """

    market_id: Ints
    event: Ints
    category: tuple[str, ...]
    opens_at: Floats
    scheduled_end_at: Floats
    window_s: Floats
    epoch_start_at: Floats
    reference_price: Floats
    exclusive: NDArray[np.bool_]

    @property
    def markets(self) -> int:
        """How many markets are described."""
        return len(self.market_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshots:
    """Decision points: row r asks about market `market[r]`, an index as above, at `as_of[r]`."""

    market: Ints
    as_of: Floats

    @property
    def rows(self) -> int:
        """How many questions."""
        return len(self.market)
