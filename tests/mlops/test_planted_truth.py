"""What planted worlds prove: the recovered share is counted right, and no feature looks ahead."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from markets import history as histories
from markets.core.series import Snapshots
from markets.history import History
from mlops import evaluate, leaks, truth
from mlops.models import LearningSettings
from predictions.core import features
from predictions.core.schema import COLUMN
from predictions.models import PredictionSettings
from sandbox import planted

EVENTS = 40


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {name: tmp_path_factory.mktemp(name) for name in ("compressed", "stale", "lagging")}
    for name, path in made.items():
        planted.write(path, name, events=EVENTS, seed=2)
    return made


def unserved(past: History):
    return evaluate.forecast(
        past,
        bundle=None,
        config=LearningSettings().as_config(),
        settings=PredictionSettings().as_config(),
        after=np.full(len(past.markets), -np.inf),
    )


def test_the_price_recovers_nothing_and_the_truth_everything(folders: dict[str, Path]) -> None:
    path = folders["compressed"]
    past = histories.load(path)
    found = unserved(past)
    asked = truth.chances(path, past, found.decisions)
    assert asked is not None
    perfect = replace(found, model=asked[0])

    price, best = truth.recovered(path, past, found), truth.recovered(path, past, perfect)

    assert price is not None
    assert best is not None
    assert price["affected"]["share"] == pytest.approx(0)
    assert best["affected"]["share"] == pytest.approx(1)
    assert best["affected"]["gained"] == pytest.approx(best["affected"]["possible"])


def test_a_history_without_a_truth_beside_it_says_so(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    past = histories.load(folders["compressed"])

    found = unserved(past)
    assert truth.recovered(tmp_path, past, found) is None
    none = replace(found, decisions=found.decisions.take(np.empty(0, dtype=np.int64)))
    assert truth.recovered(folders["compressed"], past, none) is None


@pytest.mark.parametrize("world", ["stale", "lagging"])
def test_changing_the_future_changes_no_feature(world: str, folders: dict[str, Path]) -> None:
    past = histories.load(folders[world])

    assert leaks.audit(past, moments=3, rng=np.random.default_rng(3)) == []


def test_a_feature_that_looks_ahead_is_named(folders: dict[str, Path], monkeypatch) -> None:
    past = histories.load(folders["stale"])
    honest = features.compute

    def ahead(series, facts, snapshots: Snapshots, context=None):
        found = honest(series, facts, snapshots, context).copy()
        found[:, COLUMN["mid"]] = series.price[series.starts[snapshots.market + 1] - 1]
        return found

    monkeypatch.setattr(leaks.features, "compute", ahead)

    assert leaks.audit(past, moments=2, rng=np.random.default_rng(3)) == ["mid"]


def test_a_feature_that_counts_what_is_yet_to_come_is_named(
    folders: dict[str, Path], monkeypatch
) -> None:
    past = histories.load(folders["stale"])
    honest = features.compute

    def counting(series, facts, snapshots: Snapshots, context=None):
        found = honest(series, facts, snapshots, context).copy()
        found[:, COLUMN["mid"]] = np.diff(series.starts)[snapshots.market]
        last = np.append(series.known_at, np.nan)[series.starts[snapshots.market + 1] - 1]
        found[:, COLUMN["spread"]] = last - snapshots.as_of
        return found

    monkeypatch.setattr(leaks.features, "compute", counting)

    found = leaks.audit(past, moments=2, rng=np.random.default_rng(3))
    assert set(found) == {"mid", "spread"}
