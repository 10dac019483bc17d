"""How far probabilities were off in the past, by price: the part of σ that outcomes can show."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

EDGES: Final = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.98)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceErrors:
    """Mean residual and effective number of events per price bucket.

    Attributes
    ----------
    bias
        Mean of payout − probability in the bucket, every event counted once.
    error
        Its standard error, clustered by event.
    events
        Events seen in the bucket.
    """

    bias: tuple[float, ...]
    error: tuple[float, ...]
    events: tuple[float, ...]

    @classmethod
    def fit(cls, probability: Floats, y: Floats, *, event: Ints) -> Self:
        """Measure out-of-fold probabilities against payouts."""
        buckets = len(EDGES) + 1
        bucket = np.searchsorted(EDGES, probability, side="right")
        pairs, of = np.unique(
            np.stack([bucket, event], axis=1).reshape(-1, 2), axis=0, return_inverse=True
        )
        of = of.reshape(-1)
        mean = np.bincount(of, weights=y - probability) / np.maximum(np.bincount(of), 1)
        where = pairs[:, 0].astype(np.int64)
        events = np.bincount(where, minlength=buckets).astype(np.float64)
        n = np.maximum(events, 1.0)
        bias = np.bincount(where, weights=mean, minlength=buckets) / n
        error = np.sqrt(np.bincount(where, weights=mean**2, minlength=buckets)) / n
        return cls(
            bias=tuple(bias.tolist()), error=tuple(error.tolist()), events=tuple(events.tolist())
        )

    def at(self, probability: Floats) -> Floats:
        """Standard error of a probability's calibration, float64[rows].

        The largest of the observed bias, its standard error, and √(p(1 − p) / (events + 1)),
        which takes over where a bucket is thin or was only lucky.
        """
        bucket = np.searchsorted(EDGES, probability, side="right")
        thin = probability * (1 - probability) / (np.array(self.events)[bucket] + 1)
        seen = np.maximum(np.abs(self.bias), self.error)[bucket]
        total: Floats = np.maximum(seen, np.sqrt(thin))
        return total
