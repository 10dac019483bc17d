"""The cold store: the tables of history as Parquet, one folder a dataset, one file a month."""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import polars as pl
from django.conf import settings

from markets import context_history, history
from markets.adapters import history_files
from markets.adapters.history_frames import MARKETS, QUOTES, WEAK
from markets.history import History
from markets.models import SpotSettings

KEYS: Mapping[str, tuple[str, ...]] = {
    "markets": ("market_key",),
    "quotes": ("market_key", "observed_at", "kind"),
    "trades": ("trade_key",),
    "spot": ("asset", "source", "interval_s", "observed_at"),
}
VENUE = "venue"
"""The dataset of what this installation learned from the venue itself."""
QUOTE_COLUMNS = (*QUOTES, "levels")
ROWS_AT_ONCE = 200_000  # bounds the memory of writing and of reading a part


def write(table: str, frame: pl.DataFrame, *, dataset: str) -> int:
    """Merge rows into a table's months; returns how many rows are new or differ.

    Rows of a known key replace the stored ones. Tables without a key (not in `KEYS`) are replaced
    whole. A reader sees the old file or the new one, never a part.
    """
    written = 0
    for name, part in _months(table, frame):
        key = KEYS.get(table)
        fresh = part if key is None else _once(part, key)
        written += _merge(_folder(table, dataset) / f"{name}.parquet", fresh, key)
    return written


def add(
    table: str, frame: pl.DataFrame, *, dataset: str, part: str, key: Sequence[str]
) -> tuple[int, bool]:
    """Merge rows into one file of a table; (rows new or differing, whether it holds all rows now).

    The second figure comes from reading the file again.
    """
    file = _folder(table, dataset) / f"{part}.parquet"
    fresh = _once(frame, key)
    written = _merge(file, fresh, key)
    stored = pl.read_parquet(file).with_columns(pl.struct(pl.all()).hash().alias("row"))
    wanted = fresh.select(*key, pl.struct(pl.all()).hash().alias("row"))
    missing = wanted.join(stored, on=[*key, "row"], how="anti", nulls_equal=True)
    return written, missing.is_empty()


def files(table: str, datasets: Sequence[str] = ()) -> list[Path]:
    """The files of a table, of the named datasets or of all, in a stable order."""
    return sorted(
        file
        for name in datasets or _datasets(table)
        for file in _folder(table, name).glob("*.parquet")
    )


def _datasets(table: str) -> list[str]:
    return sorted(f.name.removeprefix("dataset=") for f in _root(table).glob("dataset=*"))


def read(table: str, datasets: Sequence[str] = ()) -> pl.DataFrame:
    """All rows of a table as they were written, empty where nothing was."""
    found = files(table, datasets)
    return pl.concat([pl.read_parquet(f) for f in found]) if found else pl.DataFrame()


def load(
    *,
    datasets: Sequence[str] = (),
    until: datetime | None = None,
    leave_out: Collection[str] = (),
) -> History:
    """History from the archive, the same as `history.load` gives from the files it came from.

    `until` erases what became known later. Weakly labelled datasets must be named. A market that an
    import and the venue tell of counts once; those whose key or condition id is in `leave_out` do
    not count.
    """
    chosen = [
        f for f in files("markets", datasets) if datasets or f.parent.name != f"dataset={WEAK}"
    ]
    names = [f.parent.name.removeprefix("dataset=") for f in chosen]
    quotes = files("quotes", names) if names else []
    trades, spot = {name: files("trades", [name]) for name in _datasets("trades")}, files("spot")
    read_too = [file for part in trades.values() for file in part] + spot
    markets = [pl.read_parquet(f) for f in chosen] or [pl.DataFrame(schema=MARKETS)]
    found = history.assemble(
        _counted_once(pl.concat(markets), leave_out),
        [pl.scan_parquet(f, glob=False).select(list(QUOTES)) for f in quotes],
        since=None,
        until=until,
        digest=history.digest([*chosen, *quotes, *read_too], [*datasets, *leave_out], None, until),
    )
    around = context_history.of_archive(
        found.markets,
        trades=trades,
        quotes=quotes,
        spot=spot,
        told=(VENUE,),
        config=lambda: SpotSettings.objects.newest().as_config(),
        until=until,
    )
    simulated = history_files.simulated(Path(settings.ENV.archive_dir))
    return replace(found, simulated=simulated, context=around)


def _counted_once(markets: pl.DataFrame, leave_out: Collection[str]) -> pl.DataFrame:
    """Each market by one description: an answered one, and the import's before the venue's.

    An import knows the end that was announced then, the venue's listing the one of today.
    """
    names = pl.Series(sorted(leave_out), dtype=pl.String).implode()
    condition = pl.col("condition_id").fill_null("")
    free = markets.filter(~pl.col("market_key").is_in(names) & ~condition.is_in(names))
    own = pl.col("dataset") == VENUE
    ordered = free.sort(
        pl.col("payout").is_null(), own, "dataset", "market_key", maintain_order=True
    ).unique("market_key", keep="first", maintain_order=True)
    twice = own.any().over(condition) & (condition != "")
    return ordered.filter(~twice | condition.is_first_distinct())


def mark_simulated() -> None:
    """Say of the whole archive that it holds simulated history; nothing takes it back."""
    folder = Path(settings.ENV.archive_dir)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / history_files.NOTICE).write_text('{"simulated": true}\n')


def _root(table: str) -> Path:
    return Path(settings.ENV.archive_dir) / table


def _folder(table: str, dataset: str) -> Path:
    if not dataset or "/" in dataset or dataset.startswith("."):
        raise ValueError(f"a dataset is named by a plain word, not {dataset!r}")
    return _root(table) / f"dataset={dataset}"


def _months(table: str, frame: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    if "observed_at" not in frame.columns:
        yield table, frame
        return
    month = pl.col("observed_at").dt.truncate("1mo")
    names = frame.select(month.unique(maintain_order=True)).to_series().to_list()
    for name in names:
        yield f"{name:%Y-%m}", frame if len(names) == 1 else frame.filter(month == name)


def _once(frame: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """By key, the last row of each; a frame that is so already is not copied."""
    rising = pl.lit(value=False)
    for column in reversed(key):
        before = pl.col(column).shift(1)
        rising = (pl.col(column) > before) | ((pl.col(column) == before) & rising)
    if frame.select(rising.slice(1).all()).item():
        return frame
    return frame.unique(key, keep="last", maintain_order=True).sort(key)


def _merge(file: Path, fresh: pl.DataFrame, key: Sequence[str] | None) -> int:
    stored = pl.read_parquet(file) if file.exists() else None
    if stored is not None and stored.equals(fresh):
        return 0
    if stored is None or key is None:
        _replace(file, fresh)
        return len(fresh)
    known = stored.select(pl.struct(stored.columns).hash().alias("was"), *key)
    now = fresh.select(pl.struct(fresh.columns).hash().alias("is"), *key)
    same = now.join(known, on=list(key), how="inner").filter(pl.col("is") == pl.col("was"))
    differing = len(fresh) - len(same)
    if differing:
        merged = pl.concat([stored, fresh]).unique(list(key), keep="last").sort(list(key))
        _replace(file, merged)
    return differing


def _replace(file: Path, frame: pl.DataFrame) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(f".{os.getpid()}.partial")
    try:
        frame.write_parquet(partial, compression="zstd", row_group_size=ROWS_AT_ONCE)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
