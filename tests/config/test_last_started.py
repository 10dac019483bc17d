"""Commands act on the installation that was started last, unless the environment names another."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from config import last_started
from config.env import ROOT


@pytest.fixture
def file(tmp_path: Path) -> Path:
    demo = tmp_path / "demo"
    demo.mkdir()
    path = tmp_path / "var" / last_started.FILE
    last_started.write(path, {"STATE_DIR": str(demo), "MODE": "DEMO", "PAGE": "http://x/"})
    return path


def test_without_an_environment_the_installation_last_started_is_meant(file: Path) -> None:
    known = last_started.read(file, {"PATH": "/bin", "MODE": ""})

    assert known == {"STATE_DIR": str(file.parent.parent / "demo"), "MODE": "DEMO"}


@pytest.mark.parametrize("name", ["STATE_DIR", "MODE", "DATABASE_URL", "VENUE_CLOB_URL"])
def test_an_environment_of_its_own_is_never_mixed_with_it(file: Path, name: str) -> None:
    assert last_started.read(file, {name: "something"}) == {}


def test_an_installation_that_is_named_remembers_how_it_was_started(file: Path) -> None:
    demo, other = file.parent.parent / "demo", file.parent.parent / "other"
    last_started.write(file, {"STATE_DIR": str(other), "MODE": "PAPER"})

    assert last_started.read(file, {"STATE_DIR": str(demo)})["MODE"] == "DEMO"
    assert last_started.read(file, {"STATE_DIR": f"{other}/"})["MODE"] == "PAPER"


def test_a_folder_that_was_copied_is_not_the_one_that_was_started(file: Path) -> None:
    demo = file.parent.parent / "demo"
    copy = demo.rename(file.parent.parent / "copy")
    demo.mkdir()

    assert last_started.read(file, {"STATE_DIR": str(copy)}) == {}


def test_a_file_whose_state_folder_is_gone_is_ignored(file: Path) -> None:
    shutil.rmtree(file.parent.parent / "demo")

    assert last_started.read(file, {}) == {}
    assert last_started.read(file.with_name("none"), {}) == {}
    file.write_text("scrap\nSTATE_DIR=\n")
    assert last_started.read(file, {}) == {}


def test_the_one_started_later_takes_its_place(file: Path) -> None:
    last_started.write(file, {"STATE_DIR": str(file.parent), "MODE": "PAPER"})

    assert last_started.read(file, {}) == {"STATE_DIR": str(file.parent), "MODE": "PAPER"}
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.process
@pytest.mark.parametrize(
    ("module", "command", "expected"),
    [("dev", "status", "DEMO"), ("dev", "up", "PAPER"), ("test", "status", "PAPER")],
)
def test_only_development_commands_read_it(
    file: Path, module: str, command: str, expected: str
) -> None:
    code = (
        "import sys, pathlib, config.env as env;"
        f"env.LAST_STARTED = pathlib.Path({str(file)!r});"
        f"sys.argv = ['manage.py', {command!r}];"
        "from config.settings import base; print(base.ENV.mode)"
    )
    kept = {k: v for k, v in os.environ.items() if k not in last_started.NAMES}
    kept.pop("DATABASE_URL", None)
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=kept | {"DJANGO_SETTINGS_MODULE": f"config.settings.{module}"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert result.stdout.strip() == expected
