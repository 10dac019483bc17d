"""What a forecast is worth against the book: better side, edge after fees, why it stops here."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.special import kl_div, ndtr

from predictions.core.contracts import Forecasts
from trading.core import consensus
from trading.core.consensus import Views
from trading.core.contracts import TradingConfig
from trading.core.fees import fee_per_share
from trading.core.reasons import Reason

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

__all__ = ["Floats", "Reason", "Signals", "Tops", "asks_and_depths", "growth", "signals"]

PRICE_SOURCE = "PRICE"
"""A forecast of this source is the market price itself."""


GRID = 1e-9
"""Finer than any difference between two prices."""


STRENGTHS = ("WEAK", "MEDIUM", "STRONG")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tops:
    """What a taker of each side of n markets would meet; NaN where unknown, never a default.

    Attributes
    ----------
    ask_0, ask_1
        Best ask of outcome 0, and of outcome 1 (= 1 − best bid of outcome 0), in (0, 1).
    depth_0, depth_1
        Dollars resting near the mid on the asks of outcome 0, and of outcome 1.
    fee_rate, fee_exponent
        The market's taker schedule.
    """

    ask_0: Floats
    ask_1: Floats
    depth_0: Floats
    depth_1: Floats
    fee_rate: Floats
    fee_exponent: Floats

    def take(self, rows: NDArray[np.int64]) -> "Tops":
        """The given rows, in their order."""
        return Tops(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


def asks_and_depths(levels: Floats, *, within: float) -> Floats:
    """What takers of both sides of n books would meet.

    Parameters
    ----------
    levels
        float64[n, 2, k, 2]: bids then asks of outcome 0, best first, (price, shares), NaN padded.
    within
        Depth counts this close to the mid.

    Returns
    -------
    float64[4, n]
        `ask_0`, `ask_1`, `depth_0`, `depth_1` of `Tops`; depth is 0 where a book has no mid.

    Notes
    -----
    A bid for outcome 0 at p is an ask for outcome 1 at 1 − p.
    """
    price, shares = levels[..., 0], levels[..., 1]
    bid, ask = price[:, 0, 0], price[:, 1, 0]
    mid = np.where(ask > bid, (ask + bid) / 2, np.nan)
    # Prices are exact to 1e-6; the slack keeps the level that lies exactly at the bound.
    near = np.abs(price - mid[:, None, None]) <= within + GRID
    offered = np.stack([shares[:, 1] * price[:, 1], shares[:, 0] * (1.0 - price[:, 0])])
    counted = np.where(np.stack([near[:, 1], near[:, 0]]), offered, 0.0)
    return np.concatenate([np.stack([ask, 1.0 - bid]), counted.sum(axis=-1)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """n signals as arrays: the better side of each row, what it costs, what it is worth.

    `probability`, `cost`, `fee` and the edges are of side `outcome_index`, dollars per share.
    """

    outcome_index: NDArray[np.int64]
    probability: Floats
    cost: Floats
    fee: Floats
    gross_edge: Floats
    net_edge: Floats
    confidence: Floats
    strength: NDArray[np.str_]
    reason: NDArray[np.str_]

    @property
    def passed(self) -> Flags:
        """Rows that no gate stopped."""
        passed: Flags = self.reason == Reason.PASSED.value
        return passed


def signals(
    forecasts: Forecasts, tops: Tops, config: TradingConfig, views: Views | None = None
) -> Signals:
    """Value n forecasts against n books; each row names the first gate that stopped it.

    A forecast below the market is a candidate for outcome 1: nothing is ever sold short. Without
    `views` no cohort was asked: a profile that requires consent gets none.
    """
    views = views or consensus.unknown(len(forecasts.price), config)
    forecasts = consensus.flipped(forecasts, config)
    side, probability, cost = _better_side(forecasts.probability, tops)
    fee = fee_per_share(cost, tops.fee_rate, tops.fee_exponent)
    gross = probability - cost
    net = gross - fee
    confidence = _confidence(net, forecasts.sigma)
    strength = _strength(net, config)
    depth = np.where(side == 0, tops.depth_0, tops.depth_1)
    gates = _gates(
        forecasts,
        tops,
        config,
        depth=depth,
        gross=gross,
        net=net,
        confidence=confidence,
        strength=strength,
        asked=views.asked,
    ) | consensus.gates(forecasts, views, config)
    reason = np.select(
        list(gates.values()), [name.value for name in gates], default=Reason.PASSED.value
    )
    return Signals(
        outcome_index=side,
        probability=probability,
        cost=cost,
        fee=fee,
        gross_edge=gross,
        net_edge=net,
        confidence=confidence,
        strength=strength,
        reason=reason,
    )


def growth(probability: Floats, cost: Floats) -> Floats:
    """Expected log growth of wealth per bet at full Kelly: what ranks candidates for scarce cash.

    Notes
    -----
    p ln(p / c) + (1 − p) ln((1 − p) / (1 − c)): how far belief is from price; 0 without edge.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = kl_div(probability, cost) + kl_div(1.0 - probability, 1.0 - cost)
    return np.where(probability > cost, gain, 0.0)


