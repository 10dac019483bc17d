"""How ticks leave: a span of time at once into the archive, then deleted, or dropped by month."""
# ruff: noqa: S608 - names come from model metadata; values travel as parameters.

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from django.db import connection, transaction
from django.db.models import Min

from config.kernel import partitions, vendor
from config.kernel.copy_format import DType
from config.kernel.partitions import Month
from markets import archive, queries, retention_markets
from markets.core.retention import KEYS, QUOTES, Ticks
from markets.models import Origin
from markets.retention_rows import RECORDED, Left, NotKept, dataset_here, due, model_of

DTYPES: dict[str, DType] = {
    "time": pl.Datetime("us", "UTC"),
    "small": pl.Int16,
    "whole": pl.Int64,
    "float": pl.Float64,
    "text": pl.String,
    "bytes": pl.Binary,
}


def leave(
    policy: Ticks, cutoff: datetime, *, archive_first: bool, include_imports: bool
) -> Iterator[Left]:
    """Let due ticks leave, oldest first, one step a span of time or a month.

    On PostgreSQL the month in which the cutoff lies waits until all of it is due.
    """
    months = [m for m in partitions.months(model_of(policy)) if m.end <= cutoff]
    for month in months:
        yield _month(policy, month, archive_first=archive_first, include_imports=include_imports)
    parts = [m for m in partitions.months(model_of(policy)) if m.start < cutoff < m.end]
    until = parts[0].start if parts else cutoff
    after = datetime.min.replace(tzinfo=UTC)
    while True:
        rows = due(policy, until, include_imports=include_imports).filter(observed_at__gte=after)
        first = rows.aggregate(first=Min("observed_at"))["first"]
        if first is None:
            return
        start = first.replace(hour=first.hour - first.hour % _hours(policy)) if first else first
        start = start.replace(minute=0, second=0, microsecond=0)
        end = min(start + policy.span, until)
        step = _span(
            policy, start, end, archive_first=archive_first, include_imports=include_imports
        )
        yield step
        after = start if step.rows else end


def _hours(policy: Ticks) -> int:
    return max(1, int(policy.span / timedelta(hours=1)))


def _span(
    policy: Ticks, start: datetime, end: datetime, *, archive_first: bool, include_imports: bool
) -> Left:
    """Archive and delete the due rows of `[start, end)`."""
    frame = _rows(policy, start, end, include_imports=include_imports)
    step = Left(archived=_keep(policy, frame, start) if archive_first else 0)
    model = model_of(policy)
    condition, params = _condition(policy, start, end, include_imports=include_imports)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {model._meta.db_table} WHERE {condition}", params)  # noqa: SLF001 - public by Django's documentation
        step.rows = int(cursor.rowcount)
        if step.rows != len(frame):  # rows came in between: they have not been archived
            transaction.set_rollback(True)
            return Left(archived=step.archived, postponed=len(frame))
    return step


def _month(policy: Ticks, month: Month, *, archive_first: bool, include_imports: bool) -> Left:
    """Archive a month and drop it whole, where all of its rows may leave."""
    total, step = 0, Left()
    start = month.start
    while start < month.end:
        end = min(start + policy.span, month.end)
        frame = _rows(policy, start, end, include_imports=include_imports)
        step.archived += _keep(policy, frame, start) if archive_first else 0
        total += len(frame)
        start = end
    everything = model_of(policy)._default_manager.filter(  # noqa: SLF001 - public by Django's documentation
        observed_at__gte=month.start, observed_at__lt=month.end
    )
    if everything.count() > total:
        return step  # imported rows stay here: the others are deleted, not dropped
    if partitions.drop_month(model_of(policy), month, rows=total):
        step.rows, step.months = total, 1
    else:
        step.postponed = total
    return step


def _condition(
    policy: Ticks, start: datetime, end: datetime, *, include_imports: bool
) -> tuple[str, list[Any]]:
    condition = "observed_at >= %s AND observed_at < %s"
    params: list[Any] = [vendor.instant(start), vendor.instant(end)]
    if policy.of_market:
        condition += " AND market_id IN (SELECT id FROM markets_market WHERE origin <> %s)"
        params.append("" if include_imports else Origin.IMPORT)
    elif policy.imported_without and not include_imports:
        condition += f" AND {policy.imported_without} IS NOT NULL"
    return condition, params


def _rows(policy: Ticks, start: datetime, end: datetime, *, include_imports: bool) -> pl.DataFrame:
    """The rows of `[start, end)` that may leave, as the archive keeps them, with their origin."""
    table = model_of(policy)._meta.db_table  # noqa: SLF001 - public by Django's documentation
    condition, params = _condition(policy, start, end, include_imports=include_imports)
    schema: dict[str, DType] = {name: DTYPES[kind] for name, kind in policy.columns.items()}
    source = f"SELECT t.* FROM {table} t WHERE {condition}"
    if policy.of_market:
        schema = {"market_key": pl.String, "origin": pl.String, **schema}
        source = (
            "SELECT m.venue || ':' || m.venue_key AS market_key, m.origin, t.* "
            f"FROM ({source}) t JOIN markets_market m ON m.id = t.market_id"
        )
    rows = vendor.read(source, params, schema)
    if policy.table != QUOTES:
        return rows
    # Fetched later, but anybody could have known them then; the backfill keeps them so as well.
    fetched = pl.col("kind").is_in([int(kind) for kind in queries.FETCHED_LATER])
    known_at = pl.when(fetched).then("observed_at").otherwise("received_at")
    return rows.with_columns(received_at=known_at).select("origin", *archive.QUOTE_COLUMNS)


def _keep(policy: Ticks, frame: pl.DataFrame, start: datetime) -> int:
    """Merge rows into the archive's file of their span; raises `NotKept` where they are not in."""
    retention_markets.describe(policy.table, frame)
    written = 0
    for dataset, part in _by_dataset(frame):
        added, safe = archive.add(
            policy.table,
            part,
            dataset=dataset,
            part=f"{start:%Y-%m-%dT%H}",
            key=KEYS[policy.table],
        )
        if not safe:
            raise NotKept(f"the archive does not hold what {policy.table} gave it")
        written += added
    return written


def _by_dataset(frame: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    if "origin" not in frame.columns:
        if len(frame):
            yield dataset_here(), frame
        return
    for (origin,), part in frame.group_by("origin", maintain_order=True):
        yield dataset_of(str(origin)), part.drop("origin")


def dataset_of(origin: str) -> str:
    """The archive's name for the rows of markets of an origin."""
    return f"{RECORDED}_{origin.lower()}" if origin == Origin.IMPORT else archive.VENUE
