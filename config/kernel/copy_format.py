"""PostgreSQL's binary COPY format, written and read a column at a time, not a value at a time.

Format: https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
EPOCH_2000_US = 946_684_800_000_000
FIXED = {"int2": ">i2", "int4": ">i4", "int8": ">i8", "float8": ">f8", "bool": "|u1"}
FIXED |= {"timestamptz": ">i8"}
NULL_LENGTH = np.frombuffer(b"\xff\xff\xff\xff", np.uint8)
# What stands for NULL while a value travels in a fixed-width row; it comes back as null.
ABSENT = {
    "int8": "'-9223372036854775808'::int8",
    "float8": "'NaN'::float8",
    "timestamptz": "'-infinity'::timestamptz",
}
# Bytes before the items of an array (its size, five words) and of an item (its size, 8 bytes).
ARRAY_HEAD, ITEM = 24, 12
LEAST = np.iinfo(np.int64).min
DType = pl.DataType | type[pl.DataType]
Schema = Mapping[str, DType]
TYPES: dict[str, DType] = {
    "int2": pl.Int16,
    "int4": pl.Int32,
    "int8": pl.Int64,
    "float8": pl.Float64,
    "bool": pl.Boolean,
    "timestamptz": pl.Datetime("us", "UTC"),
    "text": pl.String,
    "bytea": pl.Binary,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column as it travels; `wire` is a key of `TYPES`."""

    name: str
    wire: str


def wires_of(schema: Schema) -> dict[str, str] | None:
    """How a fixed-width schema travels; None where it holds texts, bytes or flags."""
    wires: dict[str, str] = {}
    for name, dtype in schema.items():
        if dtype == pl.Datetime:
            wires[name] = "timestamptz"
        elif dtype.is_integer():
            wires[name] = "int8"
        elif dtype.is_float():
            wires[name] = "float8"
        else:
            return None
    return wires


def encode(frame: pl.DataFrame, columns: Sequence[Column]) -> bytes:
    """The rows of a frame as COPY data, without signature and trailer; nulls become NULL."""
    rows = len(frame)
    bodies = [_bodies(frame[c.name], c.wire) for c in columns]
    widths = [sizes for _, sizes in bodies]
    ends = np.cumsum(2 + sum((4 + np.maximum(w, 0) for w in widths), np.zeros(rows, np.int64)))
    out = np.empty(int(ends[-1]) if rows else 0, np.uint8)
    at = np.concatenate([np.zeros(min(rows, 1), np.int64), ends[:-1]])
    count = np.frombuffer(len(columns).to_bytes(2, "big"), np.uint8)
    out[at[:, None] + np.arange(2)] = count
    at += 2
    for (body, sizes), column in zip(bodies, columns, strict=True):
        _scatter(out, at, body, sizes, fixed=column.wire in FIXED)
        at += 4 + np.maximum(sizes, 0)
    return out.tobytes()


def _bodies(values: pl.Series, wire: str) -> tuple[Bytes, NDArray[np.int64]]:
    """The bytes of the present values, joined, and the size of each value (−1 = NULL)."""
    present = values.is_not_null().to_numpy()
    if wire in FIXED:
        dtype = np.dtype(FIXED[wire])
        body = _numbers(values.drop_nulls(), wire).astype(dtype).view(np.uint8)
        return body.reshape(-1, dtype.itemsize), np.where(present, dtype.itemsize, -1)
    raw = values.cast(pl.Binary)
    sizes = raw.bin.size().cast(pl.Int64).fill_null(-1).to_numpy()
    return np.frombuffer(b"".join(raw.drop_nulls().to_list()), np.uint8), sizes


def _numbers(values: pl.Series, wire: str) -> NDArray[np.generic]:
    if wire != "timestamptz":
        return values.to_numpy()
    return values.cast(pl.Datetime("us", "UTC")).to_physical().to_numpy() - EPOCH_2000_US


def _scatter(
    out: Bytes, at: NDArray[np.int64], body: Bytes, sizes: NDArray[np.int64], *, fixed: bool
) -> None:
    """Write (length, value) of every row at its place."""
    present = sizes >= 0
    absent = at[~present]
    if len(absent):
        out[absent[:, None] + np.arange(4)] = NULL_LENGTH
    at, sizes = at[present], sizes[present]
    if not len(at):
        return
    lengths = sizes.astype(">i4").view(np.uint8).reshape(-1, 4)
    if fixed:
        cells = np.concatenate([lengths, body], axis=1)
        out[at[:, None] + np.arange(cells.shape[1])] = cells
        return
    out[at[:, None] + np.arange(4)] = lengths
    first = np.cumsum(sizes) - sizes
    out[np.repeat(at + 4 - first, sizes) + np.arange(len(body))] = body


def decode(data: bytes, wires: Mapping[str, str]) -> pl.DataFrame:
    """Columns of a COPY of fixed-width rows, in which `ABSENT` values stand for NULL."""
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for name, wire in wires.items():
        fields += [(f"size {name}", ">i4"), (name, FIXED[wire])]
    body = data[len(SIGNATURE) : -len(TRAILER)]
    rows = np.frombuffer(body, np.dtype(fields))
    return pl.DataFrame(
        [_column(name, wire, rows[name]) for name, wire in wires.items()],
        schema=list(wires),
    )


def decode_gathered(data: bytes, wires: Mapping[str, str], by: str) -> pl.DataFrame:
    """Columns of a COPY with one row a value of `by` (int8) and an array of each other column.

    Arrays of a row are equally long, their items 8 bytes wide, `ABSENT` values stand for NULL.
    """
    others = [name for name in wires if name != by]
    at, keys, counts, parts = len(SIGNATURE), [], [], []
    while data[at : at + 2] != TRAILER:
        keys.append(data[at + 6 : at + 14])
        at += 14
        size = 4 + int.from_bytes(data[at : at + 4], "big")
        items = np.frombuffer(data, np.uint8, size * len(others), at).reshape(len(others), size)
        parts.append(items[:, ARRAY_HEAD:].reshape(len(others), -1, ITEM)[:, :, 4:])
        counts.append(parts[-1].shape[1])
        at += size * len(others)
    empty = np.empty((len(others), 0, 8), np.uint8)
    joined = np.concatenate([empty, *parts], axis=1)
    raw = {name: joined[k].reshape(-1).view(FIXED[wires[name]]) for k, name in enumerate(others)}
    raw[by] = np.repeat(np.frombuffer(b"".join(keys), FIXED[wires[by]]), counts)
    return pl.DataFrame([_column(name, wire, raw[name]) for name, wire in wires.items()])


def _column(name: str, wire: str, raw: NDArray[np.generic]) -> pl.Series:
    values = np.ascontiguousarray(raw.astype(raw.dtype.newbyteorder("=")))
    series = pl.Series(name, values)
    if wire == "float8":
        return series.fill_nan(None)
    shift = EPOCH_2000_US if wire == "timestamptz" else 0
    known = pl.Series(values != LEAST)
    whole = pl.select(pl.when(known).then(series)).to_series().alias(name)
    if wire != "timestamptz":
        return whole
    return (whole + shift).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
