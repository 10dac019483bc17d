"""`halt` and `resume` from a terminal: what they do, what they print, how they exit."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

import manage
from config.env import ROOT
from config.kernel.models import DomainEvent
from config.management.commands import resume
from risk import halts
from risk.models import Halt, TradingState
from tests.factories import HaltFactory, MarketFactory

DJANGOS = {"changepassword", "createsuperuser"}

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def state_dir(settings: Any, tmp_path: Path) -> Path:
    settings.ENV = replace(settings.ENV, state_dir=tmp_path, halt=False)
    return tmp_path


def test_halt_stops_everything_and_says_how_to_end_it(capsys: Any) -> None:
    call_command("halt", "--reason", "smoke")

    halt = Halt.objects.get()
    assert halts.state(as_of=timezone.now()) == TradingState.HALTED
    assert halt.opened_by.startswith("cli:")
    assert f"resume --halt {halt.pk}" in capsys.readouterr().out


def test_halt_can_be_milder_narrower_and_machine_readable(capsys: Any) -> None:
    MarketFactory(id=7)
    call_command("halt", "--reason=x", "--state=REDUCING", "--scope=MARKET", "--key=7", "--json")

    answer = json.loads(capsys.readouterr().out)
    assert (answer["state"], answer["scope"], answer["key"]) == ("REDUCING", "MARKET", "7")
    assert halts.state(as_of=timezone.now(), market="7") == TradingState.REDUCING


@pytest.mark.parametrize(
    "arguments",
    [
        ["--reason="],
        ["--reason=x", "--scope=MODE"],
        ["--reason=x", "--scope=MODE", "--key=paper"],
        ["--reason=x", "--scope=MARKET", "--key=" + "9" * 101],
    ],
)
def test_a_senseless_halt_is_bad_usage(arguments: list[str]) -> None:
    with pytest.raises(CommandError) as refusal:
        call_command("halt", *arguments)

    assert refusal.value.returncode == 2


def test_resume_releases_one_halt(capsys: Any) -> None:
    halt, other = HaltFactory(), HaltFactory(kind="UNKNOWN_ORDERS")

    call_command("resume", "--halt", str(halt.pk), "--reason", "it was steam")

    assert halts.standing() == [other]
    out = capsys.readouterr().out
    assert f"Released halt {halt.pk}" in out
    assert f"Still stopping: halt {other.pk}" in out


def test_resume_releases_all_halts(capsys: Any) -> None:
    HaltFactory()
    HaltFactory(kind="UNKNOWN_ORDERS", scope="MODE", scope_key="PAPER")

    call_command("resume", "--all", "--reason", "it was steam")

    assert not Halt.objects.filter(released_at__isnull=True).exists()
    assert "Nothing stops trading now." in capsys.readouterr().out


def test_resume_all_fails_while_a_switch_still_halts(state_dir: Path, capsys: Any) -> None:
    (state_dir / "HALT").touch()
    halt = HaltFactory()

    with pytest.raises(SystemExit) as leaving:
        call_command("resume", "--all", "--reason=x", "--json")

    answer = json.loads(capsys.readouterr().out)
    assert leaving.value.code == 1
    assert answer["released"] == [halt.pk]
    assert "delete it" in answer["still_stopping"][0]


def test_resuming_what_is_not_open_is_a_problem() -> None:
    with pytest.raises(CommandError) as refusal:
        call_command("resume", "--halt=12345", "--reason=x")

    assert refusal.value.returncode == 1


def test_resuming_without_a_reason_is_bad_usage_and_releases_nothing() -> None:
    halt = HaltFactory()

    with pytest.raises(CommandError) as refusal:
        call_command("resume", "--all", "--reason= ")

    assert refusal.value.returncode == 2
    assert halts.standing() == [halt]


def test_a_halt_that_somebody_else_released_meanwhile_is_a_problem() -> None:
    stale = HaltFactory()
    halts.release(stale, actor="bob", reason="it was steam", as_of=timezone.now())

    with pytest.raises(CommandError, match="not open") as refusal:
        resume.Command()._release([stale], reason="x")

    assert refusal.value.returncode == 1


@pytest.mark.process
@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "line",
    [
        ["halt"],
        ["halt", "--reason=x", "--state=ASLEEP"],
        ["resume", "--all"],
        ["resume", "--halt=all of them", "--reason=x"],
    ],
)
def test_a_line_that_makes_no_sense_leaves_with_code_2(
    tmp_path: Path, migrated: Path, line: list[str]
) -> None:
    shutil.copy(migrated, tmp_path)
    done = subprocess.run(
        [sys.executable, "manage.py", *line],
        cwd=ROOT,
        env=os.environ | {"STATE_DIR": str(tmp_path), "DATABASE_URL": ""},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "usage:" in done.stderr


@pytest.mark.django_db
def test_one_open_halt_is_resumed_without_naming_it(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("halt", reason="lunch")

    call_command("resume", reason="back again")

    assert not Halt.objects.filter(released_at__isnull=True).exists()
    assert "Nothing stops trading now" in capsys.readouterr().out


@pytest.mark.django_db
def test_of_several_open_halts_one_must_be_named() -> None:
    call_command("halt", reason="lunch")
    call_command("halt", reason="rain", scope="MODE", key="PAPER")

    with pytest.raises(CommandError, match="--all or which"):
        call_command("resume", reason="back again")

    assert Halt.objects.filter(released_at__isnull=True).count() == 2


@pytest.mark.django_db
def test_the_reason_of_a_repeated_halt_is_kept_in_the_audit_trail() -> None:
    call_command("halt", reason="lunch")
    call_command("halt", reason="and now it rains")

    assert Halt.objects.get().reason == "lunch"
    assert "and now it rains" in DomainEvent.objects.get(kind="halt.repeated").data


@pytest.mark.process
@pytest.mark.timeout(120)
def test_a_mistyped_folder_gets_no_installation_and_no_file(tmp_path: Path) -> None:
    mistyped = tmp_path / "vra"

    done = first_use(mistyped, DJANGO_SETTINGS_MODULE="config.settings.dev")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"oddsmith: there is no installation in {mistyped}")
    assert "manage.py up" in done.stderr
    assert not mistyped.exists()


def test_every_command_begins_an_installation_or_acts_on_one_or_needs_none() -> None:
    found = {path.stem for path in ROOT.glob("*/management/commands/[!_]*.py")}
    kinds = (manage.BRING_CONTENT, manage.ACT_ON_ONE - DJANGOS, manage.NEED_NONE)

    assert sum(map(len, kinds)) == len(set().union(*kinds))
    assert set().union(*kinds) == found


@pytest.mark.process
@pytest.mark.timeout(120)
def test_what_brings_content_makes_its_database_ready_on_first_use(tmp_path: Path) -> None:
    done = first_use(
        tmp_path,
        "train",
        DJANGO_SETTINGS_MODULE="config.settings.dev",
    )

    assert done.stderr.startswith("oddsmith: first use")
    assert (tmp_path / "oddsmith.sqlite3").exists()


@pytest.mark.process
@pytest.mark.timeout(120)
def test_without_a_database_a_halt_is_the_file_that_every_process_asks(tmp_path: Path) -> None:
    away = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}

    done = first_use(tmp_path, DJANGO_SETTINGS_MODULE="config.settings.dev", **away)
    milder = first_use(
        tmp_path,
        "halt",
        "--reason=x",
        "--state=REDUCING",
        DJANGO_SETTINGS_MODULE="config.settings.dev",
        **away,
    )

    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == f"Installation: database none on 127.0.0.1:1, state folder {tmp_path}"
    assert second.startswith("The database does not answer")
    assert (tmp_path / "HALT").read_text().endswith("UTC: x\n")
    assert milder.returncode == 1
    assert "only everything can be halted" in milder.stderr


@pytest.mark.parametrize(
    "line",
    [
        ["halt", "--reason=x"],
        ["resume", "--all", "--reason=x"],
        ["intents", "list"],
        ["reconcile"],
        ["redeem"],
        ["rebuild"],
        ["report"],
    ],
    ids=lambda line: line[0],
)
def test_the_first_line_names_the_installation_and_json_has_no_such_line(
    line: list[str], capsys: Any
) -> None:
    call_command(*line)
    said = capsys.readouterr().out
    call_command(*line, "--json")

    assert said.startswith("Installation: ")
    assert settings.ENV.database.name in said.splitlines()[0]
    json.loads(capsys.readouterr().out)


@pytest.mark.process
@pytest.mark.timeout(120)
def test_in_production_an_empty_database_gets_one_line(tmp_path: Path) -> None:
    keys = {"SECRET_KEY": "x" * 50, "ARTEFACT_HMAC_KEY": "y" * 50}
    done = first_use(tmp_path, DJANGO_SETTINGS_MODULE="config.settings.prod", **keys)

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "migrate" in done.stderr


def first_use(state: Path, *line: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    own = {"STATE_DIR": str(state), "DATABASE_URL": "", "REDIS_URL": ""}
    return subprocess.run(
        [sys.executable, "manage.py", *(line or ("halt", "--reason=x"))],
        cwd=ROOT,
        env=os.environ | own | environment,
        capture_output=True,
        text=True,
        check=False,
    )
