"""Ask what crypto assets cost: every source at once, so that a dead one delays nobody."""

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isfinite

import polars as pl
import structlog

from config.kernel import vendor
from config.kernel.clocks import Clock, given
from markets import notices, polling, spot_prices
from markets.adapters import binance, coinbase, kraken, venue_prices
from markets.adapters.exchange import TIMEOUT_S, PriceFeed, SourceOff
from markets.adapters.fetch import FetchFailed
from markets.adapters.http import SimulatedVenue, VenueRefused, VenueUnreachable
from markets.core import spot as prices
from markets.core.contracts import SpotConfig
from markets.core.spot import Consensus
from markets.core.wire import NotUnderstood
from markets.core.wire_exchanges import Price
from markets.models import ContextSettings, FetchState, Notice, SpotSettings, SpotTick

log = structlog.get_logger()

VENUE = "venue"
"""The venue's own price stream: followed by `price_stream`, not asked."""
FEEDS: Mapping[str, Callable[[], PriceFeed]] = {
    "binance": binance.connect,
    "coinbase": coinbase.connect,
    "kraken": kraken.connect,
}
# A reply that drips keeps its socket's clock from running out; the whole answer has a limit too.
DEADLINE_S = TIMEOUT_S + 0.5
# A source that hovers around the limit is one episode, not many.
EPISODE_GAP = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one source said, and when that came; `error` says why it said nothing."""

    source: str
    prices: tuple[Price, ...] = ()
    received_at: datetime | None = None
    error: str | NotUnderstood = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """What a poll brought: new rows, the sources that failed, and those that are off, with why."""

    added: int
    failed: Mapping[str, str]
    off: Mapping[str, str]


def record(
    *, as_of: datetime, clock: Clock | None = None, feeds: Collection[PriceFeed] | None = None
) -> Poll:
    """Ask all sources of the settings and append what they said, in one write.

    `clock` tells when a reply came; without one all came at `as_of`. `feeds` replace the sources.
    """
    config = SpotSettings.objects.current(as_of=as_of).as_config()
    now = given(clock, as_of)
    found, off = (list(feeds), {}) if feeds is not None else _connect(config)
    before = spot_prices.spot_all(config.assets, as_of=as_of)
    answers = _ask_all(found, config.assets, now)
    added = store([tick for answer in answers for tick in _ticks(answer)])
    failed = _note_answers(answers, as_of=as_of, now=now)
    _note_outliers(before, config, as_of=now())
    log.info("spot.recorded", added=added, failed=sorted(failed), off=sorted(off))
    return Poll(added=added, failed=failed, off=off)


def _connect(config: SpotConfig) -> tuple[list[PriceFeed], dict[str, str]]:
    found, off = [], {}
    for name in config.sources:
        if name not in (VENUE, *FEEDS):
            off[name] = f"no such source; the spot settings may name {', '.join(FEEDS)}, {VENUE}"
            continue
        try:
            if name == VENUE:
                venue_prices.address()
            else:
                found.append(FEEDS[name]())
        except (SourceOff, SimulatedVenue) as why:
            off[name] = str(why)
    return found, off


def _ask_all(feeds: Sequence[PriceFeed], assets: Collection[str], now: Clock) -> list[Answer]:
    if not feeds:
        return []
    pool = ThreadPoolExecutor(max_workers=len(feeds), thread_name_prefix="spot")
    try:
        asked = {pool.submit(_ask, feed, assets, now): feed for feed in feeds}
        wait(asked, timeout=DEADLINE_S)
        return [_outcome(future, feed) for future, feed in asked.items()]
    finally:
        # Who is still waiting for a socket waits alone; its answer would be too old to keep.
        pool.shutdown(wait=False, cancel_futures=True)


def _ask(feed: PriceFeed, assets: Collection[str], now: Clock) -> Answer:
    """One source's answer, in a thread of its own: no database here."""
    try:
        found = tuple(feed.prices(assets))
    except NotUnderstood as refused:
        return Answer(source=feed.name, error=refused)
    except (VenueUnreachable, VenueRefused) as trouble:
        return Answer(source=feed.name, error=str(trouble))
    return Answer(source=feed.name, prices=found, received_at=now())


def _outcome(future: Future[Answer], feed: PriceFeed) -> Answer:
    if not future.done():
        return Answer(source=feed.name, error=f"no whole answer within {DEADLINE_S:g} s")
    return future.result()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """One price of one source on its way into the table."""

    asset: str
    source: str
    price: float
    observed_at: datetime
    received_at: datetime


