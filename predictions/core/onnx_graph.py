"""ONNX graphs of what scikit-learn learned: the preparation of the columns included, in one file.

Built node by node: the graph holds exactly what is served, and thresholds are rounded so that
single precision never changes a side.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from predictions.core.learned import ParityLost

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PARITY: Final = 1e-6
_OPSET, _ML_OPSET, _IR = 17, 3, 9


@dataclass(slots=True)
class Graph:
    """A graph in the making; every method appends a node and returns its output's name."""

    nodes: list[Any]
    constants: list[Any]

    @classmethod
    def empty(cls) -> "Graph":
        """Nothing yet."""
        return cls([], [])

    def constant(self, values: NDArray[Any] | np.float64) -> str:
        """An array that is kept in the file."""
        name = f"c{len(self.constants)}"
        self.constants.append(_onnx("numpy_helper").from_array(np.asarray(values, order="C"), name))
        return name

    def node(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """One operator on named inputs."""
        name = f"n{len(self.nodes)}"
        self.nodes.append(
            _onnx("helper").make_node(kind, list(inputs), [name], domain=domain, **attributes)
        )
        return name

    def to_bytes(self, *, width: int, output: str, single: bool) -> bytes:
        """The checked file: input `rows` float64[n, width], output float[n, 1]."""
        helper, kinds = _onnx("helper"), _onnx("").TensorProto
        last = self.nodes[-1]
        last.output[0] = output
        kind = kinds.FLOAT if single else kinds.DOUBLE
        graph = helper.make_graph(
            self.nodes,
            "correction",
            [helper.make_tensor_value_info("rows", kinds.DOUBLE, [None, width])],
            [helper.make_tensor_value_info(output, kind, [None, 1])],
            self.constants,
        )
        model = helper.make_model(
            graph,
            opset_imports=[
                helper.make_opsetid("", _OPSET),
                helper.make_opsetid("ai.onnx.ml", _ML_OPSET),
            ],
            ir_version=_IR,
        )
        _onnx("checker").check_model(model)
        return bytes(model.SerializeToString(deterministic=True))


def forest(trees: list[Any], *, columns: Ints, width: int, missing: float, extreme: float) -> bytes:
    """A forest of scikit-learn trees: the mean of their leaves, missing made smallest."""
    graph = Graph.empty()
    picked = graph.node("Gather", "rows", graph.constant(columns), axis=1)
    low, high = (graph.constant(np.float64(edge)) for edge in (-extreme, extreme))
    cut = graph.node("Clip", picked, low, high)
    known = graph.node(
        "Where", graph.node("IsNaN", picked), graph.constant(np.float64(missing)), cut
    )
    single = graph.node("Cast", known, to=_onnx("").TensorProto.FLOAT)
    graph.node(
        "TreeEnsembleRegressor",
        single,
        domain="ai.onnx.ml",
        n_targets=1,
        post_transform="NONE",
        aggregate_function="SUM",
        **_ensemble(trees),
    )
    return graph.to_bytes(width=width, output="move", single=True)


def perceptron(
    weights: list[Floats],
    biases: list[Floats],
    *,
    columns: Ints,
    width: int,
    prepared: Mapping[str, Any],
) -> bytes:
    """A network over standardised columns and their gaps, with hyperbolic tangents between."""
    graph = Graph.empty()
    picked = graph.node("Gather", "rows", graph.constant(columns), axis=1)
    gaps = graph.node("IsNaN", picked)
    centred = graph.node("Sub", picked, graph.constant(prepared["centre"]))
    scaled = graph.node("Div", centred, graph.constant(prepared["scale"]))
    low, high = (graph.constant(np.float64(edge)) for edge in (-5.0, 5.0))
    known = graph.node(
        "Where", gaps, graph.constant(np.float64(0.0)), graph.node("Clip", scaled, low, high)
    )
    flags = graph.node("Cast", gaps, to=_onnx("").TensorProto.DOUBLE)
    flags = graph.node("Gather", flags, graph.constant(prepared["flags"]), axis=1)
    found = graph.node("Concat", known, flags, axis=1)
    for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        found = graph.node(
            "Gemm", found, graph.constant(weight.astype(np.float64)), graph.constant(bias)
        )
        if layer < len(weights) - 1:
            found = graph.node("Tanh", found)
    graph.node("Mul", found, graph.constant(np.float64(prepared["unit"])))
    return graph.to_bytes(width=width, output="move", single=False)


def session(payload: bytes) -> Any:
    """What answers: one thread, which neither spins nor depends on the machine's cores."""
    runtime = import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return runtime.InferenceSession(payload, options, providers=["CPUExecutionProvider"])


def run(found: Any, x: Floats) -> Floats:
    """The single output of a session, float64[rows]."""
    (answer,) = found.run(None, {"rows": np.ascontiguousarray(x)})
    return np.asarray(answer, dtype=np.float64)[:, 0]


def require_parity(payload: bytes, x: Floats, native: Callable[[Floats], Floats]) -> None:
    """`ParityLost` where the file answers the rows otherwise than what was trained, beyond 1e-6."""
    away = float(np.abs(run(session(payload), x) - native(x)).max(initial=0.0))
    if not away <= PARITY:
        raise ParityLost(
            f"the ONNX file differs from what was trained by {away:.2g}, more than {PARITY:g}; "
            "train again with another seed and report this"
        )


def _ensemble(trees: list[Any]) -> dict[str, Any]:
    found: dict[str, list[Any]] = {
        name: []
        for name in (
            "nodes_treeids",
            "nodes_nodeids",
            "nodes_featureids",
            "nodes_values",
            "nodes_modes",
            "nodes_truenodeids",
            "nodes_falsenodeids",
            "target_treeids",
            "target_nodeids",
            "target_weights",
        )
    }
    for number, tree in enumerate(trees):
        leaf = tree.children_left < 0
        nodes = np.arange(tree.node_count)
        found["nodes_treeids"] += [number] * tree.node_count
        found["nodes_nodeids"] += nodes.tolist()
        found["nodes_featureids"] += np.where(leaf, 0, tree.feature).tolist()
        found["nodes_values"] += _floored(np.where(leaf, 0.0, tree.threshold)).tolist()
        found["nodes_modes"] += np.where(leaf, "LEAF", "BRANCH_LEQ").tolist()
        found["nodes_truenodeids"] += np.where(leaf, 0, tree.children_left).tolist()
        found["nodes_falsenodeids"] += np.where(leaf, 0, tree.children_right).tolist()
        found["target_treeids"] += [number] * int(leaf.sum())
        found["target_nodeids"] += nodes[leaf].tolist()
        found["target_weights"] += (tree.value[leaf, 0, 0] / len(trees)).tolist()
    return {**found, "target_ids": [0] * len(found["target_treeids"])}


def _floored(threshold: Floats) -> NDArray[np.float32]:
    """The largest single-precision number not above: x <= it exactly where x <= the threshold."""
    near = threshold.astype(np.float32)
    above = near.astype(np.float64) > threshold
    return np.where(above, np.nextafter(near, np.float32(-np.inf)), near)


def _onnx(part: str) -> Any:
    return import_module(f"onnx.{part}" if part else "onnx")
