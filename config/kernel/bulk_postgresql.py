"""Bulk writes and reads on PostgreSQL: binary COPY, a staging table, one INSERT … ON CONFLICT."""
# ruff: noqa: S608 - names come from model metadata and are quoted; values travel as parameters.

from collections.abc import Sequence
from typing import Any

import polars as pl
from django.db import IntegrityError, connection, transaction

from config.kernel import partitions
from config.kernel.copy_format import (
    ABSENT,
    SIGNATURE,
    TRAILER,
    TYPES,
    Column,
    Schema,
    decode,
    decode_gathered,
    encode,
    wires_of,
)
from config.kernel.table import Table, names, quoted

WIRES = {
    "smallint": "int2",
    "integer": "int4",
    "bigint": "int8",
    "double precision": "float8",
    "boolean": "bool",
    "timestamp with time zone": "timestamptz",
    "varchar": "text",
    "text": "text",
    "bytea": "bytea",
}
CHUNK = 50_000
WORTH_A_TRY = 20_000


def append(cursor: Any, table: Table, frame: pl.DataFrame) -> int:
    """Insert rows with new keys: by plain COPY where nothing seems stored yet, else by staging."""
    if _looks_new(cursor, table, frame):
        try:
            with transaction.atomic():
                return _copy(cursor, table.name, table, frame)
        except IntegrityError:  # some keys exist after all: the slower way sorts them out
            pass
    _stage(cursor, table, frame)
    cursor.execute(f"{_insert(table)} ON CONFLICT DO NOTHING")
    return int(cursor.rowcount)


def upsert(
    cursor: Any, table: Table, frame: pl.DataFrame, update: Sequence[str]
) -> tuple[int, int]:
    """Insert new rows, change differing ones; returns (added, changed)."""
    _stage(cursor, table, frame)
    changes = ", ".join(f"{quoted(c)} = EXCLUDED.{quoted(c)}" for c in update)
    old, new = names(update, f"{table.quoted}."), names(update, "EXCLUDED.")
    upserting = (
        f"{_insert(table)} ON CONFLICT ({names(table.key)}) "
        f"DO UPDATE SET {changes} WHERE ({old}) IS DISTINCT FROM ({new})"
    )
    if partitions.is_partitioned(cursor, table.name):
        # Parts do not tell inserted rows from updated ones: the known keys are counted before.
        known = _known(cursor, table, frame)
        cursor.execute(upserting)
        added = len(frame) - known
        return added, int(cursor.rowcount) - added
    # xmax is 0 in rows that this statement inserted, and its transaction in rows it updated.
    cursor.execute(
        f"WITH touched AS ({upserting} RETURNING (xmax = 0) AS is_new) "
        "SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new) FROM touched"
    )
    inserted, changed = cursor.fetchone()
    return int(inserted), int(changed)


def _known(cursor: Any, table: Table, frame: pl.DataFrame) -> int:
    """How many of the staged keys are stored; the bounds of time leave out the other months."""
    at = partitions.COLUMN
    cursor.execute(
        f"SELECT count(*) FROM {quoted(_staging(table))} JOIN {table.quoted} "
        f"USING ({names(table.key)}) "
        f"WHERE {table.quoted}.{quoted(at)} BETWEEN %s AND %s",
        [frame[at].min(), frame[at].max()],
    )
    return int(cursor.fetchone()[0])


def read(
    cursor: Any, sql: str, params: Sequence[Any], schema: Schema, by: str | None = None
) -> pl.DataFrame:
    """The rows of a query as a frame; those of one value of `by` travel as one."""
    wires = wires_of(schema)
    if wires is None:
        return _row_by_row(cursor, sql, params, schema)
    cells = {
        name: f"coalesce({quoted(name)}::{wire}, {ABSENT[wire]})" for name, wire in wires.items()
    }
    if by is None:
        data = _copied(cursor, f"SELECT {', '.join(cells.values())} FROM ({sql}) AS asked", params)
        frame = decode(data, wires)
    else:
        # A message a row is what takes the time, here and on the server.
        arrays = ", ".join(f"array_agg({cells[name]})" for name in wires if name != by)
        gathered = f"SELECT {cells[by]}, {arrays} FROM ({sql}) AS asked GROUP BY {quoted(by)}"
        frame = decode_gathered(_copied(cursor, gathered, params), wires, by)
    return frame.select(pl.col(name).cast(dtype) for name, dtype in schema.items())


