"""Random contexts for tests: irregular times, unknown sides, thin books, silent markets."""

from dataclasses import fields, replace

import numpy as np

from markets.core import lookback
from markets.core.series import (
    BookSeries,
    Context,
    MarketFacts,
    MoodSeries,
    NewsSeries,
    QuoteSeries,
    Snapshots,
    SpotPaths,
    TradeSeries,
)
from predictions.core import kernels_context, schema_context
from predictions.core.schema import COLUMN, FEATURES, LOOKBACK_S

START = 1_790_000_000.0
HOURS = 60.0
OURS = [row[0] for group in schema_context.ROWS.values() for row in group]
PARTS = {
    "trades": lookback.TRADES_S,
    "books": lookback.BOOKS_S,
    "news": lookback.NEWS_S,
    "moods": lookback.MOODS_S,
    "spot": lookback.SPOT_S,
}


def moments(rng, groups, most, *, span_s):
    """Starts and ordered times of groups of random sizes; times repeat now and then."""
    counts = rng.integers(0, most + 1, groups)
    starts = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    times = [np.sort(np.round(rng.uniform(0, span_s, c))) for c in counts]
    return starts, START + np.concatenate([np.empty(0), *times])


def context(rng, markets, *, assets=("btc", "eth"), span_s=HOURS * 3600):
    """A context of every part; half the markets follow an asset."""
    starts, at = moments(rng, markets, 80, span_s=span_s)
    n = len(at)
    trades = TradeSeries(
        starts=starts,
        known_at=at,
        price=rng.uniform(0.01, 0.99, n),
        shares=rng.exponential(300, n),
        taker=rng.choice([1.0, -1.0, np.nan], n),
    )
    mood_starts, mood_at = moments(rng, markets, 8, span_s=span_s)
    moods = MoodSeries(
        starts=mood_starts,
        known_at=mood_at,
        skilled=rng.choice([0.5, -0.2, np.nan], len(mood_at)),
        whales=rng.choice([0.9, -0.7, np.nan], len(mood_at)),
    )
    news_starts, news_at = moments(rng, markets, 12, span_s=span_s)
    k = len(news_at)
    spot_starts, spot_at = moments(rng, len(assets), 6000, span_s=span_s)
    walk = np.cumsum(rng.normal(0, 3e-4, len(spot_at)))
    return Context(
        trades=trades,
        books=books(rng, markets, span_s),
        news=NewsSeries(
            starts=news_starts,
            known_at=news_at,
            published_at=news_at - rng.exponential(7200, k),
            sentiment=rng.choice([0.3, -0.9, np.nan], k),
        ),
        moods=moods,
        spot=SpotPaths(
            assets=assets, starts=spot_starts, known_at=spot_at, price=100 * np.exp(walk)
        ),
        asset=rng.integers(-1, len(assets), markets),
        wording=rng.normal(size=(markets, schema_context.WORDS + 4)).astype(np.float32),
    )


def books(rng, markets, span_s):
    """Books of one to five levels, some without a side."""
    starts, at = moments(rng, markets, 60, span_s=span_s)
    n = len(at)
    mid, step = rng.uniform(0.2, 0.8, (n, 1)), 0.01 * (np.arange(5) + 0.5)
    sides = []
    for sign in (-1, 1):
        side = np.stack([mid + sign * step, rng.exponential(150, (n, 5))], axis=2)
        side[np.arange(5) >= rng.integers(0, 6, (n, 1))] = np.nan
        sides.append(side)
    return BookSeries(starts=starts, known_at=at, bids=sides[0], asks=sides[1])


def quotes(rng, markets):
    """Prices to compare with; the other figures do not matter here."""
    starts, at = moments(rng, markets, 50, span_s=HOURS * 3600)
    price = rng.choice([0.3, 0.6, np.nan], len(at))
    unknown = np.full(len(at), np.nan)
    names = ("bid", "ask", "bid_depth", "ask_depth", "volume_24h")
    return QuoteSeries(starts=starts, known_at=at, price=price, **dict.fromkeys(names, unknown))


def facts(rng, markets):
    """Up/down windows of fifteen minutes, some with a price to beat."""
    unknown = np.full(markets, np.nan)
    return MarketFacts(
        market_id=np.arange(markets),
        event=np.arange(markets),
        category=("crypto",) * markets,
        opens_at=unknown,
        scheduled_end_at=unknown,
        window_s=np.full(markets, HOURS * 3600),
        epoch_start_at=START + rng.uniform(0, HOURS, markets) * 3600,
        reference_price=rng.choice([100.0, np.nan], markets),
        exclusive=np.zeros(markets, dtype=bool),
    )


def fill(surroundings, series, told, asked):
    """Our columns of every row, float64[rows, len(OURS)]."""
    out = np.full((asked.rows, len(FEATURES)), np.nan)
    kernels_context.fill(surroundings, series, told, asked, out)
    return out[:, [COLUMN[name] for name in OURS]]


def cut(part, keep):
    """A part without the rows where `keep` is false."""
    counts = [int(keep[a:b].sum()) for a, b in zip(part.starts[:-1], part.starts[1:], strict=True)]
    arrays = [f.name for f in fields(part) if f.name not in {"starts", "assets"}]
    return replace(
        part,
        starts=np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        **{name: getattr(part, name)[keep] for name in arrays},
    )


def looked_back(surroundings, when):
    """Only what a row at `when` may see."""
    parts = {}
    for name, span in PARTS.items():
        part = getattr(surroundings, name)
        parts[name] = cut(part, (part.known_at <= when) & (part.known_at > when - span))
    return replace(surroundings, **parts)


def quotes_by(series, when):
    """The quotes of the look-back."""
    return cut(series, (series.known_at <= when) & (series.known_at > when - LOOKBACK_S))


def asked(rng, surroundings, markets, rows):
    """Random questions, some at the very moment at which something became known."""
    at = START + np.round(rng.uniform(0, HOURS * 3600, rows))
    every = np.concatenate([getattr(surroundings, name).known_at for name in PARTS])
    exact = rng.random(rows) < 0.4
    if len(every):
        at[exact] = rng.choice(every, rows)[exact]
    return Snapshots(market=rng.integers(0, markets, rows), as_of=at)
