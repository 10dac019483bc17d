"""The servers that the suite uses: given, local, or started and stopped by itself."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

WAIT_S = 20.0
OUR_REDIS_DATABASE = 9


class Unavailable(Exception):
    """The service is neither given nor installed; the message says what would help."""


@contextmanager
def postgresql() -> Iterator[str]:
    """The URL of a PostgreSQL that tests may create databases in."""
    given = os.environ.get("DATABASE_URL", "")
    if given.startswith(("postgres://", "postgresql://")):
        yield given
        return
    local = "postgresql://postgres@127.0.0.1:5432/postgres"
    if _accepts(local):
        yield local
        return
    with own_postgresql() as url:
        yield url


@contextmanager
def redis() -> Iterator[str]:
    """The URL of a Redis whose database number is ours."""
    given = os.environ.get("REDIS_URL", "")
    if given:
        yield given
        return
    if _listens(6379):
        yield f"redis://127.0.0.1:6379/{OUR_REDIS_DATABASE}"
        return
    with own_redis() as url:
        yield url


@contextmanager
def own_postgresql() -> Iterator[str]:
    """A PostgreSQL of ours in a temporary folder; it may be stopped and killed."""
    binaries = _postgresql_binaries()
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        data, port = Path(folder) / "data", free_port()
        data.mkdir()
        if os.getuid() == 0:
            # PostgreSQL refuses to run as root.
            for path in (Path(folder), data):
                shutil.chown(path, "postgres", "postgres")
        _as_postgres(
            f"{binaries}/initdb -D {data} -A trust -U postgres --no-sync -E UTF8 --locale=C"
        )
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        _as_postgres(f'{binaries}/pg_ctl -D {data} -o "{options}" -l {folder}/log -w start')
        try:
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        finally:
            _as_postgres(f"{binaries}/pg_ctl -D {data} -m immediate -w stop")


@contextmanager
def own_redis() -> Iterator[str]:
    """A Redis of ours; it may be stopped and killed."""
    binary = shutil.which("redis-server")
    if binary is None:
        raise Unavailable("Redis: set REDIS_URL, or install redis-server")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="redis") as folder:
        options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""]
        process = subprocess.Popen([binary, *options], stdout=subprocess.DEVNULL)
        try:
            wait_for(lambda: _listens(port), what="redis-server")
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()
            process.wait(WAIT_S)


def wait_for(ready: Callable[[], bool], *, what: str, timeout_s: float = WAIT_S) -> None:
    """Wait on a condition; raises `TimeoutError` naming what did not happen."""
    deadline = time.monotonic() + timeout_s
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} was not ready within {timeout_s:g} s")
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _accepts(url: str) -> bool:
    import psycopg

    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.Error:
        return False
    return True


def _postgresql_binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        raise Unavailable("PostgreSQL: set DATABASE_URL, or install postgresql")
    return found[-1].parent if found else Path(str(on_path)).parent


def _as_postgres(command: str) -> None:
    argv = ["su", "postgres", "-s", "/bin/bash", "-c", command] if os.getuid() == 0 else None
    subprocess.run(
        argv or ["/bin/bash", "-c", command],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
