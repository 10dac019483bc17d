"""Collect headlines and posts; say of every source whether it speaks, and why not."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.db.models import Max

from config.kernel.clocks import Clock, given
from markets import polling
from markets.adapters import fetch, http
from markets.adapters.feeds import Feed
from markets.adapters.fetch import Fetcher, FetchFailed
from markets.adapters.newsapi import NewsApi
from markets.adapters.reddit import Reddit
from markets.adapters.twitter import Twitter
from markets.core import news
from markets.core.contracts import ContextConfig
from markets.core.news import Access, Headline, Marks, NewsSource
from markets.core.text import title_key
from markets.core.wire import NotUnderstood
from markets.models import ContextSettings, FetchState, NewsItem

log = structlog.get_logger()
# Agencies' stories are published again and again for about so long.
SAME_STORY = timedelta(hours=48)
# A search "since post n" is refused once that post is a week old.
MARKS_LAST = timedelta(days=6)
STAND_IN_FEED = "/news.rss"


class SourceBroken(FetchFailed):
    """A source said what our reading of it does not withstand: a fault of ours, and its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one pass brought; `failed` names the sources that did not answer."""

    asked: int
    added: int
    failed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """Whether a source speaks; `why` says what would switch it on, or what went wrong.

    `age_s` is the age of its newest item in seconds by `received_at`; None = it never had one.
    """

    name: str
    kind: str
    on: bool
    why: str
    failures: int
    answered_at: datetime | None
    last_item_at: datetime | None
    age_s: float | None
    simulated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Off:
    name: str
    kind: str
    why: str


def refresh(
    *, as_of: datetime, clock: Clock | None = None, sources: Sequence[NewsSource] | None = None
) -> Report:
    """Ask every source that is due and store what is new, as received when its reply came.

    One source's failure, foreseen or not, is its own: the others are read all the same. Nothing is
    invented for a source that is off or silent. Raises `http.SimulatedVenue` for a stand-in
    outside a demo.
    """
    config = ContextSettings.objects.current(as_of=as_of).as_config()
    chosen = choose(config, _access())[0] if sources is None else sources
    now = given(clock, as_of)
    due = [s for s in chosen if polling.is_due(s.key, every_s=s.every_s, as_of=as_of)]
    added, failed = 0, []
    for source in due:
        done = False
        with polling.asking(
            source.key, name=source.name, down_after=config.source_down_after, now=now
        ) as state:
            added += _ask(source, state, now, as_of=as_of)
            done = True
        if not done:
            failed.append(source.name)
    log.info("news.refreshed", asked=len(due), added=added, failed=len(failed))
    return Report(asked=len(due), added=added, failed=tuple(failed))


def _ask(source: NewsSource, state: FetchState, now: Clock, *, as_of: datetime) -> int:
    """Store what a source says now; returns how much was new."""
    try:
        batch = source.read(_marks(state, as_of=as_of))
        stored = _store(batch.headlines, simulated=source.simulated, received_at=now())
    except (FetchFailed, NotUnderstood, OperationalError, InterfaceError):
        raise  # foreseen, or the database is gone: that is no source's failure
    except Exception as fault:
        log.exception("source.broken", source=source.name)
        # Without the words of the fault: they may quote a key.
        raise SourceBroken(
            f"reading it broke ({type(fault).__name__}); report it with the log's traceback"
        ) from fault
    state.etag, state.last_modified = batch.marks.etag[:300], batch.marks.last_modified[:80]
    state.items += stored
    return stored


def choose(
    config: ContextConfig, access: Access, fetcher: Fetcher | None = None
) -> tuple[list[NewsSource], list[_Off]]:
    """The sources that can be asked, and those that are off.

    In a demo with a stand-in the stand-in is the only one. Raises `http.SimulatedVenue` where a
    stand-in is named outside a demo.
    """
    get = fetcher or fetch.fetcher(feeds_url=access.feeds_url, mode=access.mode)
    if access.feeds_url:
        address = http.permit(access.feeds_url, mode=access.mode) + STAND_IN_FEED
        return [Feed(address, get, simulated=http.is_local(address))], []
    on: list[NewsSource] = [Feed(url, get) for url in config.news_feeds]
    off: list[_Off] = []
    if access.newsapi_key:
        on.append(NewsApi(access.newsapi_key, config.news_query, get))
    else:
        off.append(_Off(name=NewsApi.name, kind=NewsApi.kind, why="NEWSAPI_KEY is not set"))
    if access.twitter_token and config.tweets_query:
        on.append(Twitter(access.twitter_token, config.tweets_query, get))
    else:
        why = "TWITTER_TOKEN is not set" if not access.twitter_token else "no search is set"
        off.append(_Off(name=Twitter.name, kind=Twitter.kind, why=why))
    if access.reddit_id and access.reddit_secret and config.subreddits:
        on.append(Reddit((access.reddit_id, access.reddit_secret), config.subreddits, get))
    else:
        unset = not (access.reddit_id and access.reddit_secret)
        why = "REDDIT_ID and REDDIT_SECRET are not set" if unset else "no subreddit is set"
        off.append(_Off(name=Reddit.name, kind=Reddit.kind, why=why))
    return on, off


def states(*, as_of: datetime) -> list[SourceState]:
    """Every source, on or off, with its last word; in the order of `choose`."""
    config = ContextSettings.objects.current(as_of=as_of).as_config()
    on, off = choose(config, _access())
    kept = {state.url: state for state in FetchState.objects.filter(url__in=[s.key for s in on])}
    newest = dict(
        NewsItem.objects.filter(source__in=[s.name for s in on], received_at__lte=as_of)
        .values_list("source")
        .annotate(newest=Max("received_at"))
    )
    rows = [
        _state(source, kept.get(source.key), newest.get(source.name), as_of=as_of) for source in on
    ]
    return rows + [
        SourceState(
            name=o.name,
            kind=o.kind,
            on=False,
            why=f"off: {o.why}",
            failures=0,
            answered_at=None,
            last_item_at=None,
            age_s=None,
            simulated=False,
        )
        for o in off
    ]


def _state(
    source: NewsSource, kept: FetchState | None, newest: datetime | None, *, as_of: datetime
) -> SourceState:
    why = "not asked yet" if kept is None else kept.error or "answers"
    return SourceState(
        name=source.name,
        kind=source.kind,
        on=True,
        why=why,
        failures=0 if kept is None else kept.failures,
        answered_at=None if kept is None else kept.answered_at,
        last_item_at=newest,
        age_s=None if newest is None else (as_of - newest).total_seconds(),
        simulated=source.simulated,
    )


def _access() -> Access:
    return Access(**{f.name: getattr(settings.ENV, f.name) for f in fields(Access)})


def _marks(state: FetchState, *, as_of: datetime) -> Marks:
    if state.answered_at is None or as_of - state.answered_at > MARKS_LAST:
        return Marks()
    return Marks(etag=state.etag, last_modified=state.last_modified)


def _store(headlines: Sequence[Headline], *, simulated: bool, received_at: datetime) -> int:
    """Append what is new by address and by title; returns how many."""
    if not headlines:
        return 0
    known = NewsItem.objects.filter(digest__in=[h.digest for h in headlines])
    recent = NewsItem.objects.filter(received_at__gt=received_at - SAME_STORY)
    fresh = news.unseen(
        headlines,
        digests=set(known.values_list("digest", flat=True)),
        titles={title_key(title) for title in recent.values_list("title", flat=True)},
    )
    rows = [_row(h, simulated=simulated, received_at=received_at) for h in fresh]
    NewsItem.objects.bulk_create(rows, ignore_conflicts=True, batch_size=500)
    return len(rows)


def _row(headline: Headline, *, simulated: bool, received_at: datetime) -> NewsItem:
    published = news.believable(headline.published_at, received_at=received_at)
    return NewsItem(
        digest=headline.digest,
        kind=headline.kind,
        source=headline.source,
        publisher=headline.publisher,
        url=headline.url,
        title=headline.title,
        summary=headline.summary,
        published_at=published or received_at,
        undated=published is None,
        received_at=received_at,
        simulated=simulated,
    )
