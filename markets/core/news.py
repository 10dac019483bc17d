"""Headlines as they came, told apart and dated; and what they say together about a market."""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Protocol

import numpy as np

from markets.core import text
from markets.core.series import Floats, Ints

LONGEST_TITLE, LONGEST_SUMMARY, LONGEST_URL = 500, 2000, 1000
# Older than the web, or from the future: a clock was wrong, so the date says nothing.
EARLIEST = datetime(1991, 1, 1, tzinfo=UTC)
AHEAD = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """One headline or post; `published_at` is None where no readable date came with it."""

    kind: str
    source: str
    publisher: str
    url: str
    title: str
    summary: str
    published_at: datetime | None

    @property
    def digest(self) -> str:
        """The key: one source publishes one address once."""
        return hashlib.sha256(f"{self.source}\x1f{self.url}".encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What a source said last, sent back so that only news comes."""

    etag: str = ""
    last_modified: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One reply of a source; `skipped` entries had no title or no address."""

    headlines: Sequence[Headline] = ()
    skipped: int = 0
    marks: Marks = field(default_factory=Marks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What the environment grants: keys, and in a demo the stand-in's address."""

    mode: str
    feeds_url: str = ""
    newsapi_key: str = field(default="", repr=False)
    twitter_token: str = field(default="", repr=False)
    reddit_id: str = field(default="", repr=False)
    reddit_secret: str = field(default="", repr=False)


class NewsSource(Protocol):
    """One place where headlines come from."""

    kind: str
    name: str
    key: str
    every_s: int
    simulated: bool

    def read(self, marks: Marks) -> Batch:
        """What is there now. Raises `fetch.FetchFailed` or `wire.NotUnderstood`."""
        ...


def headline(
    *,
    kind: str,
    source: str,
    publisher: str,
    url: str,
    title: str,
    summary: str,
    published_at: datetime | None,
) -> Headline | None:
    """A clean headline; None where title or web address is missing."""
    clean = text.plain(title, longest=LONGEST_TITLE)
    address = text.UNPRINTABLE.sub("", url).strip()
    if not clean or len(address) > LONGEST_URL or not address.startswith(("http://", "https://")):
        return None
    return Headline(
        kind=kind,
        source=source[:80],
        publisher=text.plain(publisher, longest=120),
        url=address,
        title=clean,
        summary=text.plain(summary, longest=LONGEST_SUMMARY),
        published_at=published_at,
    )


def moment(written: str) -> datetime | None:
    """A date as feeds and services write it (RFC 822, ISO 8601), in UTC; None if unreadable.

    >>> moment("Fri, 20 Nov 2026 07:00:00 EST").isoformat()
    '2026-11-20T12:00:00+00:00'
    """
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            found = parse(written.strip())
            return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
        except (ValueError, TypeError, OverflowError):
            continue
    return None


def believable(published_at: datetime | None, *, received_at: datetime) -> datetime | None:
    """The date, unless it cannot be true."""
    if published_at is None or not EARLIEST <= published_at <= received_at + AHEAD:
        return None
    return min(published_at, received_at)


def unseen(
    headlines: Iterable[Headline], *, digests: Collection[str], titles: Collection[str]
) -> list[Headline]:
    """Those that are new by address and by title; the first of equals stays."""
    known, told = set(digests), set(titles)
    fresh = []
    for item in headlines:
        key = text.title_key(item.title)
        if item.digest in known or (key and key in told):
            continue
        known.add(item.digest)
        told.add(key)
        fresh.append(item)
    return fresh


@dataclass(frozen=True, slots=True, kw_only=True)
class NewsSignal:
    """What recent news says about markets, one value a market; NaN = no such news.

    `count` items, `sentiment` their mean in [-1, 1] over those that were understood, `age_s`
    seconds since the newest was published.
    """

    count: Ints
    sentiment: Floats
    age_s: Floats


def summarise(
    row: Ints, sentiment: Floats, published_at: Floats, *, markets: int, as_of: float
) -> NewsSignal:
    """Link i is about market `row[i]`; times are epoch seconds, unread sentiment is NaN."""
    count = np.bincount(row, minlength=markets).astype(np.int64)
    read = ~np.isnan(sentiment)
    many = np.bincount(row[read], minlength=markets).astype(np.float64)
    total = np.bincount(row[read], weights=sentiment[read], minlength=markets)
    newest = np.full(markets, -np.inf)
    np.maximum.at(newest, row, published_at)
    return NewsSignal(
        count=count,
        sentiment=np.divide(total, many, out=np.full(markets, np.nan), where=many > 0),
        age_s=np.where(count > 0, as_of - newest, np.nan),
    )
