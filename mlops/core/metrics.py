"""Scores of a forecast against the market price on the same rows; intervals by event.

Brier (1950); log loss; skill = 1 − score of the model / score of the market. Rows of one event are
dependent, so intervals resample events, not rows (cluster bootstrap, Field & Welsh 2007); families
of tests are corrected by Holm (1979).
"""

from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from markets.core.series import Floats, Ints

CLIP = 1e-4  # probabilities are clipped to [CLIP, 1 − CLIP] before a logarithm
CHUNK = 2_000_000  # drawn indices held at once: bounds memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Model and market on the same rows; NaN where there is nothing to score.

    Attributes
    ----------
    skill, log_loss_skill
        1 − Brier model / Brier market, and the same of the log loss, with 95 % intervals.
    p_worse, p_worse_log_loss
        One-sided p-values of "the model is no worse than the market", by the normal distribution
        of the events' summed differences: resamples cannot be small enough for many tests.
    accuracy_*
        Share of rows on the right side of one half; a forecast of exactly one half counts half.
    r2_*, rmse_*, mae_*
        Of the outcomes as numbers; R² against their mean.
    direction, direction_market
        Of the rows whose forecast left the price, the share that left it towards the outcome, and
        the share that the price itself expects (one half where outcomes are later prices).
    """

    rows: int = 0
    events: int = 0
    brier_market: float = np.nan
    brier_model: float = np.nan
    log_loss_market: float = np.nan
    log_loss_model: float = np.nan
    skill: float = np.nan
    skill_low: float = np.nan
    skill_high: float = np.nan
    p_worse: float = 1.0
    log_loss_skill: float = np.nan
    log_loss_skill_low: float = np.nan
    log_loss_skill_high: float = np.nan
    p_worse_log_loss: float = 1.0
    accuracy_market: float = np.nan
    accuracy_model: float = np.nan
    r2_market: float = np.nan
    r2_model: float = np.nan
    rmse_market: float = np.nan
    rmse_model: float = np.nan
    mae_market: float = np.nan
    mae_model: float = np.nan
    direction_market: float = np.nan
    direction: float = np.nan

    def as_json(self) -> dict[str, Any]:
        """Plain numbers; null where a number is not finite."""
        return {name: value if np.isfinite(value) else None for name, value in asdict(self).items()}


NOTHING = Score()


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
    losses = [loss(p, y) for loss in (brier, log_loss) for p in (market, model)]
    events, number = np.unique(event, return_inverse=True)
    sums = np.column_stack([np.bincount(number, each) for each in losses]).astype(float)
    drawn = _totals(sums, rng=rng, resamples=resamples)
    squares, logs = (_verdict(sums[:, k : k + 2], drawn[:, k : k + 2]) for k in (0, 2))
    means = [float(each.mean()) for each in losses]
    return Score(
        rows=len(y),
        events=len(events),
        **dict(
            zip(
                ("brier_market", "brier_model", "log_loss_market", "log_loss_model"),
                means,
                strict=True,
            )
        ),
        **dict(zip(("skill", "skill_low", "skill_high", "p_worse"), squares, strict=True)),
        **dict(
            zip(
                (
                    "log_loss_skill",
                    "log_loss_skill_low",
                    "log_loss_skill_high",
                    "p_worse_log_loss",
                ),
                logs,
                strict=True,
            )
        ),
        **_plain(y, market=market, model=model),
    )


def _verdict(sums: Floats, drawn: Floats) -> tuple[float, float, float, float]:
    """Skill, its 95 % interval and the p-value of being no worse."""
    low, high = quantiles(_skill(drawn), 0.025, 0.975)
    harm = sums[:, 1] - sums[:, 0]
    spread = float(np.sqrt(np.square(harm - harm.mean()).sum()))
    p_worse = (
        NormalDist().cdf(float(-harm.sum() / spread)) if spread else 1.0 - float(harm.sum() > 0)
    )
    return float(_skill(sums.sum(axis=0))), low, high, p_worse


def _plain(y: Floats, *, market: Floats, model: Floats) -> dict[str, float]:
    """The measures without an interval, of both."""
    found: dict[str, float] = {}
    spread = float(np.square(y - y.mean()).sum())
    for name, p in (("market", market), ("model", model)):
        squares = brier(p, y)
        half = np.where(p == 0.5, 0.5, (p > 0.5) == (y > 0.5))
        found[f"accuracy_{name}"] = float(half.mean())
        found[f"r2_{name}"] = 1 - float(squares.sum()) / spread if spread else np.nan
        found[f"rmse_{name}"] = float(np.sqrt(squares.mean()))
        found[f"mae_{name}"] = float(np.abs(p - y).mean())
    moved = (model != market) & (y != market)
    if moved.any():
        up, price, outcome = (model > market)[moved], market[moved], y[moved]
        answers = np.isin(outcome, (0.0, 1.0)).all()
        implied = np.where(up, price, 1 - price) if answers else np.full(len(price), 0.5)
        found["direction"] = float((up == (outcome > price)).mean())
        found["direction_market"] = float(implied.mean())
    return found


def skill_draws(sums: Floats, *, rng: np.random.Generator, resamples: int) -> Floats:
    """Skill of `resamples` samples of events drawn with replacement.

    Parameters
    ----------
    sums
        float64[events, 2]: per event the sum of the market's and of the model's Brier scores.
    """
    return _skill(_totals(sums, rng=rng, resamples=resamples))


def _totals(sums: Floats, *, rng: np.random.Generator, resamples: int) -> Floats:
    """Column sums of `resamples` samples of events drawn with replacement, [resamples, columns]."""
    events = len(sums)
    drawn = np.empty((resamples, sums.shape[1]))
    step = max(1, CHUNK // events)
    for start in range(0, resamples, step):
        stop = min(start + step, resamples)
        picked = rng.integers(0, events, size=(stop - start, events))
        for k in range(sums.shape[1]):
            drawn[start:stop, k] = sums[:, k][picked].sum(axis=1)
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


def holm(p_values: Floats, share: Floats | None = None) -> Floats:
    """Holm's adjusted p-values: comparing each with α keeps the family-wise error below α.

    `share` is how much of α each hypothesis has from the start, fixed before the data are seen; a
    rejected one hands its share on to the others. Equal shares where it is None.

    >>> holm(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.06, 0.06]
    >>> holm(np.array([0.02, 0.5, 0.01]), np.array([0.5, 0.25, 0.25])).round(3).tolist()
    [0.04, 0.5, 0.04]
    """
    share = np.ones(len(p_values)) if share is None else share
    order = np.argsort(p_values / share, kind="stable")
    left = np.cumsum(share[order][::-1])[::-1]
    factors = left / share[order]
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
