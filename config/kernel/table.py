"""What a bulk write needs to know about a table: its name, its key, its columns."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl
from django.db import connection
from django.db.models import Model


class BadFrame(ValueError):
    """A frame does not fit its table; the message names the column and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """`types` maps the columns of a frame to their declared types in this database."""

    name: str
    key: tuple[str, ...]
    types: dict[str, str]

    @property
    def quoted(self) -> str:
        """The name as it stands in SQL."""
        return quoted(self.name)

    @property
    def columns(self) -> str:
        """The columns as they stand in SQL."""
        return names(self.types)


def table_of(
    model: type[Model], frame: pl.DataFrame | None = None, *, key: Sequence[str] = ()
) -> Table:
    """The table behind a model, narrowed to the columns of a frame; raises `BadFrame`."""
    meta = model._meta  # noqa: SLF001 - Django documents it as public in spite of its name
    fields = [(str(f.column), f) for f in meta.concrete_fields if f.column]
    declared = {column: field.db_type(connection) or "text" for column, field in fields}
    wanted = list(declared) if frame is None else frame.columns
    for name in wanted:
        if name not in declared:
            raise BadFrame(
                f"{model.__name__} has no column {name}; the frame may hold {', '.join(declared)}"
            )
    primary = [column for column, f in fields if f in meta.pk_fields and column in wanted]
    return Table(
        name=meta.db_table,
        key=tuple(key or primary),
        types={name: declared[name] for name in wanted},
    )


def quoted(name: str) -> str:
    """A name as it stands in SQL."""
    return connection.ops.quote_name(name)


def names(columns: Iterable[str], prefix: str = "") -> str:
    """Names as they stand in SQL, separated by commas."""
    return ", ".join(prefix + quoted(column) for column in columns)
