"""The features: what each means, its unit, what a missing value says. Needs no compiler."""

import hashlib
import re
from dataclasses import astuple, dataclass
from typing import Final, Literal, get_args

from predictions.core import schema_context, schema_rows

Group = Literal["book", "series", "flow", "quality", "derived", "context"]

LOOKBACK_S: Final = 48 * 3600.0
YEAR_HOURS: Final = 8760.0
EMA_S: Final = 3600.0
"""Longest time constant: an average forgets what lies before the look-back to 1e-15."""
EMA_GAP_S: Final = 12 * 3600.0
LAGS: Final = (1, 2, 3, 5)
HURST_LAGS: Final = (1, 2, 4, 8, 16)
SPREADS: Final = HURST_LAGS[1:]
SAMPLES: Final = 6
REGIMES: Final = (0.5, 2.0)
TICK: Final = 0.001
HORIZONS_S: Final = (3600.0, 6 * 3600.0, 86400.0, 7 * 86400.0)
DOMAINS: Final = (
    "unknown",
    "politics",
    "geopolitics",
    "sports",
    "esports",
    "crypto",
    "epoch",
    "finance",
    "economics",
    "culture",
    "science",
    "weather",
    "other",
)
ALIASES: Final = {
    "macro": "economics",
    "elections": "politics",
    "world": "geopolitics",
    "tech": "science",
    "technology": "science",
    "business": "finance",
    "stocks": "finance",
    "entertainment": "culture",
    "mentions": "culture",
}


# Names that may never be inputs, as expressions, and what such a column would give away.
DENIED: Final = (
    (r"^price_change", "the move that a label measures; own moves are called return_…"),
    (r"^(last_trade|one_(hour|day|week|month))_price", "the venue's figure of today, not of then"),
    (r"(^|_)(final|settle|settled|settlement)(_|$)", "told by the end"),
    (r"resol", "told by the end"),
    (r"payout|winner|winning|(^|_)won(_|$)", "the answer"),
    (r"^(y|label|target|outcome|answer)(_price|_known_at|_strength)?$", "the answer"),
    (r"^clos(e|ed|ing)(_|$)|(^|_)closed_at$", "when it really ended is known afterwards"),
    (r"(^|_)(future|next|forward|after)(_|$)", "later than the decision"),
    (r"^(volume|liquidity)(_?num|_?total|_?clob|_?amm)?$|total_(volume|trades)", "a life's total"),
    (r"^(uma|dispute)", "the oracle speaks after the end"),
)


class DeniedFeature(ValueError):
    """A feature bears a name that only hindsight can fill."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the feature matrix.

    `missing` says what NaN means there, `known_at` which instant makes the value known.

    Raises
    ------
    DeniedFeature
        where the name is one of `DENIED`.
    """

    name: str
    group: Group
    unit: str
    missing: str
    known_at: str

    def __post_init__(self) -> None:
        for pattern, why in DENIED:
            if re.search(pattern, self.name):
                raise DeniedFeature(f"{self.name} must not be a feature: {why}")


def _features(group: Group) -> tuple[Feature, ...]:
    usual = schema_rows.KNOWN_AT[group]
    rows = ((*row, usual)[:4] for row in schema_rows.ROWS[group])
    around = ((*row, _known_at(row[0]))[:4] for row in schema_context.ROWS.get(group, ()))
    return tuple(Feature(row[0], group, *row[1:]) for row in (*rows, *around))


def _known_at(name: str) -> str:
    return next(when for starts, when in schema_context.KNOWN_AT if name.startswith(starts))


GROUPS: Final[dict[Group, tuple[Feature, ...]]] = {
    group: _features(group) for group in get_args(Group)
}
FEATURES: Final = tuple(feature for group in GROUPS.values() for feature in group)
NAMES: Final = tuple(feature.name for feature in FEATURES)
COLUMN: Final = {name: i for i, name in enumerate(NAMES)}
# Raise when a kernel's arithmetic changes: old artefacts must not read new numbers.
ARITHMETIC: Final = 2
CONSTANTS: Final = (
    LOOKBACK_S,
    YEAR_HOURS,
    EMA_S,
    EMA_GAP_S,
    LAGS,
    HURST_LAGS,
    SAMPLES,
    REGIMES,
    TICK,
    HORIZONS_S,
    DOMAINS,
    ALIASES,
)
SCHEMA_HASH: Final = hashlib.sha256(
    repr((ARITHMETIC, CONSTANTS, [astuple(f) for f in FEATURES])).encode()
).hexdigest()


def columns(group: Group) -> slice:
    """Where a group's columns lie in the matrix."""
    first = next(i for i, feature in enumerate(FEATURES) if feature.group == group)
    return slice(first, first + len(GROUPS[group]))
