"""Take recorded history into the database and the archive; running it again changes nothing."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

import polars as pl
from django.conf import settings

from config.kernel import jobs, vendor
from config.kernel.models import Job
from config.kernel.modes import Mode
from markets import archive, history, import_catalogue, import_conflicts
from markets.adapters import history_files, history_frames, history_rows, history_values
from markets.adapters.history_files import BadHistory
from markets.adapters.history_frames import Files
from markets.models import Event, Market, Origin, PublicTrade, Quote, SpotTick

KIND = "import_history"
SLICE = 250_000
ARCHIVE_ONLY = ("labels_only", "forecast_questions", "books_spy_daily_top5")
Clock = Callable[[], datetime]
Progress = Callable[[str, int, int], None]


@dataclass(slots=True, kw_only=True)
class Summary:
    """Rows added and changed per table of the database, rows written per table of the archive."""

    added: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    archived: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    resumed: bool = False

    def count(self, table: str, added: int, changed: int = 0) -> None:
        """Add to a table's figures."""
        self.added[table] = self.added.get(table, 0) + added
        self.changed[table] = self.changed.get(table, 0) + changed

    def archive(self, table: str, rows: int) -> None:
        """Add to an archived table's figure."""
        self.archived[table] = self.archived.get(table, 0) + rows


@dataclass(slots=True, kw_only=True)
class _Run:
    """One import under way: what it reads, what it has done, whom it tells."""

    files: Files
    origin: Origin
    markets: pl.DataFrame
    datasets: Sequence[str]
    fingerprint: str
    summary: Summary
    clock: Clock
    progress: Progress
    total: int = 0
    done: int = 0
    finished: list[str] = field(default_factory=list)

    def advance(self, job: Job, step: str, rows: int) -> None:
        """Report rows done; the job's beat keeps others from taking it over."""
        self.done += rows
        jobs.advance(job, done=self.done, as_of=self.clock(), checkpoint=self.checkpoint())
        self.progress(step, self.done, self.total)

    def checkpoint(self) -> str:
        """Where to resume, valid for the same files only."""
        return json.dumps({"files": self.fingerprint, "finished": self.finished})

    def resume(self, checkpoint: str) -> None:
        """Skip what an interrupted import of the same files had finished."""
        before = json.loads(checkpoint) if checkpoint else {}
        if before.get("files") == self.fingerprint:
            self.finished = list(before["finished"])
            self.summary.resumed = bool(self.finished)


Step = Callable[[_Run], Iterator[int]]


def run(path: Path, *, datasets: Sequence[str], clock: Clock, progress: Progress) -> Summary:
    """Import a history folder; `progress(step, rows done, rows in all)` is called as it goes.

    Raises `BadHistory` before anything is written where a file is foreign, holds what cannot be
    true, or the history is simulated and this is no demo; `jobs.AlreadyRunning` while another
    process imports. After a crash the finished steps of the same files are skipped.
    """
    with history_values.legible(path):
        return _import(path, datasets, clock, progress)


def _import(path: Path, datasets: Sequence[str], clock: Clock, progress: Progress) -> Summary:
    files = history_files.check(path)
    history_values.check(path, files)
    tables = [name for name in ARCHIVE_ONLY if f"{name}.parquet" in files]
    history_files.verify(path, datasets, [*history_frames.datasets(files), *tables])
    origin = _origin(path)
    frames = [history_frames.markets(files, datasets)]
    if not datasets:  # weak labels are filed as their own dataset, which readers must name
        frames.append(history_frames.markets(files, [history_frames.WEAK]))
    sources = [path / name for name in sorted(files)]
    work = _Run(
        files=files,
        origin=origin,
        markets=pl.concat(frames),
        datasets=datasets,
        fingerprint=history.digest(sources, datasets, None, None)[:16],
        summary=Summary(notes=list(history_frames.left_out(files))),
        clock=clock,
        progress=progress,
    )
    work.resume(jobs.checkpoint(KIND, "history"))
    work.total = sum(_rows(work.files, name) for name in STEPS) + len(work.markets)
    if origin is Origin.SANDBOX:
        archive.mark_simulated()
    job = jobs.start(KIND, "history", as_of=clock(), total=work.total)
    work.resume(job.checkpoint)
    try:
        _perform(work, job)
    except BaseException as failure:
        jobs.fail(job, as_of=clock(), error=f"{type(failure).__name__}: {failure}")
        raise
    jobs.finish(job, as_of=clock(), result=asdict(work.summary))
    return work.summary


def _origin(path: Path) -> Origin:
    if not history_files.simulated(path):
        return Origin.IMPORT
    if settings.ENV.mode != Mode.DEMO:
        raise BadHistory(
            f"{path / history_files.NOTICE} says that this history is simulated; it belongs in a "
            "demo alone: set MODE=DEMO, or name a folder of recorded history"
        )
    return Origin.SANDBOX


def _perform(work: _Run, job: Job) -> None:
    work.markets, conflicts = import_conflicts.settle(work.markets, origin=work.origin)
    work.summary.notes += conflicts
    for name, step in STEPS.items():
        present = name == "catalogue" or name in work.files
        if not present or name in work.finished:
            work.advance(job, name, _rows(work.files, name))
        else:
            for rows in step(work):
                work.advance(job, name, rows)
            work.finished.append(name)
            work.advance(job, name, 0)
    work.advance(job, "done", max(0, work.total - work.done))
    vendor.analyze(Event, Market, Quote, PublicTrade, SpotTick)


