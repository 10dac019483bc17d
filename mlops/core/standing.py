"""Where an expert stands, and the rules that move it: a table, read from the top.

Rules for a cause (something is broken, stale or losing beyond chance) act at once; statistical
demotions are few per pass, so that one bad day cannot take everybody out of service.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np

from mlops.core.contracts import LearningConfig
from mlops.core.eprocess import Evidence
from mlops.core.tally import Tally

SHADOW: Final = "SHADOW"
ACTIVE: Final = "ACTIVE"
PROBATION: Final = "PROBATION"
SUSPENDED: Final = "SUSPENDED"
DEPRECATED: Final = "DEPRECATED"
SLOPE: Final = (0.8, 1.25)  # a calibration slope whose interval lies outside is demoted
HOURS_A_DAY: Final = 24.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the rules look at; live figures count from the last move on.

    Attributes
    ----------
    evidence
        E-processes over the live cohorts.
    skill
        1 - Brier expert / Brier price over them; NaN without one. R² on a price horizon.
    taught
        Events that its version learned from.
    validated_h, moved_h
        Hours since it last learned or held on new data, and since it came to its state.
    rule, by_person
        By which rule it came to its state, "" where by none; whether a person moved it there.
    mismatch
        Why its version cannot be trusted in this process; "" where it can.
    losses, loss_chance, losing_since
        The losing run of its trades, how likely that was under the prices paid, its first answer.
    challengers
        Experts of its horizon that wait to be promoted, itself included.
    """

    slug: str
    state: str
    gate: bool
    returns: bool
    evidence: Evidence
    skill: float
    events: int
    taught: int
    tally: Tally
    validated_h: float
    moved_h: float
    rule: str
    by_person: bool
    mismatch: str
    losses: int
    loss_chance: float
    losing_since: datetime | None
    challengers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A move that a rule asks for, and why."""

    slug: str
    to: str
    rule: str
    cause: bool
    weight: float
    evidence: Mapping[str, Any]


Rule = Callable[[Standing, LearningConfig], Mapping[str, Any] | None]


def mismatched(seen: Standing, _config: LearningConfig) -> Mapping[str, Any] | None:
    """Trained with another release of a library."""
    return {"mismatch": seen.mismatch} if seen.mismatch else None


def losing(seen: Standing, config: LearningConfig) -> Mapping[str, Any] | None:
    """So many losses in a row as the prices paid do not explain."""
    if seen.losses < config.losses_to_suspend or seen.loss_chance >= config.loss_chance:
        return None
    return {"losses": seen.losses, "chance": seen.loss_chance}


def expired(idle_h: float, config: LearningConfig) -> bool:
    """Whether so many hours without a training or validation are too many."""
    return idle_h > config.expiry_h


def stale(seen: Standing, config: LearningConfig) -> Mapping[str, Any] | None:
    """Neither trained nor validated on new data for too long."""
    if not expired(seen.validated_h, config):
        return None
    return {"validated_hours_ago": finite(seen.validated_h), "expiry_h": config.expiry_h}


def look_level(seen: Standing, config: LearningConfig) -> float:
    """What the look after the k-th finished day may spend of the level: 1 / (k (k + 1)) of it.

    The shares add up to 1, so all looks together are wrong with a chance of at most the level.
    """
    days = max(seen.evidence.cohorts, 1)
    return config.evidence_level / (days * (days + 1))


def worse(seen: Standing, config: LearningConfig) -> Mapping[str, Any] | None:
    """Worse than the price by more than the margin, beyond chance at any time."""
    if seen.evidence.peak_worse < config.evidence_to_demote:
        return None
    return {"threshold": config.evidence_to_demote, "margin": config.demotion_margin}


def overconfident(seen: Standing, config: LearningConfig) -> Mapping[str, Any] | None:
    """Forecast and frequency lie too far apart, beyond chance over all looks since its move."""
    level = look_level(seen, config)
    gap = seen.tally.lean(min_events=config.reliability_events, level=level)
    return {"gap": gap, "level": level} if gap > config.max_reliability_gap else None


def tilted(seen: Standing, config: LearningConfig) -> Mapping[str, Any] | None:
    """The interval of the calibration slope, wide enough for all looks, is not tolerable."""
    level = look_level(seen, config)
    low, high = seen.tally.slope(level=level)
    if np.isnan(low) or (high >= SLOPE[0] and low <= SLOPE[1]):
        return None
    return {"slope_low": low, "slope_high": high, "level": level}


def recovered(seen: Standing, config: LearningConfig) -> Mapping[str, Any] | None:
    """Put on probation by the review, and since then shown to be sound.

    After a cause: trained or validated since. After a statistical demotion a training is no proof:
    enough answers since must speak for a member, and the validation of what it served for a gate,
    whose forecasts are the price meanwhile.
    """
    if seen.by_person:
        return None
    if seen.rule in STATISTICAL and not seen.gate:
        held = (
            seen.events >= config.reliability_events
            and seen.evidence.mean >= -config.demotion_margin
        )
        told, wrong = {"events_since": float(seen.events)}, SOUND
    else:
        held = seen.validated_h < seen.moved_h
        told, wrong = {"validated_hours_ago": seen.validated_h}, (*SOUND, stale)
    return None if not held or any(rule(seen, config) for rule in wrong) else told


def proven(seen: Standing, config: LearningConfig) -> Mapping[str, Any] | None:
    """Better than the price live, on enough data, fresh and sound."""
    threshold = config.evidence_to_promote * max(seen.challengers, 1)
    least = config.min_return_skill if seen.returns else 0.0
    good = (
        seen.evidence.e_value >= threshold
        and seen.skill >= least
        and seen.events >= config.reliability_events
        and seen.taught >= config.min_events
        and not any(rule(seen, config) for rule in (*SOUND, stale))
    )
    return {"threshold": threshold, "challengers": seen.challengers} if good else None


def forgotten(seen: Standing, config: LearningConfig) -> Mapping[str, Any] | None:
    """Suspended for so long that nobody waits for it."""
    days = seen.moved_h / HOURS_A_DAY
    return {"days": days} if days > config.deprecate_after_days else None


SOUND: Final[tuple[Rule, ...]] = (mismatched, losing, worse, overconfident, tilted)
STATISTICAL: Final = frozenset({worse.__name__, overconfident.__name__, tilted.__name__})

# (from, rule, to, for cause): the first that applies moves the expert.
RULES: Final[tuple[tuple[str, Rule, str, bool], ...]] = (
    (ACTIVE, losing, SUSPENDED, True),
    (ACTIVE, mismatched, PROBATION, True),
    (ACTIVE, stale, PROBATION, True),
    (ACTIVE, worse, PROBATION, False),
    (ACTIVE, overconfident, PROBATION, False),
    (ACTIVE, tilted, PROBATION, False),
    (PROBATION, losing, SUSPENDED, True),
    (PROBATION, worse, SUSPENDED, False),
    (PROBATION, overconfident, SUSPENDED, False),
    (PROBATION, recovered, ACTIVE, False),
    (SHADOW, proven, ACTIVE, False),
    (SUSPENDED, forgotten, DEPRECATED, True),
)


def proposal(seen: Standing, config: LearningConfig) -> Proposal | None:
    """What the rules ask for this expert."""
    for state, rule, to, cause in RULES:
        if seen.state != state:
            continue
        found = rule(seen, config)
        if found is not None:
            figures = {"rule": rule.__name__, "events": seen.events, "skill": finite(seen.skill)}
            return Proposal(
                slug=seen.slug,
                to=to,
                rule=rule.__name__,
                cause=cause,
                weight=seen.evidence.peak_worse,
                evidence={**figures, **seen.evidence.as_json(), **found},
            )
    return None


def finite(value: float) -> float | None:
    """A number for JSON."""
    return float(value) if np.isfinite(value) else None


def decided(
    found: Iterable[Proposal], *, max_demotions: int
) -> tuple[list[Proposal], list[Proposal]]:
    """What is done in this pass, and the statistical demotions that wait for the next one."""
    every = list(found)
    capped = [each for each in every if not each.cause and each.to != ACTIVE]
    capped.sort(key=lambda each: (-each.weight, each.slug))
    waiting = capped[max_demotions:]
    return [each for each in every if each not in waiting], waiting


def run_of_losses(won: Iterable[bool], losing_chance: Iterable[float]) -> tuple[int, float]:
    """Length of the losing run that a series of trades ends in, and its chance.

    `losing_chance` is what the prices paid said of each trade's loss: 1 - all-in cost per share.
    """
    length, chance = 0, 1.0
    for is_win, each in reversed(list(zip(won, losing_chance, strict=True))):
        if is_win:
            break
        length, chance = length + 1, chance * each
    return length, chance
