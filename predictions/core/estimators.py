"""The experts' common contract: learn a correction to the market's log odds, and nothing else."""

from typing import ClassVar, Final, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from predictions.core.boosting import ResidualBooster
from predictions.core.recalibration import Recalibration

__all__ = ["KINDS", "Estimator", "PriceExpert", "Recalibration", "ResidualBooster", "parse"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@runtime_checkable
class Estimator(Protocol):
    """Learns f with logit p = logit(price) + f; f = 0 is the market.

    `weight` is 1 / (rows of the same event), so that weights sum to the number of events; `y` is
    the payout of outcome 0 in [0, 1]. Rows without a finite logit are ignored in `fit` and get
    no correction. NaN in `x` is a missing value. `native` says that a foreign library parses the
    artefact, which a bad text may crash.
    """

    kind: ClassVar[str]
    native: ClassVar[bool]

    def fit(
        self, x: Floats, logit: Floats, y: Floats, *, cell: Ints, weight: Floats, seed: int
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
        self, x: Floats, logit: Floats, y: Floats, *, cell: Ints, weight: Floats, seed: int
    ) -> Self:
        """Nothing to learn."""
        del x, logit, y, cell, weight, seed
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
    kind.kind: kind for kind in (PriceExpert, Recalibration, ResidualBooster)
}


def parse(kind: str, blob: bytes) -> Estimator:
    """The estimator of an artefact whose digest was checked; `KeyError` for an unknown kind."""
    return KINDS[kind].from_bytes(blob)