def _row_by_row(cursor: Any, sql: str, params: Sequence[Any], schema: Schema) -> pl.DataFrame:
    """Rows that hold texts or bytes; moments travel as numbers, for parsing them takes longest."""
    times = [name for name, dtype in schema.items() if dtype == pl.Datetime]
    columns = ", ".join(
        f"(extract(epoch FROM {quoted(n)}) * 1000000)::int8" if n in times else quoted(n)
        for n in schema
    )
    cursor.execute(f"SELECT {columns} FROM ({sql}) AS asked", params)
    rows = [
        tuple(bytes(cell) if isinstance(cell, memoryview) else cell for cell in row)
        for row in cursor.fetchall()
    ]
    whole = {name: pl.Int64 if name in times else dtype for name, dtype in schema.items()}
    frame = pl.DataFrame(rows, schema=whole, orient="row")
    return frame.with_columns(pl.col(name).cast(schema[name]) for name in times)


def _copied(cursor: Any, sql: str, params: Sequence[Any]) -> bytes:
    bound = cursor.mogrify(f"COPY ({sql}) TO STDOUT (FORMAT binary)", params)  # no parameters there
    with connection.wrap_database_errors, cursor.copy(bound) as copy:
        # Copied at once: hundreds of thousands of views kept until the end take thrice as long.
        return b"".join([bytes(block) for block in copy])


def newest(table: str, columns: Sequence[str], *, key: str, at: str, where: Sequence[str]) -> str:
    """SQL for `vendor.newest`: one index probe a value, into the months that `where` leaves."""
    bounds = "".join(f" AND {condition} %s" for condition in where)
    return (
        f"SELECT {', '.join('q.' + name for name in columns)} "
        "FROM unnest(%s::bigint[]) AS asked (value) CROSS JOIN LATERAL ("
        f"SELECT {', '.join(columns)} FROM {table} WHERE {key} = asked.value{bounds} "
        f"ORDER BY {at} DESC FETCH FIRST 1 ROW WITH TIES) AS q"
    )


def _wire(declared: str) -> str:
    """How a column travels; types without a form of their own travel as text and are cast."""
    return WIRES.get(declared.split("(", maxsplit=1)[0], "text")


def _is_cast(declared: str) -> bool:
    return declared.split("(", maxsplit=1)[0] not in WIRES


def _copy(cursor: Any, target: str, table: Table, frame: pl.DataFrame) -> int:
    columns = [Column(name=name, wire=_wire(kind)) for name, kind in table.types.items()]
    statement = f"COPY {quoted(target)} ({table.columns}) FROM STDIN (FORMAT binary)"
    with connection.wrap_database_errors, cursor.copy(statement) as copy:
        copy.write(SIGNATURE)
        for part in frame.iter_slices(CHUNK):
            rows = part.select(pl.col(c.name).cast(TYPES[c.wire]) for c in columns)
            copy.write(encode(rows, columns))
        copy.write(TRAILER)
    return int(cursor.rowcount)


def _looks_new(cursor: Any, table: Table, frame: pl.DataFrame) -> bool:
    """Whether the frame is big and a sample of its keys is not stored yet."""
    castless = not any(_is_cast(kind) for kind in table.types.values())
    if not table.key or not castless or len(frame) < WORTH_A_TRY:
        return False
    sample = frame.select(table.key).gather_every(len(frame) // 16).rows()
    row = "(" + ", ".join(["%s"] * len(table.key)) + ")"
    cursor.execute(
        f"SELECT EXISTS (SELECT 1 FROM {table.quoted} "
        f"WHERE ({names(table.key)}) IN ({', '.join([row] * len(sample))}))",
        [value for values in sample for value in values],
    )
    return not cursor.fetchone()[0]


def _staging(table: Table) -> str:
    return f"staging_{table.name}"


def _stage(cursor: Any, table: Table, frame: pl.DataFrame) -> None:
    columns = ", ".join(f"{quoted(name)} {_wire(kind)}" for name, kind in table.types.items())
    cursor.execute(f"DROP TABLE IF EXISTS pg_temp.{quoted(_staging(table))}")
    cursor.execute(f"CREATE TEMPORARY TABLE {quoted(_staging(table))} ({columns}) ON COMMIT DROP")
    _copy(cursor, _staging(table), table, frame)


def _insert(table: Table) -> str:
    values = ", ".join(
        f"{quoted(name)}::{kind}" if _is_cast(kind) else quoted(name)
        for name, kind in table.types.items()
    )
    staging = quoted(_staging(table))
    return f"INSERT INTO {table.quoted} ({table.columns}) SELECT {values} FROM {staging}"
