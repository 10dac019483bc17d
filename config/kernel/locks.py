"""Transaction-scoped locks for decisions that span rows, and leader locks for processes.

PostgreSQL: advisory locks. SQLite: the immediate transaction already is the one writer.
"""

import atexit
import hashlib
import os
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db import DatabaseError, connection
from structlog import get_logger

log = get_logger()
TIMEOUT_MS = 3000
LOCK_NOT_AVAILABLE = "55P03"


class LockTimeout(DatabaseError):
    """Another process held the lock for longer than three seconds."""


def hold(*names: str) -> None:
    """Take the named locks until the transaction ends, sorted so that no two callers deadlock.

    Raises `LockTimeout` after three seconds, `RuntimeError` outside a transaction.
    """
    if not connection.in_atomic_block:
        raise RuntimeError(f"locks.hold({', '.join(names)}) was called outside a transaction")
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = {TIMEOUT_MS}")
        try:
            for key in sorted({_key(name) for name in names}):
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [key])
        except DatabaseError as cause:
            if getattr(cause.__cause__, "sqlstate", "") == LOCK_NOT_AVAILABLE:
                raise LockTimeout(
                    f"{', '.join(names)} was held elsewhere for over {TIMEOUT_MS} ms"
                ) from cause
            raise


def _key(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)


class LeaderLock:
    """Held by at most one process of an installation; lost with the process, never with a message.

    PostgreSQL keeps it on a connection of its own, SQLite as an exclusive lock on a file.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._connection: Any = None
        self._file: IO[str] | None = None

    def held(self) -> bool:
        """Whether this process is the leader now; tries to become it where it is not."""
        if connection.vendor == "postgresql":
            return self._held_on_postgresql()
        return self._held_on_file(Path(settings.ENV.state_dir) / f"{self.name}.lock")

    def _held_on_postgresql(self) -> bool:
        import psycopg  # noqa: PLC0415 - only where PostgreSQL is the database

        try:
            if self._connection is not None:
                self._connection.execute("SELECT 1")
                return True
            self._connection = psycopg.connect(
                **connection.get_connection_params() | {"cursor_factory": psycopg.Cursor},
                autocommit=True,
            )
            key = _key(f"leader:{self.name}")
            row = self._connection.execute("SELECT pg_try_advisory_lock(%s)", [key]).fetchone()
            if row is not None and row[0]:
                return True
        except psycopg.Error:
            log.warning("leader.lost", lock=self.name)
        self.release()
        return False

    def _held_on_file(self, path: Path) -> bool:
        if self._file is not None:
            if _is_at(path, self._file):
                return True
            # Whoever opens the path now locks another file than ours, and leads as well.
            log.warning("leader.lost", lock=self.name)
            self.release()
            return False
        candidate = path.open("a+")
        if not lock_file(candidate, wait=False) or not _is_at(path, candidate):
            candidate.close()
            return False
        self._file = candidate
        return True

    def release(self) -> None:
        """Let another process lead."""
        for holder in (self._connection, self._file):
            if holder is not None:
                holder.close()
        self._connection = self._file = None


def _is_at(path: Path, handle: IO[str]) -> bool:
    """Whether the path still names this open file, not none or another one made in its place."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle.fileno()))
    except OSError:
        return False


def lock_file(handle: IO[str], *, wait: bool) -> bool:
    """Lock an open file for this process alone, until it is closed; False where it is taken.

    With `wait` it returns only when the lock is ours.
    """
    if os.name == "nt":
        import msvcrt  # noqa: PLC0415 - Windows only

        try:
            msvcrt.locking(handle.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True
    import fcntl  # noqa: PLC0415 - POSIX only

    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


_owned: dict[str, IO[str] | None] = {}


def owns(work: str) -> bool:
    """Whether this process claimed the work and has not given it back."""
    return work in _owned


def claim(work: str) -> bool:
    """Own the work until this process gives it back or ends; False while another one owns it.

    PostgreSQL keeps it on the session that does the work, SQLite as an exclusive lock on a file.
    """
    if work in _owned:
        return True
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [_key(f"work:{work}")])
            (got,) = cursor.fetchone()
        if got:
            _owned[work] = None
        return bool(got)
    digest = hashlib.sha256(work.encode()).hexdigest()[:24]
    handle = (Path(settings.ENV.state_dir) / f"work-{digest}.lock").open("a+")
    if not lock_file(handle, wait=False):
        handle.close()
        return False
    _owned[work] = handle
    return True


def give_back(work: str) -> None:
    """Let another process own the work; harmless where this one does not."""
    if work not in _owned:
        return
    handle = _owned.pop(work)
    if handle is not None:
        handle.close()
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_key(f"work:{work}")])
    except DatabaseError as failure:
        # The session is gone or unusable: the lock ends with it.
        log.warning("work.not_given_back", work=work, error=str(failure))


def give_back_everything() -> None:
    """Let others own all that this process does."""
    for work in list(_owned):
        give_back(work)


@atexit.register
def _close_files() -> None:
    """A session ends with its process without a word; a file left open is complained about."""
    for handle in _owned.values():
        if handle is not None:
            handle.close()
