"""The environment: read once, refused in one line when it makes no sense."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.env import ROOT, BadEnvironment, parse

KEYS = {"SECRET_KEY": "a" * 50, "ARTEFACT_HMAC_KEY": "b" * 50}


def test_an_empty_environment_is_a_paper_installation_on_sqlite() -> None:
    env = parse({}, debug=True)

    assert (env.mode, env.halt, env.log_level) == ("PAPER", False, "WARNING")
    assert env.database.vendor == "sqlite"
    assert env.state_dir == ROOT / "var"
    assert env.database.name == str(ROOT / "var" / "oddsmith.sqlite3")
    assert env.archive_dir == ROOT / "var" / "archive"
    assert env.allowed_hosts == ("localhost", "127.0.0.1")
    assert env.redis_url == ""
    assert env.history_dir is None
    assert env.venue_clob_url == "https://clob.polymarket.com"


def test_everything_lives_below_the_state_folder_unless_told_otherwise(tmp_path: Path) -> None:
    env = parse({"STATE_DIR": str(tmp_path)}, debug=True)

    for place in (env.archive_dir, env.artefact_dir, Path(env.database.name)):
        assert place.is_relative_to(tmp_path)


def test_each_variable_is_read(tmp_path: Path) -> None:
    env = parse(
        KEYS
        | {
            "ALLOWED_HOSTS": "odds.example, ,www.example",
            "ARCHIVE_URL": f"file://{tmp_path}/cold",
            "ARTEFACT_DIR": str(tmp_path / "models"),
            "HISTORY_DIR": str(tmp_path),
            "REDIS_URL": "rediss://:pw@cache:6380/1/",
            "VENUE_GAMMA_URL": "http://localhost:9000/",
            "MODE": "demo",
            "HALT": "Yes",
            "LOG_LEVEL": "debug",
        },
        debug=False,
    )

    assert env.allowed_hosts == ("odds.example", "www.example")
    assert env.archive_dir == tmp_path / "cold"
    assert env.artefact_dir == tmp_path / "models"
    assert env.history_dir == tmp_path
    assert env.redis_url == "rediss://:pw@cache:6380/1"
    assert env.venue_gamma_url == "http://localhost:9000"
    assert (env.mode, env.halt, env.log_level) == ("DEMO", True, "DEBUG")
    assert (env.secret_key, env.artefact_hmac_key) == ("a" * 50, "b" * 50)


def test_a_postgresql_address_is_taken_apart() -> None:
    url = "postgresql://ann%40corp:p%2Fw@db.example:6432/odds"

    database = parse({"DATABASE_URL": url}, debug=True).database

    assert (database.vendor, database.host, database.port) == ("postgresql", "db.example", "6432")
    assert (database.user, database.password, database.name) == ("ann@corp", "p/w", "odds")


def test_a_sqlite_address_names_a_file(tmp_path: Path) -> None:
    file = parse({"DATABASE_URL": f"sqlite:///{tmp_path}/x.db"}, debug=True).database

    assert (file.vendor, file.name) == ("sqlite", f"{tmp_path}/x.db")


WRONG = [
    ("MODE", "YOLO"),
    ("MODE", "LIVE"),
    ("HALT", "perhaps"),
    ("LOG_LEVEL", "LOUD"),
    ("ALLOWED_HOSTS", " , "),
    ("ARCHIVE_URL", "s3://bucket/archive"),
    ("REDIS_URL", "localhost:6379"),
    ("REDIS_URL", "redis://cache:port/0"),
    ("VENUE_GAMMA_URL", "gamma.example"),
    ("VENUE_CLOB_URL", "ftp://clob.example"),
    ("VENUE_DATA_URL", "https:/data.example"),
    ("VENUE_DATA_URL", "https://[data.example"),
    ("DATABASE_URL", "mysql://ann:hunter2@db/odds"),
    ("DATABASE_URL", "postgresql://ann:hunter2@db"),
    ("DATABASE_URL", "postgresql://ann:hunter2@db:many/odds"),
    ("DATABASE_URL", "sqlite://"),
    ("DATABASE_URL", "odds"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_value_is_refused_by_name_with_a_remedy(name: str, value: str) -> None:
    with pytest.raises(BadEnvironment) as refusal:
        parse({name: value}, debug=True)

    sentence = str(refusal.value)
    assert name in sentence
    assert "set it to" in sentence
    assert "\n" not in sentence
    assert "hunter2" not in sentence


@pytest.mark.parametrize("missing", sorted(KEYS))
def test_production_requires_its_keys_and_says_how_to_make_one(missing: str) -> None:
    given = {name: value for name, value in KEYS.items() if name != missing}

    with pytest.raises(BadEnvironment, match=rf"{missing}.*token_urlsafe"):
        parse(given, debug=False)


def test_a_password_in_a_broken_address_is_not_repeated() -> None:
    with pytest.raises(BadEnvironment) as refusal:
        parse({"REDIS_URL": "reddis://:hunter2@cache/0"}, debug=True)

    assert "hunter2" not in str(refusal.value)
    assert "reddis://…" in str(refusal.value)


def start(settings_module: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """What happens to a process that starts with these variables and no others of ours."""
    named = ("PATH", "HOME", "LANG", "PYTHONPATH", "COVERAGE_PROCESS_START")
    kept = {name: os.environ[name] for name in named if name in os.environ}
    return subprocess.run(
        [sys.executable, "-c", "import config.settings.base"],
        cwd=ROOT,
        env=kept | {"DJANGO_SETTINGS_MODULE": settings_module} | variables,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.process
@pytest.mark.parametrize(
    ("settings_module", "variables", "named"),
    [
        ("config.settings.dev", {"MODE": "YOLO"}, "MODE"),
        ("config.settings.dev", {"DATABASE_URL": "mysql://u:hunter2@h/x"}, "DATABASE_URL"),
        ("config.settings.prod", {}, "SECRET_KEY"),
        ("config.settings.prod", {"SECRET_KEY": "a" * 50}, "ARTEFACT_HMAC_KEY"),
    ],
)
def test_a_wrong_value_stops_the_start_with_one_line_and_code_2(
    tmp_path: Path, settings_module: str, variables: dict[str, str], named: str
) -> None:
    done = start(settings_module, STATE_DIR=str(tmp_path), **variables)

    assert done.returncode == 2
    assert done.stderr.startswith(f"oddsmith: the environment variable {named}=")
    assert done.stderr.count("\n") == 1
    assert "hunter2" not in done.stderr
    assert done.stdout == ""


@pytest.mark.process
def test_production_starts_with_its_keys(tmp_path: Path) -> None:
    done = start("config.settings.prod", STATE_DIR=str(tmp_path), **KEYS)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("url", ["", "postgresql://ann@db.example/odds"])
def test_live_is_refused_on_any_database(url: str) -> None:
    with pytest.raises(BadEnvironment, match="real orders are chosen in the trading settings"):
        parse({"MODE": "live", "DATABASE_URL": url}, debug=True)


def test_a_state_folder_that_cannot_be_one_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = subprocess.run(
        [sys.executable, "manage.py", "status"],
        env={**os.environ, "STATE_DIR": str(tmp_path / "file" / "below")},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 2
    assert "STATE_DIR" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_the_guards_variables_are_read_and_default_to_the_venue(tmp_path: Path) -> None:
    wallet = "0x" + "11" * 20
    env = parse(
        {
            "WALLET_ADDRESS": wallet,
            "LIVE_KEYSTORE": str(tmp_path / "keystore.json"),
            "LIVE_PASSPHRASE_FILE": str(tmp_path / "passphrase"),
            "VENUE_RELAYER_URL": "http://localhost:9000/relayer/",
        },
        debug=True,
    )

    assert (env.wallet_address, env.live_keystore) == (wallet, tmp_path / "keystore.json")
    assert env.live_passphrase_file == tmp_path / "passphrase"
    assert env.venue_relayer_url == "http://localhost:9000/relayer"
    assert env.venue_user_ws_url.startswith("wss://")
    assert env.geoblock_url.startswith("https://")
    assert parse({}, debug=True).live_keystore is None
