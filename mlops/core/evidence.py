"""Where the correction has earned its place: per cell, out of fold, by event, in both scores.

A cell (domain × time left) is small, so it may also stand on what its domain, or everything, shows:
it then needs gains above zero of its own, not gains beyond its own interval. A whole carries its
cells where its log loss gains beyond the interval and its Brier score gains too; the latter hardly
feels corrections of prices near 0 and 1, however well they are proven. What a whole shows does not
carry a cell that itself speaks against it, and everything carries only where it does so without its
best domain: one domain's gain is no word about the others.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from markets.core.series import Floats, Ints
from mlops.core import metrics
from mlops.core.examples import weights
from predictions.core.cells import BUCKETS

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellEvidence:
    """Out-of-fold gain of a correction over the market in one cell.

    Gains are relative to the market's score: `log_loss_gain` with every event weighing the same,
    `brier_gain` over rows. The lower bounds are one-sided, clustered by event, in the same unit.
    `carried` says that the cell's domain, or everything, carries its cells.
    """

    cell: int
    rows: int
    events: int
    log_loss_gain: float
    log_loss_low: float
    brier_gain: float
    brier_low: float
    enough: bool
    carried: bool = False

    @property
    def proven(self) -> bool:
        """Whether both gains are above zero beyond their intervals, on enough events."""
        return self.enough and self.log_loss_low > 0 and self.brier_low > 0

    @property
    def carries(self) -> bool:
        """Whether a whole speaks for its cells: log loss beyond the interval, and Brier too."""
        return self.enough and self.log_loss_low > 0 and self.brier_gain > 0

    @property
    def positive(self) -> bool:
        """Whether the correction applies: proven here, or carried and not contradicted."""
        return self.proven or (self.carried and self.log_loss_gain > 0 and self.brier_gain > 0)

    def as_json(self) -> dict[str, Any]:
        """Plain numbers; null where a number is not finite."""
        return {name: value if np.isfinite(value) else None for name, value in asdict(self).items()}


def judge_all(
    y: Floats,
    *,
    market: Floats,
    model: Floats,
    cell: Ints,
    event: Ints,
    min_events: int,
    level: float,
    rng: np.random.Generator,
) -> tuple[CellEvidence, ...]:
    """Evidence per cell, each carried by what its domain and the whole prove; quick intervals."""

    def of(where: Ints, rows: Flags | slice = slice(None)) -> dict[int, CellEvidence]:
        found = judge(
            y[rows],
            market=market[rows],
            model=model[rows],
            cell=where[rows],
            event=event[rows],
            min_events=min_events,
            level=level,
            resamples=0,
            rng=rng,
        )
        return {each.cell: each for each in found}

    whole = of(np.zeros_like(cell))
    domain = cell // BUCKETS
    domains = of(domain)
    everything = bool(whole) and whole[0].carries
    if everything:
        lost = metrics.log_loss(market, y) - metrics.log_loss(model, y)
        gains = np.bincount(domain, weights=weights(event) * lost)
        rest = of(np.zeros_like(cell), domain != int(np.argmax(gains)))
        everything = bool(rest) and rest[0].carries
    return tuple(
        replace(each, carried=domains[code // BUCKETS].carries or everything)
        for code, each in of(cell).items()
    )


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
    """Evidence per cell for the model `model` against the price `market`, in order of the cell.

    Lower bounds by event bootstrap; with no `resamples` by the delta method of a ratio of sums.
    """
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
    gain = float(1 - ours.sum() / reference.sum())
    if not resamples:
        error = float(np.sqrt(np.sum((reference - ours - gain * reference) ** 2)) / reference.sum())
        return gain, gain + NormalDist().inv_cdf(level) * error
    drawn = metrics.skill_draws(np.column_stack([reference, ours]), rng=rng, resamples=resamples)
    return gain, metrics.quantiles(drawn, level)[0]
