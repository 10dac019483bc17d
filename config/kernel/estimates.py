"""How large tables are, without reading them."""

from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.db.models import Model

from config.kernel.table import quoted

# A partitioned table holds nothing itself: its months do.
POSTGRES = """
SELECT name, SUM(GREATEST(part.reltuples, 0))::bigint, BOOL_OR(part.reltuples >= 0)
FROM unnest(%s::text[]) name, LATERAL (
  SELECT name::regclass::oid AS relid
  UNION SELECT relid::oid FROM pg_partition_tree(name::regclass) WHERE isleaf
) tree JOIN pg_class part ON part.oid = tree.relid AND part.relkind = 'r'
GROUP BY name
"""


# Counting so many rows of an index takes a few milliseconds.
COUNTED_UP_TO = 200_000


def rows(models: Sequence[type[Model]]) -> dict[str, int | None]:
    """About how many rows each table holds, by table name; None = never counted. Two queries.

    PostgreSQL answers with what its last ANALYZE saw. SQLite counts small tables; of large ones it
    tells the span of their row numbers, which is too large by what was left out or deleted between.
    """
    tables = [model._meta.db_table for model in models]  # noqa: SLF001 - Django's public name
    if connection.vendor == "postgresql":
        return _postgresql(tables)
    return _sqlite(tables)


def _sqlite(tables: Sequence[str]) -> dict[str, int | None]:
    ends = [
        f"(SELECT {end}(rowid) FROM {quoted(name)})"  # noqa: S608 - our tables
        for name in tables
        for end in ("MAX", "MIN")
    ]
    found = _one(f"SELECT {', '.join(ends)}")
    spans = {
        table: 0 if most is None else most - least + 1
        for table, most, least in zip(tables, found[::2], found[1::2], strict=True)
    }
    small = [table for table, span in spans.items() if 0 < span <= COUNTED_UP_TO]
    if small:
        counts = ", ".join(f"(SELECT COUNT(*) FROM {quoted(name)})" for name in small)  # noqa: S608 - our tables
        spans |= dict(zip(small, _one(f"SELECT {counts}"), strict=True))
    return spans


def _one(statement: str) -> Sequence[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        row: Sequence[Any] = cursor.fetchone()
    return row


def _postgresql(tables: Sequence[str]) -> dict[str, int | None]:
    with connection.cursor() as cursor:
        cursor.execute(POSTGRES, [list(tables)])
        known = {name: count if counted else None for name, count, counted in cursor.fetchall()}
    return {table: known.get(table) for table in tables}
