"""The whole suite: on SQLite, then on PostgreSQL with Redis.

    python -m tests.suite [pytest arguments]

Its last lines say what could not be used; with REQUIRE_SERVICES=1 anything missing is a failure.
An area whose coverage is below its threshold is a failure too; with arguments nothing is traced.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from tests.support import local_chain, services

ROOT = Path(__file__).resolve().parent.parent
TOTAL, STRICT = 85.0, 95.0
STRICT_AREAS = ("risk/", "trading/", "config/kernel/")
PARALLEL = ("-n", "2", "--dist", "worksteal")
NO_TESTS = 5


def main(arguments: list[str]) -> int:
    missing: list[str] = []
    failed: list[str] = []
    with ExitStack() as stack, tempfile.TemporaryDirectory(prefix="suite") as scratch:
        given = _servers(stack, missing)
        runs = {"sqlite": {"DATABASE_URL": "", "REDIS_URL": given.get("REDIS_URL", "")}}
        if "DATABASE_URL" in given:
            runs["postgresql"] = given
        for name, environment in runs.items():
            _say(f"— the suite on {name} —")
            with _template(environment) as template:
                if not _passed(name, environment | template, Path(scratch), arguments):
                    failed.append(f"tests on {name}")
        if not arguments:
            failed += _coverage(Path(scratch))
    return _verdict(failed, missing)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _servers(stack: ExitStack, missing: list[str]) -> dict[str, str]:
    found = {}
    wanted = {"DATABASE_URL": services.postgresql, "REDIS_URL": services.redis}
    for variable, service in wanted.items():
        try:
            found[variable] = stack.enter_context(service())
        except (services.Unavailable, subprocess.CalledProcessError, TimeoutError) as lacking:
            missing.append(str(lacking))
    try:
        local_chain.binary()
    except services.Unavailable as lacking:
        missing.append(str(lacking))
    if shutil.which("chromium") is None:
        missing.append("browser tests: install chromium")
    if not os.environ.get("HISTORY_DIR"):
        missing.append("history tests: set HISTORY_DIR to the folder that holds data/polymarket")
    return found


@contextmanager
def _template(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """A database with all tables and no rows that workers copy theirs from; on SQLite a file is."""
    url = environment["DATABASE_URL"]
    if not url:
        yield {}
        return
    name = f"test_oddsmith_{os.getpid()}_template"
    own = urlsplit(url)._replace(path=f"/{name}").geturl()
    with psycopg.connect(url, autocommit=True) as server, tempfile.TemporaryDirectory() as state:
        server.execute(f'CREATE DATABASE "{name}"')
        try:
            migrating = {
                **os.environ,
                **environment,
                "DATABASE_URL": own,
                "STATE_DIR": state,
                "DJANGO_SETTINGS_MODULE": "config.settings.dev",
            }
            argv = [sys.executable, "manage.py", "migrate", "-v0"]
            subprocess.run(argv, cwd=ROOT, env=migrating, check=True)
            yield {"TEST_DB_TEMPLATE": name}
        finally:
            server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _passed(name: str, environment: dict[str, str], scratch: Path, arguments: list[str]) -> bool:
    """Run the tests on one database."""
    state = scratch / f"state_{name}"
    state.mkdir()
    second = name == "postgresql"
    own = {
        "COVERAGE_FILE": str(scratch / f".coverage.{name}"),
        "STATE_DIR": str(state),
        "TEST_DB_SUFFIX": f"_{os.getpid()}" if second else "",
        "OMP_NUM_THREADS": "1",
        "DATABASE_TESTS_ONLY": "1" if second else "",
    }
    own |= _compiled()
    traced = ["--cov", "--cov-report="]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *PARALLEL, *(arguments or traced)],
        cwd=ROOT,
        env={**os.environ, **environment, **own},
        check=False,
    )
    return done.returncode in {0, NO_TESTS}


def _compiled() -> dict[str, str]:
    """Where compiled modules stay: a hundred children of the tests would each compile them again.

    One who wants none in the tree, or has a tree that cannot be written, keeps them beside Python.
    """
    if not sys.dont_write_bytecode:
        return {}
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(Path(sys.prefix) / "pycache")}


def _coverage(scratch: Path) -> list[str]:
    """Areas below their threshold, as sentences; empty where all is well."""
    tool = [sys.executable, "-m", "coverage"]
    environment = {**os.environ, "COVERAGE_FILE": str(scratch / ".coverage")}
    report = scratch / "coverage.json"
    for step in (["combine", "-q", str(scratch)], ["json", "-q", "-o", str(report)]):
        if subprocess.run([*tool, *step], cwd=ROOT, env=environment, check=False).returncode:
            return ["coverage could not be combined"]
    files = json.loads(report.read_text())["files"]
    figures = {"everything": _share(files, "")} | {a: _share(files, a) for a in STRICT_AREAS}
    low = []
    for area, share in figures.items():
        threshold = TOTAL if area == "everything" else STRICT
        _say(f"coverage of {area}: {share:.1f} % (at least {threshold:g} %)")
        if share < threshold:
            low.append(f"coverage of {area}: {share:.1f} % is below {threshold:g} %")
            low += [f"  {line}" for line in _worst(files, area)]
    return low


def _share(files: dict[str, dict], area: str) -> float:
    chosen = [f["summary"] for name, f in files.items() if area == "" or name.startswith(area)]
    statements = sum(s["num_statements"] for s in chosen)
    return 100.0 * sum(s["covered_lines"] for s in chosen) / statements if statements else 0.0


def _worst(files: dict[str, dict], area: str) -> list[str]:
    prefix = "" if area == "everything" else area
    chosen = [(f["summary"]["missing_lines"], n) for n, f in files.items() if n.startswith(prefix)]
    return [f"{name}: {lines} lines" for lines, name in sorted(chosen, reverse=True)[:6] if lines]


def _verdict(failed: list[str], missing: list[str]) -> int:
    for line in failed:
        _say(f"FAILED: {line}")
    required = os.environ.get("REQUIRE_SERVICES", "") in ("1", "true", "yes")
    for line in missing:
        _say(f"{'MISSING' if required else 'not used'}: {line}")
    if not failed and not missing:
        _say("everything was used, everything passed")
    return 1 if failed or (required and missing) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
