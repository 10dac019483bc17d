"""Bulk writes and reads on SQLite, with values in the form in which Django stores them."""
# ruff: noqa: S608 - names come from model metadata and are quoted; values travel as parameters.

from collections.abc import Sequence
from typing import Any

import polars as pl

from config.kernel.copy_format import Schema
from config.kernel.table import Table, names, quoted

CHUNK = 50_000
SECOND, MICROSECOND = "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S%.6f"


def append(cursor: Any, table: Table, frame: pl.DataFrame) -> int:
    """Insert rows with new keys."""
    return _insert(cursor, table.quoted, table, frame)


def upsert(
    cursor: Any, table: Table, frame: pl.DataFrame, update: Sequence[str]
) -> tuple[int, int]:
    """Change differing rows, then insert new ones; the immediate transaction keeps others out."""
    staging = f"temp.{quoted('staging_' + table.name)}"
    cursor.execute(f"DROP TABLE IF EXISTS {staging}")
    cursor.execute(
        f"CREATE TEMPORARY TABLE {quoted('staging_' + table.name)} AS "
        f"SELECT {table.columns} FROM {table.quoted} LIMIT 0"
    )
    _insert(cursor, staging, table, frame)
    same = " AND ".join(f"{table.quoted}.{quoted(c)} = s.{quoted(c)}" for c in table.key)
    differs = " OR ".join(f"{table.quoted}.{quoted(c)} IS NOT s.{quoted(c)}" for c in update)
    changes = ", ".join(f"{quoted(c)} = s.{quoted(c)}" for c in update)
    cursor.execute(
        f"UPDATE {table.quoted} SET {changes} FROM {staging} AS s WHERE {same} AND ({differs})"
    )
    changed = max(int(cursor.rowcount), 0)
    cursor.execute(
        f"INSERT INTO {table.quoted} ({table.columns}) SELECT {table.columns} FROM {staging} "
        f"WHERE true ON CONFLICT ({names(table.key)}) DO NOTHING"
    )
    added = max(int(cursor.rowcount), 0)
    cursor.execute(f"DROP TABLE {staging}")
    return added, changed


def newest(table: str, columns: Sequence[str], *, key: str, at: str, where: Sequence[str]) -> str:
    """SQL for `vendor.newest`: one index probe a value."""
    inner = "".join(f" AND x.{condition} %s" for condition in where)
    outer = inner.replace(" AND x.", " AND q.")
    return (
        f"SELECT {', '.join('q.' + name for name in columns)} FROM json_each(%s) AS asked "
        f"JOIN {table} AS q ON q.{key} = asked.value AND q.{at} = ("
        f"SELECT x.{at} FROM {table} AS x WHERE x.{key} = asked.value{inner} "
        f"ORDER BY x.{at} DESC LIMIT 1){outer}"
    )


def read(
    cursor: Any, sql: str, params: Sequence[Any], schema: Schema, by: str | None = None
) -> pl.DataFrame:
    """The rows of a query as a frame; `by` means nothing here."""
    del by
    times = {name for name, dtype in schema.items() if dtype == pl.Datetime}
    # An expression has no declared type, so the driver hands the text over instead of parsing it.
    cells = ", ".join(f"{quoted(n)} || ''" if n in times else quoted(n) for n in schema)
    cursor.execute(f"SELECT {cells} FROM ({sql}) AS asked", params)
    raw = {name: pl.String if name in times else dtype for name, dtype in schema.items()}
    frame = pl.DataFrame(cursor.fetchall(), schema=raw, orient="row")
    return frame.with_columns(
        pl.col(name).str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", time_zone="UTC")
        for name in times
    )


def _insert(cursor: Any, target: str, table: Table, frame: pl.DataFrame) -> int:
    marks = ", ".join(["%s"] * len(table.types))
    statement = f"INSERT INTO {target} ({table.columns}) VALUES ({marks}) ON CONFLICT DO NOTHING"
    added = 0
    for part in frame.iter_slices(CHUNK):
        cursor.executemany(statement, _stored(part).rows())
        added += max(int(cursor.rowcount), 0)
    return added


def _stored(frame: pl.DataFrame) -> pl.DataFrame:
    """UTC datetimes and exact decimals as the text that Django writes."""
    return frame.select(_as_text(pl.col(n), dtype).alias(n) for n, dtype in frame.schema.items())


def _as_text(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.Decimal):
        return column.cast(pl.String)
    if not isinstance(dtype, pl.Datetime):
        return column
    utc = column.dt.convert_time_zone("UTC").dt.cast_time_unit("us")
    whole = utc.dt.microsecond() == 0
    return pl.when(whole).then(utc.dt.strftime(SECOND)).otherwise(utc.dt.strftime(MICROSECOND))
