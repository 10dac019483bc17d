"""What an evaluation says about a folder's own weaknesses."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from markets import history
from mlops import evaluate, holdout, labels
from mlops.models import LearningSettings
from tests.markets.history_folder import NOON, market, price, write

NOW = datetime(2026, 6, 1, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    average = {"kind": "avg_window_one_day", "dataset": "elections"}
    return write(
        tmp_path,
        markets=[market("a"), market("vote", dataset="elections", group_key="g2")],
        prices=[
            price("a", NOON - 4000),
            price("a", NOON - 100, kind="astrology"),
            price("vote", NOON - 4000, **average),
        ],
    )


def test_decisions_at_moments_chosen_in_hindsight_are_scored_and_flagged(recorded: Path) -> None:
    result = evaluate.run(recorded, as_of=NOW)

    assert {c["dataset"]: c["hindsight"] for c in result["datasets"]} == {
        "btc_daily_range": False,
        "elections": True,
    }


def test_answers_read_off_the_price_are_scored_and_flagged_but_never_learned_from(
    tmp_path: Path,
) -> None:
    folder = write(
        tmp_path,
        markets=[
            market("a", dataset="mixed_jan2026", label_source="final price side"),
            market("b", group_key="g2"),
        ],
        prices=[
            price("a", NOON - 4000, dataset="mixed_jan2026"),
            price("b", NOON - 4000),
        ],
    )

    result = evaluate.run(folder, as_of=NOW)

    assert {c["dataset"]: c["price_inferred"] for c in result["datasets"]} == {
        "btc_daily_range": False,
        "mixed_jan2026": True,
    }
    config = LearningSettings.objects.current(as_of=NOW).as_config()
    learned = labels.examples(history.load(folder), until=None, config=config)
    assert learned.sources[learned.source[0]] == "btc_daily_range"
    assert len(set(learned.source)) == 1


def test_quotes_that_could_not_be_used_are_named_beside_the_scores(recorded: Path) -> None:
    (recorded / "simulated.json").write_text("{}")
    kept_back = holdout.run(history.load(recorded), share=0.5, seed=None, as_of=NOW)

    for result in (evaluate.run(recorded, as_of=NOW), kept_back):
        assert result["notes"][0].startswith("prices.parquet: 1 quotes of the unknown kind")
        assert result["simulated"] is True


def test_a_person_reads_the_same_warnings(
    recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (recorded / "simulated.json").write_text("{}")

    with pytest.raises(CommandError, match=r"insufficient: .* of 2,000 that a verdict needs"):
        call_command("evaluate", str(recorded))
    printed = capsys.readouterr().out

    assert "own stamp, hindsight" in printed
    assert "unknown kind 'astrology' left out" in printed
    assert "This history is simulated" in printed
