"""Who gets the capital: arms of (strategy, horizon) by what their answered decisions earned.

In each arm the market's price and the arm's own probabilities share weight that moves to whoever
lost less (`predictions.core.online`: Hedge, fixed share or BOA). An arm at its equal share or above
may use the whole budget; below, its budget shrinks in proportion, never under a floor, so that it
can earn its way back. Candidates under scarce cash are ranked by expected growth, or by Thompson
sampling, which now and then lets an unsure one go first.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from config.kernel.units import decimal
from predictions.core import online
from trading.core.edge import growth

Floats = NDArray[np.float64]
Arm = tuple[str, str]
"""Strategy and horizon."""

NAMES: Final = ("market", "arm")
EQUAL: Final = 1.0 / len(NAMES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One decided market that has ended: what price and arm said of outcome 0, and the payout."""

    arm: Arm
    event: int
    price: float
    probability: float
    payout: float


def trust(answers: Sequence[Answer], *, method: str, share: float) -> dict[Arm, float]:
    """How far each arm is trusted, in [0, 1]; answers in the order in which they became known.

    The markets of one event are one update. An arm without an answer is absent: trusted in full.
    """
    rows: dict[tuple[Arm, int], list[Answer]] = {}
    for answer in answers:
        rows.setdefault((answer.arm, answer.event), []).append(answer)
    states: dict[Arm, online.State] = {}
    for (arm, _), found in rows.items():
        states[arm] = online.update(
            states.get(arm) or online.start(NAMES),
            np.array([[a.price, a.probability] for a in found]),
            np.array([a.payout for a in found]),
            method=method,
            share=share,
        )
    return {arm: min(1.0, float(state.weights[1]) / EQUAL) for arm, state in states.items()}


def budgets(
    arms: Iterable[Arm], trusted: Mapping[Arm, float], *, capital: Decimal, floor: float
) -> dict[Arm, Decimal]:
    """Dollars that each arm may have at risk, of the `capital` that all together may."""
    return {arm: capital * decimal(max(floor, trusted.get(arm, 1.0))) for arm in arms}


def sampled_growth(probability: Floats, sigma: Floats, cost: Floats, *, draw: Floats) -> Floats:
    """Expected growth if the truth were one draw from what each forecast admits.

    `draw` holds a number in (0, 1) for each, uniform and independent (Thompson 1933).
    """
    drawn = np.clip(probability + np.nan_to_num(sigma) * ndtri(draw), 0.0, 1.0)
    return growth(drawn, cost)


def uniform(names: Sequence[str]) -> Floats:
    """A number in (0, 1) for each name that is the same everywhere and always: its hash.

    >>> uniform(["a"]) == uniform(["a"])
    array([ True])
    """
    digests = [hashlib.sha256(name.encode()).digest() for name in names]
    return np.array([(int.from_bytes(d[:6]) + 0.5) / 2**48 for d in digests])
