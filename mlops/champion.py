"""Whether a newly trained gate takes over: it must gain more than the one in service, later on.

Both are judged on decisions after the last answer that the champion knew: the new gate by what it
said out of fold, the champion by what it would serve, both made coherent within events as served
forecasts are. Too few later events judge nothing, and one that learned from fewer events than the
champion must be better beyond chance.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from statistics import NormalDist
from typing import Any

import numpy as np

from markets.core.series import Floats
from mlops import lifecycle
from mlops.core import metrics
from mlops.core.contracts import LearningConfig
from mlops.core.examples import Examples
from predictions import registry
from predictions.core import ensemble, roster
from predictions.core.coherence import Groups, cohere, moments
from predictions.core.ensemble import Bundle
from predictions.core.schema import COLUMN
from predictions.models import Expert, PredictionSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """How both did; gains are shares of the price's Brier score, events weighing the same.

    `champion_held` says that the one in service gained on enough later events.
    """

    takes_over: bool
    reason: str
    champion_held: bool = False
    rows: int = 0
    events: int = 0
    champion: str = ""
    champion_gain: float = 0.0
    challenger_gain: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def contest(
    tested: Examples,
    model: Floats,
    *,
    learned: int,
    horizon: str,
    config: LearningConfig,
    as_of: datetime,
) -> Contest:
    """Compare the out-of-fold forecasts `model` of a new gate with those of the one in service.

    `learned` is how many events the new one learned from.
    """
    champion = registry.served(horizon=horizon)
    if champion is None:
        return Contest(takes_over=True, reason="no version is in service")
    later = np.flatnonzero(tested.as_of > champion.data_until)
    rows, model = tested.take(later), model[later]
    groups = _groups(rows)
    ours = cohere(rows.price, model, groups, movable=model != rows.price)
    held = _said(champion, rows, groups, as_of=as_of)
    gain, best = _gain(rows, ours), _gain(rows, held)
    gate = Expert.objects.select_related("served").get(slug=roster.gate(horizon))
    expired = lifecycle.expired(gate, config=config, as_of=as_of)
    takes_over, reason = decided(gain, best, events=rows.events, expired=expired, config=config)
    before = 0 if gate.served is None else gate.served.events
    if takes_over and learned < before and not _better(rows, ours, held, config=config):
        takes_over = False
        reason += f"; it learned from {learned} events, the champion from {before}: within chance"
    return Contest(
        takes_over=takes_over,
        reason=reason,
        champion_held=rows.events >= config.reliability_events and best > 0,
        rows=rows.rows,
        events=rows.events,
        champion=champion.label,
        champion_gain=best,
        challenger_gain=gain,
    )


def decided(
    gain: float, best: float, *, events: int, expired: bool, config: LearningConfig
) -> tuple[bool, str]:
    """Whether a gain over the price dethrones the champion's `best` on so many events, and why."""
    if events < config.reliability_events:
        return False, (
            f"nothing new to judge by: {events} events are later than the champion's answers, "
            f"at least {config.reliability_events} are needed"
        )
    told = f"gain over the price {gain:+.3%}, champion {best:+.3%}"
    if best <= 0 or expired:
        why = "the champion has expired" if best > 0 else "the champion gains nothing there"
        return gain >= best, f"{told}; {why}"
    needed = (1 + config.min_improvement) * best
    return gain >= needed, f"{told}; {needed:+.3%} is needed"


def _better(rows: Examples, ours: Floats, held: Floats, *, config: LearningConfig) -> bool:
    """Whether ours scores better beyond a one-sided interval clustered by event."""
    gain = rows.weight * (metrics.brier(held, rows.y) - metrics.brier(ours, rows.y))
    _, of = np.unique(rows.event, return_inverse=True)
    sums = np.bincount(of, gain)
    z = NormalDist().inv_cdf(1 - config.evidence_level)
    return float(sums.mean()) > z * float(sums.std(ddof=1)) / float(np.sqrt(len(sums)))


def _groups(rows: Examples) -> Groups:
    """What must agree, by the vectors: they hold no strikes, so ladders of dates only.

    Of an event whose other rows are not learned from the prices do not sum to one, and its
    forecasts stay as they are.
    """
    return Groups(
        event=moments(rows.event, rows.as_of),
        exclusive=rows.x[:, COLUMN["exclusive"]] > 0,
        end=rows.x[:, COLUMN["hours_left"]],
        strike=np.full(rows.rows, np.nan),
    )


def _said(champion: Bundle, rows: Examples, groups: Groups, *, as_of: datetime) -> Floats:
    settings = PredictionSettings.objects.current(as_of=as_of).as_config()
    made = ensemble.forecast(
        champion, rows.x, rows.price, cell=rows.cell, config=settings, groups=groups
    )
    return np.asarray(made.probability, dtype=np.float64)


def _gain(rows: Examples, model: Floats) -> float:
    if not rows.rows:
        return 0.0
    reference = float(rows.weight @ metrics.brier(rows.price, rows.y))
    ours = float(rows.weight @ metrics.brier(model, rows.y))
    return 1 - ours / reference if reference else 0.0
