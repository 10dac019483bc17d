"""Evaluation: the issue's JSON, only later decisions, and the price where nothing is served."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from django.core.management import CommandError, call_command

from markets import history
from markets.history import History
from mlops import evaluate, holdout, train
from mlops.models import Evaluation, LearningSettings
from predictions import registry
from predictions.models import PredictionSettings
from tests.mlops.worlds import START, world

NOW = datetime(2026, 6, 1, tzinfo=UTC)
KEYS = {
    "dataset",
    "horizon",
    "rows",
    "events",
    "brier_market",
    "brier_model",
    "log_loss_market",
    "log_loss_model",
    "skill",
    "skill_low",
    "skill_high",
}
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("small_trainings")]
# What is asked is how a history is scored; rows of trainings and evaluations are asked about on
# every database by the tests of trainings and by the others here.
learns = pytest.mark.one_database


def folder(path: Path, past: History) -> Path:
    """The history as files of the recorded format."""
    m = past.markets
    path.mkdir()
    whole = {"start_ts": "opens_at", "closed_ts": "close_at", "close_ref_ts": "close_at"}
    texts = ("market_key", "venue", "dataset", "question", "category", "slug", "label_strength")
    blank = ("tags", "outcomes", "condition_id", "event_slug", "token_id_0", "token_id_1")
    m.select(
        *texts,
        *(pl.col(source).cast(pl.Int64).alias(name) for name, source in whole.items()),
        *(pl.lit("", dtype=pl.String).alias(name) for name in (*blank, "label_source")),
        group_key="event_key",
        outcome=pl.col("payout").cast(pl.Int8),
        volume=pl.lit(None, dtype=pl.Float64),
        close_censored=pl.lit(value=False),
    ).with_columns(outcomes=pl.lit('["Yes", "No"]')).write_parquet(path / "markets.parquet")
    owner = np.repeat(np.arange(len(m)), np.diff(past.series.starts))
    pl.DataFrame(
        {
            "market_key": m["market_key"].to_numpy()[owner],
            "ts": past.series.known_at.astype(np.int64),
            "price": past.series.price,
            "bid": past.series.bid,
            "ask": past.series.ask,
            "last": np.full(len(owner), np.nan),
            "volume24h": np.full(len(owner), np.nan),
            "kind": "book_top_2min",
            "dataset": "made_up",
        }
    ).fill_nan(None).write_parquet(path / "prices.parquet")
    return path


def test_without_a_served_version_the_forecast_is_the_price_and_says_so(tmp_path: Path) -> None:
    path = folder(tmp_path / "made", world(events=30))

    found = evaluate.run(path, as_of=NOW)

    assert found["version"] is None
    assert "market price" in found["note"]
    assert set(found["pooled"]) >= KEYS
    assert found["pooled"]["skill"] == 0
    assert {cell["horizon"] for cell in found["datasets"]} == {"1-6h", "6-24h"}
    for cell in found["datasets"]:
        assert set(cell) >= KEYS
        assert cell["brier_model"] == cell["brier_market"]
        assert cell["insufficient"]
    assert sum(cell["rows"] for cell in found["datasets"]) == found["pooled"]["rows"] == 30 * 6
    assert json.loads(Evaluation.objects.get().result) == found


def test_scores_equal_a_count_by_hand(tmp_path: Path) -> None:
    past = world(events=40)
    found = evaluate.run(folder(tmp_path / "made", past), as_of=NOW)

    price = past.series.price.reshape(40, 12)[:, ::2].round(6)
    payout = past.markets["payout"].to_numpy()[:, None]
    assert found["pooled"]["brier_market"] == pytest.approx(np.mean((price - payout) ** 2))


@learns
def test_only_decisions_after_the_served_versions_data_count(tmp_path: Path) -> None:
    past = world(events=800, slope=2.0)
    bound = START + 600 * 4 * 3600
    until = datetime.fromtimestamp(bound, tz=UTC)
    path = folder(tmp_path / "made", past)
    row = train.run(until=until, seed=7, as_of=NOW, history=history.load(path))
    assert row.version is not None

    found = evaluate.run(path, as_of=NOW)

    after = row.version.data_until.timestamp()
    hours = past.series.known_at.reshape(800, 12)[:, ::2]
    assert found["pooled"]["rows"] == np.count_nonzero(hours > after)
    assert found["pooled"]["skill"] > 0
    assert found["pooled"]["log_loss_model"] < found["pooled"]["log_loss_market"]
    per_dataset = evaluate.run(path, as_of=NOW, span_per_dataset=True)
    assert per_dataset["pooled"]["rows"] == found["pooled"]["rows"]


@learns
def test_a_version_that_saw_everything_has_nothing_to_show_and_says_what_to_do(
    tmp_path: Path, capsys
) -> None:
    path = folder(tmp_path / "made", world(events=600, slope=2.0))
    train.run(until=None, seed=7, as_of=NOW, history=history.load(path))

    assert scored(path) == 2

    assert "train --until an earlier" in capsys.readouterr().out
    assert evaluate.run(path, as_of=NOW)["pooled"]["skill"] is None


@learns
def test_chunks_do_not_change_the_forecast(tmp_path: Path, monkeypatch) -> None:
    past = world(events=600, slope=2.0)
    train.run(until=None, seed=7, as_of=NOW, history=past)
    config = LearningSettings.objects.current(as_of=NOW).as_config()
    settings_ = PredictionSettings.objects.current(as_of=NOW).as_config()
    later = np.full(600, -np.inf)

    def said() -> np.ndarray:
        return evaluate.forecast(
            past, bundle=registry.served(), config=config, settings=settings_, after=later
        ).model

    whole = said()
    monkeypatch.setattr(evaluate, "CHUNK", 777)

    assert np.array_equal(whole, said())


def test_the_command_prints_json_and_a_table(tmp_path: Path, capsys) -> None:
    path = folder(tmp_path / "made", world(events=30))

    assert scored(path, "--json") == 2
    assert set(json.loads(capsys.readouterr().out)["pooled"]) >= KEYS
    assert scored(path) == 2
    assert "No version is served" in capsys.readouterr().out


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    for more in ((), ("--hold-out", "0.2"), ("--audit-leaks", "2")):
        with pytest.raises(CommandError, match="nowhere") as refusal:
            call_command("evaluate", str(tmp_path / "nowhere"), *more)

        assert refusal.value.returncode == 2


@pytest.mark.parametrize(("verdict", "code"), [("safe", 0), ("unsafe", 1), ("insufficient", 2)])
def test_the_exit_code_is_the_verdict(
    tmp_path: Path, capsys, monkeypatch, verdict: str, code: int
) -> None:
    path = folder(tmp_path / "made", world(events=30))
    real = evaluate.run

    def judged(*args, **named) -> dict[str, Any]:
        found = real(*args, **named)
        return found | {"safety": found["safety"] | {"verdict": verdict}}

    monkeypatch.setattr(evaluate, "run", judged)

    assert scored(path) == code
    assert "Safety: " + verdict in capsys.readouterr().out


def scored(path: Path, *more: str) -> int:
    """The exit code of `evaluate`."""
    try:
        call_command("evaluate", str(path), *more)
    except CommandError as said:
        return said.returncode
    return 0


@learns
def test_a_hold_out_learns_from_the_earlier_part_and_registers_nothing(tmp_path: Path) -> None:
    past = world(events=750, slope=2.0)

    found = holdout.run(past, share=0.2, seed=7, as_of=NOW)

    assert found["learned"]["events"] == pytest.approx(600, abs=2)
    assert found["pooled"]["events"] == pytest.approx(150, abs=2)
    assert found["pooled"]["skill_low"] > 0
    assert registry.served() is None
    assert not Evaluation.objects.exists()


def test_the_command_refuses_a_share_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="share") as refusal:
        call_command("evaluate", str(tmp_path), "--hold-out", "25")

    assert refusal.value.returncode == 2


def test_the_command_shows_a_dash_where_a_figure_has_no_value(
    tmp_path: Path, capsys, monkeypatch
) -> None:
    path = folder(tmp_path / "made", world(events=30))
    real = evaluate.run

    def without(*args, **named):
        found = real(*args, **named)
        nothing = dict.fromkeys(("skill", "skill_low", "skill_high", "brier_market"))
        return found | {"pooled": found["pooled"] | nothing}

    monkeypatch.setattr(evaluate, "run", without)

    assert scored(path) == 2

    assert "– … –" in capsys.readouterr().out