def _better_side(probability: Floats, tops: Tops) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Side with the larger gross edge (an absent ask never wins), its probability and its ask."""
    edge_0 = np.nan_to_num(probability - tops.ask_0, nan=-np.inf)
    edge_1 = np.nan_to_num(1.0 - probability - tops.ask_1, nan=-np.inf)
    second = edge_1 > edge_0
    return (
        second.astype(np.int64),
        np.where(second, 1.0 - probability, probability),
        np.where(second, tops.ask_1, tops.ask_0),
    )


def _confidence(net: Floats, sigma: Floats) -> Floats:
    """Φ(net edge / σ): the chance that the edge is real; certainty either way where σ is zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        confidence: Floats = ndtr(net / sigma)
    return np.where(sigma > 0, confidence, np.where(net > 0, 1.0, 0.0))


def _strength(net: Floats, config: TradingConfig) -> NDArray[np.str_]:
    weak, medium, strong = STRENGTHS
    # On the bound belongs below it, also where float64 puts it a hair above.
    clear = net - GRID
    chosen = np.select(
        [clear > config.strong_above, clear > config.medium_above, net > 0],
        [strong, medium, weak],
        default="",
    )
    return chosen.astype(np.str_)


def _gates(
    forecasts: Forecasts,
    tops: Tops,
    config: TradingConfig,
    *,
    depth: Floats,
    gross: Floats,
    net: Floats,
    confidence: Floats,
    strength: NDArray[np.str_],
    asked: Flags,
) -> dict[Reason, Flags]:
    """Gate → rows it stops, in order. Comparisons are negated so that NaN stops a row."""
    spread = tops.ask_0 + tops.ask_1 - 1.0
    accepted = (
        STRENGTHS[STRENGTHS.index(config.min_strength) :] if config.min_strength else STRENGTHS
    )
    least_net = np.where(asked, max(config.alpha_min, config.min_net_edge), config.min_net_edge)
    least_sure = np.where(asked, max(config.conf_min, config.min_confidence), config.min_confidence)
    return {
        Reason.NO_PRICE: ~(np.isfinite(forecasts.price) & np.isfinite(forecasts.probability)),
        Reason.PRICE_ONLY: forecasts.source == PRICE_SOURCE,
        Reason.NO_BOOK: ~(spread > 0),
        Reason.UNKNOWN_FEES: ~(np.isfinite(tops.fee_rate) & np.isfinite(tops.fee_exponent)),
        Reason.WIDE_SPREAD: ~(spread <= config.max_spread),
        Reason.UNKNOWN_DEPTH: np.isnan(depth),
        Reason.THIN_BOOK: ~(depth >= config.min_depth_usd),
        Reason.NO_GROSS_EDGE: ~(gross + GRID >= config.min_gross_edge),
        Reason.NO_NET_EDGE: ~(net + GRID >= least_net),
        Reason.LOW_CONFIDENCE: ~(confidence >= least_sure),
        Reason.WEAK: ~np.isin(strength, np.asarray(accepted)),
    }
