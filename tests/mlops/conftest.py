"""What tests of trainings share."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from config.kernel import revise
from mlops.core import learning
from mlops.models import LearningSettings
from predictions import proofs, registry
from predictions.core import roster
from tests.mlops.remembered import Remembered


@pytest.fixture(scope="session")
def learned_before() -> Remembered:
    """What this process learned in earlier tests."""
    return Remembered(learning.learn)


@pytest.fixture(scope="session")
def proven_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Marks of the artefacts that a child process could use; their names tell their content."""
    return tmp_path_factory.mktemp("proven")


@pytest.fixture
def learned_once(
    learned_before: Remembered, proven_before: Path, tmp_path: Path, monkeypatch, settings
) -> None:
    """The same examples, seed and settings are learned from once for all tests.

    Rows, files, contests and proofs of content not yet proven are each test's own. A test that
    breaks the learning itself takes a world that no other test learns from.
    """
    monkeypatch.setattr(learning, "learn", learned_before)
    artefacts = tmp_path / "artefacts"
    artefacts.mkdir()
    (artefacts / proofs.FOLDER).symlink_to(proven_before)
    settings.ENV = replace(settings.ENV, artefact_dir=artefacts)


@pytest.fixture
def small_trainings(learned_once: None, tmp_path: Path, settings, monkeypatch) -> None:
    """Four experts and bars low enough for a synthetic history."""
    settings.ENV = replace(
        settings.ENV,
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
