"""The rungs on which experts become one correction: how much weight each has on each row.

Every rung answers with non-negative weights, float64[rows, experts], that sum to at most the cap on
a row; what is left is the market's. An expert without an opinion on a row (its slice does not cover
it, or it is missing) is NaN in the moves and has weight 0 there: it abstains, and abstaining is
never a vote for either side. Opinions are averaged, so that more of them do not add up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from predictions.core import roster
from predictions.core.cells import BUCKETS
from predictions.core.contracts import PredictionConfig

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

EXPERTS: Final = "EXPERTS"
ENSEMBLE: Final = "ENSEMBLE"
RECALIBRATED: Final = "RECALIBRATED"
PRICE: Final = "PRICE"


@dataclass(frozen=True, kw_only=True)
class Rows:
    """What a combination sees of n rows and k experts.

    Attributes
    ----------
    moves
        float64[n, k], corrections to the log odds; NaN: no opinion.
    odds
        float64[n], log odds of the price.
    cell
        int64[n], domain × time left.
    x
        float64[n, features], for a gate that looks at the context.
    """

    moves: Floats
    odds: Floats
    cell: Ints
    x: Floats

    @cached_property
    def present(self) -> Flags:
        """Who has an opinion where, bool[n, k]."""
        return np.isfinite(self.moves)

    @cached_property
    def filled(self) -> Floats:
        """The moves with 0 for no opinion, float64[n, k]."""
        return np.where(self.present, self.moves, 0.0)

    def take(self, rows: Flags | Ints) -> "Rows":
        """The given rows."""
        return Rows(
            moves=self.moves[rows], odds=self.odds[rows], cell=self.cell[rows], x=self.x[rows]
        )


class Rung(Protocol):
    """One way to weigh experts, fitted; plain numbers that read back exactly."""

    kind: ClassVar[str]

    @property
    def source(self) -> str:
        """What a forecast made on it is called."""
        ...

    @property
    def total(self) -> float:
        """The weight of all experts together where all have an opinion; 0: the price."""
        ...

    def follows(self, there: Flags) -> bool:
        """Whether an expert among those that are there (bool[experts]) can have weight."""
        ...

    def weights(self, rows: Rows) -> Floats:
        """Weights, float64[rows, experts]; 0 where an expert has no opinion."""
        ...

    def doubt(self, rows: Rows) -> Floats:
        """Standard error of the combined correction from that of the weights, float64[rows]."""
        ...

    def as_json(self) -> dict[str, Any]:
        """Plain content of the artefact."""
        ...

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read the content of `as_json`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """Experts in fixed proportions, and one weight for all of them together.

    Attributes
    ----------
    source
        `ENSEMBLE`, or `RECALIBRATED` where only the recalibrated price has a proportion.
    proportion, group
        Per expert the proportion of its algorithm, which the experts of that algorithm (`group`)
        that have an opinion on a row split evenly; normalised over those that have.
    weight, error
        The weight of the mean and its standard error.
    domains
        Domain → weight and error that differ from those of all.
    """

    kind: ClassVar[str] = "fixed"

    source: str
    proportion: tuple[float, ...]
    group: tuple[int, ...]
    weight: float
    error: float
    domains: Mapping[int, tuple[float, float]]

    @property
    def total(self) -> float:
        """The largest weight anywhere."""
        return max((self.weight, *(weight for weight, _ in self.domains.values())))

    def follows(self, there: Flags) -> bool:
        """See `Rung`."""
        return self.total > 0 and bool(np.any(there & (np.array(self.proportion) > 0)))

    def shares(self, rows: Rows) -> Floats:
        """Proportions over the experts with an opinion, float64[rows, experts]; rows sum to 1.

        A row on which nobody with a proportion has an opinion sums to 0.
        """
        voted = rows.present & (np.array(self.proportion) > 0)
        one_of = np.equal.outer(self.group, np.unique(self.group)).astype(np.float64)
        share = voted * np.array(self.proportion)
        share /= np.maximum(voted @ one_of, 1.0) @ one_of.T
        sums = share.sum(axis=1)
        normal: Floats = share / np.where(sums > 0, sums, 1.0)[:, None]
        return normal

    def mean(self, rows: Rows) -> Floats:
        """The proportional mean of the opinions, float64[rows]; 0 where there is none."""
        return np.asarray(np.sum(self.shares(rows) * rows.filled, axis=1))

    def weights(self, rows: Rows) -> Floats:
        """See `Rung`."""
        scaled: Floats = self.shares(rows) * self._by_row(rows)[0][:, None]
        return scaled

    def doubt(self, rows: Rows) -> Floats:
        """See `Rung`."""
        return np.abs(self.mean(rows)) * self._by_row(rows)[1]

    def as_json(self) -> dict[str, Any]:
        """See `Rung`."""
        return {
            "kind": self.kind,
            "source": self.source,
            "proportion": list(self.proportion),
            "group": list(self.group),
            "weight": self.weight,
            "error": self.error,
            "domains": [[d, *both] for d, both in sorted(self.domains.items())],
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """See `Rung`."""
        return cls(
            source=content["source"],
            proportion=tuple(content["proportion"]),
            group=tuple(content["group"]),
            weight=content["weight"],
            error=content["error"],
            domains={int(d): (w, e) for d, w, e in content["domains"]},
        )

    def _by_row(self, rows: Rows) -> tuple[Floats, Floats]:
        weight, error = np.full(len(rows.odds), self.weight), np.full(len(rows.odds), self.error)
        for domain, (own, doubt) in self.domains.items():
            inside = rows.cell // BUCKETS == domain
            weight[inside], error[inside] = own, doubt
        return weight, error


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A weight of its own per expert; what sums to more than the cap on a row is scaled down."""

    kind: ClassVar[str] = "stack"

    weight: tuple[float, ...]
    error: tuple[float, ...]
    cap: float

    @property
    def source(self) -> str:
        """See `Rung`."""
        return EXPERTS

    @property
    def total(self) -> float:
        """See `Rung`."""
        return min(sum(self.weight), self.cap)

    def follows(self, there: Flags) -> bool:
        """See `Rung`."""
        return bool(np.any(there & (np.array(self.weight) > 0)))

    def weights(self, rows: Rows) -> Floats:
        """See `Rung`."""
        return capped(rows.present * np.array(self.weight), self.cap)

    def doubt(self, rows: Rows) -> Floats:
        """See `Rung`."""
        return np.asarray(np.sqrt(np.square(rows.filled * np.array(self.error)).sum(axis=1)))

    def as_json(self) -> dict[str, Any]:
        """See `Rung`."""
        return {
            "kind": self.kind,
            "weight": list(self.weight),
            "error": list(self.error),
            "cap": self.cap,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """See `Rung`."""
        return cls(
            weight=tuple(content["weight"]), error=tuple(content["error"]), cap=content["cap"]
        )


def capped(weights: Floats, cap: float) -> Floats:
    """Weights whose rows sum to at most `cap`; rows within it are untouched."""
    sums = weights.sum(axis=1)
    scaled: Floats = (
        weights * np.where(sums > cap, cap / np.where(sums > 0, sums, 1.0), 1.0)[:, None]
    )
    return scaled


def fixed_weights(slugs: Sequence[str], config: PredictionConfig) -> dict[str, float]:
    """The proportion of each expert's algorithm in the fixed-weight ensemble, by slug."""
    by = config.by_algorithm()
    return {slug: by.get(algorithm(slug), 0.0) for slug in slugs}


def algorithm(slug: str) -> str:
    """How an expert learns; one that the roster does not know is an algorithm of its own."""
    role = roster.BY_SLUG.get(slug)
    return slug if role is None else role.algorithm


def groups(slugs: Sequence[str]) -> tuple[int, ...]:
    """A number per expert, equal for those of one algorithm."""
    names = sorted({algorithm(slug) for slug in slugs})
    return tuple(names.index(algorithm(slug)) for slug in slugs)


def ensemble(slugs: Sequence[str], proportion: Mapping[str, float]) -> Fixed:
    """The fixed-weight ensemble before its weight is fitted."""
    return Fixed(
        source=ENSEMBLE,
        proportion=tuple(proportion.get(slug, 0.0) for slug in slugs),
        group=groups(slugs),
        weight=0.0,
        error=0.0,
        domains={},
    )


def recalibrated(slugs: Sequence[str]) -> Fixed:
    """The recalibrated price alone, before its weight is fitted."""
    alone = tuple(float(slug == roster.RECALIBRATION.slug) for slug in slugs)
    return Fixed(
        source=RECALIBRATED,
        proportion=alone,
        group=groups(slugs),
        weight=0.0,
        error=0.0,
        domains={},
    )
