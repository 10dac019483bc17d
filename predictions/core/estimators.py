"""The experts' common contract: learn a correction to the market's log odds, and nothing else."""

from collections.abc import Sequence
from typing import Any, ClassVar, Final, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from predictions.core.boosting import ResidualBooster, ResidualXgb
from predictions.core.forest import ResidualForest
from predictions.core.learned import Learned
from predictions.core.neural import ResidualNet
from predictions.core.recalibration import Recalibration
from predictions.core.text import ResidualText

__all__ = [
    "ALGORITHM_OF_KIND",
    "KINDS",
    "Estimator",
    "PriceExpert",
    "Recalibration",
    "ResidualBooster",
    "ResidualForest",
    "ResidualNet",
    "ResidualText",
    "ResidualXgb",
    "importance",
    "make",
    "parse",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@runtime_checkable
class Estimator(Protocol):
    """Learns f with logit p = logit(price) + f; f = 0 is the market.

    Weights sum to the number of events; rows of an event stand together, and where `event` does not
    name them, the weights of one sum to 1. `y` is the payout of outcome 0 in [0, 1]. Rows without a
    finite logit are ignored in `fit` and get no correction. NaN in `x` is a missing value. `native`
    says that a foreign library parses the artefact, which a bad text may crash.
    """

    kind: ClassVar[str]
    native: ClassVar[bool]

    def fit(
        self,
        x: Floats,
        logit: Floats,
        y: Floats,
        *,
        cell: Ints,
        weight: Floats,
        seed: int,
        event: Ints | None = None,
    ) -> Self:
        """Learn from labelled rows; the same seed and rows give the same bytes."""
        ...

    def correction(self, x: Floats, logit: Floats, cell: Ints) -> Floats:
        """What to add to the market's log odds, float64[rows], finite."""
        ...

    def to_bytes(self) -> bytes:
        """The artefact, in a format that parses without running code."""
        ...

    @classmethod
    def from_bytes(cls, blob: bytes) -> Self:
        """The estimator of an artefact."""
        ...


class PriceExpert:
    """The market price itself: never a correction."""

    kind: ClassVar[str] = "market-price"
    native: ClassVar[bool] = False

    def fit(
        self,
        x: Floats,
        logit: Floats,
        y: Floats,
        *,
        cell: Ints,
        weight: Floats,
        seed: int,
        event: Ints | None = None,
    ) -> Self:
        """Nothing to learn."""
        del x, logit, y, cell, weight, seed, event
        return self

    def correction(self, x: Floats, logit: Floats, cell: Ints) -> Floats:
        """Zero everywhere."""
        del x, cell
        return np.zeros(len(logit))

    def to_bytes(self) -> bytes:
        """Nothing to keep."""
        return b"{}"

    @classmethod
    def from_bytes(cls, blob: bytes) -> Self:
        """The same everywhere."""
        del blob
        return cls()


KINDS: Final[dict[str, type[Estimator]]] = {
    kind.kind: kind
    for kind in (
        PriceExpert,
        Recalibration,
        ResidualBooster,
        ResidualXgb,
        ResidualForest,
        ResidualNet,
        ResidualText,
    )
}
ALGORITHM_OF_KIND: Final[dict[str, str]] = {
    PriceExpert.kind: "price",
    Recalibration.kind: "recalibration",
    ResidualBooster.kind: "lightgbm",
    ResidualXgb.kind: "xgboost",
    ResidualForest.kind: "forest",
    ResidualNet.kind: "mlp",
    ResidualText.kind: "text",
}
_KIND_OF: Final = {algorithm: kind for kind, algorithm in ALGORITHM_OF_KIND.items()}


def make(algorithm: str, **parameters: Any) -> Estimator:
    """An unfitted estimator of an expert's algorithm; `KeyError` for an unknown one."""
    return KINDS[_KIND_OF[algorithm]](**parameters)


def importance(
    estimator: Estimator, names: Sequence[str], *, most: int = 20
) -> list[tuple[str, float]]:
    """What a fitted estimator leans on: (feature, share of what it learned), largest first.

    Gain of the splits for boosted trees, decrease of squared error for the forest, weight of the
    paths for the net, size of the coefficients for text. The recalibration reads the price alone;
    an estimator that learned nothing leans on nothing.
    """
    if isinstance(estimator, Recalibration):
        return [("logit", 1.0)] if any(estimator.root_) else []
    if not isinstance(estimator, Learned):
        return []
    return [(names[column], share) for column, share in estimator.shares_.items()][:most]


def parse(kind: str, blob: bytes) -> Estimator:
    """The estimator of an artefact whose digest was checked; `KeyError` for an unknown kind."""
    return KINDS[kind].from_bytes(blob)
