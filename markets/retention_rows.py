"""How rows of the ordinary tables leave: some at a time, first into the archive."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl
from django.apps import apps
from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Model, OuterRef, QuerySet, Subquery

from config.kernel.modes import Mode
from markets import archive
from markets.core.retention import Policy
from markets.models import MarketVersion, Origin

BATCH = 5_000
RECORDED, SIMULATED = "recorded", "recorded_sandbox"
TYPES: tuple[tuple[Any, Any], ...] = (
    (models.DateTimeField, pl.Datetime("us", "UTC")),
    (models.BooleanField, pl.Boolean),
    (models.FloatField, pl.Float64),
    (models.DecimalField, pl.Decimal(38, 6)),
    (models.IntegerField, pl.Int64),
    (models.BinaryField, pl.Binary),
)


@dataclass(slots=True, kw_only=True)
class Left:
    """What left one table: rows deleted or dropped, rows new in the archive, whole months dropped.

    `postponed` counts what could not leave now (readers held it, or rows arrived meanwhile).
    """

    rows: int = 0
    archived: int = 0
    months: int = 0
    postponed: int = 0


def dataset_here() -> str:
    """The archive's name for what this installation recorded."""
    return SIMULATED if settings.ENV.mode == Mode.DEMO else RECORDED


def model_of(policy: Policy) -> type[Model]:
    """The table of a policy."""
    return apps.get_model("markets", policy.model)


def due(policy: Policy, cutoff: datetime, *, include_imports: bool) -> QuerySet[Any]:
    """The rows that are older than the settings keep."""
    model = model_of(policy)
    rows = model._default_manager.filter(**{f"{policy.at}__lt": cutoff})  # noqa: SLF001 - public by Django's documentation
    if policy.of_market and not include_imports:
        rows = rows.exclude(**{f"{policy.of_market}__origin": Origin.IMPORT})
    if policy.imported_without and not include_imports:
        rows = rows.exclude(**{f"{policy.imported_without}__isnull": True})
    if model is MarketVersion:  # the newest one says what the listing said last
        newest = MarketVersion.objects.filter(market=OuterRef("market")).order_by("-received_at")
        rows = rows.exclude(received_at=Subquery(newest.values("received_at")[:1]))
    return rows


def leave(
    policy: Policy, cutoff: datetime, *, archive_first: bool, include_imports: bool
) -> Iterator[Left]:
    """Let due rows leave, one step a batch."""
    while True:
        rows = due(policy, cutoff, include_imports=include_imports)
        batch = list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH])
        if not batch:
            return
        step = Left()
        if archive_first and policy.archived:
            step.archived, safe = _keep(policy, batch)
            if not safe:
                raise NotKept(f"the archive does not hold what {policy.table} gave it")
        # Rows that were touched meanwhile are due no more: they stay.
        with transaction.atomic():
            gone, _ = rows.filter(pk__in=batch).delete()
        step.rows = gone
        yield step
        if not gone:
            return


class NotKept(OSError):
    """The archive, read again, differs from what was written: nothing is deleted."""


def _keep(policy: Policy, batch: list[Any]) -> tuple[int, bool]:
    model = model_of(policy)
    fields = model._meta.concrete_fields  # noqa: SLF001 - public by Django's documentation
    key = [f.attname for f in model._meta.pk_fields]  # noqa: SLF001 - public by Django's documentation
    columns = [f.attname for f in fields if f.column]
    schema = {f.attname: _dtype(f) for f in fields if f.column}
    rows = model._default_manager.filter(pk__in=batch).annotate(left_at=F(policy.at))  # noqa: SLF001 - public by Django's documentation
    found = rows.values_list(*columns, "left_at")
    plain = [tuple(bytes(v) if isinstance(v, memoryview) else v for v in row) for row in found]
    frame = pl.DataFrame(
        plain, schema={**schema, "left_at": pl.Datetime("us", "UTC")}, orient="row"
    )
    written, safe = 0, True
    month = pl.col("left_at").dt.strftime("%Y-%m")
    for (name,), part in frame.group_by(month, maintain_order=True):
        added, holds = archive.add(
            policy.table,
            part.drop("left_at"),
            dataset=dataset_here(),
            part=str(name),
            key=key,
        )
        written, safe = written + added, safe and holds
    return written, safe


def _dtype(field: "models.Field[Any, Any]") -> Any:
    if isinstance(field, models.ForeignKey):
        return _dtype(field.target_field)
    return next((dtype for kind, dtype in TYPES if isinstance(field, kind)), pl.String)
