"""Experts and the market combined into one forecast, as far from the price as evidence carries.

logit p = ℓ + Σ_k w_k f_k with w_k ≥ 0 and Σ w_k ≤ cap: the rungs of `combination` say how the
weights look, `weighing` how they are fitted, and the ladder of a training which of them has earned
its place. The weights apply only in the cells (domain × time left) whose own evidence the training
found positive; everywhere else the forecast is the price, bit by bit.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from predictions.core import combination, roster
from predictions.core.calibration import Calibrator, Widths
from predictions.core.coherence import Groups, cohere
from predictions.core.combination import (
    ENSEMBLE,
    EXPERTS,
    PRICE,
    RECALIBRATED,
    Fixed,
    Rows,
    Rung,
    Stack,
)
from predictions.core.contracts import MARKET, Forecasts, PredictionConfig
from predictions.core.estimators import Estimator
from predictions.core.gating import Gate
from predictions.core.logits import corrected, logit
from predictions.core.uncertainty import PriceErrors

__all__ = [
    "ENSEMBLE", "EXPERTS", "MARKET", "PRICE", "RECALIBRATED",
    "Blend", "Bundle", "UnknownFormat", "forecast", "moves",
    "untrusted",
]  # fmt: skip

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

FORMAT: Final = 2
KINDS: Final[Mapping[str, type[Rung]]] = {kind.kind: kind for kind in (Fixed, Stack, Gate)}


class UnknownFormat(ValueError):
    """A gate's artefact was written by another release: train again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blend:
    """How far to follow the experts.

    Attributes
    ----------
    experts
        Slugs of all experts of the training, also those without a weight: the order of every
        array of moves.
    rungs
        What was fitted, the highest first; a lower one serves where the experts of a higher one
        are missing. None with a weight: the price.
    cells
        Where the weights apply; any other cell is the price.
    errors
        How far its probabilities were off, by price.
    calibrator
        What the highest rung's probabilities go through, where that has earned its place.
    widths
        Venn-Abers width by probability; None: not measured.
    """

    experts: tuple[str, ...]
    rungs: tuple[Rung, ...]
    cells: tuple[int, ...]
    errors: PriceErrors
    calibrator: Calibrator | None = None
    widths: Widths | None = None

    @property
    def weight(self) -> float:
        """The weight of all experts together on the highest rung."""
        return self.rungs[0].total if self.rungs else 0.0

    def to_bytes(self) -> bytes:
        """JSON; numbers read back exactly."""
        content: dict[str, Any] = {
            "format": FORMAT,
            "experts": self.experts,
            "rungs": [rung.as_json() for rung in self.rungs],
            "cells": self.cells,
            "errors": asdict(self.errors),
            "calibrator": None if self.calibrator is None else self.calibrator.as_json(),
            "widths": None if self.widths is None else asdict(self.widths),
        }
        return json.dumps(content, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, blob: bytes) -> Self:
        """Read the JSON of `to_bytes`; `UnknownFormat` for one of another release."""
        content = json.loads(blob)
        if content.get("format") != FORMAT:
            raise UnknownFormat(
                f"the gate's artefact has format {content.get('format', 1)}, not {FORMAT}; "
                "train again"
            )
        calibrator, widths = content["calibrator"], content["widths"]
        return cls(
            experts=tuple(content["experts"]),
            rungs=tuple(KINDS[each["kind"]].from_json(each) for each in content["rungs"]),
            cells=tuple(content["cells"]),
            errors=PriceErrors(**{k: tuple(v) for k, v in content["errors"].items()}),
            calibrator=None if calibrator is None else Calibrator.from_json(calibrator),
            widths=None if widths is None else Widths(**{k: tuple(v) for k, v in widths.items()}),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """What is served: estimators by expert name, how to combine them, and where they come from.

    `version` is the key of the gate's `ModelVersion`, None where it was not registered; `label`
    names it for people, with the start of `sha256`, the digest of what combines the members;
    `data_until` (epoch seconds) ends the span of labels that it has seen. Only members in `active`
    may have weight (None: all may); the others are asked and recorded.
    """

    horizon: str
    schema_hash: str
    members: Mapping[str, Estimator]
    blend: Blend
    version: int | None
    label: str
    sha256: str
    data_until: float
    active: frozenset[str] | None = None

    @property
    def order(self) -> tuple[str, ...]:
        """The experts in the order of every array of moves."""
        return self.blend.experts

    def follows(self, slug: str) -> bool:
        """Whether an expert may have weight."""
        return slug in self.members and (self.active is None or slug in self.active)


def moves(
    members: Mapping[str, Estimator],
    x: Floats,
    odds: Floats,
    cell: Ints,
    *,
    horizon: str,
    order: Sequence[str] | None = None,
) -> Floats:
    """Corrections of every expert, float64[rows, experts], in `order` (default: the roster's).

    NaN where an expert is missing, its slice does not cover the row, or there is no price. An
    expert is asked about the rows of its slice only.
    """
    slugs = [role.slug for role in roster.members(horizon)] if order is None else order
    said = np.full((len(odds), len(slugs)), np.nan)
    priced = np.isfinite(odds)
    for k, slug in enumerate(slugs):
        if slug not in members:
            continue
        role = roster.BY_SLUG.get(slug)
        rows = priced if role is None else priced & role.slice.covers(x, cell)
        if rows.all():
            said[:, k] = _each(members[slug].correction(x, odds, cell), rows)
        elif rows.any():
            own = members[slug].correction(x[rows], odds[rows], cell[rows])
            said[rows, k] = _each(own, rows)
    return said


def _each(answer: Floats, rows: Flags) -> Floats:
    """The answer, where it is one for each of the rows: numpy would spread a single one."""
    if np.shape(answer) != (rows.sum(),):
        raise ValueError(f"{rows.sum()} rows asked, an answer of shape {np.shape(answer)}")
    return answer


def forecast(
    bundle: Bundle | None,
    x: Floats,
    price: Floats,
    *,
    cell: Ints,
    config: PredictionConfig,
    trust: float = 1.0,
    groups: Groups | None = None,
) -> Forecasts:
    """Forecast every row on the highest rung whose experts are there, down to the price.

    `x` float64[rows, features], `price` float64[rows] (NaN: no forecast), `cell` int64[rows];
    `trust` in [0, 1] is the weight of the result against the price, as probabilities; `groups` says
    which rows must agree with each other.
    """
    if bundle is None:
        return _the_price(price)
    odds = logit(price)
    said = moves(bundle.members, x, odds, cell, horizon=bundle.horizon, order=bundle.order)
    rung = _rung(bundle, config)
    if rung is None or trust <= 0:
        return _the_price(price, order=bundle.order, said=said)
    inside = np.isin(cell, bundle.blend.cells) & ~np.isnan(price)
    followed = np.array([_counts(bundle, slug, config) for slug in bundle.order])
    voiced = np.where(followed & inside[:, None], said, np.nan)
    rows = Rows(moves=voiced, odds=odds, cell=cell, x=x)
    weight = combination.capped(rung.weights(rows), config.correction_cap)
    move = np.sum(weight * rows.filled, axis=1)
    probability = corrected(price, move)
    if rung is bundle.blend.rungs[0]:
        cap = config.correction_cap
        probability = calibrated(bundle.blend.calibrator, price, probability, cap=cap)
    if groups is not None:
        probability = cohere(price, probability, groups, movable=inside)
    # Last, and linear in the price: it can be taken back, and what agrees still does.
    probability = _trusted(price, probability, trust)
    # A tie is an abstention: nobody has weight where the price stays as it is.
    voted = (probability != price) & ~np.isnan(price)
    share = trust * np.where(voted[:, None], weight, 0.0)
    sigma = _sigma(price, probability, rows, share=share, rung=rung, blend=bundle.blend)
    shares = np.column_stack([1.0 - share.sum(axis=1), share])
    return Forecasts(
        price=price,
        probability=probability,
        sigma=sigma,
        source=np.where(voted, rung.source, PRICE).astype("U14"),
        weights=_summary(bundle.order, shares[voted]),
        order=bundle.order,
        shares=shares.astype(np.float32),
        corrections=said.astype(np.float32),
        trust=trust,
    )


def calibrated(
    calibrator: Calibrator | None, price: Floats, probability: Floats, *, cap: float
) -> Floats:
    """Probabilities through a calibrator of weight `cap`; those that are the price stay it."""
    if calibrator is None:
        return probability
    move = np.where(probability == price, 0.0, cap * calibrator.move(probability))
    return corrected(probability, move)


def _the_price(
    price: Floats, *, order: tuple[str, ...] = (), said: Floats | None = None
) -> Forecasts:
    n = len(price)
    shares = np.zeros((n, 1 + len(order)), dtype=np.float32)
    shares[:, 0] = 1.0
    said = np.empty((n, 0)) if said is None else said
    return Forecasts(
        price=price,
        probability=price.copy(),
        # The outcome's own deviation: nothing is known.
        sigma=np.sqrt(price * (1 - price)),
        source=np.full(n, PRICE).astype("U14"),
        weights={MARKET: 1.0},
        order=order,
        shares=shares,
        corrections=said.astype(np.float32),
    )


def _rung(bundle: Bundle, config: PredictionConfig) -> Rung | None:
    """The highest rung with weight on an expert that is there; None: the price."""
    if not config.enable_ml or config.correction_cap <= 0:
        return None
    there = np.array([_counts(bundle, slug, config) for slug in bundle.order])
    for rung in bundle.blend.rungs:
        permitted = config.use_ensemble or rung.source == RECALIBRATED
        if permitted and rung.follows(there):
            return rung
    return None


def _counts(bundle: Bundle, slug: str, config: PredictionConfig) -> bool:
    """Whether an expert may have weight by its state and by the settings."""
    deep = combination.algorithm(slug) == "mlp"
    return bundle.follows(slug) and (config.use_deep_learning or not deep)


def _trusted(price: Floats, probability: Floats, trust: float) -> Floats:
    if trust >= 1.0:
        return probability
    mixed = trust * probability + (1.0 - trust) * price
    return np.where(probability == price, price, mixed)


def untrusted(price: Floats, mixed: Floats, trust: Floats) -> Floats:
    """What was said before it was mixed with the price by `trust` in (0, 1].

    >>> untrusted(np.array([0.5]), np.array([0.53]), np.array([0.1])).round(9).tolist()
    [0.8]
    """
    found: Floats = np.clip(price + (mixed - price) / trust, 0.0, 1.0)
    return np.where(trust == 1.0, mixed, found)


def _summary(order: Sequence[str], shares: Floats) -> dict[str, float]:
    if not len(shares):
        return {MARKET: 1.0}
    mean = shares.mean(axis=0).tolist()
    experts = {k: v for k, v in zip(order, mean[1:], strict=True) if v > 0}
    return {MARKET: mean[0]} | experts


def _sigma(
    price: Floats,
    probability: Floats,
    rows: Rows,
    *,
    share: Floats,
    rung: Rung,
    blend: Blend,
) -> Floats:
    """σ² = calibration error² + disagreement (market included) + (error of the weight × effect)².

    The calibration error is what past residuals show at that price, at least the Venn-Abers width.

    The outcome's own randomness is not in it, and what all members miss alike cannot be seen in
    outcomes: σ is a lower bound of the honest doubt.
    """
    variance = probability * (1 - probability)
    spread = (1.0 - share.sum(axis=1)) * (price - probability) ** 2
    voted = share.any(axis=0)
    apart = corrected(price[:, None], rows.filled[:, voted]) - probability[:, None]
    spread = spread + np.sum(share[:, voted] * apart**2, axis=1)
    slope = rung.doubt(rows) * variance
    error = blend.errors.at(probability)
    if blend.widths is not None:
        error = np.maximum(error, blend.widths.of(probability))
    sigma: Floats = np.sqrt(error**2 + spread + slope**2)
    return sigma
