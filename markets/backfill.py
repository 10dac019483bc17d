"""Fetch the past of markets, window by window, so that it may be cut off anywhere and go on.

Rows are written, idempotently, before `Backfill` says that we hold them, and in the database in one
transaction with it. One backfill runs at a time; a killed one leaves nothing to clean up.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Q

from config.kernel import jobs
from config.kernel.clocks import Clock
from config.kernel.models import Job
from config.kernel.units import TokenId
from markets import coverage, ended_markets, price_history, trades
from markets.adapters import clob_data, data_api, gamma, http
from markets.adapters.clob_data import LONGEST_HISTORY, ClobData
from markets.adapters.data_api import DataApi
from markets.adapters.gamma import Gamma
from markets.core import windows
from markets.core.contracts import HistoryConfig
from markets.core.windows import Window
from markets.models import Backfill, HistorySettings, Market, Origin
from markets.price_history import Piece
from markets.trades import Refusals

log = structlog.get_logger()
KIND, KEY = "backfill", "history"
MARKETS_AT_ONCE = 25
# Closer to now the books speak; a history point must not be the newest quote of a market.
LIVE_EDGE = timedelta(minutes=15)
# A market that is followed is covered by its own quotes; after a longer silence history fills in.
LONGEST_SILENCE = timedelta(hours=6)
GIVE_UP_AFTER = 3
LIVE = (Origin.VENUE, Origin.SANDBOX)
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Whose past: named markets, markets that ended since a day, or else the tracked ones.

    `markets` are ids, slugs or condition ids. `days` replaces the setting; `limit` bounds markets.
    """

    markets: tuple[str, ...] = ()
    resolved_since: datetime | None = None
    days: int | None = None
    limit: int | None = None
    trades: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Venue:
    """The services that are asked."""

    engine: ClobData
    catalogue: Gamma
    data: DataApi


