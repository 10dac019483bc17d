"""One training as a pure function: examples in, experts and their gate out, with the evidence.

Every expert of the horizon learns on its slice: on everything for serving, and before each test
window for evidence. An expert may get weight where its out-of-fold corrections beat the price
beyond what trying so many configurations explains, and where nothing speaks against it. A training
is one look at a sample: the first one of an expert may be judged by a test clustered by event,
adjusted for every configuration that was tried (Holm 1979), of which the hierarchical recalibration
is the primary one and has half of the level; every further look is only for the e-process over
cohorts, whose threshold rises with every training. How the admitted ones are combined is fitted on
what they said out of fold. None admitted: the forecast is the price, bit by bit.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from markets.core.series import Floats
from mlops.core import card, cohorts, controls, gates, ladder, metrics, oof, tuning
from mlops.core.cohorts import Cohorts
from mlops.core.contracts import FIXED_SAMPLE, LearningConfig
from mlops.core.eprocess import Evidence
from mlops.core.examples import Examples
from mlops.core.gates import HoldOut, NotFinite, Refused, SuspectedLeak, check
from mlops.core.ladder import Climbed
from mlops.core.oof import Make, NoStore, OutOfFold, Plan, Progress, Store
from predictions.core import estimators, roster
from predictions.core.ensemble import Blend
from predictions.core.estimators import Estimator
from predictions.core.roster import OUTCOME, Role
from predictions.core.schema import NAMES

__all__ = [
    "NotFinite",
    "Refused",
    "SuspectedLeak",
    "Tested",
    "Trained",
    "check",
    "learn",
]

PRIMARY: Final = roster.RECALIBRATION.slug  # the hypothesis that is asked first
PRIMARY_SHARE: Final = 0.5  # of the level; handed on to the others where it is proven
E_PROCESS: Final = "e-process"
FOLDS_PER_SOURCE_ERA: Final = 2  # the configured folds are a minimum: eras far apart need more


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """One trained expert: what it proved out of fold, and whether it may get weight.

    `p_value` is adjusted for all configurations that were tried; `threshold` is what the e-value
    must reach, which grows with them too. `route` says by what it proved itself, `reasons` what
    stands against it.
    """

    hold_out: HoldOut
    evidence: Evidence
    threshold: float
    p_value: float
    route: str
    cohorts: Cohorts
    admitted: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """Experts fitted on all examples, the gate, what they proved, and the model card.

    `untrained` names per slug what an expert has and needs; `accepted` says whether the gate's own
    figures allow to serve it, `reasons` why not. `tested` are the examples that some fold tested
    and `model` what the gate says of them, fitted on earlier folds only.
    """

    members: dict[str, Estimator]
    blend: Blend
    experts: dict[str, Tested]
    untrained: dict[str, dict[str, Any]]
    tested: Examples
    model: Floats
    scores: dict[str, Any]
    card: dict[str, Any]
    trials: int
    reasons: tuple[str, ...] = field(default=())

    @property
    def accepted(self) -> bool:
        """Whether nothing stands against the gate."""
        return not self.reasons


def learn(
    data: Examples,
    *,
    config: LearningConfig,
    cap: float,
    seed: int,
    horizon: str = OUTCOME,
    roles: Sequence[Role] | None = None,
    make: Make = lambda role: estimators.make(role.algorithm),
    active: Collection[str] = (),
    seen: Collection[str] = (),
    earlier: int = 0,
    fixed: Mapping[str, float] | None = None,
    workers: int = 1,
    store: Store | None = None,
    controlled: bool = True,
    progress: Progress = lambda _done, _total: None,
) -> Trained:
    """Train and judge; the same examples and seed give the same bytes for any number of workers.

    `roles` learn (default: the roster's members of the horizon) from what `make` gives. Those
    `active` are in service and keep their place without new evidence; those `seen` were trained
    before, so only their e-process admits them. `earlier` counts the trainings of the horizon
    before this one, `fixed` are proportions of the fixed ensemble.

    Raises `Refused` for too little data, one class only or a control that failed, `SuspectedLeak`
    where an expert or the gate is too good over all rows (who is so in its slice alone blocks
    itself), `NotFinite` where a number is none.
    """
    check(data, horizon=horizon, config=config)
    plan = _plan(config, seed=seed, make=make, workers=workers, store=store, progress=progress)
    able, cover, untrained = _able(
        data, roster.members(horizon) if roles is None else tuple(roles), config=config
    )
    plan, tuned = tuning.tuned(data, able, cover, plan=plan, trials=config.tuning_trials)
    folds = oof.windows(data, plan)
    found = oof.heard(data, able, cover, folds=folds, plan=plan)
    tested = data.take(found.rows)
    _one_class(tested)
    trials = len(able) + tuned
    experts = _judged(
        tested,
        found,
        horizon=horizon,
        config=config,
        cap=cap,
        trials=trials,
        least=threshold(config, trials=trials, earlier=earlier),
        active=active,
        seen=seen,
    )
    course = _Course(data, horizon, config, cap, plan, able, cover, len(folds))
    trained = _finished(
        course, tested, found, experts, untrained=untrained, fixed=fixed or {}, trials=trials
    )
    return course.controlled(trained) if controlled else trained


class _Course(NamedTuple):
    """What a training was given, and how it walked."""

    data: Examples
    horizon: str
    config: LearningConfig
    cap: float
    plan: Plan
    roles: tuple[Role, ...]
    cover: NDArray[np.bool_]
    folds: int

    def controlled(self, trained: Trained) -> Trained:
        """The training with its negative controls in the card; refused where one failed."""
        found = controls.run(
            self.data, NAMES, horizon=self.horizon, config=self.config, plan=self.plan
        )
        failed = [f"{each.name} ({each.detail})" for each in found if each.passed is False]
        if failed:
            raise Refused(
                f"a negative control failed: {'; '.join(failed)}; audit data and features"
            )
        checked = [control.as_json() for control in found]
        return replace(trained, card=trained.card | {"controls": checked})


def _finished(
    course: _Course,
    tested: Examples,
    found: OutOfFold,
    experts: dict[str, Tested],
    *,
    untrained: dict[str, dict[str, Any]],
    fixed: Mapping[str, float],
    trials: int,
) -> Trained:
    """Combine the experts, fit them on everything, and write the card."""
    data, config, horizon = course.data, course.config, course.horizon
    climbed = _climb(
        tested, found, experts, fixed, config=config, cap=course.cap, seed=course.plan.seed
    )
    gates.refuse_a_leak(
        "the combination",
        gates.judge_model(tested, climbed.model, horizon=horizon, config=config),
        horizon=horizon,
        config=config,
    )
    members = oof.final(data, course.roles, course.cover, folds=course.folds, plan=course.plan)
    rng = np.random.Generator(np.random.PCG64(course.plan.seed))
    scores = card.scores(tested, found, climbed, config=config, rng=rng)
    trials += climbed.trials
    told = card.experts(experts, untrained, members, rows=course.cover.sum(axis=0))
    return Trained(
        members=members,
        blend=climbed.blend,
        experts=experts,
        untrained=untrained,
        tested=tested,
        model=climbed.model,
        scores=scores,
        card=card.written(data, tested, climbed, horizon=horizon, scores=scores, trials=trials)
        | {"experts": told, "controls": []},
        trials=trials,
        reasons=_gate_reasons(tested, climbed, horizon=horizon, config=config),
    )


def threshold(config: LearningConfig, *, trials: int, earlier: int) -> float:
    """The e-value that admits an expert where so many configurations were tried on the data.

    Each training cuts and learns anew, so its wealth is a process of its own on much the same
    answers. The k-th may spend 1 / (k (k + 1)) of the level, and all together no more than it.
    """
    k = earlier + 1
    return config.evidence_to_promote * max(trials, 1) * k * (k + 1)


def _plan(
    config: LearningConfig,
    *,
    seed: int,
    make: Make,
    workers: int,
    store: Store | None,
    progress: Progress,
) -> Plan:
    return Plan(
        folds=config.folds * FOLDS_PER_SOURCE_ERA,
        embargo_days=config.embargo_days,
        min_events=config.min_events,
        min_rows=config.min_expert_rows,
        max_rows=config.max_fit_rows,
        seed=seed,
        workers=workers,
        make=make,
        store=store or NoStore(),
        progress=progress,
    )


def _able(
    data: Examples, roles: Sequence[Role], *, config: LearningConfig
) -> tuple[tuple[Role, ...], NDArray[np.bool_], dict[str, dict[str, Any]]]:
    """Who has enough in its slice to learn; what the others have and need."""
    cover = roster.coverage(roles, data.x, data.cell)
    able, short = [], {}
    for k, role in enumerate(roles):
        y = data.y[cover[:, k]]
        if oof.teaches(y, config.min_expert_rows):
            able.append(k)
            continue
        few = len(y) < config.min_expert_rows
        short[role.slug] = {
            "rows": len(y),
            "need": config.min_expert_rows,
            "events": len(np.unique(data.event[cover[:, k]])),
            "reason": "too few labelled rows in its slice" if few else "one class in its slice",
        }
    return tuple(roles[k] for k in able), cover[:, able], short


def _one_class(tested: Examples) -> None:
    if tested.rows and tested.y.min() == tested.y.max():
        raise Refused(
            f"every answer of the hold-out is {tested.y[0]:g}: one class tests nothing; add later "
            "data with other answers"
        )


def _judged(
    tested: Examples,
    found: OutOfFold,
    *,
    horizon: str,
    config: LearningConfig,
    cap: float,
    trials: int,
    least: float,
    active: Collection[str],
    seen: Collection[str],
) -> dict[str, Tested]:
    moves = dict(zip(found.experts, found.corrections.T, strict=True))
    width = cohort_s(horizon, config)
    alone = [cohorts.p_value(tested, move, cap=cap, cohort_s=width) for move in moves.values()]
    # What else was tried counts like a test that showed nothing.
    asked = np.array([*alone, *[1.0] * (trials - len(alone))])
    adjusted = metrics.holm(asked, _shares(found.experts, len(asked)))
    experts = {}
    for (slug, move), p in zip(moves.items(), adjusted.tolist(), strict=False):
        held = gates.judge(tested, move, horizon=horizon, config=config)
        whole = gates.overall(tested, move, horizon=horizon, config=config)
        gates.refuse_a_leak(slug, whole, horizon=horizon, config=config)
        suspected = gates.suspicion(held, horizon=horizon, config=config)
        evidence = cohorts.evidence(
            tested,
            move,
            cap=cap,
            cohort_s=width,
            margin=config.demotion_margin,
        )
        route = _route(evidence, least, p, first=slug not in seen, config=config)
        against, short = list(held.useless), list(held.poor)
        if suspected:
            against.insert(0, f"it {suspected}")
        if evidence.e_worse >= config.evidence_to_demote:
            against.append(f"evidence of {evidence.e_worse:.3g} says it is worse than the price")
        if not route:
            short.append(
                f"its evidence is {evidence.e_value:.3g} of {least:.3g}, its adjusted p {p:.3g}"
            )
        experts[slug] = Tested(
            hold_out=held,
            evidence=evidence,
            threshold=least,
            p_value=p,
            route="in service" if slug in active else route,
            cohorts=cohorts.daily(tested, move, cap=cap),
            # One look that shows too little takes nobody out of service; one that shows harm does.
            admitted=not against and (slug in active or not short),
            reasons=(*against, *short),
        )
    return experts


def _shares(slugs: Sequence[str], trials: int) -> Floats:
    """How much of the level each of so many hypotheses has; those without a name come last."""
    primary = np.array([slug == PRIMARY for slug in slugs] + [False] * (trials - len(slugs)))
    if primary.all() or not primary.any():
        return np.ones(trials)
    others = (1 - PRIMARY_SHARE) / np.count_nonzero(~primary)
    return np.where(primary, PRIMARY_SHARE / np.count_nonzero(primary), others)


def _route(
    evidence: Evidence, least: float, p: float, *, first: bool, config: LearningConfig
) -> str:
    """By what an expert proved itself; empty where it did not."""
    if evidence.e_value >= least:
        return E_PROCESS
    return FIXED_SAMPLE if first and p <= config.evidence_level else ""


def cohort_s(horizon: str, config: LearningConfig) -> float:
    """Seconds of answers that are one bet, two horizons at least.

    An answer counts only if its forecast came after the cohort before had closed. In cohorts as
    wide as the horizon none could, for a forecast is made one horizon before its answer.
    """
    return max(float(config.cohort_s), 2 * roster.HORIZON_S.get(horizon, 0.0))


def _climb(
    tested: Examples,
    found: OutOfFold,
    experts: Mapping[str, Tested],
    fixed: Mapping[str, float],
    *,
    config: LearningConfig,
    cap: float,
    seed: int,
) -> Climbed:
    return ladder.climb(
        tested,
        found.corrections,
        found.experts,
        admitted=frozenset(slug for slug, each in experts.items() if each.admitted),
        fold=found.fold,
        fixed=fixed,
        cap=cap,
        config=config,
        rng=np.random.Generator(np.random.PCG64(seed)),
    )


def _gate_reasons(
    tested: Examples, climbed: Climbed, *, horizon: str, config: LearningConfig
) -> tuple[str, ...]:
    """Why the combination may not be served; none where it is the price itself."""
    if np.array_equal(climbed.model, tested.price):
        return ()
    return gates.judge_model(tested, climbed.model, horizon=horizon, config=config).reasons
