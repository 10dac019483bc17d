"""Trees as arrays answer what the libraries answer, and nothing sends the walk astray."""

import numpy as np
import pytest

from predictions.core import onnx_graph
from predictions.core.boosting import CorruptModel, ResidualBooster
from predictions.core.forest import filled
from predictions.core.trees import BLOCK
from tests.predictions.lessons import FACTORIES, fitted, lesson


def by_lightgbm(payload, x):
    import lightgbm

    return lightgbm.Booster(model_str=payload.decode()).predict(x, raw_score=True)


def by_xgboost(payload, x):
    import xgboost

    trees = xgboost.Booster(model_file=bytearray(payload))
    return trees.inplace_predict(x, predict_type="margin", base_margin=np.zeros(len(x)))


def by_onnx(payload, x):
    return onnx_graph.run(onnx_graph.session(payload), x)


LIBRARIES = {
    "lightgbm": (by_lightgbm, 0.0),
    "xgboost": (by_xgboost, 1e-6),
    "forest": (by_onnx, 1e-6),
}


def walked(algorithm, x):
    estimator = fitted(FACTORIES[algorithm])
    given = filled(x) if algorithm == "forest" else x
    return estimator._open(estimator.payload_).answer(given), estimator.payload_


@pytest.mark.parametrize("algorithm", list(LIBRARIES))
def test_the_walk_answers_what_the_library_answers(algorithm):
    x = lesson(seed=4)["x"]
    x[:3] = [[np.nan] * 5, [1e300] * 5, [-1e300] * 5]

    found, payload = walked(algorithm, x)

    library, away = LIBRARIES[algorithm]
    assert np.ptp(found) > 0
    assert np.abs(found - library(payload, x)).max() <= away


@pytest.mark.parametrize("algorithm", list(LIBRARIES))
def test_a_row_alone_is_answered_as_among_thousands(algorithm):
    x = lesson(seed=5, n=2 * BLOCK + 1)["x"]

    together, _ = walked(algorithm, x)

    for row in (0, BLOCK - 1, BLOCK, 2 * BLOCK):
        assert walked(algorithm, x[row : row + 1])[0][0] == together[row]


def test_a_tree_that_leads_in_circles_or_outside_is_refused():
    payload = fitted(ResidualBooster).payload_.decode()

    for wrong in (0, 99, -99):
        text_ = payload.replace("\nleft_child=", f"\nleft_child={wrong} ", 1)
        first = text_.split("left_child=")[1].split("\n")[0].split()
        text_ = text_.replace(" ".join(first), " ".join(first[:-1]), 1)
        with pytest.raises(CorruptModel, match="points outside"):
            ResidualBooster()._open(text_.encode())


def test_thresholds_lose_no_side_in_single_precision():
    exact = np.array([0.1, -0.1, 1.0, 1e-40, 16777217.0])

    floored = onnx_graph._floored(exact)

    assert (floored.astype(float) <= exact).all()
    assert (np.nextafter(floored, np.float32(np.inf)).astype(float) > exact).all()
