"""The verdict of a benchmark's row."""

import pytest

from benchmarks.table import Row


@pytest.mark.parametrize(
    ("ours", "target", "higher", "verdict"),
    [
        (0.0, 0.2, False, "reached"),
        (0.2, 0.2, False, "reached"),
        (0.29, 0.2, False, "near"),
        (0.31, 0.2, False, "missed"),
        (70.0, 70.0, True, "reached"),
        (0.0, 70.0, True, "missed"),
        (5.0, None, True, "–"),
    ],
)
def test_a_path_is_reached_near_or_missed(
    ours: float, target: float | None, higher: bool, verdict: str
) -> None:
    row = Row(path="p", ours=ours, unit="ms", higher_is_better=higher, target=target)

    assert row.verdict == verdict
