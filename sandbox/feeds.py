"""Simulated news and a simulated calendar about the world's own events."""

import hashlib
from datetime import UTC, datetime
from html import escape
from typing import Any

from sandbox.core import names
from sandbox.core.families import Kind
from sandbox.core.world import Happening, World
from sandbox.routes import Answer, Query, Reply

STORIES = 20
EVENTS_LOOKED_AT = 60
EVERY_S = 30  # the feed changes this often
RELEASE_S = 900  # a release of each kind this often
RELEASES = (
    ("Simulated consumer prices", "CPI", "high"),
    ("Simulated labour report", "NFP", "high"),
    ("Simulated rate decision", "FOMC", "high"),
    ("Simulated retail sales", "RETAIL", "medium"),
)
MOODS = (
    ("surges ahead", "Supporters are optimistic after a strong and successful day."),
    ("in doubt", "Critics warn of failure after a weak and disappointing day."),
    ("still open", "Observers see no change."),
)
NOTE = "SIMULATED NEWS of the stand-in venue: nothing here is real."


def rss(world: World, _query: Query, second: int) -> Reply:
    """RSS 2.0, the newest first."""
    items = "".join(
        f"<item><title>{escape(title)}</title><link>{link}</link><guid>{link}</guid>"
        f"<description>{escape(text)}</description><pubDate>{_rfc(at)}</pubDate></item>"
        for at, title, text, link in _stories(world, second)
    )
    return _xml(
        '<rss version="2.0"><channel><title>Simulated news</title>'
        f"<link>http://127.0.0.1/</link><description>{NOTE}</description>{items}</channel></rss>",
        "application/rss+xml",
    )


def atom(world: World, _query: Query, second: int) -> Reply:
    """The same stories as Atom."""
    entries = "".join(
        f'<entry><id>{link}</id><title>{escape(title)}</title><link href="{link}"/>'
        f"<summary>{escape(text)}</summary><updated>{_iso(at)}</updated></entry>"
        for at, title, text, link in _stories(world, second)
    )
    return _xml(
        '<feed xmlns="http://www.w3.org/2005/Atom"><id>urn:simulated:news</id>'
        f"<title>Simulated news</title><updated>{_iso(second - second % EVERY_S)}</updated>"
        f"<subtitle>{NOTE}</subtitle>{entries}</feed>",
        "application/atom+xml",
    )


def _stories(world: World, second: int) -> list[tuple[int, str, str, str]]:
    """When, headline, text and link of the newest stories: one when a market has run a third."""
    found = []
    for happening in world.recent(second, events=EVENTS_LOOKED_AT):
        at = happening.starts_at + (happening.ends_at - happening.starts_at) // 3
        if at <= second - second % EVERY_S and happening.family.kind is not Kind.EPOCH:
            found.append((at, *_story(happening, at)))
    return sorted(found, reverse=True)[:STORIES]


def _story(happening: Happening, at: int) -> tuple[str, str, str]:
    chance = float(happening.probability[0, happening.at(at)])
    words, text = MOODS[0 if chance > 0.6 else 1 if chance < 0.4 else 2]
    title = names.title(happening).removesuffix(" (simulated)")
    link = f"http://127.0.0.1/simulated/{happening.number}"
    return f"[Simulated] {title} — {words}", f"{NOTE} {text}", link


def releases(second: int) -> list[dict[str, Any]]:
    """Two scheduled releases of each kind around now: the last and the next."""
    found = []
    for i, (title, code, importance) in enumerate(RELEASES):
        offset = i * RELEASE_S // len(RELEASES)
        last = (second - offset) // RELEASE_S * RELEASE_S + offset
        kind = {"title": title, "code": code, "importance": importance, "country": "US"}
        found += [
            {"id": f"simulated-{code.lower()}-{at}", "scheduled_at": _iso(at), **kind}
            for at in (last, last + RELEASE_S)
        ]
    return sorted(found, key=lambda release: str(release["scheduled_at"]))


def calendar_json(_world: World, _query: Query, second: int) -> Any:
    """The releases as JSON."""
    return {"simulated": True, "events": releases(second)}


def calendar_ics(_world: World, _query: Query, second: int) -> Reply:
    """The releases as iCalendar (RFC 5545)."""
    stamp = _compact(_iso(second - second % RELEASE_S))
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//stand-in venue//simulated//EN"]
    for release in releases(second):
        lines += [
            "BEGIN:VEVENT",
            f"UID:{release['id']}@simulated",
            f"DTSTAMP:{stamp}",
            f"DTSTART:{_compact(release['scheduled_at'])}",
            f"SUMMARY:{release['title']}",
            f"CATEGORIES:{release['code']}",
            "DESCRIPTION:Simulated by the stand-in venue",
            "END:VEVENT",
        ]
    text = "\r\n".join([*lines, "END:VCALENDAR", ""])
    return _tagged(text.encode(), "text/calendar")


def _xml(text: str, kind: str) -> Reply:
    return _tagged(('<?xml version="1.0" encoding="utf-8"?>' + text).encode(), kind)


def _tagged(body: bytes, kind: str) -> Reply:
    tag = hashlib.sha256(body).hexdigest()[:16]
    return Reply(status=200, body=body, headers={"Content-Type": kind, "ETag": f'"{tag}"'})


def _iso(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _compact(iso: str) -> str:
    return iso.replace("-", "").replace(":", "")


def _rfc(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%a, %d %b %Y %H:%M:%S} +0000"


ROUTES: dict[str, Answer] = {
    "/feeds/news.rss": rss,
    "/feeds/news.atom": atom,
    "/feeds/calendar.ics": calendar_ics,
    "/feeds/calendar.json": calendar_json,
}
