"""Fixtures for every test."""

import fcntl
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from django.apps import apps
from django.db import connection

from config.kernel import locks, vendor
from config.kernel.models import AppendOnly

ROOT = Path(__file__).resolve().parent.parent
# A busy machine is not a failure: properties have no clock, only the suite has.
hypothesis.settings.register_profile(
    "suite", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("suite")


def fact_tables() -> list[str]:
    return [m._meta.db_table for m in apps.get_models() if issubclass(m, AppendOnly)]


def _run(statements: list[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture(autouse=True)
def facts_may_be_flushed(request: pytest.FixtureRequest) -> Iterator[None]:
    """Transactional tests empty the tables; SQLite does so with DELETE, which triggers refuse."""
    if "transactional_db" not in request.fixturenames or connection.vendor == "postgresql":
        yield
        return
    request.getfixturevalue("transactional_db")
    for table in fact_tables():
        _run(vendor.append_only_sql(connection.vendor, table))
    yield
    for table in fact_tables():
        _run(vendor.changeable_sql(connection.vendor, table))


@pytest.fixture(scope="session", autouse=True)
def little_is_flushed() -> Iterator[None]:
    """On PostgreSQL empty the few tables with rows: truncating all ninety takes seconds a test.

    Kinds of rows and permissions stay: the signal after a flush would write the same ones again.
    """
    operations = type(connection.ops)
    whole = operations.sql_flush
    kept = {"django_content_type", "auth_permission"}

    def deletions(self: Any, style: Any, tables: list[str], **options: Any) -> list[str]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('is_superuser')")
            if cursor.fetchone() != ("on",):
                return whole(self, style, tables, **options)
            question = " UNION ALL ".join(
                f"SELECT '{table}' WHERE EXISTS (SELECT 1 FROM \"{table}\")"
                for table in set(tables) - kept
            )
            cursor.execute(question)
            filled = [row[0] for row in cursor.fetchall()]
        # As a replica does: without asking the triggers that guard facts, or foreign keys.
        emptied = [f'DELETE FROM "{table}"' for table in filled]
        return [
            "SET session_replication_role = replica",
            *emptied,
            "RESET session_replication_role",
        ]

    with pytest.MonkeyPatch.context() as patch:
        if connection.vendor == "postgresql":
            patch.setattr(operations, "sql_flush", deletions)
        yield


@pytest.fixture(autouse=True)
def unfinished_work_is_given_back(django_db_blocker: Any) -> Iterator[None]:
    """A job that a test left running is owned by no process when the next one begins."""
    yield
    with django_db_blocker.unblock():
        locks.give_back_everything()


@contextmanager
def off_the_clock() -> Iterator[None]:
    """What all tests share is no test's time: the first to ask for it would pay for all."""
    left, again = signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left, again)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with all tables and no rows, made once for all workers; copy, never write."""
    shared = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent
    state = shared / "migrated"
    state.mkdir(exist_ok=True)
    with off_the_clock(), (state / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (state / "done").exists():
            environment = {
                **os.environ,
                "STATE_DIR": str(state),
                "DATABASE_URL": "",
                "TEST_DB_SUFFIX": "",
                "MODE": "",
                "DJANGO_SETTINGS_MODULE": "config.settings.dev",
            }
            argv = [sys.executable, "manage.py", "migrate", "-v0"]
            subprocess.run(argv, cwd=ROOT, env=environment, check=True)
            (state / "done").touch()
    return state / "oddsmith.sqlite3"


@pytest.fixture(scope="session")
def django_db_modify_db_settings(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fill each worker's database in memory from the one that was migrated once for all.

    Migrations cost every worker a quarter of a minute; copying their result costs nothing. What is
    left for Django to do is to see that nothing is missing.
    """
    request.getfixturevalue("django_db_modify_db_settings_parallel_suffix")
    name = connection.creation._get_test_db_name() if connection.vendor == "sqlite" else ""
    if "mode=memory" not in name:
        yield
        return
    # A database in memory lives as long as somebody is connected to it.
    with (
        closing(sqlite3.connect(name, uri=True)) as keeper,
        closing(sqlite3.connect(request.getfixturevalue("migrated"))) as migrated,
    ):
        migrated.backup(keeper)
        yield


@pytest.fixture(scope="session")
def clock_stopped() -> Iterator[ExitStack]:
    """The time limit of whichever test asks first, stopped until somebody closes this."""
    with ExitStack() as stopped:
        stopped.enter_context(off_the_clock())
        yield stopped


@pytest.fixture(scope="session")
def django_db_setup(clock_stopped: ExitStack, django_db_setup: None) -> None:
    """Django's own, with no test's clock running while it makes the worker's database."""
    clock_stopped.close()


@pytest.fixture
def fact_triggers(db: Any) -> None:
    """Put the triggers back where an earlier transactional test had lifted them."""
    for table in fact_tables():
        _run(vendor.append_only_sql(connection.vendor, table))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Choose what runs on the second database."""
    if os.environ.get("DATABASE_TESTS_ONLY"):
        _only_what_depends_on_a_database(config, items)


def pytest_collection_finish(session: pytest.Session) -> None:
    """What importing runs has been traced by now; from here on single tests are."""
    if tracer := _tracer(session.config):
        tracer.pause()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Trace the tests that are traced, from their set-up on."""
    tracer = _tracer(item.config)
    if tracer is None or not _is_traced(item):
        return (yield)
    tracer.resume()
    try:
        return (yield)
    finally:
        tracer.pause()


def _tracer(config: pytest.Config) -> Any:
    """What pytest-cov traces with in this process; None where nothing is traced."""
    plugin = config.pluginmanager.getplugin("_cov")
    return getattr(plugin, "cov_controller", None)


def _is_traced(item: pytest.Item) -> bool:
    """Whether coverage counts what this test runs.

    Tracing costs half of a test's time again. What repeats lines a hundred times, reads recorded
    history, starts processes or tells whole stories runs untraced: the figures are what the other
    tests reach. Of the second database the kernel alone is traced, where databases differ.
    """
    folders = {folder.name for folder in item.path.parents}
    if os.environ.get("DATABASE_TESTS_ONLY"):
        return "kernel" in folders
    repeated = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
    untraced = ("history", "browser", "process", "one_database", "no_cover")
    return not (
        repeated
        or {"architecture", "flows"} & folders
        or any(item.get_closest_marker(name) for name in untraced)
    )


def _only_what_depends_on_a_database(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On the second database only what depends on one runs: the rest was proved on the first.

    A test of processes depends on it where it uses the suite's database, or makes databases on the
    same server (`own_database`); one whose processes have an SQLite file of their own does not.
    One that learns for seconds and touches rows as others do, which run here too, says so with
    `one_database`.
    """
    elsewhere = ("browser", "on_sqlite", "one_database")
    touching = {"db", "transactional_db", "live_server", "django_db_setup"}
    chosen = [
        item
        for item in items
        if not any(item.get_closest_marker(name) for name in elsewhere)
        and (
            touching & set(getattr(item, "fixturenames", ()))
            or item.get_closest_marker("django_db")
            or item.get_closest_marker("own_database")
        )
    ]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(chosen)])
    items[:] = chosen
