"""What a wallet's record is worth: skill per category, informed timing, the mood of a cohort.

Most wallets that look brilliant were lucky a few times. So results are clustered by event, shrunk
by sample size, given with an interval, and tested together (Benjamini and Hochberg, 1995).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import erf, sqrt

import numpy as np
import polars as pl
from numpy.typing import NDArray

from markets.core.contracts import ContextConfig

Floats = NDArray[np.float64]
# Standard normal quantile of a two-sided 90 % interval.
Z90 = 1.6448536269514722
FALSE_DISCOVERY = 0.1
# Three large trades are the fewest whose timing says anything at all.
FEWEST_LARGE = 3
# Below this price an entry stood against the crowd.
EARLY_BELOW = 0.35
MIN_MOOD_WALLETS = 3
SCORES = {
    "wallet_id": pl.String,
    "category": pl.String,
    "events": pl.Int64,
    "enough": pl.Boolean,
    "skilled": pl.Boolean,
    "skill": pl.Float64,
    "skill_low": pl.Float64,
    "skill_high": pl.Float64,
    "pnl": pl.Float64,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeTrade:
    """A large trade of a market that has resolved.

    `won` is whether what was bought (or kept by selling the other side) paid out, `price` what it
    cost a share, `seconds_left` the time to the end; None where no end was scheduled.
    """

    price: float
    won: float
    seconds_left: float | None


def is_whale(dollars: float, volume: float | None, config: ContextConfig) -> bool:
    """A trade of at least so many dollars, or of such a share of the market's known volume."""
    share = 0.0 if volume is None or volume <= 0 else dollars / volume
    return dollars >= config.whale_usd or (
        share >= config.whale_volume_share and dollars >= config.large_trade_usd
    )


def scores(results: pl.DataFrame, *, min_events: int) -> pl.DataFrame:
    """Skill per wallet and category (and over all, category ""), columns `SCORES`.

    Parameters
    ----------
    results
        One row a closed position: wallet_id, category, event_key, cost, pnl (dollars). Positions
        of one event are one observation: they won or lost together.

    Notes
    -----
    Skill is the ratio r = Σ pnl / Σ cost over events, shrunk to r · n / (n + min_events); its
    interval uses the variance of the ratio estimator (Cochran 1977, §6.4). A wallet is skilled
    where r > 0 survives the joint test over all wallets of the category with enough events, at a
    false discovery rate of 10 %.
    """
    if results.is_empty():
        return pl.DataFrame(schema=SCORES)
    everything = results.with_columns(category=pl.lit(""))
    both = pl.concat([results.filter(pl.col("category") != ""), everything])
    keys = ["wallet_id", "category"]
    events = both.group_by(*keys, "event_key").agg(pl.col("cost").sum(), pl.col("pnl").sum())
    ratio = events.join(
        events.group_by(keys).agg(n=pl.len(), total=pl.col("cost").sum(), gain=pl.col("pnl").sum()),
        on=keys,
    ).filter(pl.col("total") > 0)
    rows = (
        ratio.with_columns(r=pl.col("gain") / pl.col("total"))
        .with_columns(residual=(pl.col("pnl") - pl.col("r") * pl.col("cost")) ** 2)
        .group_by(keys)
        .agg(
            pl.col("n").first(),
            pl.col("r").first(),
            pl.col("gain").first(),
            error=pl.col("residual").sum().sqrt() / pl.col("total").first(),
        )
        .sort(keys)
    )
    return _judged(rows, min_events=min_events)


def _judged(rows: pl.DataFrame, *, min_events: int) -> pl.DataFrame:
    n, r = rows["n"].to_numpy().astype(float), rows["r"].to_numpy()
    # Few events make the plain error too small; n / (n − 1) is the usual correction.
    error = rows["error"].to_numpy() * np.sqrt(n / np.maximum(n - 1, 1))
    shrink = n / (n + min_events)
    enough = n >= min_events
    z = np.divide(r, error, out=np.zeros_like(r), where=error > 0)
    skilled = np.zeros(len(r), dtype=bool)
    categories = rows["category"].to_numpy()
    for category in np.unique(categories):
        judged = np.flatnonzero(enough & (categories == category))
        skilled[judged] = discoveries(upper_tail(z[judged]), rate=FALSE_DISCOVERY)
    return pl.DataFrame(
        {
            "wallet_id": rows["wallet_id"],
            "category": rows["category"],
            "events": rows["n"].cast(pl.Int64),
            "enough": enough,
            "skilled": skilled,
            "skill": r * shrink,
            "skill_low": (r - Z90 * error) * shrink,
            "skill_high": (r + Z90 * error) * shrink,
            "pnl": rows["gain"],
        },
        schema=SCORES,
    )


def upper_tail(z: Floats) -> Floats:
    """P(Z ≥ z) of the standard normal."""
    return np.array([0.5 * (1 - erf(value / sqrt(2))) for value in z], dtype=np.float64)


def discoveries(p_values: Floats, *, rate: float) -> NDArray[np.bool_]:
    """Which hypotheses are rejected when at most `rate` of the rejections may be false.

    Benjamini and Hochberg (1995): the largest k with p_(k) ≤ k / m · rate.

    >>> discoveries(np.array([0.001, 0.9, 0.04]), rate=0.1).tolist()
    [True, False, True]
    """
    m = len(p_values)
    order = np.argsort(p_values, kind="stable")
    passing = np.flatnonzero(p_values[order] <= rate * np.arange(1, m + 1) / m)
    rejected = np.zeros(m, dtype=bool)
    if len(passing):
        rejected[order[: passing[-1] + 1]] = True
    return rejected


def informed(trades: Sequence[LargeTrade], *, within_s: float) -> float | None:
    """How sure the timing of large trades is no luck: 0 … 1, None for fewer than three.

    Only trades right before the end or against the crowd count. Wins are compared with what the
    prices paid implied: Φ(Σ (won − p) / √Σ p (1 − p)).
    """
    telling = [
        t
        for t in trades
        if t.price < EARLY_BELOW or (t.seconds_left is not None and t.seconds_left <= within_s)
    ]
    variance = sum(t.price * (1 - t.price) for t in telling)
    if len(telling) < FEWEST_LARGE or variance <= 0:
        return None
    z = sum(t.won - t.price for t in telling) / sqrt(variance)
    return 0.5 * (1 + erf(z / sqrt(2)))


def mood(signed_dollars: Sequence[float]) -> float | None:
    """Which way wallets lean: net over gross dollars, −1 … 1; None for fewer than three wallets.

    One entry a wallet, positive for outcome 0. Each counts by the square root of its dollars, so
    that one whale is not the crowd.

    >>> mood([100.0, 100.0, -100.0])
    0.3333333333333333
    """
    weights = [sqrt(abs(d)) * (1 if d > 0 else -1) for d in signed_dollars if d]
    gross = sum(map(abs, weights))
    if len(weights) < MIN_MOOD_WALLETS or gross <= 0:
        return None
    return max(-1.0, min(1.0, sum(weights) / gross))
