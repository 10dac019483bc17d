"""The features of a context, filled in; compiled kernels of its news, moods and spot prices.

Each row looks back from its own instant over what was known by then and lies within the look-back
of its kind.
"""
# ruff: noqa: PLR0917 - compiled functions take arrays by position; a struct would cost a copy
# ruff: noqa: C901 - one pass over the rows serves many features, which costs branches

import math

import numpy as np
from numpy.typing import NDArray

from markets.core import lookback
from markets.core.series import Context, MarketFacts, QuoteSeries, Snapshots
from predictions.core import kernels_tape
from predictions.core import schema_context as told
from predictions.core.compiled import njit
from predictions.core.kernels import known_by
from predictions.core.kernels_tape import clipped_logit, look_back
from predictions.core.schema import COLUMN, LOOKBACK_S

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]

TRADE_WINDOWS_S = np.array([900.0, 3600.0, 86400.0])
SPOT_LAGS_S = np.array([60.0, 300.0, 900.0])
DAY_S = 86400.0
IMPACT_USD = np.array(told.IMPACT_USD)
ALL = 2**62
CLIP = 0.005
"""Prices are clipped as far from 0 and 1 as `logit` of the schema says."""


def fill(
    context: Context,
    series: QuoteSeries,
    facts: MarketFacts,
    snapshots: Snapshots,
    out: Floats,
) -> None:
    """Fill the columns of `schema_context.ROWS` in `out`, float64[rows, all features], all NaN.

    `context`, `series` and `facts` describe the same markets in the same order.
    """
    if not snapshots.rows:
        return
    market, as_of = np.ascontiguousarray(snapshots.market), np.ascontiguousarray(snapshots.as_of)
    price = np.full(snapshots.rows, np.nan)
    market_prices(
        series.starts,
        series.known_at,
        series.price,
        market,
        as_of,
        LOOKBACK_S,
        ALL,
        price,
    )
    _books(context, market, as_of, out)
    _trades(context, market, as_of, price, out)
    _news(context, market, as_of, out)
    _spot(context, facts, market, as_of, price, out)
    words = context.wording
    if words.shape[1]:
        first = COLUMN["word_00"]
        out[:, first : first + words.shape[1]] = words[market]


def _slice(out: Floats, first: str, last: str) -> Floats:
    return out[:, COLUMN[first] : COLUMN[last] + 1]


def _books(context: Context, market: Ints, as_of: Floats, out: Floats) -> None:
    books = context.books
    if len(books.known_at):
        kernels_tape.book_features(
            *(books.starts, books.known_at, books.bids, books.asks, market, as_of),
            *(lookback.BOOKS_S, lookback.MAX_BOOKS, IMPACT_USD),
            _slice(out, "bid_depth_1", "book_toxicity"),
            out[:, COLUMN["book_age_log"]],
        )


def _trades(context: Context, market: Ints, as_of: Floats, price: Floats, out: Floats) -> None:
    trades = context.trades
    if len(trades.known_at):
        kernels_tape.trade_features(
            *(trades.starts, trades.known_at, trades.price, trades.shares, trades.taker),
            *(market, as_of, price, lookback.TRADES_S, lookback.MAX_TRADES),
            *(TRADE_WINDOWS_S, told.LARGE_TRADE_USD, CLIP),
            _slice(out, "trades_15m", "flow_depth_agreement"),
            out[:, COLUMN["trade_age_log"]],
        )
        out[:, COLUMN["flow_depth_agreement"]] = (
            out[:, COLUMN["flow_imbalance_1h"]] * out[:, COLUMN["depth_imbalance_5"]]
        )


