"""Scores of a forecast against the market price on the same rows; intervals by event.

Brier (1950); log loss; skill = 1 − Brier model / Brier market. Rows of one event are dependent, so
intervals resample events, not rows (cluster bootstrap, Field & Welsh 2007); families of tests are
corrected by Holm (1979).
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from markets.core.series import Floats, Ints

CLIP = 1e-4  # probabilities are clipped to [CLIP, 1 − CLIP] before a logarithm
CHUNK = 2_000_000  # drawn indices held at once: bounds memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Model and market on the same rows; NaN where there is nothing to score.

    `p_worse` is the one-sided bootstrap p-value of "the model is no worse than the market".
    """

    rows: int
    events: int
    brier_market: float
    brier_model: float
    log_loss_market: float
    log_loss_model: float
    skill: float
    skill_low: float
    skill_high: float
    p_worse: float

    def as_json(self) -> dict[str, Any]:
        """Plain numbers; null where a number is not finite."""
        return {name: value if np.isfinite(value) else None for name, value in asdict(self).items()}


NOTHING = Score(
    rows=0,
    events=0,
    brier_market=np.nan,
    brier_model=np.nan,
    log_loss_market=np.nan,
    log_loss_model=np.nan,
    skill=np.nan,
    skill_low=np.nan,
    skill_high=np.nan,
    p_worse=1.0,
)


def brier(p: Floats, y: Floats) -> Floats:
    """Squared error per row."""
    return np.square(p - y)


def log_loss(p: Floats, y: Floats) -> Floats:
    """Negative log likelihood per row, in nats; p clipped by `CLIP`."""
    clipped = np.clip(p, CLIP, 1 - CLIP)
    return -(y * np.log(clipped) + (1 - y) * np.log1p(-clipped))


def score(
    y: Floats,
    *,
    market: Floats,
    model: Floats,
    event: Ints,
    rng: np.random.Generator,
    resamples: int,
) -> Score:
    """Both forecasts by the rows' mean, with a 95 % interval of the skill by event bootstrap."""
    if not len(y):
        return NOTHING
    reference, ours = brier(market, y), brier(model, y)
    events, number = np.unique(event, return_inverse=True)
    sums = np.column_stack([np.bincount(number, each) for each in (reference, ours)]).astype(float)
    drawn = skill_draws(sums, rng=rng, resamples=resamples)
    low, high = quantiles(drawn, 0.025, 0.975)
    return Score(
        rows=len(y),
        events=len(events),
        brier_market=float(reference.mean()),
        brier_model=float(ours.mean()),
        log_loss_market=float(log_loss(market, y).mean()),
        log_loss_model=float(log_loss(model, y).mean()),
        skill=float(_skill(sums.sum(axis=0))),
        skill_low=low,
        skill_high=high,
        p_worse=float((1 + np.count_nonzero(drawn >= 0)) / (1 + resamples)),
    )


def skill_draws(sums: Floats, *, rng: np.random.Generator, resamples: int) -> Floats:
    """Skill of `resamples` samples of events drawn with replacement.

    Parameters
    ----------
    sums
        float64[events, 2]: per event the sum of the market's and of the model's Brier scores.
    """
    events = len(sums)
    drawn = np.empty(resamples)
    step = max(1, CHUNK // events)
    for start in range(0, resamples, step):
        stop = min(start + step, resamples)
        picked = rng.integers(0, events, size=(stop - start, events))
        totals = np.column_stack([sums[:, k][picked].sum(axis=1) for k in (0, 1)])
        drawn[start:stop] = _skill(totals)
    return drawn


def quantiles(drawn: Floats, *levels: float) -> list[float]:
    """Quantiles of draws, some of which may be minus infinity (a market without error there)."""
    # Between two infinite neighbours nothing can be interpolated.
    method: Literal["linear", "inverted_cdf"] = (
        "linear" if np.isfinite(drawn).all() else "inverted_cdf"
    )
    return [float(np.quantile(drawn, level, method=method)) for level in levels]


def _skill(totals: Floats) -> Floats:
    market, model = totals[..., 0], totals[..., 1]
    # A perfect market cannot be improved on: equal is skill 0, worse is minus infinity.
    with np.errstate(divide="ignore", invalid="ignore"):
        found = 1 - model / market
    return np.where(market > 0, found, np.where(model > 0, -np.inf, 0.0))


def holm(p_values: Floats) -> Floats:
    """Holm's adjusted p-values: comparing each with α keeps the family-wise error below α.

    >>> holm(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))
    adjusted = np.minimum(np.maximum.accumulate(p_values[order] * factors), 1.0)
    found = np.empty(len(p_values))
    found[order] = adjusted
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Forecasts against frequencies, by equal bins of probability; empty bins are left out."""

    rows: Ints
    market: Floats
    forecast: Floats
    frequency: Floats


def calibration(p: Floats, y: Floats, *, market: Floats, bins: int = 10) -> Calibration:
    """How often what was forecast happened, in `bins` equal bins of [0, 1]; means per bin."""
    number = np.minimum((p * bins).astype(np.int64), bins - 1)
    rows = np.bincount(number, minlength=bins)
    held: NDArray[np.bool_] = rows > 0
    return Calibration(
        rows=rows[held],
        market=np.bincount(number, market, bins)[held] / rows[held],
        forecast=np.bincount(number, p, bins)[held] / rows[held],
        frequency=np.bincount(number, y, bins)[held] / rows[held],
    )
