"""The README promises commands; they exist and speak JSON where it says so."""

import argparse
import re
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
RUNNING, _, AFTER = README.partition("## Run it")[2].partition("All but ")
SILENT = set(re.findall(r"`([a-z_]+)`", AFTER.partition(" take `--json`")[0]))
"""Commands that the README excepts: they run for as long as one lets them, or ask questions."""


def named(text: str) -> set[str]:
    """Commands after `manage.py`, and the further ones of a table's first cell."""
    first = re.findall(r"manage\.py ([a-z_]+)", text)
    further = re.findall(r"· `([a-z_]+)", text)
    return {*first, *further}


def options(name: str) -> str:
    """Its help, and that of its verbs where it has some."""
    parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
    groups = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    verbs = [verb for group in groups for verb in group.choices.values()]
    return "\n".join(p.format_help() for p in (parser, *verbs))


def test_the_readme_names_commands() -> None:
    assert {"up", "run_cycle", "doctor", "funnel", "resume"} <= named(RUNNING)


@pytest.mark.parametrize("name", sorted(named(README)))
def test_every_command_of_the_readme_exists(name: str) -> None:
    assert "usage" in options(name).lower()


@pytest.mark.parametrize("name", sorted(named(RUNNING) - SILENT))
def test_every_command_that_should_speaks_json(name: str) -> None:
    assert "--json" in options(name)
