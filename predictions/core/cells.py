"""Where a forecast stands: domain and time left, as one integer that pooling understands."""

import numpy as np
from numpy.typing import NDArray

from markets.core.series import MarketFacts, Snapshots
from predictions.core.schema import ALIASES, DOMAINS, HORIZONS_S

Ints = NDArray[np.int64]

BUCKETS = len(HORIZONS_S) + 2
WINDOWS_S = (300.0, 900.0, 3600.0)


def domains(facts: MarketFacts) -> Ints:
    """Index into `DOMAINS` of every market; what the list lacks is `other`."""
    code = {name: i for i, name in enumerate(DOMAINS)}
    names = (category.strip().lower() for category in facts.category)
    found = [code.get(ALIASES.get(n, n) or "unknown", code["other"]) for n in names]
    epochs = np.isfinite(facts.window_s)
    return np.where(epochs, code["epoch"], np.array(found, dtype=np.int64))


def cells(facts: MarketFacts, snapshots: Snapshots) -> Ints:
    """Domain × time-left code of each snapshot, int64[rows]; `cell // BUCKETS` is its domain.

    Buckets: < 1 h, < 6 h, < 24 h, < 7 d, longer, and last: no end announced. Epoch markets by
    the length of their window instead: ≤ 5 min, ≤ 15 min, ≤ 1 h, longer.
    """
    window = facts.window_s[snapshots.market]
    left = facts.scheduled_end_at[snapshots.market] - snapshots.as_of
    bucket = np.searchsorted(np.array(HORIZONS_S), left, side="right")
    bucket = np.where(np.isnan(left), BUCKETS - 1, bucket)
    bucket = np.where(np.isfinite(window), np.searchsorted(WINDOWS_S, window), bucket)
    return domains(facts)[snapshots.market] * BUCKETS + bucket
