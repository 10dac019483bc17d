"""What the stand-in venue cannot write is one line of what is wrong, and exit code 2."""

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command


@pytest.mark.parametrize(
    "asked",
    [
        ("--hours", "nan"),
        ("--hours", "inf"),
        ("--hours=-3",),
        ("--hours", "1e9"),
        ("--until=-5",),
        ("--until", "99999999999999999"),
        ("--seed=-1",),
        ("--seed", "99999999999"),
        ("--planted", "fair", "--seed=-1"),
    ],
)
def test_what_makes_no_history_is_refused_in_a_line(asked: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(CommandError) as refused:
        call_command("sandbox", "--history", str(tmp_path / "h"), *asked)

    assert refused.value.returncode == 2
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "h").exists()


@pytest.mark.parametrize("more", [(), ("--planted", "fair", "--events", "20")])
def test_a_folder_that_cannot_be_written_is_named(more: tuple[str, ...], tmp_path: Path) -> None:
    taken = tmp_path / "file"
    taken.write_text("in the way")

    with pytest.raises(CommandError, match="cannot be written") as refused:
        call_command("sandbox", "--history", str(taken / "h"), "--hours", "0.1", *more)

    assert refused.value.returncode == 2