@dataclass(slots=True, kw_only=True)
class Report:
    """What one run did. `left_out` counts prices by the reasons of `core.cleaning`."""

    markets: int = 0
    windows: int = 0
    found: int = 0
    added: int = 0
    archived: int = 0
    trades: int = 0
    empty_windows: int = 0
    asked_coarsely: int = 0
    failed: int = 0
    postponed: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    def count(self, counts: Counter[str]) -> None:
        """Add what one window said."""
        for name, number in counts.items():
            if name in ("empty_windows", "asked_coarsely"):
                setattr(self, name, getattr(self, name) + number)
            else:
                self.left_out[name] += number

    def figures(self) -> dict[str, Any]:
        """The counts, for a report."""
        plain = {name: getattr(self, name) for name in self.__slots__ if name != "left_out"}
        return plain | {"left_out": dict(self.left_out)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """The missing windows of one market."""

    market: Market
    token_id: TokenId
    prices: tuple[Window, ...]
    trades: tuple[Window, ...]


@dataclass(slots=True, kw_only=True)
class _Run:
    """One backfill under way."""

    request: Request
    config: HistoryConfig
    venue: Venue
    clock: Clock
    progress: Progress
    job: Job
    as_of: datetime
    report: Report = field(default_factory=Report)
    total: int = 0
    done: int = 0
    silent: int = 0

    @property
    def hot_from(self) -> datetime:
        """Older rows go to the archive, not into the database."""
        return self.as_of - timedelta(days=self.config.quotes_days)

    def advance(self, step: str, windows_done: int = 0) -> None:
        """Report progress; raises `jobs.NotRunning` where this run must stop."""
        self.done += windows_done
        jobs.advance(self.job, done=self.done, as_of=self.clock())
        self.progress(step, self.done, self.total)


def connect() -> Venue:
    """The services we are configured for; raises `http.SimulatedVenue`."""
    return Venue(engine=clob_data.connect(), catalogue=gamma.connect(), data=data_api.connect())


def run(
    request: Request, *, clock: Clock, progress: Progress, venue: Venue | None = None
) -> Report:
    """Fetch what is missing; `progress(step, windows done, windows in all)` is called as it goes.

    A market that fails is passed over and asked again after a pause that grows. Raises
    `jobs.AlreadyRunning` while another backfill runs, `LookupError` for a market that we do not
    know, `http.VenueUnreachable` when the venue stays silent: what was fetched is kept.
    """
    as_of, asked = clock(), venue or connect()
    job = jobs.start(KIND, KEY, as_of=as_of)
    this = _Run(
        request=request,
        config=HistorySettings.objects.current(as_of=as_of).as_config(),
        venue=asked,
        clock=clock,
        progress=progress,
        job=job,
        as_of=as_of,
    )
    try:
        _perform(this)
    except BaseException as failure:
        jobs.fail(job, as_of=clock(), error=f"{type(failure).__name__}: {failure}")
        raise
    jobs.finish(job, as_of=clock(), result=this.report.figures())
    log.info("history.fetched", **this.report.figures())
    return this.report


def when_due(*, as_of: datetime, clock: Clock, venue: Venue | None = None) -> Report | None:
    """Fetch the past of tracked markets; None where the settings forbid it or one runs already."""
    if not HistorySettings.objects.current(as_of=as_of).backfill:
        return None
    try:
        return run(Request(), clock=clock, progress=lambda _s, _d, _t: None, venue=venue)
    except jobs.AlreadyRunning as busy:
        log.info("history.busy", reason=str(busy))
        return None


def _perform(this: _Run) -> None:
    since = this.request.resolved_since
    if since is not None:
        this.report.found = ended_markets.find(
            since=since,
            limit=this.request.limit,
            source=this.venue.catalogue,
            as_of=this.as_of,
            progress=lambda found: this.advance(f"finding ended markets ({found})"),
        )
    markets = _chosen(this)
    tasks = [task for task in _tasks(this, markets) if task.prices or task.trades]
    this.total = sum(len(task.prices) + len(task.trades) for task in tasks)
    Job.objects.filter(pk=this.job.pk).update(total=this.total)
    for start in range(0, len(tasks), MARKETS_AT_ONCE):
        _fill(this, tasks[start : start + MARKETS_AT_ONCE])
    # A result may have come after the prices.
    price_history.describe([market for market in markets if market.closed_at is not None])
    this.advance("done")


def _tasks(this: _Run, markets: Sequence[Market]) -> Iterator[_Task]:
    ids = [market.pk for market in markets]
    prices = coverage.held(ids, Backfill.Kind.PRICES)
    traded = coverage.held(ids, Backfill.Kind.TRADES)
    for market in markets:
        token = next((o.asset_id for o in market.outcomes.all() if o.index == 0), None)
        if token is None:
            continue
        this.report.markets += 1
        due = coverage.is_due(prices.get(market.pk), as_of=this.as_of)
        due_trades = coverage.is_due(traded.get(market.pk), as_of=this.as_of)
        this.report.postponed += not (due and due_trades)
        wants_trades = this.request.trades and market.closed_at is None and market.condition_id
        yield _Task(
            market=market,
            token_id=TokenId(token),
            prices=tuple(_missing(this, market, prices.get(market.pk))) if due else (),
            trades=tuple(_missing_trades(this, market, traded.get(market.pk)))
            if due_trades and wants_trades
            else (),
        )


def _chosen(this: _Run) -> list[Market]:
    known = Market.objects.filter(origin__in=LIVE)
    if this.request.markets:
        chosen = known.filter(_named(known, this.request.markets))
    elif this.request.resolved_since is not None:
        chosen = known.filter(
            resolution__isnull=False,
            closed_at__gte=this.request.resolved_since,
            window_s__isnull=True,
        )
    else:
        chosen = known.filter(tracked=True, closed_at__isnull=True)
    rows = chosen.select_related("event", "resolution").prefetch_related("outcomes")
    newest_first = rows.order_by("-closed_at", "pk")
    return list(newest_first[: this.request.limit] if this.request.limit else newest_first)


def _named(known: Any, names: Sequence[str]) -> Q:
    found: list[int] = []
    for name in names:
        is_this = Q(slug=name) | Q(condition_id=name) | Q(venue_key=name)
        ids = list(known.filter(is_this).values_list("pk", flat=True))
        if not ids:
            raise LookupError(
                f"no market {name} is known; name its id, slug or condition id as the catalogue "
                "has it, after sync_catalogue"
            )
        found.extend(ids)
    return Q(pk__in=found)


def _missing(this: _Run, market: Market, row: Backfill | None) -> list[Window]:
    end = market.closed_at or this.as_of - LIVE_EDGE
    days = this.request.days or this.config.backfill_days
    begin = max(end - timedelta(days=days), market.opens_at or end - timedelta(days=days))
    held = _held(row)
    if held and market.closed_at is not None and held.until < market.closed_at:
        held = None
    if held and market.closed_at is None and end - held.until < LONGEST_SILENCE:
        end = held.until
    return windows.missing(since=begin, until=end, held=held, longest=LONGEST_HISTORY)


def _missing_trades(this: _Run, market: Market, row: Backfill | None) -> list[Window]:
    """Before what the regular look covers, and after it where that look gave up."""
    held = _held(row)
    end = this.as_of - trades.SETTLED
    if held and end - held.until < trades.LONGEST_LOOK:
        end = held.until
    days = min(this.request.days or this.config.backfill_days, this.config.trades_days)
    begin = max(end - timedelta(days=days), market.opens_at or end - timedelta(days=days))
    return windows.missing(since=begin, until=end, held=held, longest=LONGEST_HISTORY)


def _held(row: Backfill | None) -> Window | None:
    empty = row is None or row.covered_from == row.covered_until
    return None if row is None or empty else Window(row.covered_from, row.covered_until)


def _fill(this: _Run, tasks: Sequence[_Task]) -> None:
    """Some markets: ask, write the archive once for all, then the database market by market."""
    pieces: list[Piece] = []
    outage: http.VenueUnreachable | None = None
    for task in tasks:
        try:
            _prices(this, task, pieces)
        except http.VenueUnreachable as failure:
            outage = failure
            break
    this.report.archived += price_history.put_away(pieces, hot_from=this.hot_from)
    for piece in pieces:
        with transaction.atomic():
            added = price_history.append(piece, hot_from=this.hot_from)
            coverage.extend(
                piece.market.pk,
                Backfill.Kind.PRICES,
                since=piece.window.since,
                until=piece.window.until,
                rows=len(piece.rows),
                as_of=this.clock(),
                # What an open market had went to the database; an ended one is archived whole.
                anew=piece.window.until == piece.market.closed_at,
            )
        this.report.added += added
        this.report.windows += 1
        this.report.count(piece.counts)
    if outage is not None:
        raise outage
    for task in tasks:
        _trades(this, task)


def _prices(this: _Run, task: _Task, found: list[Piece]) -> None:
    """The windows of a market until one fails: what lies beyond would not touch what is held."""
    for number, window in enumerate(task.prices):
        try:
            piece = price_history.fetch(
                task.market,
                task.token_id,
                window,
                source=this.venue.engine,
                fidelity_min=this.config.backfill_fidelity_min,
                as_of=this.clock(),
            )
        except (http.VenueUnreachable, *Refusals) as failure:
            _failed(this, task.market, Backfill.Kind.PRICES, failure)
            this.advance(task.market.slug, len(task.prices) - number)
            return
        this.silent = 0
        found.append(piece)
        this.advance(task.market.slug, 1)


def _trades(this: _Run, task: _Task) -> None:
    for number, window in enumerate(task.trades):
        try:
            heard = trades.fetch(
                this.venue.data,
                [str(task.market.condition_id)],
                since=window.since,
                until=window.until,
                as_of=this.clock(),
            )
        except (http.VenueUnreachable, *Refusals) as failure:
            _failed(this, task.market, Backfill.Kind.TRADES, failure)
            this.advance(task.market.slug, len(task.trades) - number)
            return
        this.silent = 0
        with transaction.atomic():
            counts = trades.record(heard, as_of=this.clock())
            coverage.extend(
                task.market.pk,
                Backfill.Kind.TRADES,
                since=window.since,
                until=window.until,
                rows=counts[trades.ADDED],
                as_of=this.clock(),
            )
        this.report.trades += counts[trades.ADDED]
        this.report.windows += 1
        this.advance(task.market.slug, 1)


def _failed(this: _Run, market: Market, kind: Backfill.Kind, failure: Exception) -> None:
    """Pass the market over; raise at the third silence in a row, which is an outage."""
    this.report.failed += 1
    coverage.fail(market.pk, kind, str(failure), as_of=this.clock())
    log.warning("history.failed", market_id=market.pk, kind=str(kind), error=str(failure))
    if isinstance(failure, http.VenueUnreachable):
        this.silent += 1
        if this.silent >= GIVE_UP_AFTER:
            raise failure
