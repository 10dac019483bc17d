"""Has the world moved away from what a model was trained on? Distances between distributions.

A training keeps a `Profile`: a grid of quantiles per feature. Later rows are compared with it by
the population stability index over ten bins and by the Kolmogorov-Smirnov distance, whose p-values
are corrected over all features by Benjamini and Hochberg (1995): without that, a hundred features
give five false alarms a look. Rows of one event say nearly the same, so the sample is the events.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

GRID: Final = np.linspace(0.0, 1.0, 41)
BINS: Final = 10
LEAST_SHARE: Final = 1e-4  # an empty bin counts as this share: the index stays finite
NOISE_SIGMAS: Final = 3.0
FLAT: Final = 0.2  # below this statistic the tail probability is 1 to twelve digits
TERMS: Final = 100
LEAST_LEVEL: Final = 1e-12  # below it no quantile of the normal distribution is a number


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What the rows of a training looked like, k features.

    Attributes
    ----------
    names
        The features.
    quantiles
        float64[k, len(GRID)] of the finite values, rising; NaN where there were none.
    missing
        float64[k], share of rows without a value.
    events
        How many independent events it describes.
    """

    names: tuple[str, ...]
    quantiles: Floats
    missing: Floats
    events: int

    @classmethod
    def of(cls, x: Floats, names: Sequence[str], *, events: int) -> Self:
        """The profile of float64[rows, k] that come from so many events."""
        quantiles = np.full((len(names), len(GRID)), np.nan)
        for k in range(len(names)):
            known = x[np.isfinite(x[:, k]), k]
            if len(known):
                quantiles[k] = np.quantile(known, GRID, method="inverted_cdf")
        missing = np.mean(~np.isfinite(x), axis=0) if len(x) else np.ones(len(names))
        return cls(names=tuple(names), quantiles=quantiles, missing=missing, events=events)

    def as_json(self) -> dict[str, Any]:
        """Plain numbers, seven significant digits; null where a feature never had a value."""
        grids = [
            None if np.isnan(row[0]) else [float(f"{value:.7g}") for value in row]
            for row in self.quantiles
        ]
        return {
            "events": self.events,
            "features": {
                name: {"quantiles": grid, "missing": round(float(missing), 6)}
                for name, grid, missing in zip(self.names, grids, self.missing, strict=True)
            },
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read `as_json`."""
        features = content["features"]
        blank = [float("nan")] * len(GRID)
        return cls(
            names=tuple(features),
            quantiles=np.array(
                [each["quantiles"] or blank for each in features.values()], dtype=np.float64
            ).reshape(len(features), len(GRID)),
            missing=np.array([each["missing"] for each in features.values()], dtype=np.float64),
            events=int(content["events"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """How far each of k features moved.

    Attributes
    ----------
    psi
        float64[k], population stability index over ten bins and one for missing values.
    floor
        float64[k], the index that mere sampling would reach: its mean plus three standard
        deviations, (bins − 1 + 3 √(2 (bins − 1))) (1/n + 1/m) with n and m events.
    distance, p_value
        float64[k], Kolmogorov-Smirnov on the grid of quantiles; NaN without values on a side.
    """

    names: tuple[str, ...]
    psi: Floats
    floor: Floats
    distance: Floats
    p_value: Floats


def shift(before: Profile, x: Floats, *, events: int) -> Shift:
    """Compare later rows, float64[rows, k] in the profile's order, of so many events with it."""
    count = len(before.names)
    psi, floor = np.zeros(count), np.zeros(count)
    distance, p_value = np.full(count, np.nan), np.full(count, np.nan)
    for k in range(count):
        known = np.sort(x[np.isfinite(x[:, k]), k])
        gone = 1.0 - len(known) / max(len(x), 1)
        psi[k], bins = _stability(before.quantiles[k], before.missing[k], known, gone)
        free = max(bins - 1, 1)
        noise = 1 / max(before.events, 1) + 1 / max(events, 1)
        floor[k] = (free + NOISE_SIGMAS * np.sqrt(2.0 * free)) * noise
        held, met = before.events * (1.0 - before.missing[k]), events * (1.0 - gone)
        if len(known) and held:
            distance[k] = _distance(before.quantiles[k], known)
            size = np.sqrt(met * held / (met + held))
            p_value[k] = _chance((size + 0.12 + 0.11 / size) * distance[k])
    return Shift(names=before.names, psi=psi, floor=floor, distance=distance, p_value=p_value)


def spent(level: float, *, look: int) -> float:
    """What the `look`-th look, from 1, may spend of a level: 1 / (k (k + 1)) of it.

    The shares add up to 1, so all looks together are wrong with a chance of at most the level.
    """
    return max(level / (look * (look + 1)), LEAST_LEVEL)


def discoveries(p_value: Floats, level: float) -> Flags:
    """Which tests stand at a false discovery rate (Benjamini-Hochberg); NaN never does.

    >>> discoveries(np.array([0.001, 0.04, 0.5, np.nan]), 0.05).tolist()
    [True, False, False, False]
    """
    found = np.zeros(len(p_value), dtype=bool)
    known = np.flatnonzero(np.isfinite(p_value))
    order = known[np.argsort(p_value[known], kind="stable")]
    limits = level * np.arange(1, len(order) + 1) / max(len(order), 1)
    passing = np.flatnonzero(p_value[order] <= limits)
    if len(passing):
        found[order[: passing[-1] + 1]] = True
    return found


def _chance(statistic: float) -> float:
    """Kolmogorov's tail probability, by the series that converges fastest where it matters."""
    if statistic < FLAT:
        return 1.0
    terms = np.arange(1, TERMS + 1)
    signs = np.where(terms % 2, 1.0, -1.0)
    return float(np.clip(2.0 * np.sum(signs * np.exp(-2.0 * (terms * statistic) ** 2)), 0.0, 1.0))


def _stability(grid: Floats, missing: float, known: Floats, gone: float) -> tuple[float, int]:
    """The index over ten quantile bins and the missing ones, and over how many bins it went."""
    if np.isnan(grid[0]):
        then, now = np.array([0.0, missing]), np.array([1.0 - gone, gone])
    else:
        step = (len(GRID) - 1) // BINS
        edges = np.unique(grid[step:-1:step])
        shares = np.diff(np.concatenate([[0.0], _below(grid, edges), [1.0]]))
        counts = np.diff(
            np.concatenate([[0], np.searchsorted(known, edges, side="right"), [len(known)]])
        )
        then = np.append(shares * (1.0 - missing), missing)
        now = np.append(counts / max(len(known), 1) * (1.0 - gone), gone)
    used = (then > 0) | (now > 0)
    a, b = np.maximum(then[used], LEAST_SHARE), np.maximum(now[used], LEAST_SHARE)
    return float(np.sum((b - a) * np.log(b / a))), int(used.sum())


def _below(grid: Floats, edges: Floats) -> Floats:
    """Share of the profile's values up to each edge."""
    at: Floats = GRID[np.searchsorted(grid, edges, side="right") - 1]
    return at


def _distance(grid: Floats, known: Floats) -> float:
    """Largest gap between the two distribution functions, seen at the grid's values.

    Between two points of the grid the profile's own function may lie anywhere: only what exceeds
    one step of the grid counts as distance.
    """
    values = np.unique(grid)
    then = _below(grid, values)
    now = np.searchsorted(known, values, side="right") / len(known)
    return max(0.0, float(np.abs(then - now).max()) - float(GRID[1]))