def _news(context: Context, market: Ints, as_of: Floats, out: Floats) -> None:
    news, moods = context.news, context.moods
    if len(news.known_at):
        news_features(
            *(news.starts, news.known_at, news.published_at, news.sentiment),
            *(market, as_of, DAY_S, lookback.NEWS_S),
            _slice(out, "news_age_log", "sentiment_7d"),
        )
    if len(moods.known_at):
        mood_features(
            *(moods.starts, moods.known_at, moods.skilled, moods.whales),
            *(market, as_of, lookback.MOODS_S),
            _slice(out, "mood_skilled", "mood_whales"),
        )


def _spot(
    context: Context, facts: MarketFacts, market: Ints, as_of: Floats, price: Floats, out: Floats
) -> None:
    spot = context.spot
    if len(spot.known_at):
        spot_features(
            *(spot.starts, spot.known_at, spot.price, context.asset, market, as_of, price),
            (facts.epoch_start_at, facts.window_s, facts.reference_price),
            (lookback.SPOT_S, told.SPOT_FRESH_S, told.SPOT_STEP_S, told.REFERENCE_TOLD_S),
            (told.SPOT_STEPS, told.MIN_SPOT_STEPS),
            SPOT_LAGS_S,
            CLIP,
            _slice(out, "spot_return_1m", "spot_gap"),
            out[:, COLUMN["spot_age_log"]],
        )


@njit
def market_prices(
    starts: Ints,
    known_at: Floats,
    price: Floats,
    market: Ints,
    as_of: Floats,
    lookback_s: float,
    most: int,
    out: Floats,
) -> None:
    """The newest price of the look-back, one a row."""
    for row in range(len(market)):
        m = market[row]
        first, last = look_back(known_at, starts[m], starts[m + 1], as_of[row], lookback_s, most)
        for i in range(last - 1, first - 1, -1):
            if not math.isnan(price[i]):
                out[row] = price[i]
                break


@njit
def news_features(
    starts: Ints,
    known_at: Floats,
    published_at: Floats,
    sentiment: Floats,
    market: Ints,
    as_of: Floats,
    day_s: float,
    lookback_s: float,
    out: Floats,
) -> None:
    """Age of the newest item, count of a day, mean sentiment of a day and of the look-back."""
    for row in range(len(market)):
        m, t = market[row], as_of[row]
        last = known_by(known_at, starts[m], starts[m + 1], t)
        newest = -math.inf
        count = today = week = 0
        day_sum = week_sum = 0.0
        for i in range(last - 1, starts[m] - 1, -1):
            if known_at[i] <= t - lookback_s:
                break
            age = max(t - published_at[i], 0.0)
            if age >= lookback_s:
                continue
            newest = max(newest, published_at[i])
            count += age <= day_s
            if not math.isnan(sentiment[i]):
                week += 1
                week_sum += sentiment[i]
                if age <= day_s:
                    today += 1
                    day_sum += sentiment[i]
        if newest == -math.inf:
            continue
        out[row, 0], out[row, 1] = math.log1p(max(t - newest, 0.0)), count
        if today > 0:
            out[row, 2] = day_sum / today
        if week > 0:
            out[row, 3] = week_sum / week


@njit
def mood_features(
    starts: Ints,
    known_at: Floats,
    skilled: Floats,
    whales: Floats,
    market: Ints,
    as_of: Floats,
    lookback_s: float,
    out: Floats,
) -> None:
    """The newest mood of each cohort."""
    for row in range(len(market)):
        m, t = market[row], as_of[row]
        for i in range(known_by(known_at, starts[m], starts[m + 1], t) - 1, starts[m] - 1, -1):
            if known_at[i] <= t - lookback_s:
                break
            if math.isnan(out[row, 0]):
                out[row, 0] = skilled[i]
            if math.isnan(out[row, 1]):
                out[row, 1] = whales[i]
            if not math.isnan(out[row, 0] + out[row, 1]):
                break


@njit
def spot_at(
    known_at: Floats, price: Floats, first: int, last: int, when: float, fresh_s: float
) -> float:
    """The newest spot price known at `when`; NaN where it was not fresh then."""
    i = known_by(known_at, first, last, when) - 1
    if i < first or when - known_at[i] > fresh_s:
        return math.nan
    return float(price[i])