def _ticks(answer: Answer) -> list[Tick]:
    at = answer.received_at
    if at is None:
        return []
    return [
        Tick(
            asset=said.asset,
            source=answer.source,
            price=float(said.price),
            observed_at=said.observed_at or at,
            received_at=at,
        )
        for said in answer.prices
    ]


def store(ticks: Sequence[Tick]) -> int:
    """Append single prices, those that exist left as they are; returns rows added.

    A price is never later than its arrival: a source whose clock runs ahead would else stay the
    newest for as long as it is ahead.
    """
    usable = [tick for tick in ticks if isfinite(tick.price) and tick.price > 0]
    if not usable:
        return 0
    frame = pl.DataFrame(
        {
            "asset": [t.asset for t in usable],
            "source": [t.source for t in usable],
            "interval_s": [0] * len(usable),
            "observed_at": [min(t.observed_at, t.received_at) for t in usable],
            "received_at": [t.received_at for t in usable],
            "close": [t.price for t in usable],
        },
        schema_overrides={"observed_at": spot_prices.TIME, "received_at": spot_prices.TIME},
    )
    return vendor.append(SpotTick, frame)


def state_key(source: str) -> str:
    """The key under which a source's failures are kept."""
    return f"spot:{source}"


def _note_answers(answers: Sequence[Answer], *, as_of: datetime, now: Clock) -> dict[str, str]:
    """Keep what became of each source; returns source → error of those that failed."""
    down_after = ContextSettings.objects.current(as_of=as_of).source_down_after
    failed = {}
    for answer in answers:
        key, name = state_key(answer.source), f"spot prices of {answer.source}"
        with polling.asking(key, name=name, down_after=down_after, now=now) as state:
            if answer.error:
                failed[answer.source] = str(answer.error)
                _raise(answer.error)
            if state.failures:
                log.info("source.recovered", source=answer.source, failures=state.failures)
            state.items = len(answer.prices)
    return failed


def _raise(error: str | NotUnderstood) -> None:
    raise error if isinstance(error, NotUnderstood) else FetchFailed(error)


def _note_outliers(before: Mapping[str, Consensus], config: SpotConfig, *, as_of: datetime) -> None:
    """Note each source that begins to disagree; one that did so before this poll is known."""
    for asset, found in spot_prices.spot_all(config.assets, as_of=as_of).items():
        known = {reading.source for reading in before[asset].outliers}
        for reading in found.outliers:
            if reading.source not in known:
                _note_outlier(asset, reading, as_of=as_of)


def _note_outlier(asset: str, reading: prices.Judged, *, as_of: datetime) -> None:
    subject = f"{asset} {reading.source}"
    recent = Notice.objects.filter(
        kind=Notice.Kind.SPOT_DISAGREES, subject=subject, received_at__gt=as_of - EPISODE_GAP
    )
    if recent.exists():
        return
    notices.note(
        Notice.Kind.SPOT_DISAGREES,
        f"{asset}:{reading.source}:{as_of.isoformat()}",
        f"{reading.source} says {reading.price:g} for {asset}, "
        f"{reading.deviation_bps:+.0f} bps from the median of the fresh sources",
        as_of=as_of,
        subject=subject,
        severity=Notice.Severity.WARNING,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """How a source is doing, for people.

    Attributes
    ----------
    off
        Why it is not asked at all; "" where it is.
    failures
        In a row; 0 = it answered when asked last.
    readings
        Asset → its newest price beside the consensus; an asset it never spoke of is absent.
    """

    source: str
    off: str
    asked_at: datetime | None
    answered_at: datetime | None
    failures: int
    error: str
    readings: Mapping[str, prices.Judged]


def states(*, as_of: datetime) -> tuple[SourceState, ...]:
    """Each source of the settings with its last prices, ages, deviations and failures."""
    config = SpotSettings.objects.current(as_of=as_of).as_config()
    _, off = _connect(config)
    found = spot_prices.spot_all(config.assets, as_of=as_of)
    kept = FetchState.objects.in_bulk([state_key(name) for name in config.sources])
    rows = []
    for name in config.sources:
        state = kept.get(state_key(name))
        rows.append(
            SourceState(
                source=name,
                off=off.get(name, ""),
                asked_at=state.asked_at if state else None,
                answered_at=state.answered_at if state else None,
                failures=state.failures if state else 0,
                error=state.error if state else "",
                readings={
                    asset: reading
                    for asset, consensus in found.items()
                    for reading in consensus.readings
                    if reading.source == name
                },
            )
        )
    return tuple(rows)
