"""Trees as flat arrays and one compiled walk: bit-equal for one row and for thousands.

LightGBM's own call costs tens of microseconds before the first tree, XGBoost's hundreds, and the
ONNX runtime's walk twice the time of this one. Reading their formats into arrays removes that, and
answers what the libraries answer.
"""

import json
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from predictions.core.compiled import njit
from predictions.core.sealed import CorruptModel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Nodes = NDArray[np.int32]

BLOCK: Final = 128  # rows that walk together: one tree and their values stay in a near cache
_MISSING_NAN: Final = 2
_STRUCTURE: Final = ("split_feature", "threshold", "left_child", "right_child")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trees:
    """Nodes of all trees behind each other; a leaf is a node whose children are itself.

    Attributes
    ----------
    nodes
        Records of `feature`, `threshold`, `left`, `right` and `missing`: a row goes right where its
        value is greater than the threshold, or is NaN and `missing` is 1; else left.
    value, gain
        Per node what a leaf adds, and what a split gained; 0 elsewhere.
    roots, depth
        int32[trees], the first node of each and the steps to its farthest leaf.
    width
        How many columns the rows must have.

    Thresholds and values have the precision in which the library compares and sums.
    """

    nodes: NDArray[np.void]
    value: NDArray[Any]
    gain: Floats
    roots: Nodes
    depth: Nodes
    width: int

    def shares(self) -> dict[int, float]:
        """Per column the sum of its splits' gains."""
        found = np.bincount(self.nodes["feature"], weights=np.maximum(self.gain, 0.0))
        return {int(k): float(found[k]) for k in np.flatnonzero(found)}

    def answer(self, x: Floats) -> Floats:
        """Sum of the leaves per row, float64[rows]."""
        if x.shape[1] < self.width:
            raise CorruptModel("the trees read columns that the rows lack; train again")
        with np.errstate(over="ignore"):
            rows = np.ascontiguousarray(x, dtype=self.value.dtype)
        follow = walk_alone if len(rows) == 1 else walk
        found = follow(rows, self.nodes, self.value, self.roots, self.depth)
        return np.asarray(found, dtype=np.float64)


@njit
def walk(x: Any, nodes: Any, value: Any, roots: Nodes, depth: Nodes) -> Any:
    """Blocks of rows go down tree by tree, a level at a time, and wait in their leaves.

    No step depends on a guess of the processor, a node is one record, and the rows of a block
    overlap each other's reads. Every row sums its leaves in the order of the trees.
    """
    out = np.zeros(x.shape[0], value.dtype)
    at = np.empty(BLOCK, np.int32)
    for first in range(0, x.shape[0], BLOCK):
        count = min(BLOCK, x.shape[0] - first)
        for tree in range(roots.shape[0]):
            for k in range(count):
                at[k] = roots[tree]
            for _ in range(depth[tree]):
                for k in range(count):
                    node = nodes[at[k]]
                    seen = x[first + k, node["feature"]]
                    # NaN alone differs from itself.
                    lost = (seen != seen) & (node["missing"] == 1)  # noqa: PLR0124
                    at[k] = node["right"] if (seen > node["threshold"]) | lost else node["left"]
            for k in range(count):
                out[first + k] += value[at[k]]
    return out


@njit
def walk_alone(x: Any, nodes: Any, value: Any, roots: Nodes, depth: Nodes) -> Any:
    """The same for one row, which goes down a block of trees at once: their reads overlap."""
    out = np.zeros(1, value.dtype)
    at = np.empty(BLOCK, np.int32)
    for first in range(0, roots.shape[0], BLOCK):
        count = min(BLOCK, roots.shape[0] - first)
        steps = 0
        for k in range(count):
            at[k] = roots[first + k]
            steps = max(steps, depth[first + k])
        for _ in range(steps):
            for k in range(count):
                node = nodes[at[k]]
                seen = x[0, node["feature"]]
                lost = (seen != seen) & (node["missing"] == 1)  # noqa: PLR0124 - NaN alone differs
                at[k] = node["right"] if (seen > node["threshold"]) | lost else node["left"]
        for k in range(count):
            out[0] += value[at[k]]
    return out


