"""A thousand lives killed on each database: `python -m tests.torture [--kills 1000] [--seed N]`.

Prints a table and ends with 1 where an order was lost or doubled, or a cent does not add up.
PostgreSQL is the one of DATABASE_URL, a local one, or one that is started for it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from tests.support import services

ROOT = Path(__file__).resolve().parent.parent
BATCH = 100
COLUMNS = (
    "database",
    "intents",
    "lives",
    "kills",
    "posts",
    "faults",
    "resent",
    "orders",
    "given_up",
    "duplicates",
    "lost",
    "seconds",
)


def main(arguments: list[str]) -> int:
    """Torture both databases; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000, help="lives to kill on each database")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=["sqlite", "postgresql"], default="")
    options = parser.parse_args(arguments)
    stories = []
    for name, database in (("sqlite", _sqlite), ("postgresql", _postgresql)):
        if options.only in ("", name):
            with database() as url:
                stories.append(_run(url, kills=options.kills, seed=options.seed))
    _tell(stories)
    return 1 if any(story["wrong"] for story in stories) else 0


@contextmanager
def _sqlite() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="torture") as folder:
        yield f"sqlite:///{folder}/torture.sqlite3"


@contextmanager
def _postgresql() -> Iterator[str]:
    """A database of its own on the server that tests may use; dropped in the end."""
    import psycopg

    with services.postgresql() as server:
        name = f"torture_{os.getpid()}"
        with psycopg.connect(server, autocommit=True) as line:
            line.execute(f"CREATE DATABASE {name}")
        try:
            yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
        finally:
            with psycopg.connect(server, autocommit=True) as line:
                line.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _run(url: str, *, kills: int, seed: int) -> dict[str, Any]:
    """One story: migrated, tortured, told."""
    with tempfile.TemporaryDirectory(prefix="torture-state") as state:
        environment = os.environ | {
            "DATABASE_URL": url,
            "STATE_DIR": state,
            "DJANGO_SETTINGS_MODULE": "config.settings.test",
        }
        migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(migrate, cwd=ROOT, env=environment, check=True)
        words = ["--intents", str(BATCH), "--kills", str(kills), "--seed", str(seed)]
        done = subprocess.run(
            [sys.executable, "-m", "tests.trading.harness", *words],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
    if not done.stdout:
        return {"database": url.partition(":")[0], "wrong": ["the harness itself failed"]}
    story: dict[str, Any] = json.loads(done.stdout)
    return story


def _tell(stories: list[dict[str, Any]]) -> None:
    width = max(map(len, COLUMNS)) + 1
    for column in COLUMNS:
        values = "".join(f"{story.get(column, '–')!s:>12}" for story in stories)
        sys.stdout.write(f"{column:<{width}}{values}\n")
    for story in stories:
        points = ", ".join(story.get("points", []))
        sys.stdout.write(f"{story['database']}: died at {points}\n")
        for wrong in story["wrong"]:
            sys.stdout.write(f"{story['database']}: WRONG: {wrong}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
