"""Everything in which PostgreSQL and SQLite differ: triggers, locks, bulk writes, bulk reads."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl
from django.db import connection, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import RunPython
from django.db.migrations.operations.base import Operation
from django.db.models import Model

from config.kernel import bulk_postgresql, bulk_sqlite, partitions
from config.kernel.copy_format import Schema
from config.kernel.table import BadFrame, Table, table_of

__all__ = [
    "BadFrame",
    "among",
    "analyze",
    "append",
    "append_only_sql",
    "changeable_sql",
    "for_update_skipping_locked",
    "instant",
    "newest",
    "read",
    "refuse_changes",
    "upsert",
    "vacuum",
]
BATCH = 500_000

SQLITE_TRIGGER = """
CREATE TRIGGER IF NOT EXISTS {table}_refuses_{verb} BEFORE {verb} ON {table}
BEGIN SELECT RAISE(ABORT, '{table} rows are facts: they are never changed or deleted'); END
"""
POSTGRES_FUNCTION = """
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  RAISE EXCEPTION '% rows are facts: they are never changed or deleted', TG_TABLE_NAME
  USING ERRCODE = '23514';
END
$body$
"""
# TRUNCATE is left alone: it needs the owner's right, which the owner could use to drop the trigger
# as well, and the test runner empties tables between transactional tests with it.
POSTGRES_TRIGGER = """
CREATE OR REPLACE TRIGGER {table}_refuses_change BEFORE UPDATE OR DELETE ON {table}
FOR EACH ROW EXECUTE FUNCTION refuse_change()
"""


def append_only_sql(vendor: str, table: str) -> list[str]:
    """The statements that make a table refuse UPDATE and DELETE; running them twice is harmless."""
    if vendor == "postgresql":
        return [POSTGRES_FUNCTION, POSTGRES_TRIGGER.format(table=table)]
    return [SQLITE_TRIGGER.format(table=table, verb=verb) for verb in ("UPDATE", "DELETE")]


def changeable_sql(vendor: str, table: str) -> list[str]:
    """The statements that lift the refusal again."""
    if vendor == "postgresql":
        return [f"DROP TRIGGER IF EXISTS {table}_refuses_change ON {table}"]
    return [f"DROP TRIGGER IF EXISTS {table}_refuses_{verb}" for verb in ("UPDATE", "DELETE")]


def refuse_changes(*tables: str) -> Operation:
    """A reversible migration operation: the tables accept INSERT and SELECT only."""

    def forwards(apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
        for table in tables:
            for statement in append_only_sql(editor.connection.vendor, table):
                editor.execute(statement, params=None)

    def backwards(apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
        for table in tables:
            for statement in changeable_sql(editor.connection.vendor, table):
                editor.execute(statement, params=None)

    return RunPython(forwards, backwards)


def for_update_skipping_locked() -> dict[str, bool]:
    """Arguments of `select_for_update` that claim rows without waiting, where the database can."""
    return {"skip_locked": True} if connection.features.has_select_for_update_skip_locked else {}


def append(model: type[Model], frame: pl.DataFrame) -> int:
    """Insert the rows of a frame whose keys do not exist yet; returns how many were added.

    Columns are named as in the database; datetimes are polars Datetime in UTC. Of rows that repeat
    a key within the frame the first counts. Raises `BadFrame`, or the database's own error.
    """
    table = table_of(model, frame)
    if table.key:
        frame = frame.unique(table.key, keep="first", maintain_order=True).sort(table.key)
    _make_room(table, frame)
    write = bulk_postgresql.append if connection.vendor == "postgresql" else bulk_sqlite.append
    with transaction.atomic(), connection.cursor() as cursor:
        return sum(write(cursor, table, part) for part in frame.iter_slices(BATCH))


def upsert(
    model: type[Model], frame: pl.DataFrame, *, key: Sequence[str], update: Sequence[str]
) -> tuple[int, int]:
    """Insert new rows and change those that differ in `update`; returns (added, changed).

    `key` names the columns of a unique constraint. Of rows that repeat a key the last counts.
    Rows that are equal already are not touched.
    """
    table: Table = table_of(model, frame, key=key)
    frame = frame.unique(table.key, keep="last", maintain_order=True).sort(table.key)
    _make_room(table, frame)
    write = bulk_postgresql.upsert if connection.vendor == "postgresql" else bulk_sqlite.upsert
    with transaction.atomic(), connection.cursor() as cursor:
        counts = [write(cursor, table, part, update) for part in frame.iter_slices(BATCH)]
    return sum(added for added, _ in counts), sum(changed for _, changed in counts)


def _make_room(table: Table, frame: pl.DataFrame) -> None:
    """Before the transaction of the rows begins: others wait for it no longer than they must."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            partitions.make_room(cursor, table.name, frame)


