"""Which installation was started last, so that commands without an environment act on that one.

`up` writes the file; development settings read it. Tests and production never do.
"""

import os
from collections.abc import Mapping
from pathlib import Path

ADDRESSES = (
    "VENUE_GAMMA_URL",
    "VENUE_CLOB_URL",
    "VENUE_DATA_URL",
    "VENUE_WS_URL",
    "VENUE_PRICES_URL",
    "VENUE_USER_WS_URL",
    "VENUE_RELAYER_URL",
    "GEOBLOCK_URL",
    "POLYGON_RPC_URL",
    "SPOT_URL",
    "FEEDS_URL",
)
NAMES = ("STATE_DIR", "MODE", *ADDRESSES)
OWN_DATABASE = "DATABASE_URL"
FILE = "current.env"


def write(path: Path, values: Mapping[str, str]) -> None:
    """Name the installation that is starting; a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    fresh.replace(path)


def read(path: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """The variables of the installation last started; empty where the process names its own.

    Two installations are never mixed: one variable of its own and the file is not used. Neither is
    a file whose state folder is gone.
    """
    if any(variables.get(name) for name in (*NAMES, OWN_DATABASE)):
        return {}
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    known = dict(line.split("=", 1) for line in lines if "=" in line)
    if not Path(known.get("STATE_DIR", "")).is_absolute() or not Path(known["STATE_DIR"]).is_dir():
        return {}
    return {name: known[name] for name in NAMES if name in known}
