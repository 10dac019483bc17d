"""What a forecast is, for whoever reads it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]

MARKET: Final = "market"
DIGITS: Final = 5  # significant ones of a weight, where it is written down


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecasts:
    """Forecasts of outcome 0 for n rows by k experts.

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
    weights
        Mean effective weight of the market and of every expert that has one, over the rows that
        are not the price.
    order
        Slugs of the experts, the columns of `corrections`.
    shares
        float32[n, 1 + k], effective weights per row: the market's, then the experts' in `order`.
    corrections
        float32[n, k], what each expert would add to the log odds; NaN where it has no say.
    trust
        Weight in [0, 1] that the result was mixed with the price by.
    """

    price: Floats
    probability: Floats
    sigma: Floats
    source: NDArray[np.str_]
    weights: dict[str, float]
    order: tuple[str, ...] = ()
    shares: Floats32 = field(default_factory=lambda: np.empty((0, 1), dtype=np.float32))
    corrections: Floats32 = field(default_factory=lambda: np.empty((0, 0), dtype=np.float32))
    trust: float = 1.0

    def weights_json(self) -> list[str]:
        """The effective weights of every row as JSON; what has none is left out.

        Rows share few patterns (which experts look at them), so each is written once.
        """
        keys = [f"{json.dumps(name)}: " for name in (MARKET, *self.order)]
        rows = np.ascontiguousarray(self.shares)
        whole = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).reshape(-1)
        _, first, which = np.unique(whole, return_index=True, return_inverse=True)
        texts = [_text(keys, row) for row in rows[first].tolist()]
        return [texts[i] for i in which.tolist()]


def _text(keys: Sequence[str], row: list[float]) -> str:
    kept = (f"{key}{share:.{DIGITS}g}" for key, share in zip(keys, row, strict=True) if share > 0)
    return "{" + ", ".join(kept) + "}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionConfig:
    """The values of `PredictionSettings`."""

    version: int
    enable_ml: bool
    correction_cap: float
    max_quote_age_s: int
    use_ensemble: bool
    use_deep_learning: bool
    weight_xgboost: float
    weight_lightgbm: float
    weight_neural: float
    weight_text: float
    weight_forest: float
    weight_recalibration: float
    challenger_share: float
    vector_every_s: int
    vector_min_move: float

    def by_algorithm(self) -> Mapping[str, float]:
        """Weights of the fixed-weight ensemble before normalising, by `Role.algorithm`."""
        return {
            "xgboost": self.weight_xgboost,
            "lightgbm": self.weight_lightgbm,
            "mlp": self.weight_neural if self.use_deep_learning else 0.0,
            "text": self.weight_text,
            "forest": self.weight_forest,
            "recalibration": self.weight_recalibration,
        }
