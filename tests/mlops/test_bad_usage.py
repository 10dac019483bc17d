"""Commands of learning that were asked for nonsense: a line, exit code 2, and no trace."""

from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from config.kernel.models import DomainEvent, Job
from markets.history import BadHistory
from mlops import truth
from mlops.models import TrainingRun


@pytest.mark.django_db
@pytest.mark.parametrize(
    "until",
    ["2026-13-45", "2026-02-30", "2026-02-30T10:00", "0001-01-01T00:00:00+14:00", "soon"],
)
def test_a_moment_that_there_is_not_begins_no_training(until: str) -> None:
    with pytest.raises(CommandError, match="is no moment") as refused:
        call_command("train", "--until", until)

    assert refused.value.returncode == 2
    assert not TrainingRun.objects.exists()
    assert not Job.objects.exists()
    assert not DomainEvent.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "asked", [("experts", "compare", "nonsense"), ("experts", "review", "junk")]
)
def test_what_experts_do_not_know_is_refused(asked: tuple[str, ...]) -> None:
    with pytest.raises(CommandError) as refused:
        call_command(*asked)

    assert refused.value.returncode == 2


@pytest.mark.parametrize("moments", ["-1", "0", "3"])
def test_a_folder_without_data_is_not_said_to_be_free_of_leaks(
    moments: str, tmp_path: Path
) -> None:
    with pytest.raises(CommandError) as refused:
        call_command("evaluate", str(tmp_path), f"--audit-leaks={moments}")

    assert refused.value.returncode == 2


def test_a_truncated_truth_is_a_bad_history(tmp_path: Path) -> None:
    (tmp_path / "truth.parquet").write_bytes(b"PAR1\x00")

    class Named:
        def __getitem__(self, _name: str) -> "Named":
            return self

        def to_numpy(self) -> "np.ndarray[tuple[int], np.dtype[np.str_]]":
            return np.array(["a"])

    class Asked:
        markets = Named()
        market = np.array([0])
        as_of = np.array([1.0])

    with pytest.raises(BadHistory, match=r"truth\.parquet"):
        truth.chances(tmp_path, Asked(), Asked())  # type: ignore[arg-type]
