"""Resolved markets with their prices as flat arrays: what training, evaluation and replay read."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from markets import context_history
from markets.adapters import history_files, history_frames, history_values
from markets.adapters.history_files import DATASETS, SOURCES, BadHistory
from markets.core.series import Context, Floats, Ints, MarketFacts, QuoteSeries
from markets.models import QuoteKind

__all__ = ["BadHistory", "History", "assemble", "load"]

FACTS = list(history_frames.FACTS)
FIGURES = ("price", "bid", "ask", "bid_depth", "ask_depth", "volume_24h")
AVERAGE = int(QuoteKind.AVERAGE_WINDOW)
# Sources of one kind share the longest of their limits.
AGES = np.zeros(max(QuoteKind) + 1, np.float32)
for _source in SOURCES.values():
    AGES[_source.kind] = max(AGES[_source.kind], _source.max_age_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Markets and their quotes; row i of `markets` is index i of `facts` and `series`.

    Attributes
    ----------
    markets
        Columns `FACTS` and `hindsight`: its prices are stamped at moments chosen when the outcome
        was known. Times are float64 epoch seconds, null where unknown; `payout` is that of
        outcome 0. `close_at`, `payout`, `label_*` are hindsight: bookkeeping and labels, never
        features.
    digest
        sha256 of everything that went in: files or partitions, datasets, bounds.
    max_age_s
        float32 per quote of `series`: seconds after which its kind of source would have spoken
        again. None: unknown, so that only the settings limit the age.
    notes
        Sentences about rows that could not be used.
    simulated
        Whether the folder says that a simulated venue wrote it.
    context
        What surrounded the markets as far as it was recorded; nothing where none was given.
    """

    markets: pl.DataFrame
    facts: MarketFacts
    series: QuoteSeries
    digest: str
    max_age_s: NDArray[np.float32] | None = None
    notes: tuple[str, ...] = ()
    simulated: bool = False
    context: Context = field(default_factory=lambda: Context.nothing(0))

    def __post_init__(self) -> None:
        """Markets that came without a context have one that holds nothing."""
        if len(self.context.asset) != len(self.markets):
            object.__setattr__(self, "context", Context.nothing(len(self.markets)))