@njit
def spot_volatility(
    known_at: Floats,
    price: Floats,
    first: int,
    last: int,
    as_of: float,
    rules: tuple[float, float],
    steps: tuple[int, int],
) -> float:
    """Log per √hour from steps back from `as_of`; NaN with too few, 0 when nothing moved.

    `rules` = seconds a price is fresh, seconds a step; `steps` = at most, at least.
    """
    fresh_s, step_s = rules
    squares, n = 0.0, 0
    later = math.nan
    for k in range(steps[0] + 1):
        p = spot_at(known_at, price, first, last, as_of - k * step_s, fresh_s)
        if not math.isnan(later) and not math.isnan(p):
            squares += math.log(later / p) ** 2
            n += 1
        later = p
    return math.sqrt(squares / n * 3600 / step_s) if n >= steps[1] else math.nan


@njit
def log_odds_of_normal(z: float) -> float:
    """Logit Φ(z), from the tails, so that neither vanishes; |z| is cut at 8."""
    z = min(max(z, -8.0), 8.0)
    return math.log(math.erfc(-z / math.sqrt(2.0))) - math.log(math.erfc(z / math.sqrt(2.0)))


@njit
def against_strike(
    left_s: float, volatility: float, market_price: float, clip: float, out: Floats
) -> None:
    """After the distance `out[0]`: in standard deviations left, and against the market's odds."""
    if volatility > 0 and left_s > 0:
        out[1] = out[0] / (volatility * math.sqrt(left_s / 3600))
        out[2] = log_odds_of_normal(out[1]) - clipped_logit(market_price, clip)


@njit
def spot_features(
    starts: Ints,
    known_at: Floats,
    price: Floats,
    asset: Ints,
    market: Ints,
    as_of: Floats,
    market_price: Floats,
    epochs: tuple[Floats, Floats, Floats],
    spans: tuple[float, float, float, float],
    steps: tuple[int, int],
    lags: Floats,
    clip: float,
    out: Floats,
    age_log: Floats,
) -> None:
    """Fill the columns of spot: three returns, volatility, distance, z, gap; and the age.

    `epochs` = start, window, price to beat of each market; `spans` = look-back, how long a price
    is fresh, a step of the volatility, seconds until a price to beat is told; `steps` = most and
    least.
    """
    start_at, window_s, reference = epochs
    lookback_s, fresh_s, step_s, told_s = spans
    assets = len(starts) - 1
    # Rows of one instant share an asset's volatility: live, that is all of them.
    of = np.full(assets, math.nan)
    kept = np.full(assets, math.nan)
    n = len(lags)
    for row in range(len(market)):
        m, t = market[row], as_of[row]
        a = asset[m]
        if a < 0:
            continue
        last = known_by(known_at, starts[a], starts[a + 1], t)
        first = known_by(known_at, starts[a], last, t - lookback_s)
        if last == first or t - known_at[last - 1] > fresh_s:
            continue
        now = price[last - 1]
        age_log[row] = math.log1p(t - known_at[last - 1])
        for k in range(n):
            out[row, k] = math.log(
                now / spot_at(known_at, price, first, last, t - lags[k], fresh_s)
            )
        if of[a] != t:
            of[a] = t
            kept[a] = spot_volatility(known_at, price, first, last, t, (fresh_s, step_s), steps)
        out[row, n] = kept[a]
        start = start_at[m]
        if not t >= start:
            continue
        strike = reference[m]
        if math.isnan(strike) or t < start + told_s:
            strike = spot_at(known_at, price, first, last, start, fresh_s)
        if strike > 0:
            left = start + window_s[m] - t
            out[row, n + 1] = math.log(now / strike)
            against_strike(left, kept[a], market_price[row], clip, out[row, n + 1 : n + 4])
