"""Monthly partitions of tick tables on PostgreSQL; on SQLite they are plain tables.

A partitioned table has one part a month of `observed_at` (UTC) and a default part, so that a row of
any time finds a place. A month is made before rows need it; rows that waited in the default part
move into it. Nothing here is needed for rows to be safe: a month that cannot be made now (somebody
reads the default part for long) is made later.
"""
# ruff: noqa: S608 - names come from model metadata and are quoted; values travel as parameters.

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import structlog
from django.db import DatabaseError, connection, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import RunPython
from django.db.migrations.operations.base import Operation
from django.db.models import Model

from config.kernel import locks
from config.kernel.table import quoted, table_of

log = structlog.get_logger()

COLUMN = "observed_at"
# Rows of other times are absurd: they stay in the default part, where nothing is made for them.
FIRST = datetime(2009, 1, 1, tzinfo=UTC)
AHEAD = 2
"""Months after the present one that rows may ask for."""
WAIT_MS = 2000
WAITED_IN_VAIN = ("55P03", "40P01")  # lock not available, deadlock
NAME = re.compile(r"_(\d{4})_(\d{2})$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """One part of a partitioned table: rows of `[start, end)`."""

    name: str
    start: datetime
    end: datetime


def is_partitioned(cursor: Any, table: str) -> bool:
    """Whether a table of PostgreSQL has parts."""
    return _parts(cursor, table) is not None


def month_of(moment: datetime) -> datetime:
    """The first instant of a moment's month, UTC.

    >>> month_of(datetime(2026, 3, 31, 23, tzinfo=UTC)).isoformat()
    '2026-03-01T00:00:00+00:00'
    """
    moment = moment.astimezone(UTC)
    return datetime(moment.year, moment.month, 1, tzinfo=UTC)


def following(month: datetime) -> datetime:
    """The month after `month`.

    >>> following(datetime(2026, 12, 1, tzinfo=UTC)).isoformat()
    '2027-01-01T00:00:00+00:00'
    """
    return month_of(month + timedelta(days=31))


def months(model: type[Model]) -> list[Month]:
    """The parts of a table, oldest first; none where it is not partitioned."""
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        parts = _parts(cursor, table_of(model).name)
    found = (NAME.search(name) for name in parts or ())
    starts = sorted(datetime(int(m[1]), int(m[2]), 1, tzinfo=UTC) for m in found if m)
    table = table_of(model).name
    return [Month(name=_name(table, s), start=s, end=following(s)) for s in starts]


def prepare(*models: type[Model], as_of: datetime, ahead: int = AHEAD) -> list[str]:
    """Make the present month and the next `ahead` ones; returns the names of the parts made.

    So are the months whose rows wait in the default part. Repeating it is harmless.
    """
    if connection.vendor != "postgresql":
        return []
    wanted = [month_of(as_of)]
    for _ in range(ahead):
        wanted.append(following(wanted[-1]))
    made: list[str] = []
    for model in models:
        table = table_of(model).name
        with connection.cursor() as cursor:
            if _parts(cursor, table) is not None:
                waiting = _months_in(cursor, _default(table))
                made += _make(cursor, table, sorted({*wanted, *_sane(cursor, waiting)}))
    return made


def make_room(cursor: Any, table: str, frame: pl.DataFrame) -> None:
    """Make the months that the rows of a frame need, as far as they are sane."""
    if COLUMN not in frame.columns or not len(frame):
        return
    parts = _parts(cursor, table)
    if parts is None:
        return
    times = frame[COLUMN].drop_nulls().cast(pl.Datetime("us", "UTC"))
    starts = times.dt.truncate("1mo").unique().to_list()
    missing = sorted(s for s in starts if _name(table, s) not in parts)
    if missing:
        _make(cursor, table, _sane(cursor, missing))


def drop_month(model: type[Model], month: Month, *, rows: int) -> bool:
    """Detach and drop a part that holds exactly `rows` rows; whether that was done.

    It is not where the part holds others by now, or readers do not let go of it in two seconds.
    """
    table, part = table_of(model).quoted, quoted(month.name)
    try:
        with transaction.atomic(), connection.cursor() as cursor, _patience(cursor):
            cursor.execute(f"LOCK TABLE {part} IN ACCESS EXCLUSIVE MODE")
            cursor.execute(f"SELECT count(*) FROM {part}")
            if cursor.fetchone()[0] != rows:
                return False
            cursor.execute(f"ALTER TABLE {table} DETACH PARTITION {part}")
            cursor.execute(f"DROP TABLE {part}")
    except DatabaseError as busy:
        if not _is_wait(busy):
            raise
        log.warning("partition.busy", part=month.name)
        return False
    log.info("partition.dropped", part=month.name, rows=rows)
    return True


def by_month(*tables: str) -> Operation:
    """A reversible migration operation: tables are partitioned by month on PostgreSQL.

    Their rows, keys, indexes and checks are kept, names included; it rewrites the tables and locks
    them meanwhile. Foreign keys to them and triggers on them are refused.
    """

    def forwards(apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
        _each(editor, tables, partitioned=True)

    def backwards(apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
        _each(editor, tables, partitioned=False)

    return RunPython(forwards, backwards)


def _each(editor: BaseDatabaseSchemaEditor, tables: Sequence[str], *, partitioned: bool) -> None:
    if editor.connection.vendor != "postgresql":
        return
    with editor.connection.cursor() as cursor:
        for table in tables:
            if (_parts(cursor, table) is not None) != partitioned:
                _rebuild(cursor, table, partitioned=partitioned)


def _rebuild(cursor: Any, table: str, *, partitioned: bool) -> None:
    """Put a table of the other kind in a table's place, with the same rows and names."""
    name, before = quoted(table), quoted(f"{table}_before")
    cursor.execute(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")
    _refuse_what_would_be_lost(cursor, table)
    keys, indexes = _keys(cursor, table), _indexes(cursor, table)
    cursor.execute(f"ALTER TABLE {name} RENAME TO {before}")
    kind = f"PARTITION BY RANGE ({quoted(COLUMN)})" if partitioned else ""
    cursor.execute(
        f"CREATE TABLE {name} (LIKE {before} INCLUDING DEFAULTS INCLUDING CONSTRAINTS "
        f"INCLUDING GENERATED INCLUDING IDENTITY INCLUDING STORAGE INCLUDING COMMENTS) {kind}"
    )
    if partitioned:
        default = quoted(_default(table))
        cursor.execute(f"CREATE TABLE {default} PARTITION OF {name} DEFAULT")
        for start in _sane(cursor, _months_in(cursor, f"{table}_before")):
            _create(cursor, table, start)
            _attach(cursor, table, start)
    cursor.execute(f"INSERT INTO {name} SELECT * FROM {before}")
    cursor.execute(f"DROP TABLE {before}")  # frees the names of keys and indexes
    for key, definition in keys:
        cursor.execute(f"ALTER TABLE {name} ADD CONSTRAINT {quoted(key)} {definition}")
    for definition in indexes:
        cursor.execute(definition)


def _refuse_what_would_be_lost(cursor: Any, table: str) -> None:
    cursor.execute(
        "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal "
        "UNION ALL SELECT conname FROM pg_constraint WHERE confrelid = %s::regclass",
        [quoted(table), quoted(table)],
    )
    found = [name for (name,) in cursor.fetchall()]
    if found:
        raise DatabaseError(
            f"{table} has {', '.join(found)}, which partitioning would lose; remove them first"
        )


def _keys(cursor: Any, table: str) -> list[tuple[str, str]]:
    """Primary, unique and foreign keys of a table as (name, definition)."""
    cursor.execute(
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE conrelid = %s::regclass AND contype IN ('p', 'u', 'f') ORDER BY contype DESC",
        [quoted(table)],
    )
    return list(cursor.fetchall())


def _indexes(cursor: Any, table: str) -> list[str]:
    """What makes the indexes of a table that belong to no key."""
    cursor.execute(
        "SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i WHERE i.indrelid = %s::regclass "
        "AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexrelid) "
        "ORDER BY i.indexrelid",
        [quoted(table)],
    )
    # Of a partitioned table it says ON ONLY, which would leave the parts without.
    return [d.replace(" ON ONLY ", " ON ", 1) for (d,) in cursor.fetchall()]


def _parts(cursor: Any, table: str) -> set[str] | None:
    """The names of a table's parts; None where it is not partitioned."""
    cursor.execute(
        "SELECT relkind, ARRAY(SELECT c.relname::text FROM pg_inherits i "
        "JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = t.oid) "
        "FROM pg_class t WHERE t.oid = to_regclass(%s)",
        [quoted(table)],
    )
    row = cursor.fetchone()
    return set(row[1]) if row is not None and row[0] in ("p", b"p") else None


def _make(cursor: Any, table: str, starts: Iterable[datetime]) -> list[str]:
    """Make those months that do not exist, each in a short transaction of its own if it can."""
    made: list[str] = []
    for start in starts:
        try:
            with transaction.atomic(), _patience(cursor):
                locks.hold(f"months of {table}")
                if _name(table, start) in (_parts(cursor, table) or ()):
                    continue
                _create(cursor, table, start)
                _move(cursor, table, start)
                _attach(cursor, table, start)
        except DatabaseError as busy:
            if not _is_wait(busy):
                raise
            log.warning("partition.postponed", part=_name(table, start))
            return made
        made.append(_name(table, start))
        log.info("partition.made", part=made[-1])
    return made


class _patience:  # noqa: N801 - reads as a verb at its use
    """Within it a lock is waited for two seconds at most; afterwards as before."""

    def __init__(self, cursor: Any) -> None:
        self.cursor = cursor

    def __enter__(self) -> None:
        self.cursor.execute("SELECT current_setting('lock_timeout')")
        (self.before,) = self.cursor.fetchone()
        self.cursor.execute(f"SET LOCAL lock_timeout = {WAIT_MS}")

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        if failure is None:  # else the savepoint takes it back
            self.cursor.execute("SELECT set_config('lock_timeout', %s, true)", [self.before])


def _create(cursor: Any, table: str, start: datetime) -> None:
    """A table of the month, not yet a part: attaching it blocks readers for an instant only."""
    part = quoted(_name(table, start))
    cursor.execute(
        f"CREATE TABLE {part} (LIKE {quoted(table)} INCLUDING DEFAULTS INCLUDING CONSTRAINTS "
        "INCLUDING GENERATED INCLUDING STORAGE)"
    )


def _move(cursor: Any, table: str, start: datetime) -> None:
    """The rows of a month that waited in the default part."""
    default = quoted(_default(table))
    cursor.execute(f"LOCK TABLE {default} IN ACCESS EXCLUSIVE MODE")
    cursor.execute(
        f"WITH moved AS (DELETE FROM {default} WHERE {quoted(COLUMN)} >= %s "
        f"AND {quoted(COLUMN)} < %s RETURNING *) "
        f"INSERT INTO {quoted(_name(table, start))} SELECT * FROM moved",
        [start, following(start)],
    )


def _attach(cursor: Any, table: str, start: datetime) -> None:
    cursor.execute(
        f"ALTER TABLE {quoted(table)} ATTACH PARTITION {quoted(_name(table, start))} "
        "FOR VALUES FROM (%s) TO (%s)",
        [start, following(start)],
    )


def _months_in(cursor: Any, table: str) -> list[datetime]:
    """The months of the rows of one table."""
    cursor.execute(
        f"SELECT DISTINCT date_trunc('month', {quoted(COLUMN)} AT TIME ZONE 'UTC') "
        f"FROM {quoted(table)} WHERE {quoted(COLUMN)} >= %s AND {quoted(COLUMN)} < %s",
        [FIRST, datetime(2999, 1, 1, tzinfo=UTC)],
    )
    return [start.replace(tzinfo=UTC) for (start,) in cursor.fetchall()]


def _sane(cursor: Any, starts: Sequence[datetime]) -> list[datetime]:
    """Months that rows may ask for: none before `FIRST`, few ahead of the database's clock."""
    cursor.execute("SELECT now()")
    last = month_of(cursor.fetchone()[0])
    for _ in range(AHEAD):
        last = following(last)
    return sorted(start for start in starts if FIRST <= start <= last)


def _is_wait(failure: DatabaseError) -> bool:
    if isinstance(failure, locks.LockTimeout):
        return True
    return getattr(failure.__cause__, "sqlstate", "") in WAITED_IN_VAIN


def _name(table: str, start: datetime) -> str:
    return f"{table}_{start:%Y_%m}"


def _default(table: str) -> str:
    return f"{table}_default"
