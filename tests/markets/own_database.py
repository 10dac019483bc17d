"""A database beside the suite's, for tests that change tables: none of the others' is touched."""

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.migrations.executor import MigrationExecutor


def _connected(name: str) -> Any:
    import psycopg

    database = settings.ENV.database
    return psycopg.connect(
        dbname=name, host=database.host, port=database.port, user=database.user,
        password=database.password or None, autocommit=True,
    )  # fmt: skip


@contextmanager
def postgresql_database(template: str | None = None) -> Iterator[str]:
    """A database of its own, dropped afterwards; its name."""
    name = f"own_{uuid.uuid4().hex[:12]}"
    with _connected("postgres") as admin:
        admin.execute(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
        try:
            yield name
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def copy_of_the_suites(request: pytest.FixtureRequest) -> Iterator[str]:
    """The suite's tables without its rows and months, on PostgreSQL; the copy's name.

    Migrations cost a quarter of a minute, and the suite has paid it.
    """
    request.getfixturevalue("django_db_setup")
    with request.getfixturevalue("django_db_blocker").unblock():
        name = connection.settings_dict["NAME"]
        with connection.cursor() as cursor:
            # Nobody may look while it is copied: not what an earlier test left behind, nor we.
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = %s AND pid <> pg_backend_pid()",
                [name],
            )
        connection.close()
    with postgresql_database(name) as copy:
        _emptied(copy)
        yield copy


def _emptied(name: str) -> None:
    """Without rows, but for the list of migrations, and without months of tick tables."""
    parts = "SELECT inhrelid::regclass::text FROM pg_inherits"
    tables = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'"
    with _connected(name) as line:
        for (part,) in line.execute(parts).fetchall():
            if re.search(r"_\d{4}_\d{2}$", part):
                line.execute(f"DROP TABLE {part}")
        found = {table for (table,) in line.execute(tables)} - {"django_migrations"}
        line.execute(f"TRUNCATE {', '.join(sorted(found))} RESTART IDENTITY CASCADE")


@contextmanager
def sqlite_database() -> Iterator[str]:
    """A file of its own, gone afterwards; its path."""
    with TemporaryDirectory() as folder:
        yield str(Path(folder) / "own.sqlite3")


@contextmanager
def instead_of_the_suites() -> Iterator[None]:
    """Whatever this thread does in the block happens in an empty database without tables."""
    made = postgresql_database if connection.vendor == "postgresql" else sqlite_database
    usual = connections[DEFAULT_DB_ALIAS]
    with made() as name:
        own = type(usual)({**usual.settings_dict, "NAME": name}, DEFAULT_DB_ALIAS)
        connections[DEFAULT_DB_ALIAS] = own
        try:
            yield
        finally:
            connections[DEFAULT_DB_ALIAS] = usual
            own.close()


def moved(*target: tuple[str, str]) -> Any:
    """Migrate to there; the models as they were after this migration."""
    executor = MigrationExecutor(connection)
    executor.migrate(list(target))
    return MigrationExecutor(connection).loader.project_state(list(target)).apps
