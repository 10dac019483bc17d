"""Which installation was started last, and how an installation was started.

`up` writes both files: commands without an environment act on the one last started, and commands
that name a STATE_DIR ask the venue that it was started with. Development settings alone read them.
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
    """Name the installation that is starting, here and in its own folder.

    A reader sees the old file or the new one.
    """
    for place in {path, Path(values["STATE_DIR"]) / FILE}:
        place.parent.mkdir(parents=True, exist_ok=True)
        fresh = place.with_name(f"{place.name}.{os.getpid()}")
        fresh.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
        fresh.replace(place)


def read(path: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """The variables of the installation last started; of its own where STATE_DIR names one.

    Two installations are never mixed: with any other variable of its own a process gets nothing.
    Neither does one whose file is of another folder, or of a folder that is gone.
    """
    named = [name for name in (*NAMES, OWN_DATABASE) if variables.get(name)]
    if named not in ([], ["STATE_DIR"]):
        return {}
    if named:
        path = Path(variables["STATE_DIR"]) / FILE
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    known = dict(line.split("=", 1) for line in lines if "=" in line)
    folder = Path(known.get("STATE_DIR", ""))
    if not folder.is_absolute() or not folder.is_dir():
        return {}
    if named and folder.resolve() != Path(variables["STATE_DIR"]).resolve():
        return {}
    return {name: known[name] for name in NAMES if name in known}
