"""Price histories for tests: irregular times, missing sides, empty markets, shared events."""

from dataclasses import replace

import numpy as np

from markets.core.series import MarketFacts, QuoteSeries, Snapshots
from predictions import registry
from tests.factories import NOW

START = 1_790_000_000.0
HOUR = 3600.0


def world(seed, *, markets=6, quotes=60, hours=60.0, missing=0.15, flat=0.3):
    """Series, facts and their rng; each market has up to `quotes` quotes over `hours`."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, quotes + 1, markets)
    counts[0] = quotes
    starts = np.concatenate(([0], np.cumsum(counts)))
    n = int(starts[-1])
    known = np.concatenate([np.sort(rng.uniform(0, hours * HOUR, c)) for c in counts]) + START
    steps = rng.normal(0, 0.2, n) * (rng.random(n) > flat)
    price = np.concatenate(
        [1 / (1 + np.exp(-np.cumsum(s) - rng.normal())) for s in np.split(steps, starts[1:-1])]
    )
    half = rng.uniform(0.001, 0.02, n)

    def holed(values):
        return np.where(rng.random(n) < missing, np.nan, values)

    series = QuoteSeries(
        starts=starts,
        known_at=known,
        price=holed(price),
        bid=holed(np.maximum(price - half, 0)),
        ask=holed(np.minimum(price + half, 1)),
        bid_depth=holed(rng.integers(0, 3, n) * rng.uniform(0, 1000, n)),
        ask_depth=holed(rng.integers(0, 3, n) * rng.uniform(0, 1000, n)),
        volume_24h=holed(rng.uniform(0, 1e5, n)),
    )
    return series, facts(rng, markets, hours), rng


def facts(rng, markets, hours):
    def maybe(values):
        return np.where(rng.random(markets) < 0.3, np.nan, values)

    window = np.where(rng.random(markets) < 0.2, 900.0, np.nan)
    names = ("politics", "Sports", "", "macro", "crypto", "gardening")
    return MarketFacts(
        market_id=np.arange(markets) + 100,
        event=rng.integers(-1, 3, markets),
        category=tuple(names[i] for i in rng.integers(0, len(names), markets)),
        opens_at=maybe(START + rng.uniform(-hours, hours / 2, markets) * HOUR),
        scheduled_end_at=maybe(START + rng.uniform(hours / 2, 3 * hours, markets) * HOUR),
        window_s=window,
        epoch_start_at=window * 0 + START + rng.uniform(0, hours, markets) * HOUR,
        reference_price=maybe(rng.integers(90, 110, markets) * 1000.0),
        exclusive=rng.random(markets) < 0.5,
    )


def questions(rng, series, rows, *, hours=60.0):
    """Random markets and instants, some of them exactly when a quote became known."""
    as_of = START + rng.uniform(0, hours * HOUR, rows)
    exact = rng.random(rows) < 0.3
    if len(series.known_at):
        as_of[exact] = rng.choice(series.known_at, rows)[exact]
    return Snapshots(market=rng.integers(0, series.markets, rows), as_of=as_of)


def kept(series, keep):
    """The series without the quotes where `keep` is false."""
    counts = [
        int(keep[a:b].sum()) for a, b in zip(series.starts[:-1], series.starts[1:], strict=True)
    ]
    columns = ("known_at", "price", "bid", "ask", "bid_depth", "ask_depth", "volume_24h")
    return replace(
        series,
        starts=np.concatenate(([0], np.cumsum(counts))),
        **{name: getattr(series, name)[keep] for name in columns},
    )


def in_service(version):
    """The gate's version and its members, ACTIVE and served."""
    for each in (*registry.members(version), version):
        registry.place(each.expert_id, state="ACTIVE", version=each, actor="ada", as_of=NOW)
    return version
