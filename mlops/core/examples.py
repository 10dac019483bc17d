"""What is learned from: decision points with their vectors, prices and answers, as flat arrays."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from markets.core.series import Floats, Ints
from mlops.core.snapshots import Decisions

# Answers the venue or an independent source gave. Those inferred from the price itself are never
# learned from: they would teach that the price is right.
STRONG = frozenset(
    {
        "official",
        "external_result",
        "derived",
        "derived_external",
        "derived_redeem",
        "derived_verified",
    }
)
# Answers that are the final price: nothing is learned from them, but they can be scored.
PRICE_INFERRED = "price_inferred"
SCORED = STRONG | {PRICE_INFERRED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """n answered decisions.

    Attributes
    ----------
    x
        float64[n, k], in the order of `predictions.core.schema.FEATURES`.
    price, y, weight
        Market mid at the decision; payout of outcome 0; 1 / (rows of the row's event).
    cell
        Domain × scheduled time left, from `predictions.core.features.cells`.
    market, event, source, horizon
        Numbers of the market, of its event, of the dataset in `sources`, and of
        `snapshots.HORIZONS`.
    as_of, known_at
        UTC epoch seconds of the decision and of the day its answer was known: the label span.
    """

    x: Floats
    price: Floats
    y: Floats
    weight: Floats
    cell: Ints
    market: Ints
    event: Ints
    source: Ints
    horizon: NDArray[np.int8]
    as_of: Floats
    known_at: Floats
    sources: tuple[str, ...]

    @property
    def rows(self) -> int:
        """How many decisions."""
        return len(self.y)

    @property
    def events(self) -> int:
        """How many question groups: the effective sample."""
        return len(np.unique(self.event))

    @property
    def markets(self) -> int:
        """How many markets."""
        return len(np.unique(self.market))

    def take(self, rows: NDArray[np.bool_] | Ints) -> "Examples":
        """The given rows; every event among them counts once again."""
        kept: dict[str, Any] = {
            field.name: getattr(self, field.name)[rows]
            for field in fields(self)
            if field.name not in ("sources", "weight")
        }
        return replace(self, **kept, weight=weights(kept["event"]))

    def digest(self) -> str:
        """SHA-256 over every number, 64 hex digits: two equal sets of examples have one name."""
        found = hashlib.sha256(repr(self.sources).encode())
        for field in fields(self):
            if field.name != "sources":
                found.update(np.ascontiguousarray(getattr(self, field.name)).tobytes())
        return found.hexdigest()


def thinned(found: Decisions, *, keep: int) -> NDArray[np.bool_]:
    """Which rows stay when every market keeps at most `keep` decisions, evenly spaced, per horizon.

    Neighbouring decisions of one market say nearly the same; the choice needs nothing but them.
    """
    group = found.market * 128 + found.horizon
    order = np.argsort(group, kind="stable")
    _, first, count = np.unique(group[order], return_index=True, return_counts=True)
    rank = np.arange(found.rows) - np.repeat(first, count)
    size = np.repeat(count, count)
    step = np.floor(rank * keep / size)
    stays = np.ones(found.rows, dtype=bool)
    stays[1:] = (step[1:] != step[:-1]) | (rank[1:] == 0)
    kept = np.zeros(found.rows, dtype=bool)
    kept[order] = stays
    return kept


def weights(event: Ints) -> Floats:
    """1 / (rows of the row's event): every event counts once."""
    _, number, count = np.unique(event, return_inverse=True, return_counts=True)
    return 1.0 / count[number]


def joined(first: Examples, second: Examples) -> Examples:
    """Both sets in one; their events and sources stay apart. An empty one changes nothing."""
    if not second.rows or not first.rows:
        return first if first.rows else second
    apart = replace(
        second,
        market=second.market + int(first.market.max()) + 1,
        event=second.event + int(first.event.max()) + 1,
        source=second.source + len(first.sources),
    )
    return replace(together([first, apart]), sources=(*first.sources, *second.sources))


def together(parts: Sequence[Examples]) -> Examples:
    """Parts of one set, at least one: a number means the same market, event and source in all."""
    columns: dict[str, Any] = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(Examples)
        if field.name not in ("sources", "weight")
    }
    return Examples(**columns, weight=weights(columns["event"]), sources=parts[0].sources)
