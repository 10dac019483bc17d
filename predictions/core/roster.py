"""The experts as data: what part of the universe each looks at, ahead of what, learning how.

Thirty-two after the families of `Family`, three further price horizons, the price itself, the
recalibrated price, and one gate per horizon that combines the members with the market.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

import numpy as np
from numpy.typing import NDArray

from predictions.core.cells import BUCKETS
from predictions.core.schema import COLUMN, DOMAINS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

OUTCOME: Final = "outcome"
HORIZON_S: Final = {
    "5m": 300.0,
    "15m": 900.0,
    "1h": 3600.0,
    "4h": 14400.0,
    "12h": 43200.0,
    "24h": 86400.0,
}
HORIZONS: Final = (OUTCOME, *HORIZON_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Rows of the universe: a feature within `[low, high)`, or domains; all rows by default.

    A row whose feature is missing lies in no slice of it, unless `missing` says otherwise.
    """

    column: str = ""
    low: float = -inf
    high: float = inf
    missing: bool = False
    domains: tuple[str, ...] = ()

    def covers(self, x: Floats, cell: Ints) -> Flags:
        """Which rows lie in it, bool[rows]."""
        inside = np.ones(len(cell), dtype=bool)
        if self.domains:
            inside &= np.isin(cell // BUCKETS, [DOMAINS.index(name) for name in self.domains])
        if self.column:
            value = x[:, COLUMN[self.column]]
            known = (value >= self.low) & (value < self.high)
            inside &= np.where(np.isnan(value), self.missing, known)
        return inside


EVERYTHING: Final = Slice()


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One expert: who it is, what it looks at and how it learns."""

    slug: str
    name: str
    family: str
    algorithm: str
    horizon: str = OUTCOME
    slice: Slice = EVERYTHING


def _roles(family: str, algorithm: str, *rows: tuple[str, str, Slice]) -> tuple[Role, ...]:
    return tuple(
        Role(slug=slug, name=name, family=family, algorithm=algorithm, slice=part)
        for slug, name, part in rows
    )


def _ahead(family: str, *rows: tuple[str, str]) -> tuple[Role, ...]:
    return tuple(
        Role(slug=f"ahead-{at}", name=name, family=family, algorithm="lightgbm", horizon=at)
        for at, name in rows
    )


_DAY: Final = 24.0
THIRTY_TWO: Final = (
    *_roles(
        "category",
        "xgboost",
        ("politics", "Politics", Slice(domains=("politics",))),
        ("geopolitics", "Geopolitics", Slice(domains=("geopolitics",))),
        ("sports", "Sports", Slice(domains=("sports",))),
        ("esports", "Esports", Slice(domains=("esports",))),
        ("crypto", "Crypto prices", Slice(domains=("crypto",))),
        ("up-down", "Up or down in minutes", Slice(domains=("epoch",))),
        ("finance", "Finance and the economy", Slice(domains=("finance", "economics"))),
        ("culture", "Culture", Slice(domains=("culture",))),
        ("science", "Science and weather", Slice(domains=("science", "weather"))),
        ("other", "Everything else", Slice(domains=("other", "unknown"))),
    ),
    *_roles(
        "risk",
        "recalibration",
        ("longshot", "Longshots", Slice(column="mid", high=0.15)),
        ("contested", "Contested", Slice(column="mid", low=0.15, high=0.85)),
        ("favourite", "Favourites", Slice(column="mid", low=0.85)),
    ),
    *_roles(
        "time",
        "lightgbm",
        ("ends-today", "Ends within a day", Slice(column="hours_left", high=_DAY)),
        ("ends-this-week", "Ends in days", Slice(column="hours_left", low=_DAY, high=7 * _DAY)),
        (
            "ends-later",
            "Ends later or unsaid",
            Slice(column="hours_left", low=7 * _DAY, missing=True),
        ),
    ),
    *_roles(
        "volume",
        "mlp",
        (
            "volume-low",
            "Little traded",
            Slice(column="volume_log", high=np.log1p(1_000.0), missing=True),
        ),
        (
            "volume-middle",
            "Traded",
            Slice(column="volume_log", low=np.log1p(1_000.0), high=np.log1p(50_000.0)),
        ),
        ("volume-high", "Much traded", Slice(column="volume_log", low=np.log1p(50_000.0))),
    ),
    *_roles(
        "volatility",
        "xgboost",
        ("calm", "Calm price", Slice(column="volatility_24h", high=0.02, missing=True)),
        ("moving", "Moving price", Slice(column="volatility_24h", low=0.02, high=0.15)),
        ("volatile", "Volatile price", Slice(column="volatility_24h", low=0.15)),
    ),
    *_roles(
        "timing",
        "lightgbm",
        ("opening", "Opening phase", Slice(column="life_elapsed", high=0.2)),
        ("closing", "Closing phase", Slice(column="life_elapsed", low=0.8)),
    ),
    *_ahead(
        "horizon",
        ("1h", "Price in 1 hour"),
        ("4h", "Price in 4 hours"),
        ("24h", "Price in 24 hours"),
    ),
    *_roles(
        "news",
        "text",
        ("news-fresh", "News of today", Slice(column="news_age_log", high=np.log1p(_DAY * 3600))),
        ("news-old", "Older news", Slice(column="news_age_log", low=np.log1p(_DAY * 3600))),
        ("news-none", "No news", Slice(column="news_age_log", low=inf, missing=True)),
    ),
    *_roles(
        "smart-money",
        "forest",
        ("skilled-money", "Skilled wallets took a side", Slice(column="mood_skilled", low=-1.0)),
        ("whales", "Whales took a side", Slice(column="mood_whales", low=-1.0)),
    ),
)
FURTHER: Final = _ahead(
    "base",
    ("5m", "Price in 5 minutes"),
    ("15m", "Price in 15 minutes"),
    ("12h", "Price in 12 hours"),
)
MARKET: Final = Role(slug="market-price", name="Market price", family="base", algorithm="price")
RECALIBRATION: Final = Role(
    slug="recalibration", name="Recalibrated price", family="base", algorithm="recalibration"
)
MEMBERS: Final = (RECALIBRATION, *THIRTY_TWO, *FURTHER)
BY_SLUG: Final = {role.slug: role for role in MEMBERS}


def gate(horizon: str) -> str:
    """The slug of the gate that combines the members of a horizon with the market."""
    return "gate" if horizon == OUTCOME else f"gate-{horizon}"


def members(horizon: str) -> tuple[Role, ...]:
    """Who forecasts a horizon, in a fixed order."""
    return tuple(role for role in MEMBERS if role.horizon == horizon)


def coverage(roles: Sequence[Role], x: Floats, cell: Ints) -> Flags:
    """Which roles look at which rows, bool[rows, roles]."""
    return np.column_stack([role.slice.covers(x, cell) for role in roles]).reshape(-1, len(roles))
