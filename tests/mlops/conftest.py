"""What tests of trainings share."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from config.kernel import revise
from mlops.models import LearningSettings
from predictions import registry
from predictions.core import roster


@pytest.fixture
def small_trainings(tmp_path: Path, settings, monkeypatch) -> None:
    """Four experts and bars low enough for a synthetic history."""
    settings.ENV = replace(
        settings.ENV,
        artefact_dir=tmp_path,
        archive_dir=tmp_path / "archive",
        state_dir=tmp_path,
    )
    few = ("recalibration", "sports", "ends-today", "ahead-1h")
    monkeypatch.setattr(roster, "MEMBERS", tuple(roster.BY_SLUG[slug] for slug in few))
    registry.forget()
    revise.settings(
        LearningSettings,
        {
            "folds": 3,
            "bootstrap": 200,
            "min_events": 60,
            "min_rows": 200,
            "min_cell_events": 100,
            "min_markets": 60,
            # What is planted is a market that errs by far more than real ones.
            "max_skill": 0.3,
        },
        author=None,
        reason="small synthetic histories",
        as_of=datetime(2026, 5, 31, tzinfo=UTC),
    )
