"""The experts as a table, written from the roster: `python -m predictions.core.lineup`."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from math import expm1, inf, isfinite
from typing import Final

from predictions.core.roster import MEMBERS, OUTCOME, THIRTY_TWO, Role, Slice

LEARNS: Final = {
    "recalibration": "hierarchical recalibration",
    "lightgbm": "LightGBM",
    "xgboost": "XGBoost",
    "forest": "random forest",
    "mlp": "neural network",
    "text": "text and sentiment",
}


def _hours(value: float) -> str:
    return f"{value / 24:g} days" if value > 24 else f"{value:g} h"


@dataclass(frozen=True, slots=True)
class _Told:
    """How a column is said: what it is, how bounds are written, a missing value, its least one."""

    what: str
    bound: Callable[[float], str]
    missing: str
    least: float = -inf


COLUMNS: Final = {
    "mid": _Told("price", "{:g}".format, "no price"),
    "hours_left": _Told("time to the announced end", _hours, "no end announced"),
    "volume_log": _Told(
        "volume of 24 h", lambda v: f"${round(expm1(v), 6):,.0f}", "volume unknown"
    ),
    "volatility_24h": _Told("volatility of 24 h (logit per √h)", "{:g}".format, "too few prices"),
    "life_elapsed": _Told("share of the market's life", "{:.0%}".format, "no end announced"),
    "news_age_log": _Told(
        "age of the newest linked news",
        lambda v: _hours(round(expm1(v)) / 3600),
        "no linked news in a week",
    ),
    "mood_skilled": _Told("mood of skilled wallets", "{:g}".format, "they took no side", -1.0),
    "mood_whales": _Told("mood of whales", "{:g}".format, "they took no side", -1.0),
}


def looks_at(part: Slice) -> str:
    """A slice in words.

    >>> looks_at(Slice(column="hours_left", high=24.0))
    'time to the announced end below 24 h'
    """
    said = [f"domain {' or '.join(part.domains)}"] if part.domains else []
    if part.column:
        said.append(_range(part, COLUMNS[part.column]))
    return "; ".join(said) or "everything"


def _range(part: Slice, told: _Told) -> str:
    """The bounds in words; a range that holds nothing but missing values is only those."""
    bounds = []
    if isfinite(part.low) and part.low > told.least:
        bounds.append(f"from {told.bound(part.low)}")
    if isfinite(part.high):
        bounds.append(f"below {told.bound(part.high)}")
    found = [f"{told.what} {' to '.join(bounds)}" if bounds else f"{told.what} known"]
    if part.low == inf:
        found = []
    return ", or ".join([*found, *([told.missing] if part.missing else [])])


def row(number: int | None, role: Role) -> str:
    """One line of the table; further experts have no number."""
    about = "outcome" if role.horizon == OUTCOME else f"price in {role.horizon}"
    named = (
        str(number or "–"),
        f"`{role.slug}`",
        role.name,
        role.family,
        looks_at(role.slice),
        about,
        LEARNS[role.algorithm],
    )
    return f"| {' | '.join(named)} |"


def table() -> str:
    """Every expert that learns: the thirty-two by number, then the others."""
    numbers = {role.slug: n for n, role in enumerate(THIRTY_TWO, start=1)}
    ordered = sorted(MEMBERS, key=lambda role: numbers.get(role.slug, len(numbers) + 1))
    head = "| # | expert | name | family | looks at rows with | forecasts | learns by |"
    rows = [row(numbers.get(role.slug), role) for role in ordered]
    return "\n".join((head, "|---|---|---|---|---|---|---|", *rows)) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table())
