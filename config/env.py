"""The process environment, parsed once. A wrong value stops the start with one line."""

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import SplitResult, unquote, urlsplit

from config import last_started

ROOT = Path(__file__).resolve().parent.parent
MODES = ("DEMO", "PAPER")
LAST_STARTED = ROOT / "var" / last_started.FILE
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
KEY_RECIPE = "python -c 'import secrets; print(secrets.token_urlsafe(48))'"
CREDENTIALS = ("newsapi_key", "fred_api_key", "twitter_token", "reddit_id", "reddit_secret")
ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
SECRET_LOOK = re.compile(r"(0x)?[0-9a-fA-F]{64}")
TRUE, FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off", ""}


class BadEnvironment(Exception):
    """A variable holds a value that cannot be used; the message names it and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """Where the rows live: `vendor` is `sqlite` or `postgresql`."""

    vendor: str
    name: str
    host: str = ""
    port: str = ""
    user: str = ""
    password: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Env:
    """Every variable the product reads, typed; the names are those of `.env.example`."""

    secret_key: str
    artefact_hmac_key: str
    allowed_hosts: tuple[str, ...]
    database: Database
    redis_url: str
    archive_dir: Path
    artefact_dir: Path
    state_dir: Path
    history_dir: Path | None
    venue_gamma_url: str
    venue_clob_url: str
    venue_data_url: str
    venue_ws_url: str
    venue_prices_url: str
    venue_user_ws_url: str
    venue_relayer_url: str
    geoblock_url: str
    polygon_rpc_url: str
    spot_url: str
    feeds_url: str
    newsapi_key: str
    fred_api_key: str
    twitter_token: str
    reddit_id: str
    reddit_secret: str
    wallet_address: str
    live_keystore: Path | None
    live_passphrase_file: Path | None
    mode: str
    halt: bool
    log_level: str


def parse(variables: Mapping[str, str], *, debug: bool) -> Env:
    """Read the variables; `debug` permits throw-away keys, production does not.

    Raises `BadEnvironment` naming the variable, the value and what would be right.
    """
    state_dir = Path(variables.get("STATE_DIR", "") or ROOT / "var").absolute()
    history = variables.get("HISTORY_DIR", "")
    return Env(
        secret_key=_key(variables, "SECRET_KEY", debug=debug),
        artefact_hmac_key=_key(variables, "ARTEFACT_HMAC_KEY", debug=debug),
        allowed_hosts=_hosts(variables),
        database=_database(variables.get("DATABASE_URL", ""), state_dir),
        redis_url=_url(variables, "REDIS_URL", "", ("redis", "rediss", "unix")),
        archive_dir=_folder_url(variables, "ARCHIVE_URL", state_dir / "archive"),
        artefact_dir=Path(variables.get("ARTEFACT_DIR", "") or state_dir / "artefacts").absolute(),
        state_dir=state_dir,
        history_dir=Path(history).absolute() if history else None,
        venue_gamma_url=_url(
            variables, "VENUE_GAMMA_URL", "https://gamma-api.polymarket.com", ("http", "https")
        ),
        venue_clob_url=_url(
            variables, "VENUE_CLOB_URL", "https://clob.polymarket.com", ("http", "https")
        ),
        venue_data_url=_url(
            variables, "VENUE_DATA_URL", "https://data-api.polymarket.com", ("http", "https")
        ),
        venue_ws_url=_url(
            variables,
            "VENUE_WS_URL",
            "wss://ws-subscriptions-clob.polymarket.com/ws/market",
            ("ws", "wss"),
        ),
        venue_prices_url=_url(
            variables, "VENUE_PRICES_URL", "wss://ws-live-data.polymarket.com", ("ws", "wss")
        ),
        venue_user_ws_url=_url(
            variables,
            "VENUE_USER_WS_URL",
            "wss://ws-subscriptions-clob.polymarket.com/ws/user",
            ("ws", "wss"),
        ),
        venue_relayer_url=_url(
            variables, "VENUE_RELAYER_URL", "https://relayer-v2.polymarket.com", ("http", "https")
        ),
        geoblock_url=_url(
            variables, "GEOBLOCK_URL", "https://polymarket.com/api/geoblock", ("http", "https")
        ),
        polygon_rpc_url=_url(
            variables, "POLYGON_RPC_URL", "https://polygon-rpc.com", ("http", "https")
        ),
        spot_url=_url(variables, "SPOT_URL", "", ("http", "https")),
        feeds_url=_url(variables, "FEEDS_URL", "", ("http", "https")),
        **{name: variables.get(name.upper(), "").strip() for name in CREDENTIALS},
        wallet_address=_wallet(variables),
        live_keystore=_path(variables, "LIVE_KEYSTORE"),
        live_passphrase_file=_path(variables, "LIVE_PASSPHRASE_FILE"),
        mode=_mode(variables),
        halt=_flag(variables, "HALT"),
        log_level=_choice(variables, "LOG_LEVEL", "WARNING", LOG_LEVELS),
    )


def load(*, debug: bool) -> Env:
    """Parse this process's environment, or leave with one line and exit code 2."""
    variables: dict[str, str] = dict(os.environ)
    # `up` starts an installation of its own; every other command means the one started last.
    developing = variables.get("DJANGO_SETTINGS_MODULE", "").endswith(".dev")
    if developing and sys.argv[1:2] != ["up"]:
        variables |= last_started.read(LAST_STARTED, variables)
    try:
        env = parse(variables, debug=debug)
        _make_folder("STATE_DIR", env.state_dir)
    except BadEnvironment as wrong:
        sys.stderr.write(f"oddsmith: {wrong}\n")
        raise SystemExit(2) from None
    return env


