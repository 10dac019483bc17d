"""Experts and the market combined into one forecast, as far from the price as evidence carries.

logit p = ℓ + a · mean of the experts' corrections, with 0 ≤ a ≤ cap. The one weight is fitted on
out-of-fold corrections and pays for every step away from zero: the log likelihood loses
`caution` × (standard error of its slope at a = 0) × a, clustered by event, and the half square of
a / 0.35. So a > 0 exactly when the experts' gain over the price is that many standard errors beyond
chance, and it tends to the maximum-likelihood weight as events accumulate. It applies only in the
cells (domain × time left) whose own evidence the caller found positive; everywhere else the
forecast is the price, bit by bit.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from predictions.core.contracts import Forecasts, PredictionConfig
from predictions.core.estimators import Estimator, Recalibration
from predictions.core.logits import corrected, logit, sigmoid
from predictions.core.uncertainty import PriceErrors

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

EXPERTS: Final = "EXPERTS"
RECALIBRATED: Final = "RECALIBRATED"
PRICE: Final = "PRICE"
MARKET: Final = "market"
PRIOR: Final = 0.35  # standard deviation of the weight before any evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Blend:
    """How far to follow the experts.

    Attributes
    ----------
    experts
        Names of the experts whose mean correction `weight` multiplies.
    weight, weight_error
        a and its standard error; 0 and 0 without evidence.
    alone, alone_error
        The same for the recalibration by itself: the next rung when other experts are missing.
    cells
        Where the weights apply; any other cell is the price.
    errors
        How far its probabilities were off, by price.
    """

    experts: tuple[str, ...]
    weight: float
    weight_error: float
    alone: float
    alone_error: float
    cells: tuple[int, ...]
    errors: PriceErrors

    @classmethod
    def fit(
        cls,
        corrections: Mapping[str, Floats],
        price: Floats,
        y: Floats,
        *,
        event: Ints,
        cell: Ints,
        cap: float,
        allowed: frozenset[int],
        caution: float = 2.0,
    ) -> Self:
        """Fit on out-of-fold corrections, one array per expert; every event counts once.

        `allowed` names the cells in which the evidence is positive.
        """
        good = np.isfinite(price) & np.isfinite(y)
        for each in corrections.values():
            good &= np.isfinite(each)
        price, y, event, cell = price[good], y[good], event[good], cell[good]
        names, cells = tuple(sorted(corrections)), tuple(sorted(allowed))
        inside = np.isin(cell, cells)
        kept = {name: np.where(inside, corrections[name][good], 0.0) for name in names}
        together = _mean(kept, len(price))
        weight, error = _weight(together, price, y, event=event, cap=cap, caution=caution)
        recalibrated = kept.get(Recalibration.kind, np.zeros(len(price)))
        alone, alone_error = _weight(recalibrated, price, y, event=event, cap=cap, caution=caution)
        return cls(
            experts=names,
            weight=weight,
            weight_error=error,
            alone=alone,
            alone_error=alone_error,
            cells=cells,
            errors=PriceErrors.fit(corrected(price, weight * together), y, event=event),
        )

    def to_bytes(self) -> bytes:
        """JSON; numbers read back exactly."""
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, blob: bytes) -> Self:
        """Read the JSON of `to_bytes`."""
        content = json.loads(blob)
        errors = PriceErrors(**{k: tuple(v) for k, v in content.pop("errors").items()})
        content["experts"], content["cells"] = tuple(content["experts"]), tuple(content["cells"])
        return cls(**content, errors=errors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """What is served: estimators by expert name, how to combine them, and where they come from.

    `version` is the key of the gate's `ModelVersion`, None where it was not registered; `label`
    names it for people, with the start of `sha256`, the digest of what combines the members;
    `data_until` (epoch seconds) ends the span of labels that it has seen.
    """

    horizon: str
    schema_hash: str
    members: Mapping[str, Estimator]
    blend: Blend
    version: int | None
    label: str
    sha256: str
    data_until: float


@dataclass(frozen=True, slots=True)
class _Rung:
    source: str
    experts: tuple[str, ...]
    weight: float
    error: float


def forecast(
    bundle: Bundle | None, x: Floats, price: Floats, *, cell: Ints, config: PredictionConfig
) -> Forecasts:
    """Forecast every row on the best rung that stands: experts, recalibrated price, price.

    `x` float64[rows, features], `price` float64[rows] (NaN: no forecast), `cell` int64[rows].
    """
    rung = _rung(bundle, config)
    odds = logit(price)
    errors = bundle.blend.errors if bundle is not None and config.enable_ml else None
    members = bundle.members if bundle is not None else {}
    inside = np.isin(cell, bundle.blend.cells if bundle is not None else ())
    moves = {
        name: np.where(inside, members[name].correction(x, odds, cell), 0.0)
        for name in rung.experts
    }
    mean = _mean(moves, len(price))
    probability = corrected(price, rung.weight * mean)
    sigma = _sigma(price, probability, moves, mean=mean, rung=rung, errors=errors)
    share = rung.weight / max(len(rung.experts), 1)
    return Forecasts(
        price=price,
        probability=probability,
        sigma=sigma,
        source=np.where(inside & ~np.isnan(price), rung.source, PRICE).astype("U14"),
        weights={MARKET: 1.0 - rung.weight} | dict.fromkeys(rung.experts, share),
    )


def _rung(bundle: Bundle | None, config: PredictionConfig) -> _Rung:
    """The highest rung whose experts are all there and whose weight the evidence allows."""
    if bundle is not None and config.enable_ml:
        blend = bundle.blend
        rungs = (
            _Rung(EXPERTS, blend.experts, blend.weight, blend.weight_error),
            _Rung(RECALIBRATED, (Recalibration.kind,), blend.alone, blend.alone_error),
        )
        for rung in rungs:
            if rung.weight > 0 and all(name in bundle.members for name in rung.experts):
                weight = min(rung.weight, config.correction_cap)
                return _Rung(rung.source, rung.experts, weight, rung.error)
    return _Rung(PRICE, (), 0.0, 0.0)


def _sigma(
    price: Floats,
    probability: Floats,
    moves: Mapping[str, Floats],
    *,
    mean: Floats,
    rung: _Rung,
    errors: PriceErrors | None,
) -> Floats:
    """σ² = calibration error² + disagreement (market included) + (error of the weight × effect)².

    The outcome's own randomness is not in it, and what all members miss alike cannot be seen in
    outcomes: σ is a lower bound of the honest doubt. Without a fitted gate it is the outcome's
    own standard deviation, i.e. nothing is known.
    """
    variance = probability * (1 - probability)
    if errors is None:
        return np.sqrt(variance)
    spread = (1.0 - rung.weight) * (price - probability) ** 2
    for move in moves.values():
        apart = (corrected(price, move) - probability) ** 2
        spread = spread + rung.weight / len(moves) * apart
    slope = rung.error * mean * variance
    return np.sqrt(errors.at(probability) ** 2 + spread + slope**2)


def _mean(moves: Mapping[str, Floats], rows: int) -> Floats:
    return np.mean(list(moves.values()), axis=0) if moves else np.zeros(rows)


def _weight(
    move: Floats, price: Floats, y: Floats, *, event: Ints, cap: float, caution: float
) -> tuple[float, float]:
    """The penalised weight of one correction in [0, cap] and its standard error."""
    if not len(price) or not np.any(move):
        return 0.0, 0.0
    odds = logit(price)
    _, of, counts = np.unique(event, return_inverse=True, return_counts=True)
    each = move / counts[of]

    def scores(a: float) -> Floats:
        return np.bincount(of, weights=each * (y - sigmoid(odds + a * move))).astype(np.float64)

    def gain(a: float) -> float:
        return float(scores(a).sum()) - a / PRIOR**2

    toll = caution * float(np.sqrt(np.sum(scores(0.0) ** 2)))
    if gain(0.0) <= toll:
        return 0.0, 0.0
    low, high = 0.0, cap
    if gain(cap) > toll:
        low = cap
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if gain(middle) > toll else (low, middle)
    p = sigmoid(odds + low * move)
    information = float(np.sum(each * move * p * (1 - p)))
    return low, float(np.sqrt(np.sum(scores(low) ** 2))) / max(information, 1e-12)
