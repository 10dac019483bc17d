"""What a forecast is, for whoever reads it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecasts:
    """Forecasts of outcome 0 for n rows.

    Attributes
    ----------
    price
        Market mid at the decision, in (0, 1); NaN where there was none: never traded.
    probability
        Calibrated belief in (0, 1); NaN without a price.
    sigma
        Standard error of `probability`, >= 0; NaN without a price.
    source
        Per row a value of `predictions.models.Source`.
    """

    price: Floats
    probability: Floats
    sigma: Floats
    source: NDArray[np.str_]
    weights: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionConfig:
    """The values of `PredictionSettings`."""

    version: int
    enable_ml: bool
    correction_cap: float
    max_quote_age_s: int
