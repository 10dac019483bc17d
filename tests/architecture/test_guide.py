"""The guide to forecasting: its table, its defaults and its commands are those of the code."""

import re
import shlex
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

from mlops.models import LearningSettings
from predictions.core import lineup
from predictions.core.roster import THIRTY_TWO
from predictions.models import PredictionSettings, Source

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "forecasting.md").read_text()
SETTINGS = re.findall(r"\| `(\w+)` \| ([\w.]+) (?=\|)", GUIDE.partition("## Settings")[2])
COMMANDS = sorted(set(re.findall(r"^manage\.py [^#\n]+", GUIDE, flags=re.MULTILINE)))


def default(name: str) -> object:
    """The default of a setting, of forecasts before learning."""
    for model in (PredictionSettings, LearningSettings):
        found = {field.name: field.default for field in model._meta.get_fields()}
        if name in found:
            return found[name]
    raise AssertionError(f"no setting {name}")


def test_the_table_of_experts_is_the_one_the_roster_writes():
    assert lineup.table() in GUIDE, "python -m predictions.core.lineup"


def test_the_thirty_two_are_numbered_and_every_slice_is_told_in_words():
    rows = lineup.table().splitlines()[2:]

    assert [row.split(" | ")[0] for row in rows[:32]] == [f"| {n}" for n in range(1, 33)]
    assert len({lineup.looks_at(role.slice) for role in THIRTY_TWO if role.slice.column}) == 19
    assert not any(re.search(r"\b(inf|nan)\b", row) for row in rows)


@pytest.mark.parametrize(("name", "told"), SETTINGS)
def test_every_default_that_the_guide_names_is_the_setting_s(name, told):
    held = default(name)

    assert told == (f"{held:g}" if isinstance(held, float) else str(held))


def test_every_setting_that_the_guide_speaks_of_has_its_default_there():
    every = {
        field.name
        for model in (PredictionSettings, LearningSettings)
        for field in model._meta.get_fields()
        if hasattr(field, "default")
    }
    spoken = set(re.findall(r"`(\w+)`", GUIDE.partition("## Settings")[0])) & every

    assert len(SETTINGS) > 40
    assert spoken <= {name for name, _ in SETTINGS}


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_of_the_guide_is_understood(line):
    name, *given = shlex.split(line.removeprefix("manage.py "))
    command = load_command_class(get_commands()[name], name)

    asked = command.create_parser("manage.py", name).parse_args(given)

    assert asked.verbosity == 1


def test_the_guide_tells_every_source_of_a_forecast_and_links_to_files_that_exist():
    assert all(f"| `{source.value}` |" in GUIDE for source in Source)
    paths = re.findall(r"`((?:predictions|mlops|tests)/[\w/]+\.py)`", GUIDE)
    links = [f"docs/{name}" for name in re.findall(r"\]\((\w+\.md)\)", GUIDE)]
    assert len(paths) > 8
    assert all((ROOT / path).exists() for path in [*paths, *links])
