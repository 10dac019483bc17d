"""RSS and Atom in all their dialects; nothing is expanded, followed or run."""

import calendar
import io
import time
import xml.sax
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urljoin, urlsplit
from xml.sax.handler import ContentHandler

import feedparser
from defusedxml import DefusedXmlException
from defusedxml.expatreader import DefusedExpatParser

from markets.adapters.fetch import XML, Fetcher
from markets.core import news
from markets.core.news import Batch, Headline, Marks
from markets.core.wire import NotUnderstood

DEEPEST: Final = 60
MOST_ELEMENTS: Final = 100_000
MOST_ENTRIES: Final = 500


class Feed:
    """One feed address."""

    kind = "NEWS"
    every_s = 0

    def __init__(self, url: str, fetcher: Fetcher, *, simulated: bool = False) -> None:
        parts = urlsplit(url)
        self.name = f"{parts.hostname or ''}{parts.path}".rstrip("/")[:80]
        self.key = url[:400]
        self.simulated = simulated
        self._url = url
        self._fetcher = fetcher

    def read(self, marks: Marks) -> Batch:
        """See `NewsSource`."""
        reply = self._fetcher.get(
            self._url, accept=XML, etag=marks.etag, last_modified=marks.last_modified
        )
        if reply.not_modified:
            return Batch(marks=marks)
        found = parse(reply.body, source=self.name, url=reply.url, content_type=reply.content_type)
        new_marks = Marks(etag=reply.etag, last_modified=reply.last_modified)
        return Batch(headlines=found.headlines, skipped=found.skipped, marks=new_marks)


def parse(body: bytes, *, source: str, url: str, content_type: str = "") -> Batch:
    """The headlines of a feed. Raises `NotUnderstood` for bombs and for what is no feed."""
    _defuse(body, source)
    try:
        # As a stream: given a text, the library would open it as an address or a file.
        found = feedparser.parse(
            io.BytesIO(body),
            response_headers={"content-type": content_type, "content-location": url},
        )
    except Exception as cause:
        # Whatever the library trips over (an encoding that is none …): strangers wrote this.
        raise NotUnderstood(source, f"unreadable: {cause!r}", _start(body)) from cause
    if not found.get("version") and not found.entries:
        raise NotUnderstood(source, "neither RSS nor Atom", _start(body))
    publisher = str(found.feed.get("title", ""))
    entries = found.entries[:MOST_ENTRIES]
    headlines = [_headline(e, source=source, publisher=publisher, base=url) for e in entries]
    clean = [h for h in headlines if h is not None]
    return Batch(headlines=clean, skipped=len(headlines) - len(clean))


def _headline(entry: Any, *, source: str, publisher: str, base: str) -> Headline | None:
    link = str(entry.get("link") or entry.get("id") or "")
    return news.headline(
        kind=Feed.kind,
        source=source,
        publisher=publisher,
        url=_joined(base, link) if link else "",
        title=str(entry.get("title", "")),
        summary=str(entry.get("summary", "")),
        published_at=_date(entry),
    )


def _joined(base: str, link: str) -> str:
    """The whole address; empty where the link is none."""
    try:
        return urljoin(base, link)
    except ValueError:
        return ""


def _date(entry: Any) -> datetime | None:
    # As a plain dictionary: the library warns of a missing date by handing out another.
    said = dict(entry)
    for name in ("published", "updated", "created"):
        parsed = said.get(f"{name}_parsed")
        if isinstance(parsed, time.struct_time):
            try:
                return datetime.fromtimestamp(calendar.timegm(parsed), tz=UTC)
            except (ValueError, OverflowError, OSError):
                continue
        if written := said.get(name):
            return news.moment(str(written))
    return None


class _Shape(ContentHandler):
    """Counts; a document that is too deep or too long to be a feed is refused before it costs."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.source = source
        self.depth = self.elements = 0

    def startElement(self, name: str, attrs: Any) -> None:  # noqa: N802 - the base class's name
        self.depth += 1
        self.elements += 1
        if self.depth > DEEPEST or self.elements > MOST_ELEMENTS:
            raise NotUnderstood(self.source, "nested too deeply or too long for a feed", name)

    def endElement(self, name: str) -> None:  # noqa: N802 - the base class's name
        self.depth -= 1


def _defuse(body: bytes, source: str) -> None:
    """Refuse entity declarations and shapes that explode; a feed that is merely broken passes."""
    if b"<!ENTITY" in body:
        raise NotUnderstood(source, "declares entities, as XML bombs do", _start(body))
    # An external DTD is named by old RSS; the parser never loads one.
    parser = DefusedExpatParser(forbid_external=False)
    parser.setContentHandler(_Shape(source))
    try:
        parser.parse(io.BytesIO(body))
    except DefusedXmlException as bomb:
        raise NotUnderstood(source, "declares entities, as XML bombs do", _start(body)) from bomb
    except NotUnderstood:
        raise
    except (xml.sax.SAXException, ValueError, LookupError):
        return  # not well formed; the feed parser is lenient, and expands nothing


def _start(body: bytes) -> str:
    return body[:2000].decode("utf-8", "replace")