@njit
def depths(children: Nodes, roots: Nodes) -> Any:
    """Steps from each root to its farthest leaf, int32[trees]; children lie behind their parent."""
    level = np.zeros(children.shape[0], np.int32)
    longest = np.zeros(roots.shape[0], np.int32)
    for tree in range(roots.shape[0]):
        last = roots[tree + 1] if tree + 1 < roots.shape[0] else children.shape[0]
        for node in range(roots[tree], last):
            longest[tree] = max(longest[tree], level[node])
            for side in range(2):
                if children[node, side] != node:
                    level[children[node, side]] = level[node] + 1
    return longest


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tree:
    """One tree with its own numbering: node 0 is the root, a leaf has no children (-1)."""

    feature: Any
    threshold: Any
    children: Any
    missing: Any
    value: Any
    gain: Any


def from_lightgbm(text: str) -> Trees:
    """Trees of a LightGBM model text, numeric splits only; same order of sums as the library."""
    blocks = text.split("\nTree=")[1:]
    return _joined([_lightgbm_tree(block) for block in blocks], kind=np.float64)


def _lightgbm_tree(block: str) -> _Tree:
    lines = (line.split("=", 1) for line in block.split("\n") if "=" in line)
    found = {pair[0]: pair[1] for pair in lines}
    leaves = np.array(found["leaf_value"].split(), dtype=np.float64)
    if int(found["num_leaves"]) < 2:
        return _tree(np.empty((0, 2), np.int64), leaves[:1])
    feature, threshold, left, right = (
        np.array(found[name].split(), dtype=np.float64) for name in _STRUCTURE
    )
    kind = np.array(found["decision_type"].split(), dtype=np.int64)
    if (kind & 1).any():
        raise CorruptModel("a tree splits on categories, which are not served; train again")
    says_missing = (kind >> 2) & 3 == _MISSING_NAN
    children = np.stack([left, right], axis=1).astype(np.int64)
    return _tree(
        # Leaves have a numbering of their own there, as ~leaf, and stand behind the nodes here.
        np.where(children >= 0, children, len(feature) + ~children),
        leaves,
        feature=feature,
        threshold=threshold,
        # Where no value was missing in training, LightGBM reads a missing one as zero.
        missing=np.where(says_missing, (kind >> 1) & 1 == 0, threshold < 0.0),
        gain=np.array(found["split_gain"].split(), dtype=np.float64),
    )


def _tree(children: Ints, leaves: Floats, **inner: Any) -> _Tree:
    """Inner nodes, then their leaves."""
    none = np.zeros(len(leaves))
    names = ("feature", "threshold", "missing", "gain")
    return _Tree(
        children=np.concatenate([children, np.full((len(leaves), 2), -1)]),
        value=np.concatenate([np.zeros(len(children)), leaves]),
        **{name: np.concatenate([inner.get(name, none[:0]), none]) for name in names},
    )


def from_xgboost(model: str) -> Trees:
    """Trees of an XGBoost model as its JSON; single precision, as the library computes."""
    booster = json.loads(model)["learner"]["gradient_booster"]["model"]
    return _joined([_xgboost_tree(tree) for tree in booster["trees"]], kind=np.float32)


def _xgboost_tree(tree: dict[str, Any]) -> _Tree:
    children = np.stack([tree["left_children"], tree["right_children"]], axis=1)
    value = np.array(tree["split_conditions"], dtype=np.float32)
    return _Tree(
        feature=np.array(tree["split_indices"]),
        # It goes right from the threshold on, we go right above the number just below it.
        threshold=np.nextafter(value, np.float32(-np.inf)),
        children=children,
        missing=np.array(tree["default_left"]) == 0,
        value=value,
        gain=np.array(tree["loss_changes"], dtype=np.float64),
    )


