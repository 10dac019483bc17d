"""Locks against a real second party: another connection, another process."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from config.kernel import locks

ROOT = Path(__file__).resolve().parents[2]

postgresql_only = pytest.mark.skipif(
    "postgres" not in os.environ.get("DATABASE_URL", ""),
    reason="SQLite has one writer anyway; set DATABASE_URL to a PostgreSQL server to run this",
)


@pytest.fixture
def other(transactional_db: Any) -> Iterator[Any]:
    """A second connection to the same database, in autocommit."""
    import psycopg

    second = psycopg.connect(
        **connection.get_connection_params() | {"cursor_factory": psycopg.Cursor}, autocommit=True
    )
    yield second
    second.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three seconds are long for a test."""
    monkeypatch.setattr(locks, "TIMEOUT_MS", 100)


@pytest.mark.django_db(transaction=True)
def test_a_lock_outside_a_transaction_is_a_bug_and_says_so(transactional_db: Any) -> None:
    with pytest.raises(RuntimeError, match=r"hold\(portfolio\) was called outside"):
        locks.hold("portfolio")


@pytest.mark.django_db
def test_locks_are_taken_in_any_order_and_twice_without_harm() -> None:
    locks.hold("b", "a", "b")
    locks.hold("a")

    assert advisory_locks_held() == (2 if connection.vendor == "postgresql" else 0)


def advisory_locks_held() -> int:
    """Of this connection; SQLite's one writer needs none."""
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])


@postgresql_only
@pytest.mark.usefixtures("impatient")
def test_a_lock_held_elsewhere_times_out_by_its_own_name(other: Any) -> None:
    other.execute("SELECT pg_advisory_lock(%s)", [locks._key("portfolio")])

    with (
        pytest.raises(locks.LockTimeout, match="portfolio was held elsewhere for over 100 ms"),
        transaction.atomic(),
    ):
        locks.hold("portfolio")

    with transaction.atomic():
        locks.hold("something else")


@postgresql_only
def test_a_lock_keeps_others_out_until_the_transaction_ends(other: Any) -> None:
    def taken() -> bool:
        row = other.execute("SELECT pg_try_advisory_xact_lock(%s)", [locks._key("p")]).fetchone()
        return not row[0]

    with transaction.atomic():
        locks.hold("p")
        assert taken()

    assert not taken()


@postgresql_only
@pytest.mark.django_db
def test_other_database_errors_keep_their_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_key", lambda _name: "not a number")

    with pytest.raises(DatabaseError) as failure, transaction.atomic():
        locks.hold("p")

    assert not isinstance(failure.value, locks.LockTimeout)


# --- leaders ---------------------------------------------------------------------------------

FOLLOWER = """
import sys, django
django.setup()
from django.conf import settings
from config.kernel.locks import LeaderLock
settings.DATABASES["default"]["NAME"] = sys.argv[1]
lock = LeaderLock(sys.argv[2])
print("leads" if lock.held() else "follows", flush=True)
sys.stdin.readline()
"""


def party(state_dir: Path, name: str) -> subprocess.Popen[str]:
    """Another process of the same installation that tries to lead, then waits for a line."""
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
        "STATE_DIR": str(state_dir),
        "PYTEST_XDIST_WORKER": "",  # a worker of the suite would be an installation of its own
        "PYTHONPATH": str(ROOT),
    }
    return subprocess.Popen(
        [sys.executable, "-c", FOLLOWER, connection.settings_dict["NAME"], name],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def says(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.fixture
def state_dir(settings: Any, tmp_path: Path) -> Path:
    settings.ENV = replace(settings.ENV, state_dir=tmp_path)
    return tmp_path


@pytest.mark.django_db
def test_of_two_that_want_to_lead_one_does(state_dir: Path) -> None:
    first, second = locks.LeaderLock("beat"), locks.LeaderLock("beat")
    try:
        assert first.held()
        assert not second.held()
        assert first.held()

        first.release()
        assert second.held()
        assert not first.held()
    finally:
        first.release()
        second.release()


@pytest.mark.django_db
def test_leaders_of_different_things_do_not_disturb_each_other(state_dir: Path) -> None:
    beat, guard = locks.LeaderLock("beat"), locks.LeaderLock("guard")
    try:
        assert beat.held()
        assert guard.held()
    finally:
        beat.release()
        guard.release()


@pytest.mark.django_db
@pytest.mark.skipif("postgres" in os.environ.get("DATABASE_URL", ""), reason="no file leads there")
@pytest.mark.parametrize("is_made_again", [False, True])
def test_who_leads_by_a_file_that_was_removed_leads_no_more(
    state_dir: Path, is_made_again: bool
) -> None:
    first, second = locks.LeaderLock("guard"), locks.LeaderLock("guard")
    try:
        assert first.held()
        (state_dir / "guard.lock").unlink()
        if is_made_again:
            assert second.held()

        assert not first.held()
        assert second.held()
        assert not first.held()
    finally:
        first.release()
        second.release()


@pytest.mark.process
@pytest.mark.timeout(120)
@pytest.mark.django_db
def test_another_process_leads_only_after_this_one_let_go(state_dir: Path) -> None:
    ours = locks.LeaderLock("beat")
    assert ours.held()
    with party(state_dir, "beat") as loser:
        assert says(loser) == "follows"
        loser.communicate("\n")

    ours.release()
    with party(state_dir, "beat") as winner:
        assert says(winner) == "leads"
        assert not ours.held()

        winner.kill()
        winner.wait()
        assert wait_until_held(ours)
    ours.release()


def wait_until_held(lock: locks.LeaderLock) -> bool:
    """A killed process loses the lock as soon as the server notices its closed socket."""
    return any(lock.held() for _ in range(2000))


@postgresql_only
@pytest.mark.django_db
def test_a_leader_whose_connection_died_knows_it_no_longer_leads(other: Any) -> None:
    lock = locks.LeaderLock("beat")
    assert lock.held()
    other.execute("SELECT pg_terminate_backend(%s)", [lock._connection.info.backend_pid])

    assert not lock.held()

    assert wait_until_held(lock)
    lock.release()
