"""Price histories of many markets as flat arrays: what kernels read, live and in training."""

from dataclasses import dataclass
from typing import Self

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
    `reference_price` is the strike of an up/down market where it was told; else it is the spot
    price at `epoch_start_at`.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeSeries:
    """Public trades of m markets, concatenated and ordered like `QuoteSeries`.

    Attributes
    ----------
    price
        float64 of outcome 0, whichever token was traded.
    shares
        float64, > 0.
    taker
        +1: the taker took outcome 0 (bought it, or sold outcome 1); -1: the other; NaN unknown.
    """

    starts: Ints
    known_at: Floats
    price: Floats
    shares: Floats
    taker: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class BookSeries:
    """Whole books of m markets, concatenated and ordered like `QuoteSeries`.

    `bids` and `asks` are float64[n, 5, 2], best first: price and shares; NaN beyond the last level.
    """

    starts: Ints
    known_at: Floats
    bids: Floats
    asks: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class NewsSeries:
    """Linked news of m markets; `known_at` is when it was received, read and linked.

    `sentiment` in [-1, 1], NaN where no backend has read it.
    """

    starts: Ints
    known_at: Floats
    published_at: Floats
    sentiment: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class MoodSeries:
    """What two cohorts of wallets felt, each in [-1, 1] towards outcome 0; NaN = nothing said."""

    starts: Ints
    known_at: Floats
    skilled: Floats
    whales: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotPaths:
    """Spot prices of assets: asset a owns `[starts[a], starts[a + 1])`, in order of `known_at`."""

    assets: tuple[str, ...]
    starts: Ints
    known_at: Floats
    price: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What surrounds m markets apart from their quotes and facts; any part may be empty.

    Attributes
    ----------
    asset
        int64[m], index into `spot.assets`; -1 where the market follows no asset.
    wording
        float32[m, k], the fixed projection of the question's letters (`markets.core.wording`);
        k = 0 where nobody projected them.
    """

    trades: TradeSeries
    books: BookSeries
    news: NewsSeries
    moods: MoodSeries
    spot: SpotPaths
    asset: Ints
    wording: NDArray[np.float32]

    @classmethod
    def nothing(cls, markets: int) -> Self:
        """The context of markets of which only quotes and facts are known."""
        starts, none = np.zeros(markets + 1, dtype=np.int64), np.empty(0)
        levels = np.empty((0, 5, 2))
        return cls(
            trades=TradeSeries(starts=starts, known_at=none, price=none, shares=none, taker=none),
            books=BookSeries(starts=starts, known_at=none, bids=levels, asks=levels),
            news=NewsSeries(starts=starts, known_at=none, published_at=none, sentiment=none),
            moods=MoodSeries(starts=starts, known_at=none, skilled=none, whales=none),
            spot=SpotPaths(
                assets=(), starts=np.zeros(1, dtype=np.int64), known_at=none, price=none
            ),
            asset=np.full(markets, -1, dtype=np.int64),
            wording=np.empty((markets, 0), dtype=np.float32),
        )