def from_onnx(payload: bytes) -> Trees:
    """The tree ensemble that `onnx_graph.forest` writes, over the columns of the rows.

    Splits are `value <= threshold` in single precision; missing values were made smallest before.
    """
    onnx = import_module("onnx")
    graph = onnx.load_from_string(payload).graph
    nodes = {node.op_type: node for node in graph.node}
    constants = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    columns = constants[nodes["Gather"].input[1]]
    ensemble = nodes["TreeEnsembleRegressor"].attribute
    told = {each.name: onnx.helper.get_attribute_value(each) for each in ensemble}
    tree = np.array(told["nodes_treeids"])
    starts = np.flatnonzero(np.diff(tree, prepend=-1))
    leaf = np.array(told["nodes_modes"]) == b"LEAF"
    value = np.zeros(len(tree), dtype=np.float32)
    value[starts[np.array(told["target_treeids"])] + np.array(told["target_nodeids"])] = told[
        "target_weights"
    ]
    children = np.stack([told["nodes_truenodeids"], told["nodes_falsenodeids"]], axis=1)
    children[leaf] = -1
    whole = {
        "feature": columns[np.array(told["nodes_featureids"])],
        "threshold": np.array(told["nodes_values"], dtype=np.float32),
        "children": children,
        "missing": np.zeros(len(tree)),
        "value": value,
        "gain": np.zeros(len(tree)),
    }
    ends = [*starts[1:], len(tree)]
    return _joined(
        [
            _Tree(**{name: part[a:b] for name, part in whole.items()})
            for a, b in zip(starts, ends, strict=True)
        ],
        kind=np.float32,
    )


def _joined(parts: list[_Tree], *, kind: Any) -> Trees:
    """The trees behind each other; `CorruptModel` where one points outside itself."""
    sizes = np.array([len(part.value) for part in parts], dtype=np.int64)
    roots = np.concatenate([[0], sizes.cumsum()[:-1]]) if parts else np.zeros(0)
    children = []
    for start, part in zip(roots.tolist(), parts, strict=True):
        own, here = np.asarray(part.children, dtype=np.int64), np.arange(len(part.value))[:, None]
        inner = own >= 0
        # Children lie behind their parent, so that no text can send the walk in circles.
        if (inner.any(axis=1) != inner.all(axis=1)).any() or (
            inner & ((own <= here) | (own >= len(here)))
        ).any():
            raise CorruptModel("a tree points outside itself; restore the file or train again")
        children.append(np.where(inner, own, here) + int(start))

    def all_of(name: str, dtype: Any) -> Any:
        return np.concatenate([np.zeros(0)] + [getattr(part, name) for part in parts]).astype(dtype)

    joined = np.concatenate([np.zeros((0, 2), dtype=np.int64), *children]).astype(np.int32)
    leaf = joined[:, 0] == np.arange(len(joined))
    nodes = np.zeros(len(joined), dtype=_record(kind))
    nodes["feature"] = np.where(leaf, 0, all_of("feature", np.int32))
    if (nodes["feature"] < 0).any():
        raise CorruptModel("a tree has no root or column; restore the file or train again")
    nodes["threshold"] = np.where(leaf, np.inf, all_of("threshold", kind))
    nodes["left"], nodes["right"] = joined.T
    nodes["missing"] = all_of("missing", np.int32)
    return Trees(
        nodes=nodes,
        value=np.where(leaf, all_of("value", kind), 0).astype(kind),
        gain=np.where(leaf, 0.0, all_of("gain", np.float64)),
        roots=roots.astype(np.int32),
        depth=depths(joined, roots.astype(np.int32)),
        width=int(nodes["feature"].max(initial=-1)) + 1,
    )


def _record(kind: Any) -> np.dtype[np.void]:
    whole = [(name, np.int32) for name in ("feature", "left", "right", "missing")]
    return np.dtype([("threshold", kind), *whole], align=True)