def load(
    path: Path,
    *,
    datasets: Sequence[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
) -> History:
    """Read a history folder; with bounds, markets without a quote in `[since, until]` are left out.

    Raises `BadHistory` naming file, column and remedy; nothing of such a folder is used.
    """
    files = history_files.check(path)
    try:
        history_values.check(path, files)
        history_files.verify(path, datasets, history_frames.datasets(files))
        found = assemble(
            history_frames.markets(files, datasets),
            history_frames.quotes(files),
            since=since,
            until=until,
            digest=digest([path / name for name in sorted(files)], datasets, since, until),
        )
        notes, simulated = history_frames.left_out(files), history_files.simulated(path)
        around = context_history.of_folder(files, found.markets, since=since, until=until)
        return replace(found, notes=notes, simulated=simulated, context=around)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as failure:
        reason = str(failure).splitlines()[0]
        raise BadHistory(
            f"{path}: a file or column cannot be read ({reason}); fetch the files again"
        ) from failure


def digest(
    files: Sequence[Path],
    datasets: Sequence[str],
    since: datetime | None,
    until: datetime | None,
) -> str:
    """sha256 over the contents of the files, the datasets and the bounds."""
    total = hashlib.sha256()
    for file in files:
        with file.open("rb") as body:
            total.update(
                f"{file.name}:{hashlib.file_digest(body, 'sha256').hexdigest()}\n".encode()
            )
    total.update(repr((sorted(datasets), _seconds(since), _seconds(until))).encode())
    return total.hexdigest()


def assemble(
    markets: pl.DataFrame,
    quotes: Sequence[pl.LazyFrame],
    *,
    since: datetime | None,
    until: datetime | None,
    digest: str,
) -> History:
    """History of `markets` (columns `MARKETS`) from quote frames (columns `QUOTES`) in any order.

    What became known after `until` is erased: quotes, labels, and closes that nobody had announced.
    """
    markets = _erase_after(markets.select(FACTS).sort("market_key"), _seconds(until))
    rows = _gather(markets.select("market_key").with_row_index("row"), quotes, since, until)
    order, row = _ordered(rows)
    if since is not None or until is not None:
        kept, numbers = np.unique(row, return_inverse=True)
        row = numbers.astype(np.uint32)
        markets = markets[kept]
    kind = rows["kind"].to_numpy()[order]
    markets = markets.with_columns(hindsight=_hindsight(markets, row[kind == AVERAGE]))
    known_at = rows["received_at"].to_physical().to_numpy()[order] / 1e6
    figures = {name: _floats(rows.drop_in_place(name))[order] for name in FIGURES}
    starts = np.searchsorted(row, np.arange(len(markets) + 1)).astype(np.int64)
    series = QuoteSeries(starts=starts, known_at=known_at, **figures)
    return History(
        markets=markets,
        facts=facts(markets),
        series=series,
        digest=digest,
        max_age_s=AGES[kind],
    )


def facts(markets: pl.DataFrame) -> MarketFacts:
    """The facts of the rows of `History.markets` known when deciding: no hindsight among them."""
    return MarketFacts(
        market_id=np.arange(len(markets), dtype=np.int64),
        event=markets["event_key"].rank("dense").cast(pl.Int64).to_numpy() - 1,
        category=tuple(markets["category"].fill_null("").to_list()),
        opens_at=_floats(markets["opens_at"]),
        scheduled_end_at=_floats(markets["scheduled_end_at"]),
        window_s=_floats(markets["window_s"]),
        epoch_start_at=_floats(markets["epoch_start_at"]),
        reference_price=_floats(markets["reference_price"]),
        exclusive=markets["exclusive"].fill_null(value=False).to_numpy(),
    )


def _seconds(instant: datetime | None) -> float | None:
    return None if instant is None else instant.timestamp()


def _floats(column: pl.Series) -> Floats:
    return np.ascontiguousarray(column.cast(pl.Float64).fill_null(float("nan")).to_numpy())


def _erase_after(markets: pl.DataFrame, until: float | None) -> pl.DataFrame:
    if until is None:
        return markets
    known = pl.col("label_known_at") <= until
    announced = pl.col("close_is_scheduled") | (pl.col("close_at") <= until)
    return markets.with_columns(
        payout=pl.when(known).then("payout"),
        label_strength=pl.when(known).then("label_strength"),
        close_at=pl.when(announced).then("close_at"),
    ).with_columns(label_known_at=pl.when(known).then("label_known_at"))


def _gather(
    keys: pl.DataFrame,
    quotes: Sequence[pl.LazyFrame],
    since: datetime | None,
    until: datetime | None,
) -> pl.DataFrame:
    """The quotes of the markets, as the files order them; column `row` says whose they are."""
    columns = ["row", "observed_at", "received_at", "kind", *FIGURES]
    parts = [pl.LazyFrame(schema=history_frames.QUOTES | {"row": pl.UInt32}).select(columns)]
    for part in quotes:
        lower = part if since is None else part.filter(pl.col("received_at") >= since)
        frame = lower if until is None else lower.filter(pl.col("received_at") <= until)
        # In the files' order, so that of a repeated quote always the same one counts.
        known = frame.join(keys.lazy(), on="market_key", how="inner", maintain_order="left")
        parts.append(known.select(columns))
    return pl.concat(parts).collect()


def _ordered(rows: pl.DataFrame) -> tuple[Ints, NDArray[np.uint32]]:
    """Indices by (row, known at), each (market, observed at, kind) once; and the row of each.

    Whole frames are not sorted: moving one column at a time halves the memory.
    """
    by = ("row", "received_at", "observed_at", "kind")
    order = rows.select(pl.arg_sort_by(*by, maintain_order=True)).to_series().to_numpy()
    row, observed, kind = (rows[name].to_physical().to_numpy()[order] for name in (by[0], *by[2:]))
    last = np.ones(len(order), np.bool_)
    last[:-1] = (row[1:] != row[:-1]) | (observed[1:] != observed[:-1]) | (kind[1:] != kind[:-1])
    return order[last], row[last]


def _hindsight(markets: pl.DataFrame, averaged: NDArray[np.uint32]) -> pl.Series:
    names = [name for name, dataset in DATASETS.items() if dataset.hindsight]
    flags = markets["dataset"].is_in(names).fill_null(value=False).to_numpy().copy()
    flags[averaged] = True
    return pl.Series("hindsight", flags)