def read(sql: str, params: Sequence[Any], schema: Schema, *, by: str | None = None) -> pl.DataFrame:
    """The rows of a query as a frame of `schema`, whose names are those of the selected columns.

    Unknown is null. Fixed-width schemas travel as binary COPY on PostgreSQL. Many rows travel
    faster where `by` names a column of few whole numbers, never null; their order is lost then.
    """
    fetch = bulk_postgresql.read if connection.vendor == "postgresql" else bulk_sqlite.read
    with connection.cursor() as cursor:
        return fetch(cursor, sql, params, schema, by)


def newest(
    model: type[Model],
    values: Sequence[int],
    schema: Schema,
    *,
    key: str,
    at: str,
    where: Mapping[str, Any],
) -> pl.DataFrame:
    """Of each value of the column `key` the rows with the greatest `at`, several where equal.

    Only rows that meet every condition of `where` count, such as `{"observed_at <=": moment}`.
    One query, in no order.
    """
    postgresql = connection.vendor == "postgresql"
    build = bulk_postgresql.newest if postgresql else bulk_sqlite.newest
    sql = build(table_of(model).quoted, list(schema), key=key, at=at, where=list(where))
    asked = list(values) if postgresql else json.dumps(list(values))
    bounds = [instant(value) if isinstance(value, datetime) else value for value in where.values()]
    return read(sql, [asked, *bounds, *([] if postgresql else bounds)], schema)


def among(column: str, values: Sequence[int]) -> tuple[str, Any]:
    """SQL that says `column` is one of `values`, with its one parameter; any number of values."""
    if connection.vendor == "postgresql":
        return f"{column} = ANY(%s)", list(values)
    condition = f"{column} IN (SELECT value FROM json_each(%s))"  # noqa: S608 - values are bound
    return condition, json.dumps(list(values))


def joined_bytes(first: str, second: str) -> str:
    """SQL that puts two byte strings one after the other."""
    if connection.vendor == "postgresql":
        return f"{first} || {second}"
    return f"CAST({first} || {second} AS BLOB)"  # joined, they would be read as text


def instant(moment: datetime) -> datetime | str:
    """A moment as a query parameter that compares with stored datetimes."""
    if connection.vendor == "postgresql":
        return moment
    return str(moment.astimezone(UTC).replace(tzinfo=None))


def analyze(*models: type[Model]) -> None:
    """Tell the query planner about many new rows."""
    with connection.cursor() as cursor:
        for model in models:
            name = connection.ops.quote_name(table_of(model).name)
            cursor.execute(f"ANALYZE {name}")


def vacuum(*models: type[Model]) -> None:
    """Make the room of deleted rows usable again, on PostgreSQL; readers and writers go on.

    The server does so by itself where autovacuum is on, but not at once. Nothing happens inside a
    transaction, where it is impossible.
    """
    if connection.vendor != "postgresql" or connection.in_atomic_block:
        return
    with connection.cursor() as cursor:
        for model in models:
            cursor.execute(f"VACUUM (ANALYZE) {table_of(model).quoted}")
