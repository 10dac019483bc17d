"""Boosted trees as flat arrays and one compiled walk: bit-equal for one row and for thousands.

LightGBM's own call costs tens of microseconds before the first tree, XGBoost's hundreds. Reading
their formats into arrays removes both, and answers what the libraries answer.
"""
# ruff: noqa: PLR0917 - compiled functions take arrays by position

import json
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from predictions.core.compiled import njit
from predictions.core.sealed import CorruptModel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Nodes = NDArray[np.int32]

_MISSING_NAN: Final = 2
_STRUCTURE: Final = ("split_feature", "threshold", "left_child", "right_child")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trees:
    """Inner nodes of all trees behind each other, and their leaves.

    A row goes to `children[node, 1]` where its value is greater than the threshold, to
    `children[node, missing[node]]` where it is NaN. A child c >= 0 is a node, c < 0 the leaf ~c.
    """

    feature: Nodes
    threshold: Floats
    children: Nodes
    missing: Nodes
    roots: Nodes
    leaves: Floats
    gain: Floats
    single: bool

    def __post_init__(self) -> None:
        nodes, leaves = len(self.feature), len(self.leaves)
        first = np.arange(nodes)[:, None]
        inner = self.children >= 0
        # Children lie behind their parent, so that no text can send the walk in circles.
        if (inner & ((self.children <= first) | (self.children >= nodes))).any() or (
            ~inner & (~self.children >= leaves)
        ).any():
            raise CorruptModel("a tree points outside itself; restore the file or train again")
        if ((self.roots >= nodes) | (self.roots < -leaves)).any() or (self.feature < 0).any():
            raise CorruptModel("a tree has no root or column; restore the file or train again")

    def shares(self) -> dict[int, float]:
        """Per column the sum of its splits' gains."""
        found = np.bincount(self.feature, weights=np.maximum(self.gain, 0.0))
        return {int(k): float(found[k]) for k in np.flatnonzero(found)}

    def answer(self, x: Floats) -> Floats:
        """Sum of the leaves per row, float64[rows]."""
        if len(self.feature) and x.shape[1] <= self.feature.max():
            raise CorruptModel("the trees read columns that the rows lack; train again")
        rows = np.ascontiguousarray(x)
        if self.single:
            with np.errstate(over="ignore"):
                rows = rows.astype(np.float32)
        # XGBoost sums in single precision: so does the walk then, and in the same order.
        leaves = self.leaves.astype(rows.dtype)
        found = walk(
            rows, self.feature, self.threshold, self.children, self.missing, self.roots, leaves
        )
        return np.asarray(found, dtype=np.float64)


@njit
def walk(
    x: Any,
    feature: Nodes,
    threshold: Floats,
    children: Nodes,
    missing: Nodes,
    roots: Nodes,
    leaves: Any,
) -> Any:
    """Follow every row down every tree, tree by tree: one tree stays in the nearest cache."""
    out = np.zeros(x.shape[0], leaves.dtype)
    for tree in range(roots.shape[0]):
        for row in range(x.shape[0]):
            node = roots[tree]
            while node >= 0:
                value = x[row, feature[node]]
                # In this order the processor guesses the side and goes on; a third faster.
                if value > threshold[node]:
                    node = children[node, 1]
                elif value != value:  # noqa: PLR0124 - NaN alone differs from itself
                    node = children[node, missing[node]]
                else:
                    node = children[node, 0]
            out[row] += leaves[~node]
    return out


def from_lightgbm(text: str) -> Trees:
    """Trees of a LightGBM model text, numeric splits only; same order of sums as the library."""
    parts: list[dict[str, Any]] = []
    for block in text.split("\nTree=")[1:]:
        lines = (line.split("=", 1) for line in block.split("\n") if "=" in line)
        found = {pair[0]: pair[1] for pair in lines}
        if int(found["num_leaves"]) < 2:
            constant = np.array([float(found["leaf_value"])])
            parts.append({"leaves": constant, "nodes": 0})
            continue
        feature, threshold, left, right = (
            np.array(found[name].split(), dtype=np.float64) for name in _STRUCTURE
        )
        kind = np.array(found["decision_type"].split(), dtype=np.int64)
        if (kind & 1).any():
            raise CorruptModel("a tree splits on categories, which are not served; train again")
        says_missing = (kind >> 2) & 3 == _MISSING_NAN
        # Where no value was missing in training, LightGBM reads a missing one as zero.
        right_if_missing = np.where(says_missing, (kind >> 1) & 1 == 0, threshold < 0.0)
        parts.append(
            {
                "nodes": len(feature),
                "feature": feature,
                "threshold": threshold,
                "children": np.stack([left, right], axis=1).astype(np.int64),
                "missing": right_if_missing,
                "leaves": np.array(found["leaf_value"].split(), dtype=np.float64),
                "gain": np.array(found["split_gain"].split(), dtype=np.float64),
            }
        )
    return _joined(parts, single=False)


def from_xgboost(model: str) -> Trees:
    """Trees of an XGBoost model as its JSON; thresholds and values are read in single precision."""
    booster = json.loads(model)["learner"]["gradient_booster"]["model"]
    return _joined([_xgboost_tree(tree) for tree in booster["trees"]], single=True)


def _xgboost_tree(tree: dict[str, Any]) -> dict[str, Any]:
    left, right = np.array(tree["left_children"]), np.array(tree["right_children"])
    value = np.array(tree["split_conditions"], dtype=np.float32)
    inner = left >= 0
    # Nodes and leaves share one numbering there and have two here.
    number = np.where(inner, np.cumsum(inner) - 1, ~(np.cumsum(~inner) - 1))
    # It goes right from the threshold on, we go right above the number just below it.
    below = np.nextafter(value[inner], np.float32(-np.inf))
    return {
        "nodes": int(inner.sum()),
        "feature": np.array(tree["split_indices"])[inner],
        "threshold": below.astype(np.float64),
        "children": np.stack([number[left[inner]], number[right[inner]]], axis=1),
        "missing": np.array(tree["default_left"])[inner] == 0,
        "leaves": value[~inner].astype(np.float64),
        "gain": np.array(tree["loss_changes"], dtype=np.float64)[inner],
    }


def _joined(parts: list[dict[str, Any]], *, single: bool) -> Trees:
    grown = [part for part in parts if part["nodes"]]
    roots: list[int] = []
    children: list[NDArray[np.int64]] = []
    node = leaf = 0
    for part in parts:
        roots.append(node if part["nodes"] else ~leaf)
        if part["nodes"]:
            own = part["children"]
            children.append(np.where(own >= 0, own + node, own - leaf))
        node += part["nodes"]
        leaf += len(part["leaves"])

    def all_of(name: str, kind: Any, among: list[dict[str, Any]]) -> Any:
        empty = [np.zeros(0, dtype=kind)]
        return np.concatenate(empty + [part[name] for part in among]).astype(kind)

    shape = [np.zeros((0, 2), dtype=np.int64)]
    return Trees(
        feature=all_of("feature", np.int32, grown),
        threshold=all_of("threshold", np.float64, grown),
        children=np.ascontiguousarray(np.concatenate(shape + children).astype(np.int32)),
        missing=all_of("missing", np.int32, grown),
        roots=np.array(roots, dtype=np.int32),
        leaves=all_of("leaves", np.float64, parts),
        gain=all_of("gain", np.float64, grown),
        single=single,
    )
