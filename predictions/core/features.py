"""Market histories → feature matrix, the same code live and in training; no row sees its future.

A quote exists for a row from its `known_at` on. The look-back is part of the schema: what lies
further back than `LOOKBACK_S` or `MAX_QUOTES` never matters, so a worker may leave it unread.
"""

import numpy as np
from numpy.typing import NDArray

from markets.core.series import MarketFacts, QuoteSeries, Snapshots
from predictions.core import kernels
from predictions.core.cells import cells, domains
from predictions.core.logits import logit
from predictions.core.schema import (
    COLUMN,
    DOMAINS,
    FEATURES,
    LOOKBACK_S,
    MAX_QUOTES,
    NAMES,
    SCHEMA_HASH,
    columns,
)

__all__ = ["FEATURES", "LOOKBACK_S", "NAMES", "SCHEMA_HASH", "cells", "compute", "price_at"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LAGS_S = np.array([300.0, 900.0, 3600.0, 14400.0, 86400.0])
WINDOWS_S = np.array([3600.0, 14400.0, 86400.0])


def compute(series: QuoteSeries, facts: MarketFacts, snapshots: Snapshots) -> Floats:
    """The features of every snapshot, float64[rows, len(FEATURES)]; NaN = missing.

    `series` and `facts` describe the same markets in the same order. Markets of one event are
    each other's context, so pass all of them even when asking about one.
    """
    if series.markets != facts.markets:
        raise ValueError(
            f"{series.markets} price histories but facts of {facts.markets} markets; "
            "pass both for the same markets in the same order"
        )
    out = np.full((snapshots.rows, len(FEATURES)), np.nan)
    if not snapshots.rows:
        return out
    quotes = (series.bid, series.ask, series.bid_depth, series.ask_depth, series.volume_24h)
    kernels.quote_features(
        series.starts,
        series.known_at,
        series.price,
        logit(series.price),
        quotes,
        snapshots.market,
        snapshots.as_of,
        LOOKBACK_S,
        MAX_QUOTES,
        (LAGS_S, WINDOWS_S),
        (
            out[:, columns("book")],
            out[:, columns("series")],
            out[:, columns("flow")],
            out[:, columns("quality")],
        ),
    )
    _context(facts, snapshots, out)
    _event(series, facts, snapshots, out)
    _derived(out)
    missing = np.isnan(out)
    missing[:, COLUMN["missing_share"]] = False
    out[:, COLUMN["missing_share"]] = missing.sum(axis=1) / (len(FEATURES) - 1)
    return out


def price_at(series: QuoteSeries, snapshots: Snapshots, max_age_s: float | Floats) -> Floats:
    """Newest price known at each snapshot, float64[rows]; NaN where none is young enough.

    `max_age_s` is one limit for all rows, or float64[rows].
    """
    prices: Floats = kernels.prices_at(
        series.starts,
        series.known_at,
        series.price,
        snapshots.market,
        snapshots.as_of,
        np.array(np.broadcast_to(max_age_s, snapshots.rows), dtype=np.float64),
    )
    return prices


def _context(facts: MarketFacts, snapshots: Snapshots, out: Floats) -> None:
    at, market = snapshots.as_of, snapshots.market
    opened = at - facts.opens_at[market]
    opened[opened < 0] = np.nan
    left = np.maximum(facts.scheduled_end_at[market] - at, 0.0)
    epoch = at - facts.epoch_start_at[market]
    window = np.where(facts.window_s[market] > 0, facts.window_s[market], np.nan)
    out[:, COLUMN["open_for_log"]] = np.log1p(opened)
    out[:, COLUMN["time_left_log"]] = np.log1p(left)
    out[:, COLUMN["hours_left"]] = left / 3600
    life = opened + left
    life[life <= 0] = np.nan
    out[:, COLUMN["life_elapsed"]] = opened / life
    out[:, COLUMN["epoch_elapsed"]] = np.clip(epoch / window, 0, 1)
    out[:, COLUMN["epoch_left_s"]] = np.clip(window - epoch, 0, window)
    angle = 2 * np.pi * (at % 86400) / 86400
    out[:, COLUMN["hour_sin"]], out[:, COLUMN["hour_cos"]] = np.sin(angle), np.cos(angle)
    # The epoch began on a Thursday: day 2 and 3 of each seven are Saturday and Sunday.
    out[:, COLUMN["weekend"]] = np.isin((at // 86400) % 7, (2, 3))
    out[:, COLUMN["exclusive"]] = facts.exclusive[market]
    domain = domains(facts)[market]
    for name, among in (
        ("is_politics", ("politics", "geopolitics")),
        ("is_sports", ("sports", "esports")),
        ("is_crypto", ("crypto", "epoch")),
        ("is_finance", ("finance", "economics")),
    ):
        out[:, COLUMN[name]] = np.isin(domain, [DOMAINS.index(each) for each in among])


def _event(series: QuoteSeries, facts: MarketFacts, snapshots: Snapshots, out: Floats) -> None:
    # A negative number says that the group is unknown: such a market is its own event.
    event = np.where(facts.event < 0, -1 - np.arange(facts.markets), facts.event)
    events, event_of = np.unique(event, return_inverse=True)
    by_event = np.argsort(event_of, kind="stable")
    starts = np.searchsorted(event_of[by_event], np.arange(len(events) + 1))
    of_row = event_of[snapshots.market]
    order = np.lexsort((snapshots.as_of, of_row))
    new = np.diff(of_row[order]) != 0
    new |= np.diff(snapshots.as_of[order]) != 0
    groups = np.concatenate(([0], np.flatnonzero(new) + 1, [len(order)]))
    kernels.event_features(
        series.starts,
        series.known_at,
        series.price,
        (facts.opens_at, facts.scheduled_end_at, facts.exclusive),
        (event_of, starts, by_event),
        (order, groups),
        snapshots.market,
        snapshots.as_of,
        LOOKBACK_S,
        MAX_QUOTES,
        out[:, COLUMN["event_markets"] : COLUMN["event_share"] + 1],
    )


def _derived(out: Floats) -> None:
    def of(name: str) -> Floats:
        return out[:, COLUMN[name]]

    def over(top: Floats, bottom: Floats) -> Floats:
        ratio: Floats = np.divide(top, bottom, out=np.full(len(top), np.nan), where=bottom > 0)
        return ratio

    hour, day, spread = of("return_1h"), of("return_24h"), of("spread")
    out[:, COLUMN["distance_to_half"]] = np.abs(of("mid") - 0.5)
    out[:, COLUMN["logit_abs"]] = np.abs(of("logit"))
    out[:, COLUMN["acceleration"]] = hour - of("return_4h") / 4
    to_end = of("volatility_24h") * np.sqrt(of("hours_left"))
    out[:, COLUMN["volatility_to_end"]] = to_end
    out[:, COLUMN["logit_in_volatility"]] = over(of("logit_abs"), to_end)
    on_logit = over(spread, of("outcome_variance"))
    out[:, COLUMN["spread_in_volatility"]] = over(on_logit, of("volatility_1h"))
    out[:, COLUMN["trend_agreement"]] = np.sign(hour) * np.sign(day)
    out[:, COLUMN["pressure"]] = of("depth_imbalance") * spread / 2
