"""Does any feature see the future? All known later is changed, then erased: nothing may move."""

from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from typing import Any

import numpy as np

from markets.core.series import Context, Floats, Snapshots
from markets.history import History
from predictions.core import features
from predictions.core.schema import NAMES

OF_SERIES = ("starts", "assets")  # what says whose a record is
KEPT = (*OF_SERIES, "known_at")
PARTS = ("trades", "books", "news", "moods", "spot")
Other = Callable[[Any], Any]  # a series → the same with another future


def audit(history: History, *, moments: int, rng: np.random.Generator) -> list[str]:
    """Names of the features that differ at any of `moments` instants once the future is another.

    Every number that was known after the instant is replaced by another one, in quotes, trades,
    books, news, moods and spot prices; then those records are erased, with their times and their
    count. Every market quoted by then is asked. Empty: none looks ahead. An empty history has
    nothing to look at.
    """
    known = history.series.known_at
    leaking: set[str] = set()
    if not len(known):
        return []
    for as_of in rng.choice(known, size=moments):
        first = known[np.minimum(history.series.starts[:-1], len(known) - 1)]
        quoted = (np.diff(history.series.starts) > 0) & (first <= as_of)
        market = np.flatnonzero(quoted).astype(np.int64)
        asked = Snapshots(market=market, as_of=np.full(len(market), as_of))
        before = features.compute(history.series, history.facts, asked, history.context)
        for other in (partial(_changed, as_of=as_of, rng=rng), partial(_erased, as_of=as_of)):
            after = features.compute(
                other(history.series), history.facts, asked, _context(history.context, other)
            )
            same = (before == after) | (np.isnan(before) & np.isnan(after))
            leaking.update(NAMES[k] for k in np.flatnonzero(~same.all(axis=0)))
    return sorted(leaking)


def _context(context: Context, other: Other) -> Context:
    changed: dict[str, Any] = {name: other(getattr(context, name)) for name in PARTS}
    return replace(context, **changed)


def _erased(series: Any, *, as_of: float) -> Any:
    """The same records without those known after `as_of`."""
    early = series.known_at <= as_of
    counted = np.concatenate([[0], np.cumsum(early)])
    kept = {
        field.name: getattr(series, field.name)[early]
        for field in fields(series)
        if field.name not in OF_SERIES
    }
    return replace(series, starts=counted[series.starts], **kept)


def _changed(series: Any, *, as_of: float, rng: np.random.Generator) -> Any:
    """The same records, those known after `as_of` with other numbers."""
    late = series.known_at > as_of
    values: dict[str, Floats] = {}
    for field in fields(series):
        if field.name not in KEPT:
            column = getattr(series, field.name).copy()
            column[late] = rng.uniform(0.01, 0.99, column[late].shape)
            values[field.name] = column
    return replace(series, **values)
