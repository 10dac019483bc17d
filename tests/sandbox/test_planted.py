"""Planted worlds: the truth gains what it should, and their folders are recorded history."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from django.core.management import CommandError, call_command

from markets import history
from mlops.core.metrics import log_loss
from sandbox import planted
from sandbox.core.planted import WORLDS, paths


@pytest.mark.parametrize("world", [name for name in WORLDS if name != "fair"])
def test_the_truth_gains_three_to_eight_per_cent_of_the_log_loss_where_planted(world: str) -> None:
    found = paths(world, events=3000, seed=5)
    where, truth = found.affected, found.truth

    def expected(p: np.ndarray) -> float:
        chance = truth[where]
        return float(np.mean(chance * log_loss(p, 1.0) + (1 - chance) * log_loss(p, 0.0)))

    assert 0.03 <= 1 - expected(truth[where]) / expected(found.price[where]) <= 0.08
    elsewhere = ~where
    assert np.allclose(found.price[elsewhere], found.truth[elsewhere], atol=0.004)


@pytest.mark.parametrize("world", WORLDS)
def test_the_outcomes_are_as_likely_as_the_truth_says(world: str) -> None:
    found = paths(world, events=4000, seed=6)
    middle = found.truth.shape[1] // 2

    for low in (0.1, 0.3, 0.5, 0.7):
        rows = (found.truth[:, middle] >= low) & (found.truth[:, middle] < low + 0.2)
        chance = found.truth[rows, middle]
        error = np.sqrt(np.sum(chance * (1 - chance))) / rows.sum()
        assert abs(found.won[rows].mean() - chance.mean()) < 4 * error


def test_a_fair_world_is_priced_at_its_truth() -> None:
    found = paths("fair", events=500, seed=2)

    assert not found.affected.any()
    assert np.allclose(found.price, found.truth, atol=0.004)


@pytest.mark.parametrize("world", WORLDS)
def test_a_folder_is_recorded_history_with_the_truth_beside_it(world: str, tmp_path: Path) -> None:
    call_command(
        "sandbox", history=tmp_path / world, planted=world, events=20, seed=3, stdout=_Silent()
    )

    found = history.load(tmp_path / world)
    truth = pl.read_parquet(tmp_path / world / "truth.parquet")

    assert found.simulated
    assert found.notes == ()
    assert len(found.markets) == 20
    assert truth.columns == ["market_key", "ts", "probability", "affected"]
    known = paths(world, events=20, seed=3)
    assert len(found.series.price) == known.price.size == truth.height
    number = found.markets["market_key"].str.strip_prefix("planted:").cast(pl.Int64).to_numpy()
    assert np.array_equal(found.markets["payout"].to_numpy() > 0, known.won[number])
    assert np.allclose(found.series.price.reshape(20, -1), known.price[number], atol=1e-6)


def test_the_notice_names_the_world_and_its_seed(tmp_path: Path) -> None:
    planted.write(tmp_path, "stale", events=5, seed=9)

    notice = json.loads((tmp_path / "simulated.json").read_text())
    assert (notice["simulated"], notice["planted"], notice["seed"]) == (True, "stale", 9)


def test_planted_without_a_folder_says_where_to_put_it() -> None:
    with pytest.raises(CommandError, match="--history") as refusal:
        call_command("sandbox", planted="fair")

    assert refusal.value.returncode == 2


class _Silent:
    def write(self, _text: str) -> None:
        """Nobody reads it."""
