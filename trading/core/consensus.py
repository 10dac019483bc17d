"""Whether forecast and cohort lean the same way: an optional gate, per horizon, off by default.

A cohort that nobody has heard of, one that leans neither way and one that leans the other way are
three different answers: counting the first two as a vote once turned every Down into "neutral".
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from predictions.core.contracts import Forecasts
from predictions.core.logits import corrected, logit
from trading.core.contracts import TradingConfig
from trading.core.reasons import Reason

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

COMBINED = ("EXPERTS", "ENSEMBLE")
"""Sources of a forecast in which several experts were averaged."""
SINGLE = ("RECALIBRATED",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """What cohorts feel about n markets, and where their consent is asked for.

    Attributes
    ----------
    mood
        In [-1, 1]: −1 all against outcome 0, +1 all for it; NaN where nobody knows.
    asked
        Rows whose horizon requires consensus.
    """

    mood: Floats
    asked: Flags


def unknown(n: int, config: TradingConfig) -> Views:
    """Nobody was asked: where any horizon requires consent, nothing has it."""
    asked = np.full(n, bool(config.require_consensus))
    return Views(mood=np.full(n, np.nan), asked=asked)


def flipped(forecasts: Forecasts, config: TradingConfig) -> Forecasts:
    """Forecasts mirrored at the price, in log odds, where the settings turn their source round."""
    turned = (COMBINED if config.flip_model_bma else ()) + (SINGLE if config.flip_model else ())
    rows = np.isin(forecasts.source, np.asarray(turned, dtype=np.str_))
    if not rows.any():
        return forecasts
    mirrored = corrected(forecasts.price, logit(forecasts.price) - logit(forecasts.probability))
    return replace(forecasts, probability=np.where(rows, mirrored, forecasts.probability))


def lean(probability: Floats, price: Floats) -> Floats:
    """How far a forecast leans from the price towards certainty, in [-1, 1].

    >>> lean(np.array([0.75, 0.25]), np.array([0.5, 0.5])).tolist()
    [0.5, -0.5]
    """
    way = probability - price
    room = np.where(way > 0, 1.0 - price, price)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = way / room
    return found


def gates(forecasts: Forecasts, views: Views, config: TradingConfig) -> dict[Reason, Flags]:
    """Gate → rows it stops, in order; comparisons are negated so that NaN stops a row."""
    mood = -views.mood if config.flip_mood else views.mood
    said = lean(forecasts.probability, forecasts.price)
    known, leaning = np.isfinite(mood), np.abs(mood) >= config.s_min
    # A cohort without an opinion does not contradict, where the settings leave it at that.
    alone = config.allow_model_only_when_mood_neutral & ~leaning
    asked = views.asked
    return {
        Reason.NO_MOOD: asked & ~known & ~alone,
        Reason.MOOD_NEUTRAL: asked & ~leaning & ~alone,
        Reason.MODEL_NEUTRAL: asked & ~(np.abs(said) >= config.m_min),
        Reason.NO_CONSENSUS: asked & leaning & ~(mood * said > 0),
    }
