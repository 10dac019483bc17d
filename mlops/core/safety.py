"""Is the forecast nowhere worse than the price, as far as later data can tell?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from mlops.core import metrics

SAFE: Final = "safe"
UNSAFE: Final = "unsafe"
INSUFFICIENT: Final = "insufficient"
P_VALUES: Final = ("p_worse", "p_worse_log_loss")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What counts as harm, and how many events it takes to say so.

    Attributes
    ----------
    least_events
        A cell with fewer is left out of the family of tests.
    calibration_events
        From so many on, the slope's interval must contain 1; a whole evaluation with fewer is
        `insufficient` evidence of safety.
    level
        Of the family of tests, after Holm.
    worst_pooled
        Skill over all rows, in both scores, must not be less.
    """

    least_events: int = 100
    calibration_events: int = 2000
    level: float = 0.05
    worst_pooled: float = -0.001


LIMITS: Final = Limits()


def adjust(cells: Sequence[dict[str, Any]]) -> None:
    """Add to every cell its smaller p-value after Holm; null where it has too few events.

    Both scores of every cell that has enough are one family: whatever the cells overlap, the chance
    of naming a harmless one is below the level.
    """
    family = [cell for cell in cells if not cell["insufficient"]]
    found = metrics.holm(np.array([cell[name] for cell in family for name in P_VALUES]))
    for cell in cells:
        cell["p_worse_holm"] = None
    for cell, pair in zip(family, found.reshape(-1, len(P_VALUES)).tolist(), strict=True):
        cell["p_worse_holm"] = min(pair)


def verdict(
    cells: Sequence[Mapping[str, Any]],
    *,
    pooled: Mapping[str, Any],
    calibration: Sequence[Mapping[str, Any]],
    limits: Limits = LIMITS,
) -> dict[str, Any]:
    """`safe`, `unsafe` or `insufficient`, with every reason; cells as `adjust` left them."""
    worse = [
        f"{cell['cut']} {cell['name']}: worse than the price (p {cell['p_worse_holm']:.3f})"
        for cell in cells
        if cell["p_worse_holm"] is not None and cell["p_worse_holm"] <= limits.level
    ]
    worse += [
        f"pooled {name} {pooled[name]:+.2%}, at least {limits.worst_pooled:+.1%}"
        for name in ("skill", "log_loss_skill")
        if pooled[name] is not None and pooled[name] < limits.worst_pooled
    ]
    asked = [part for part in calibration if part["events"] >= limits.calibration_events]
    worse += [
        f"{part['name']}: slope {part['slope']:.3f} "
        f"({part['slope_low']:.3f} to {part['slope_high']:.3f}) excludes 1"
        for part in asked
        if part["slope"] is not None and not part["slope_low"] <= 1 <= part["slope_high"]
    ]
    enough = pooled["events"] >= limits.calibration_events
    return {
        "verdict": UNSAFE if worse else SAFE if enough else INSUFFICIENT,
        "reasons": worse,
        "cells_tested": sum(cell["p_worse_holm"] is not None for cell in cells),
        "cells_too_small": sum(cell["p_worse_holm"] is None for cell in cells),
        "slopes_tested": len(asked),
    }
