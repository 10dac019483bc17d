"""Boosted trees on the market logit's residual, by LightGBM and by XGBoost.

The market logit is LightGBM's initial score and XGBoost's base margin, so the trees learn a
correction only: without a split that pays, the forecast is the price. Both save chi-square as the
gain of a split, once weights are in units of information: `min_gain` is a significance level after
the best of some thousand thresholds was picked, and what stays below it is not learned.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from predictions.core import restraint
from predictions.core.learned import Draft, Learned
from predictions.core.restraint import EXTREME, Lesson
from predictions.core.sealed import CorruptModel

__all__ = ["CorruptModel", "ResidualBooster", "ResidualXgb"]

Floats = NDArray[np.float64]


@dataclass(slots=True, kw_only=True)
class ResidualBooster(Learned):
    """LightGBM, strongly regularised, single-threaded and deterministic.

    Attributes
    ----------
    rounds, patience, learning_rate, leaves
        Most trees, how many may follow the best one on the tail, their step and their size.
    min_rows, min_information
        A leaf holds at least so many rows and so much weighted p(1 − p): at a price of one half,
        four events' worth per unit.
    min_gain, lasso, ridge
        Least gain of a split, and the penalties on leaf values, in units of information.
    columns, rows_a_tree
        Columns that are looked at, loudest first, and rows that every tree sees, at most.
    """

    kind: ClassVar[str] = "lightgbm-residual"
    native: ClassVar[bool] = True

    rounds: int = 150
    patience: int = 50
    learning_rate: float = 0.05
    leaves: int = 6
    min_rows: int = 60
    min_information: float = 12.0
    min_gain: float = 10.0
    lasso: float = 0.5
    ridge: float = 10.0
    columns: int = 64
    rows_a_tree: int = 20_000

    def _learn(self, lesson: Lesson, tail: Lesson | None, *, seed: int, size: int) -> Draft | None:
        if lesson.rows < 2 * self.min_rows:
            return None
        lightgbm = _lightgbm()
        data = self._dataset(restraint.narrowed(lesson, most=self.columns))
        stopping = {}
        if tail is not None:
            stopping = {
                "valid_sets": [self._dataset(tail, like=data)],
                "callbacks": [lightgbm.early_stopping(self.patience, verbose=False)],
            }
        found = lightgbm.train(
            self._settings(seed, rows=lesson.rows),
            data,
            num_boost_round=size or self.rounds,
            **stopping,
        )
        used = found.best_iteration if tail is not None and found.best_iteration > 0 else -1
        text = found.model_to_string(num_iteration=used)
        shares = _trees().from_lightgbm(text).shares()
        size = used if used > 0 else found.num_trees()
        return Draft(text.encode(), size, shares) if shares else None

    def _open(self, payload: bytes) -> Any:
        return _trees().from_lightgbm(payload.decode())

    def _answer(self, served: Any, x: Floats, logit: Floats) -> Floats:
        del logit
        found: Floats = served.answer(np.clip(x, -EXTREME, EXTREME))
        return found

    def _dataset(self, lesson: Lesson, *, like: Any = None) -> Any:
        return _lightgbm().Dataset(
            lesson.x,
            label=lesson.y,
            weight=lesson.information,
            init_score=lesson.logit,
            reference=like,
            params={
                "max_bin": 63,
                "bin_construct_sample_cnt": 10_000,
                "verbose": -1,
                "num_threads": 1,
            },
        )

    def _settings(self, seed: int, *, rows: int) -> dict[str, Any]:
        share = min(1.0, self.rows_a_tree / rows)
        return {
            "objective": "cross_entropy",
            "learning_rate": self.learning_rate,
            "num_leaves": self.leaves,
            "min_data_in_leaf": self.min_rows,
            "min_sum_hessian_in_leaf": self.min_information,
            "min_gain_to_split": self.min_gain,
            "lambda_l1": self.lasso,
            "lambda_l2": self.ridge,
            "bagging_fraction": share,
            "bagging_freq": int(share < 1),
            "max_bin": 63,
            "boost_from_average": False,
            "deterministic": True,
            "force_col_wise": True,
            "num_threads": 1,
            "seed": seed,
            "verbose": -1,
        }


@dataclass(slots=True, kw_only=True)
class ResidualXgb(Learned):
    """XGBoost under the same restraint; every level of a tree draws its own columns.

    Attributes
    ----------
    rounds, patience, learning_rate, depth
        Most trees, how many may follow the best one on the tail, their step and their depth.
    min_information, min_gain, lasso, ridge
        As LightGBM's.
    columns, rows_a_tree
        Columns that are looked at, loudest first, and rows that every tree sees, at most.
    column_share
        Of these columns, those that a level of a tree may split on.
    """

    kind: ClassVar[str] = "xgboost-residual"
    native: ClassVar[bool] = True

    rounds: int = 120
    patience: int = 50
    learning_rate: float = 0.05
    depth: int = 3
    min_information: float = 12.0
    min_gain: float = 10.0
    lasso: float = 0.5
    ridge: float = 10.0
    column_share: float = 0.6
    columns: int = 64
    rows_a_tree: int = 20_000

    def _learn(self, lesson: Lesson, tail: Lesson | None, *, seed: int, size: int) -> Draft | None:
        xgboost = _xgboost()
        stopping = {}
        if tail is not None:
            stopping = {
                "evals": [(self._matrix(tail), "tail")],
                "early_stopping_rounds": self.patience,
                "verbose_eval": False,
            }
        found = xgboost.train(
            self._settings(seed, rows=lesson.rows),
            self._matrix(restraint.narrowed(lesson, most=self.columns)),
            num_boost_round=size or self.rounds,
            **stopping,
        )
        if tail is not None:
            found = found[: found.best_iteration + 1]
        payload = bytes(found.save_raw("ubj"))
        trees = self._open(payload)
        return Draft(payload, len(trees.roots), trees.shares()) if trees.shares() else None

    def _open(self, payload: bytes) -> Any:
        booster = _xgboost().Booster(model_file=bytearray(payload))
        return _trees().from_xgboost(booster.save_raw("json").decode())

    def _answer(self, served: Any, x: Floats, logit: Floats) -> Floats:
        del logit
        found: Floats = served.answer(np.clip(x, -EXTREME, EXTREME))
        return found

    @staticmethod
    def _matrix(lesson: Lesson) -> Any:
        return _xgboost().DMatrix(
            lesson.x,
            label=lesson.y,
            weight=lesson.information,
            base_margin=lesson.logit,
            nthread=1,
        )

    def _settings(self, seed: int, *, rows: int) -> dict[str, Any]:
        return {
            "objective": "binary:logistic",
            "base_score": 0.5,
            "eta": self.learning_rate,
            "max_depth": self.depth,
            "min_child_weight": self.min_information,
            "gamma": self.min_gain,
            "alpha": self.lasso,
            "lambda": self.ridge,
            "colsample_bylevel": self.column_share,
            "subsample": min(1.0, self.rows_a_tree / rows),
            "tree_method": "hist",
            "max_bin": 63,
            "nthread": 1,
            "seed": seed,
            "verbosity": 0,
        }


def _lightgbm() -> Any:
    # Imported at first use: the registry runs in web processes, which load no ML library.
    return import_module("lightgbm")


def _xgboost() -> Any:
    return import_module("xgboost")


def _trees() -> Any:
    return import_module("predictions.core.trees")
