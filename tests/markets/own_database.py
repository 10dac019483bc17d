"""A database beside the suite's, for tests that change tables: none of the others' is touched."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.migrations.executor import MigrationExecutor


@contextmanager
def postgresql_database(template: str | None = None) -> Iterator[str]:
    """A database of its own, dropped afterwards; its name."""
    import psycopg

    name = f"own_{uuid.uuid4().hex[:12]}"
    database = settings.ENV.database
    where = {"host": database.host, "port": database.port, "user": database.user}
    with psycopg.connect(
        dbname="postgres", password=database.password or None, autocommit=True, **where
    ) as admin:
        admin.execute(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
        try:
            yield name
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


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
