"""Three tree models of 300 trees over 120 features: what is served against the libraries' own call.

LightGBM with 31 leaves, XGBoost of depth 6 and a random forest of depth 10, far larger than what
the platform trains. Parity comes first: ours must answer what the library answers to 1e-6 before a
time is printed. Naive is each library's Python call (a forest's `predict`), in the same run.
One thread each, timed by its processor time, which other work on the machine hardly lengthens.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import lightgbm  # noqa: E402 - the path comes first
import numpy as np  # noqa: E402
import xgboost  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from sklearn.ensemble import RandomForestRegressor  # noqa: E402

from benchmarks.table import Row, report  # noqa: E402
from predictions.core.boosting import ResidualBooster, ResidualXgb  # noqa: E402
from predictions.core.estimators import Estimator  # noqa: E402
from predictions.core.forest import MISSING, ResidualForest, filled  # noqa: E402
from predictions.core.logits import sigmoid  # noqa: E402
from predictions.core.onnx_graph import forest as forest_graph  # noqa: E402
from predictions.core.onnx_graph import require_parity  # noqa: E402
from predictions.core.restraint import EXTREME  # noqa: E402

Floats = NDArray[np.float64]
TRAIN, ROWS, FEATURES, TREES = 3000, 2000, 120, 300
TARGET_MS, TARGET_ROW_MS, TARGET_MB, PARITY = 60.0, 0.15, 50.0, 1e-6


def world(rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Market log odds, features with gaps, and answers that twenty features shift."""
    odds, x = rng.normal(0, 1.5, TRAIN), rng.normal(size=(TRAIN, FEATURES))
    y = (rng.random(TRAIN) < sigmoid(odds + x[:, :20].sum(axis=1) / 4)).astype(float)
    x[rng.random(x.shape) < 0.05] = np.nan
    return x, odds, y


def boosted(x: Floats, odds: Floats, y: Floats) -> tuple[Estimator, Callable[[Floats], Floats]]:
    library = lightgbm.train(
        {"objective": "cross_entropy", "num_leaves": 31, "num_threads": 1, "verbose": -1},
        lightgbm.Dataset(x, label=y, init_score=odds),
        num_boost_round=TREES,
    )
    ours = ResidualBooster(trust_=1.0, payload_=library.model_to_string().encode())
    return ours, lambda rows: library.predict(rows, raw_score=True, num_threads=1)


def extreme(x: Floats, odds: Floats, y: Floats) -> tuple[Estimator, Callable[[Floats], Floats]]:
    library = xgboost.train(
        {
            "objective": "binary:logistic",
            "max_depth": 6,
            "tree_method": "hist",
            "base_score": 0.5,
            "nthread": 1,
        },
        xgboost.DMatrix(x, label=y, base_margin=odds),
        num_boost_round=TREES,
    )
    library.set_param({"nthread": 1})
    ours = ResidualXgb(trust_=1.0, payload_=bytes(library.save_raw("ubj")))
    return ours, lambda rows: library.inplace_predict(
        rows, predict_type="margin", base_margin=np.zeros(len(rows))
    )


def wood(x: Floats, odds: Floats, y: Floats) -> tuple[Estimator, Callable[[Floats], Floats]]:
    library = RandomForestRegressor(TREES, max_depth=10, max_features=11, n_jobs=1, random_state=1)
    library.fit(filled(x), y - sigmoid(odds))
    payload = forest_graph(
        [tree.tree_ for tree in library.estimators_],
        columns=np.arange(FEATURES),
        width=FEATURES,
        missing=MISSING,
        extreme=EXTREME,
    )
    require_parity(payload, x[:ROWS], lambda rows: library.predict(filled(rows)))
    return ResidualForest(trust_=1.0, payload_=payload), lambda rows: library.predict(filled(rows))


def median_ms(call: Callable[[], object], times: int) -> float:
    taken = []
    call()
    for _ in range(times):
        begin = time.thread_time()
        call()
        taken.append(time.thread_time() - begin)
    return float(np.median(taken)) * 1000


def main() -> int:
    rng = np.random.default_rng(1)
    x, odds, y = world(rng)
    made = {name: f(x, odds, y) for name, f in BUILDERS.items()}
    many, one = (np.ascontiguousarray(x[:n]) for n in (ROWS, 1))
    away = {}
    for name, (ours, native) in made.items():
        served = ours._open(ours.payload_)  # noqa: SLF001 - the walk alone, before trust and bounds
        given = filled(many) if name == "forest" else many
        away[name] = float(np.abs(served.answer(given) - native(many)).max())
    if max(away.values()) > PARITY:
        print(f"what is served differs from the libraries: {away}")
        return 1
    rows = [
        row for size, times in ((many, 15), (one, 400)) for row in timed(made, size, times=times)
    ]
    for name, (ours, _) in made.items():
        size = len(ours.to_bytes()) / 1e6
        rows.append(
            Row(
                path=f"{name}, its file",
                ours=size,
                unit="MB",
                higher_is_better=False,
                target=TARGET_MB,
            )
        )
    return report("models", rows, about={"largest difference": max(away.values())})


def timed(
    made: dict[str, tuple[Estimator, Callable[[Floats], Floats]]], x: Floats, *, times: int
) -> list[Row]:
    odds, cell = np.zeros(len(x)), np.zeros(len(x), dtype=np.int64)
    found = {
        name: (
            median_ms(lambda ours=ours: ours.correction(x, odds, cell), times),
            median_ms(lambda native=native: native(x), max(times // 4, 5)),
        )
        for name, (ours, native) in made.items()
    }
    single = len(x) == 1
    what = "1 row" if single else f"{len(x):,} rows"
    rows = [
        Row(path=f"{name}, {what}", ours=ours, naive=native, unit="ms", higher_is_better=False)
        for name, (ours, native) in found.items()
    ]
    whole = Row(
        path=f"all three, {what}",
        ours=median_ms(
            lambda: [ours.correction(x, odds, cell) for ours, _ in made.values()], times
        ),
        naive=sum(native for _, native in found.values()),
        unit="ms",
        higher_is_better=False,
        target=TARGET_ROW_MS if single else TARGET_MS,
    )
    return [*rows, whole]


BUILDERS = {"LightGBM": boosted, "XGBoost": extreme, "forest": wood}


if __name__ == "__main__":
    sys.exit(main())
