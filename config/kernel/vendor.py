"""Everything in which PostgreSQL and SQLite differ, and nowhere else: triggers, bulk writes, bulk reads."""

from typing import Any

from django.db import connection
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import RunPython
from django.db.migrations.operations.base import Operation

SQLITE_TRIGGER = """
CREATE TRIGGER IF NOT EXISTS {table}_refuses_{verb} BEFORE {verb} ON {table}
BEGIN SELECT RAISE(ABORT, '{table} rows are facts: they are never changed or deleted'); END
"""
POSTGRES_FUNCTION = """
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN RAISE EXCEPTION '% rows are facts: they are never changed or deleted', TG_TABLE_NAME USING ERRCODE = '23514'; END
$body$
"""
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
