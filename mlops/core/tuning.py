"""A fixed, counted budget of configurations, tried on what came before the first test window.

The search (tree-structured Parzen estimator, Bergstra et al. 2011, through Optuna) sees inner
purged folds of the oldest training rows only, so that no fold that later judges an expert has
chosen its parameters. Every configuration counts as a trial against the evidence.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from markets.core.series import Floats, Ints
from mlops.core import oof
from mlops.core.examples import Examples
from mlops.core.oof import Plan
from predictions.core import estimators
from predictions.core.logits import logit
from predictions.core.roster import Role

Parameters = Mapping[str, Any]
Folds = Sequence[tuple[Ints, Ints]]


@dataclass(frozen=True, slots=True)
class Between:
    """The bounds of a parameter, both included; `log` searches its order of magnitude."""

    low: float
    high: float
    log: bool = False

    def drawn(self, trial: Any, name: str) -> float | int:
        """What a trial takes: a whole number where both bounds are."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return int(trial.suggest_int(name, self.low, self.high, log=self.log))
        return float(trial.suggest_float(name, self.low, self.high, log=self.log))


_RIDGE: Final = Between(3.0, 100.0, log=True)
_SPACES: Final[Mapping[str, Mapping[str, Between]]] = {
    "recalibration": {
        "tau_root": Between(0.05, 0.5, log=True),
        "tau_domain": Between(0.02, 0.3, log=True),
        "tau_cell": Between(0.01, 0.2, log=True),
    },
    "lightgbm": {
        "learning_rate": Between(0.01, 0.05, log=True),
        "leaves": Between(2, 12),
        "min_gain": Between(6.0, 20.0),
        "ridge": _RIDGE,
    },
    "xgboost": {
        "learning_rate": Between(0.01, 0.05, log=True),
        "depth": Between(1, 5),
        "min_gain": Between(6.0, 20.0),
        "ridge": _RIDGE,
    },
    "forest": {
        "depth": Between(2, 7),
        "min_share": Between(0.005, 0.1, log=True),
        "min_score": Between(2.5, 4.0),
    },
    "mlp": {
        "hidden": Between(4, 12),
        "epochs": Between(10, 40),
        "ridge": Between(0.1, 10.0, log=True),
        "min_score": Between(2.5, 4.0),
    },
    "text": {
        "tau": Between(0.05, 0.5, log=True),
        "min_score": Between(1.5, 3.0),
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """The best parameters, none for the defaults, and how many configurations were tried."""

    parameters: dict[str, Any]
    trials: int


def tuned(
    data: Examples,
    roles: Sequence[Role],
    cover: NDArray[np.bool_],
    *,
    plan: Plan,
    trials: int,
) -> tuple[Plan, int]:
    """A plan whose experts start from tuned parameters, and how many configurations were tried.

    Each algorithm of `roles` is tuned once, on the rows that any of its roles looks at and that
    the first fold trains on. No trials, or too little data before the first fold: the plan as it
    was, and 0.
    """
    windows = oof.windows(data, plan) if trials else []
    if not windows:
        return plan, 0
    best: dict[str, Parameters] = {}
    tried = 0
    for algorithm in sorted({role.algorithm for role in roles} & set(_SPACES)):
        looked = cover[:, [k for k, role in enumerate(roles) if role.algorithm == algorithm]]
        train = windows[0].train
        early = data.take(oof.in_time(data, train[looked[train].any(axis=1)]))
        folds = [(fold.train, fold.test) for fold in oof.windows(early, plan)]
        found = search(algorithm, early, folds, trials=trials, seed=plan.seed)
        best[algorithm] = found.parameters
        tried += found.trials

    def make(role: Role) -> estimators.Estimator:
        parameters = best.get(role.algorithm)
        return estimators.make(role.algorithm, **parameters) if parameters else plan.make(role)

    return (replace(plan, make=make) if any(best.values()) else plan), tried


def search(algorithm: str, data: Examples, folds: Folds, *, trials: int, seed: int) -> Tuned:
    """Try `trials` configurations, the defaults first, on pairs of rows to train and to test on.

    The lowest mean log loss of an event wins; whoever does no better than the defaults loses to
    them. The same data, folds and seed give the same parameters.
    """
    if not trials or not folds:
        return Tuned(parameters={}, trials=0)
    space = _SPACES[algorithm]

    def loss(parameters: Parameters) -> float:
        return _loss(lambda: estimators.make(algorithm, **parameters), data, folds, seed=seed)

    optuna = import_module("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    default = loss({})
    if trials > 1:
        study.optimize(
            lambda trial: loss({name: part.drawn(trial, name) for name, part in space.items()}),
            n_trials=trials - 1,
        )
    better = trials > 1 and study.best_value < default
    return Tuned(parameters=dict(study.best_params) if better else {}, trials=trials)


def _loss(
    make: Callable[[], estimators.Estimator], data: Examples, folds: Folds, *, seed: int
) -> float:
    losses: list[Floats] = []
    weights: list[Floats] = []
    for train, test in folds:
        taught, asked = data.take(train), data.take(test)
        odds = logit(asked.price)
        move = oof.fit(make(), taught, seed=seed).correction(asked.x, odds, asked.cell)
        losses.append(np.logaddexp(0.0, odds + move) - asked.y * (odds + move))
        weights.append(asked.weight)
    return float(np.average(np.concatenate(losses), weights=np.concatenate(weights)))
