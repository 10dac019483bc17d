"""Run benchmarks one after another and end with one line over all of them.

    python benchmarks/run.py [name …]      # bench_{name}.py; none = every one

They run on DATABASE_URL, else on a PostgreSQL found on this machine, else on SQLite. Exit code 1
where a path was missed, a benchmark failed or does not exist.
"""

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.table import OUT, summary  # noqa: E402 - the path comes first
from tests.support import services  # noqa: E402 - the path comes first


def main(names: list[str]) -> int:
    here = Path(__file__).resolve().parent
    chosen = names or sorted(f.stem.removeprefix("bench_") for f in here.glob("bench_*.py"))
    began = time.time()
    with ExitStack() as stack:
        environment = {**os.environ, **_database(stack)}
        broken = [name for name in chosen if not _ran(here / f"bench_{name}.py", environment)]
    rows = [
        row
        for file in sorted(OUT.glob("*.json"))
        if file.stat().st_mtime >= began
        for row in json.loads(file.read_text())["rows"]
    ]
    line = summary(f"all of {', '.join(chosen)}", rows)
    print(line + (f"; did not finish: {', '.join(broken)}" if broken else ""))
    return int(bool(broken) or any(row["verdict"] == "missed" for row in rows))


def _database(stack: ExitStack) -> dict[str, str]:
    if os.environ.get("DATABASE_URL"):
        return {}
    try:
        return {"DATABASE_URL": stack.enter_context(services.postgresql())}
    except (services.Unavailable, subprocess.CalledProcessError) as lacking:
        print(f"on SQLite, for there is no PostgreSQL here ({lacking})")
        return {}


def _ran(file: Path, environment: dict[str, str]) -> bool:
    """Whether it came to its table; a missed target is told by the table."""
    if not file.exists():
        print(f"{file.name} does not exist")
        return False
    began = time.time()
    code = subprocess.run([sys.executable, str(file)], env=environment, check=False).returncode
    print()
    # One that raised ends with 1 too, but leaves no table.
    wrote = [out for out in OUT.glob("*.json") if out.stat().st_mtime >= began]
    return code in (0, 1) and bool(wrote)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
