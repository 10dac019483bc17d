"""What is older than the settings keep leaves the database, by way of the archive.

Imported history stays unless it is asked for; markets, outcomes and resolutions always stay.
Prices of a market that has not ended are no exception: one that is followed has young prices. Every
step can be killed and repeated: the archive merges by key, is read again, and only then do rows go.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta

import structlog
from django.db import connection
from django.db.models import Model

from config.kernel import jobs, partitions, vendor
from config.kernel.clocks import Clock, given
from config.kernel.models import Job
from markets import retention_markets, retention_rows, retention_ticks
from markets.core.contracts import HistoryConfig
from markets.core.retention import ROWS, TICKS, Policy, Ticks
from markets.models import FundingRate, HistorySettings, PublicTrade, Quote, SpotTick
from markets.retention_rows import Left, NotKept

__all__ = ["Left", "NotKept", "Report", "run"]
log = structlog.get_logger()
KIND = "retention"
PARTED: tuple[type[Model], ...] = (Quote, PublicTrade, SpotTick, FundingRate)
PAGES_AT_ONCE = 20_000


@dataclass(slots=True, kw_only=True)
class Report:
    """What left, by table; months made ahead; a dry run counts rows and changes nothing."""

    tables: dict[str, Left] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    dry_run: bool = False

    def count(self, table: str, step: Left) -> None:
        """Add a step to the figures of a table."""
        total = self.tables.setdefault(table, Left())
        for column in fields(Left):
            name = column.name
            setattr(total, name, getattr(total, name) + getattr(step, name))


def run(
    *,
    as_of: datetime,
    clock: Clock | None = None,
    dry_run: bool = False,
    include_imports: bool = False,
) -> Report:
    """Let everything leave that is older than the settings keep.

    Raises `jobs.AlreadyRunning` while another process does it. After a crash it starts again at
    the oldest row that is still there.
    """
    config: HistoryConfig = HistorySettings.objects.current(as_of=as_of).as_config()
    report = Report(dry_run=dry_run)
    if dry_run:
        for policy, cutoff in _policies(config, as_of):
            due = retention_rows.due(policy, cutoff, include_imports=include_imports)
            report.tables[policy.table] = Left(rows=due.count())
        return report
    now = given(clock, as_of)
    job = jobs.start(KIND, "all", as_of=now())
    try:
        report.made = partitions.prepare(*PARTED, as_of=as_of)
        for policy, cutoff in _policies(config, as_of):
            report.tables[policy.table] = Left()
            for step in _steps(policy, cutoff, config, include_imports=include_imports):
                report.count(policy.table, step)
                jobs.advance(job, done=_total(report), as_of=now())
        retention_markets.refresh()
        _shrink(report)
    except BaseException as failure:
        jobs.fail(job, as_of=now(), error=f"{type(failure).__name__}: {failure}")
        raise
    _finish(job, report, as_of=now())
    return report


def _policies(config: HistoryConfig, as_of: datetime) -> Iterator[tuple[Policy, datetime]]:
    for policy in (*TICKS, *ROWS):
        yield policy, as_of - timedelta(days=getattr(config, policy.days))


def _steps(
    policy: Policy, cutoff: datetime, config: HistoryConfig, *, include_imports: bool
) -> Iterator[Left]:
    kept = {"archive_first": config.archive_first, "include_imports": include_imports}
    if isinstance(policy, Ticks):
        return retention_ticks.leave(policy, cutoff, **kept)
    return retention_rows.leave(policy, cutoff, **kept)


def _total(report: Report) -> int:
    return sum(left.rows for left in report.tables.values())


def _finish(job: Job, report: Report, *, as_of: datetime) -> None:
    jobs.finish(job, as_of=as_of, result=asdict(report))
    busy = {name: left.rows for name, left in report.tables.items() if left.rows}
    log.info("retention.done", made=len(report.made), **busy)


def _shrink(report: Report) -> None:
    """Deleted rows leave room that PostgreSQL fills again once it is told of it.

    SQLite fills freed pages again; where the file was made to shrink, it gives some back.

    The embedded default was not, and making it so needs a VACUUM with the file twice on the disk:
    the file stays as large as the largest window was, which is bounded as well.
    """
    emptied = [p for p in (*TICKS, *ROWS) if report.tables[p.table].rows]
    vendor.vacuum(*map(retention_rows.model_of, emptied))
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA incremental_vacuum({PAGES_AT_ONCE})").fetchall()