def _rows(files: Files, name: str) -> int:
    return int(files[name].select(pl.len()).collect().item()) if name in files else 0


def _catalogue(work: _Run) -> Iterator[int]:
    parts = [part.select("market_key", "observed_at") for part in history_frames.quotes(work.files)]
    empty = pl.LazyFrame(schema={"market_key": pl.String, "observed_at": history_frames.TIME})
    first = pl.concat([empty, *parts]).group_by("market_key").agg(pl.col("observed_at").min())
    for table, counts in import_catalogue.write(
        work.markets, first.collect(), origin=work.origin
    ).items():
        work.summary.count(table, *counts)
    for (dataset,), rows in work.markets.group_by("dataset", maintain_order=True):
        work.summary.archive("markets", archive.write("markets", rows, dataset=str(dataset)))
    yield len(work.markets)


def _numbers(work: _Run) -> pl.DataFrame:
    """market_key → market_id and dataset of the markets of this import."""
    chosen = work.markets.select("venue", "market_key", "dataset")
    return chosen.join(import_catalogue.ids(work.origin), on=["venue", "market_key"]).drop("venue")


def _quotes(name: str) -> Step:
    def step(work: _Run) -> Iterator[int]:
        numbers = _numbers(work)
        books = history_rows.levels(work.files) if name == "updown_quotes.parquet" else None
        parts: dict[str, list[int]] = {}
        for offset in range(0, _rows(work.files, name), SLICE):
            rows = _slice(work, name, offset, numbers, books)
            frame = rows.drop("market_key", "dataset")
            work.summary.count("quotes", vendor.append(Quote, frame))
            for dataset in rows["dataset"].unique():
                parts.setdefault(dataset, []).append(offset)
            yield len(rows)
        for dataset, offsets in parts.items():
            chosen = numbers.filter(pl.col("dataset") == dataset)
            slices = (_slice(work, name, offset, chosen, books) for offset in offsets)
            parted = (part.select(archive.QUOTE_COLUMNS) for part in slices)
            rows = pl.concat(parted, rechunk=True)
            written = archive.write("quotes", rows, dataset=dataset)
            work.summary.archive("quotes", written)

    return step


def _slice(
    work: _Run, name: str, offset: int, numbers: pl.DataFrame, books: pl.DataFrame | None
) -> pl.DataFrame:
    """Some rows of a quote file, with the numbers of their markets: big files are never whole."""
    quotes = history_frames.quotes({name: work.files[name].slice(offset, SLICE)})[0]
    ours = numbers.lazy()
    # In the file's order, which is the archive's: sorting a big dataset would double its memory.
    rows = quotes.join(ours, on="market_key", how="inner", maintain_order="left").collect()
    if books is None:
        return rows.with_columns(levels=pl.lit(None, pl.Binary))
    key = ["market_key", "observed_at", "kind"]
    return rows.join(books, on=key, how="left", maintain_order="left")


def _trades(work: _Run) -> Iterator[int]:
    rows = history_rows.trades(work.files).join(
        _numbers(work).drop("dataset"), on="market_key", how="inner"
    )
    work.summary.count("trades", vendor.append(PublicTrade, rows.drop("market_key", "dataset")))
    for (dataset,), part in rows.group_by("dataset", maintain_order=True):
        archived = archive.write("trades", part.drop("market_id", "dataset"), dataset=str(dataset))
        work.summary.archive("trades", archived)
    left_out = _rows(work.files, "trades.parquet") - len(rows)
    work.summary.notes.append(
        f"{left_out} trade rows left out: a taker's own order repeats its makers' rows, "
        "or the market was not chosen"
    )
    yield len(rows)


def _spot(work: _Run) -> Iterator[int]:
    rows = history_rows.spot(work.files)
    work.summary.count("spot", vendor.append(SpotTick, rows))
    # When we learned of a price is a fact of the database; the archive keeps the record as it is.
    for (source,), part in rows.drop("received_at").group_by("source", maintain_order=True):
        work.summary.archive("spot", archive.write("spot", part, dataset=str(source)))
    yield len(rows)


def _archive_only(name: str) -> Step:
    def step(work: _Run) -> Iterator[int]:
        table = name.removesuffix(".parquet")
        rows = work.files[name].collect()
        if not work.datasets or table in work.datasets:
            work.summary.archive(table, archive.write(table, rows, dataset=table))
            work.summary.notes.append(f"{table}: {len(rows)} rows kept in the archive only")
        yield len(rows)

    return step


STEPS: dict[str, Step] = {
    "catalogue": _catalogue,
    "prices.parquet": _quotes("prices.parquet"),
    "updown_quotes.parquet": _quotes("updown_quotes.parquet"),
    "weak_prices.parquet": _quotes("weak_prices.parquet"),
    "trades.parquet": _trades,
    "spot_klines.parquet": _spot,
    **{f"{name}.parquet": _archive_only(f"{name}.parquet") for name in ARCHIVE_ONLY},
}
