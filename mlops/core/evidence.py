"""Where the correction has earned its place: per cell, out of fold, by event, in both scores."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from markets.core.series import Floats, Ints
from mlops.core import metrics
from mlops.core.examples import weights


@dataclass(frozen=True, slots=True, kw_only=True)
class CellEvidence:
    """Out-of-fold gain of a correction over the market in one cell.

    Gains are relative to the market's score: `log_loss_gain` with every event weighing the same,
    `brier_gain` over rows. The lower bounds are one-sided, by event bootstrap, in the same unit.
    """

    cell: int
    rows: int
    events: int
    log_loss_gain: float
    log_loss_low: float
    brier_gain: float
    brier_low: float
    enough: bool

    @property
    def positive(self) -> bool:
        """Whether both gains are above zero beyond their intervals, on enough events."""
        return self.enough and self.log_loss_low > 0 and self.brier_low > 0

    def as_json(self) -> dict[str, Any]:
        """Plain numbers; null where a number is not finite."""
        return {name: value if np.isfinite(value) else None for name, value in asdict(self).items()}


def judge(
    y: Floats,
    *,
    market: Floats,
    model: Floats,
    cell: Ints,
    event: Ints,
    min_events: int,
    level: float,
    resamples: int,
    rng: np.random.Generator,
) -> tuple[CellEvidence, ...]:
    """Evidence per cell for the model `model` against the price `market`, in order of the cell."""
    found = []
    for code in np.unique(cell):
        rows = cell == code
        events, number = np.unique(event[rows], return_inverse=True)
        weight = weights(event[rows])
        gains = []
        for loss, share in ((metrics.log_loss, weight), (metrics.brier, np.ones(len(weight)))):
            gains.append(
                _gain(
                    y[rows],
                    market[rows],
                    model[rows],
                    loss=loss,
                    weight=share,
                    number=number,
                    level=level,
                    resamples=resamples,
                    rng=rng,
                )
            )
        found.append(
            CellEvidence(
                cell=int(code),
                rows=len(number),
                events=len(events),
                log_loss_gain=gains[0][0],
                log_loss_low=gains[0][1],
                brier_gain=gains[1][0],
                brier_low=gains[1][1],
                enough=len(events) >= min_events,
            )
        )
    return tuple(found)


def _gain(
    y: Floats,
    market: Floats,
    model: Floats,
    *,
    loss: Callable[[Floats, Floats], Floats],
    weight: Floats,
    number: Ints,
    level: float,
    resamples: int,
    rng: np.random.Generator,
) -> tuple[float, float]:
    reference = np.bincount(number, weight * loss(market, y))
    ours = np.bincount(number, weight * loss(model, y))
    if not reference.sum():
        return 0.0, 0.0
    drawn = metrics.skill_draws(np.column_stack([reference, ours]), rng=rng, resamples=resamples)
    return float(1 - ours.sum() / reference.sum()), metrics.quantiles(drawn, level)[0]
