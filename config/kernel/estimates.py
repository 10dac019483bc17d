"""How large tables are, without reading them."""

from collections.abc import Sequence

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


def rows(models: Sequence[type[Model]]) -> dict[str, int | None]:
    """About how many rows each table holds, by table name; None = never counted. One query.

    PostgreSQL answers with what its last ANALYZE saw, SQLite with the span of its row numbers,
    which is too large by what was deleted in the middle.
    """
    tables = [model._meta.db_table for model in models]  # noqa: SLF001 - Django's public name
    if connection.vendor == "postgresql":
        return _postgresql(tables)
    spans = ", ".join(
        f"(SELECT MAX(rowid) FROM {name}), (SELECT MIN(rowid) FROM {name})"  # noqa: S608 - our tables
        for name in map(quoted, tables)
    )
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {spans}")
        found = cursor.fetchone()
    pairs = zip(found[::2], found[1::2], strict=True)
    return {
        table: 0 if most is None else most - least + 1
        for table, (most, least) in zip(tables, pairs, strict=True)
    }


def _postgresql(tables: Sequence[str]) -> dict[str, int | None]:
    with connection.cursor() as cursor:
        cursor.execute(POSTGRES, [list(tables)])
        known = {name: count if counted else None for name, count, counted in cursor.fetchall()}
    return {table: known.get(table) for table in tables}
