"""Weights that follow answered events, one update an event: Hedge, fixed share, BOA.

Log loss is mixable with rate 1: with w_k ← w_k · exp(-loss_k) the mixture's cumulative loss stays
below the best expert's + ln K, without tuning (Vovk 1998). Fixed share gives α of all weight back
to everybody after each event, so that an expert that was bad can return (Herbster & Warmuth 1998).
BOA weighs by regret with rates that each expert earns (Wintenberger 2017). Several forecasts of one
event are one update with their mean loss; as the mixture's loss is concave in the losses, the
bounds hold for what was said about each row.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

HEDGE: Final = "hedge"
SHARE: Final = "share"
BOA: Final = "boa"
METHODS: Final = (HEDGE, SHARE, BOA)
CLIP: Final = 0.01  # bounds a loss to ln 100
LARGEST_LOSS: Final = float(-np.log(CLIP))
FASTEST: Final = 0.5  # BOA's largest rate


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything that the next event is added to.

    Attributes
    ----------
    weights, losses
        float64[k]: shares that sum to 1; cumulative log losses in nats.
    mixture
        Cumulative log loss of the weighted mean probability.
    given
        Σ -ln(1 - α) of fixed share: what it may lose on a best expert that never changes.
    regret, square, drift
        float64[k], of BOA: Σ r, Σ r² and Σ η r², r in units of the largest loss.
    """

    names: tuple[str, ...]
    weights: Floats
    losses: Floats
    mixture: float = 0.0
    events: int = 0
    given: float = 0.0
    regret: Floats
    square: Floats
    drift: Floats

    @property
    def bound(self) -> float:
        """What `mixture` never exceeds under Hedge and fixed share: best loss + ln K + given."""
        return float(self.losses.min() + np.log(len(self.names)) + self.given)

    def as_json(self) -> dict[str, Any]:
        """Plain numbers that read back exactly."""
        arrays = ("weights", "losses", "regret", "square", "drift")
        return {
            "names": list(self.names),
            **{name: getattr(self, name).tolist() for name in arrays},
            "mixture": self.mixture,
            "events": self.events,
            "given": self.given,
        }

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Self:
        """Read `as_json`."""
        arrays = ("weights", "losses", "regret", "square", "drift")
        return cls(
            names=tuple(body["names"]),
            **{name: np.array(body[name], dtype=np.float64) for name in arrays},
            mixture=body["mixture"],
            events=body["events"],
            given=body["given"],
        )


def start(names: Sequence[str]) -> State:
    """Equal shares, before the first event."""
    k = len(names)
    return State(
        names=tuple(names),
        weights=np.full(k, 1.0 / k),
        losses=np.zeros(k),
        regret=np.zeros(k),
        square=np.zeros(k),
        drift=np.zeros(k),
    )


def update(state: State, p: Floats, y: Floats, *, method: str, share: float = 0.0) -> State:
    """Add one answered event.

    Parameters
    ----------
    p
        float64[rows, k], what each expert said of each of the event's forecasts, in [0, 1].
    y
        float64[rows], the answers, in [0, 1].
    share
        α of fixed share, in [0, 1).

    Raises
    ------
    ValueError
        For an unknown method, or an event without rows.
    """
    if method not in METHODS:
        raise ValueError(f"{method} is none of {', '.join(METHODS)}")
    if not len(y):
        raise ValueError("an event has at least one forecast")
    clipped = np.clip(p, CLIP, 1 - CLIP)
    each = _loss(clipped, y[:, None]).mean(axis=0)
    mixed = float(_loss(clipped @ state.weights, y).mean())
    common = replace(
        state,
        losses=state.losses + each,
        mixture=state.mixture + mixed,
        events=state.events + 1,
    )
    if method == BOA:
        return _boa(common, (each - mixed) / LARGEST_LOSS)
    weights = state.weights * np.exp(each.min() - each)
    weights = weights / weights.sum()
    if method == SHARE:
        weights = (1 - share) * weights + share / len(weights)
        return replace(common, weights=weights, given=state.given - float(np.log1p(-share)))
    return replace(common, weights=weights)


def _boa(state: State, r: Floats) -> State:
    """w_k ∝ η_k · exp(-η_k · Σ r (1 + η r)), with η_k = min(1/2, √(ln K / Σ r²))."""
    rate = _rate(state)
    drift = state.drift + rate * r * r
    seen = replace(state, regret=state.regret + r, square=state.square + r * r, drift=drift)
    rate = _rate(seen)
    exponent = -rate * (seen.regret + seen.drift)
    weights = rate * np.exp(exponent - exponent.max())
    return replace(seen, weights=weights / weights.sum())


def _rate(state: State) -> Floats:
    earned = np.sqrt(np.log(len(state.names)) / np.maximum(state.square, 1e-12))
    found: Floats = np.minimum(FASTEST, earned)
    return found


def _loss(p: Floats, y: Floats) -> Floats:
    found: Floats = -(y * np.log(p) + (1 - y) * np.log1p(-p))
    return found
