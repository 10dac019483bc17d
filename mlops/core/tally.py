"""Sums of forecasts and answers per bin: calibration that adds up over days without their rows.

The slope is that of a logistic regression of the answers on the log odds of the bins' mean
forecasts (Cox 1958); its interval takes events as independent.
"""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Final, Self

import numpy as np

from markets.core.series import Floats
from predictions.core.logits import logit, sigmoid

EDGES: Final = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
BINS: Final = len(EDGES) + 1
STEPS: Final = 50  # of Newton's method; it converges in a handful
UNKNOWN: Final = (float("nan"), float("nan"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Per bin of the forecast, float64[14]: events, and sums of forecasts and answers by event."""

    events: Floats
    forecast: Floats
    answer: Floats

    @classmethod
    def of(cls, p: Floats, y: Floats, *, weight: Floats) -> Self:
        """Count rows whose weights sum to 1 within an event."""
        at = np.searchsorted(EDGES, p, side="right")
        sums = [
            np.bincount(at, weights=weight * each, minlength=BINS).astype(float)
            for each in (np.ones(len(p)), p, y)
        ]
        return cls(events=sums[0], forecast=sums[1], answer=sums[2])

    @classmethod
    def nothing(cls) -> Self:
        """Before the first event."""
        return cls(events=np.zeros(BINS), forecast=np.zeros(BINS), answer=np.zeros(BINS))

    @classmethod
    def from_json(cls, body: list[list[float]]) -> Self:
        """Read `as_json`."""
        events, forecast, answer = np.array(body, dtype=float)
        return cls(events=events, forecast=forecast, answer=answer)

    def as_json(self) -> list[list[float]]:
        """Three lists of 14 numbers."""
        return [np.round(each, 9).tolist() for each in (self.events, self.forecast, self.answer)]

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            events=self.events + other.events,
            forecast=self.forecast + other.forecast,
            answer=self.answer + other.answer,
        )

    def lean(self, *, min_events: int, level: float) -> float:
        """The largest gap between forecast and frequency that chance does not explain; else 0.

        Over bins with `min_events`; chance is judged at `level`, divided by the bins looked at.
        """
        held = self.events >= max(min_events, 1)
        if not held.any():
            return 0.0
        events, p = self.events[held], self.forecast[held] / self.events[held]
        gap = np.abs(p - self.answer[held] / events)
        z = NormalDist().inv_cdf(1 - level / (2 * int(held.sum())))
        real = gap > z * np.sqrt(p * (1 - p) / events)
        return float(np.max(np.where(real, gap, 0.0)))

    def slope(self, *, level: float = 0.05) -> tuple[float, float]:
        """Interval of the calibration slope; NaN where the forecasts hardly differ."""
        held = self.events > 0
        if held.sum() < 2:
            return UNKNOWN
        events, odds = self.events[held], logit(self.forecast[held] / self.events[held])
        design = np.column_stack([np.ones(len(odds)), odds])
        found = np.array([0.0, 1.0])
        for _ in range(STEPS):
            p = sigmoid(design @ found)
            information = (design.T * (events * p * (1 - p))) @ design
            if np.linalg.det(information) <= 1e-9:
                return UNKNOWN
            step = np.linalg.solve(information, design.T @ (self.answer[held] - events * p))
            found = found + np.clip(step, -1.0, 1.0)
            if np.abs(step).max() < 1e-9:
                break
        else:
            return UNKNOWN  # the answers are separated by the forecasts: no finite slope
        error = float(np.sqrt(np.linalg.inv(information)[1, 1]))
        z = NormalDist().inv_cdf(1 - level / 2)
        return float(found[1] - z * error), float(found[1] + z * error)