def _make_folder(name: str, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError):
        _refuse(name, str(folder), "a folder that exists or can be made")


def _refuse(name: str, value: str, remedy: str) -> NoReturn:
    raise BadEnvironment(
        f"the environment variable {name}={value!r} cannot be used; set it to {remedy}"
    )


def _key(variables: Mapping[str, str], name: str, *, debug: bool) -> str:
    value = variables.get(name, "")
    if value:
        return value
    if not debug:
        _refuse(name, "", f"a long random text, e.g. from `{KEY_RECIPE}`")
    return f"development-only-{name.lower()}"


def _choice(variables: Mapping[str, str], name: str, default: str, choices: tuple[str, ...]) -> str:
    value = (variables.get(name, "").strip() or default).upper()
    if value not in choices:
        _refuse(name, value, f"one of {', '.join(choices)}")
    return value


def _mode(variables: Mapping[str, str]) -> str:
    if variables.get("MODE", "").strip().upper() == "LIVE":
        _refuse("MODE", "LIVE", "PAPER or DEMO; real orders are chosen in the trading settings")
    return _choice(variables, "MODE", "PAPER", MODES)


def _wallet(variables: Mapping[str, str]) -> str:
    value = variables.get("WALLET_ADDRESS", "").strip()
    if value and not ADDRESS.fullmatch(value):
        # A private key is a hex text too: never repeated.
        _refuse("WALLET_ADDRESS", "…", "0x and 40 hex digits: the address that pays, never a key")
    return value


def _path(variables: Mapping[str, str], name: str) -> Path | None:
    value = variables.get(name, "").strip()
    if SECRET_LOOK.fullmatch(value):
        _refuse(name, "…", "the path of a file; a key never stands in the environment")
    return Path(value).absolute() if value else None


def _hosts(variables: Mapping[str, str]) -> tuple[str, ...]:
    value = variables.get("ALLOWED_HOSTS", "localhost,127.0.0.1")
    hosts = tuple(host.strip() for host in value.split(",") if host.strip())
    if not hosts:
        _refuse("ALLOWED_HOSTS", value, "host names separated by commas")
    return hosts


def _flag(variables: Mapping[str, str], name: str) -> bool:
    value = variables.get(name, "").strip().lower()
    if value in TRUE:
        return True
    if value not in FALSE:
        _refuse(name, value, "1 or 0")
    return False


def _url(variables: Mapping[str, str], name: str, default: str, schemes: tuple[str, ...]) -> str:
    value = variables.get(name, "").strip() or default
    if value and (_split(name, value).scheme not in schemes or "://" not in value):
        starts = " or ".join(f"{scheme}://" for scheme in schemes)
        _refuse(name, _without_password(value), f"an address that starts with {starts}")
    return value.rstrip("/")


def _split(name: str, value: str) -> SplitResult:
    """Parts of an address; port and brackets are checked here."""
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        _refuse(name, _without_password(value), "an address whose host and port are well formed")
    return parts


def _without_password(address: str) -> str:
    """The address as it may be printed: only its scheme where it could hold a password."""
    return f"{address.partition(':')[0]}://…" if "@" in address else address


def _folder_url(variables: Mapping[str, str], name: str, default: Path) -> Path:
    value = variables.get(name, "").strip()
    if "://" in value and not value.startswith("file://"):
        _refuse(name, value, "a local folder (a path or file://…)")
    return Path(value.removeprefix("file://")).absolute() if value else default


def _database(value: str, state_dir: Path) -> Database:
    if not value:
        return Database(vendor="sqlite", name=str(state_dir / "oddsmith.sqlite3"))
    parts = _split("DATABASE_URL", value)
    path = value.removeprefix("sqlite:///")
    if path not in (value, ""):
        return Database(vendor="sqlite", name=str(Path(path).absolute()))
    if parts.scheme not in ("postgres", "postgresql") or not parts.path.strip("/"):
        remedy = "postgresql://user:password@host:5432/name or sqlite:///path"
        _refuse("DATABASE_URL", _without_password(value), remedy)
    return Database(
        vendor="postgresql",
        name=unquote(parts.path.strip("/")),
        host=parts.hostname or "",
        port=str(parts.port or ""),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )
