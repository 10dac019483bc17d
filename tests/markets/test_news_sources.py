"""Feeds, NewsAPI, Twitter and Reddit as they write, and as nobody should."""

import base64
import json
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from markets.adapters import feeds, fetch, newsapi, reddit, twitter
from markets.adapters.feeds import Feed
from markets.adapters.newsapi import NewsApi
from markets.adapters.reddit import Reddit
from markets.adapters.twitter import Twitter
from markets.core import news, text
from markets.core.news import Marks
from markets.core.wire import NotUnderstood
from tests.markets.loopback import Asked, Said, serving
from tests.moments import NOW

RSS = b"""<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0"><channel><title>The Daily Example</title>
<item><title>Senate passes &lt;b&gt;budget&lt;/b&gt; &amp;amp; goes home</title>
<link>https://news.example/budget</link>
<description><![CDATA[<p>Late at <i>night</i>.<script>steal()</script></p>]]></description>
<pubDate>Fri, 20 Nov 2026 07:00:00 EST</pubDate></item>
<item><title>No address</title></item>
<item><title>Odd date</title><link>/odd</link><pubDate>soon</pubDate></item>
<item><title></title><link>https://news.example/untitled</link></item>
<item><title>Script</title><link>javascript:alert(1)</link></item>
</channel></rss>"""
ATOM = b"""<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>Wire</title>
<entry><title>Court delays ruling</title><link href="https://wire.example/1"/>
<id>urn:1</id><updated>2026-11-20T11:30:00+02:00</updated><summary>Until spring.</summary></entry>
</feed>"""
BOMB = b"""<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;">]><rss version="2.0"><channel><title>&c;</title></channel></rss>"""


def parse(body: bytes) -> news.Batch:
    return feeds.parse(body, source="feed", url="https://news.example/rss.xml")


def serve_json(body: Any) -> Said:
    return Said(body=json.dumps(body).encode(), headers={"Content-Type": "application/json"})


def test_a_feed_is_read_without_its_markup() -> None:
    found = parse(RSS)

    assert [h.title for h in found.headlines] == ["Senate passes budget & goes home", "Odd date"]
    first, second = found.headlines
    assert first.summary == "Late at night ."
    assert first.publisher == "The Daily Example"
    assert first.published_at == datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
    assert second.url == "https://news.example/odd"
    assert second.published_at is None
    assert found.skipped == 3


def test_atom_is_read_too() -> None:
    (only,) = parse(ATOM).headlines

    assert (only.title, only.url) == ("Court delays ruling", "https://wire.example/1")
    assert only.published_at == datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_bomb_is_refused_before_it_explodes(encoding: str) -> None:
    with pytest.raises(NotUnderstood, match="bomb"):
        parse(BOMB.decode().encode(encoding))


def test_a_file_of_this_machine_is_not_read_in() -> None:
    body = (
        b'<?xml version="1.0"?><!DOCTYPE rss SYSTEM "file:///etc/passwd">'
        b"<rss version='2.0'><channel><title>x</title><item><title>Root</title>"
        b"<link>https://a.example/</link></item></channel></rss>"
    )

    assert [h.title for h in parse(body).headlines] == ["Root"]


def test_a_document_nested_without_end_is_refused() -> None:
    with pytest.raises(NotUnderstood, match="nested"):
        parse(b"<rss>" + b"<a>" * 200_000)


@pytest.mark.parametrize("body", [b"", b"<html><body>Log in</body></html>", b"\x00\xff", b"{}"])
def test_what_is_no_feed_is_refused(body: bytes) -> None:
    with pytest.raises(NotUnderstood):
        parse(body)


@given(st.binary(max_size=400), st.integers(0, len(RSS)))
def test_a_damaged_feed_is_read_or_refused_and_never_breaks(noise: bytes, at: int) -> None:
    try:
        found = parse(RSS[:at] + noise + RSS[at:])
    except NotUnderstood:
        return
    assert all(h.title and h.url.startswith("http") for h in found.headlines)


@given(st.text(max_size=300))
def test_plain_text_holds_no_markup_and_nothing_a_database_refuses(written: str) -> None:
    shown = text.plain(written, longest=100)

    assert len(shown) <= 100
    assert "\0" not in shown
    assert shown.encode().decode() == shown  # a lone surrogate would raise


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("a <![x y", "a <![x y"),
        ("Rates <b>cut</b> <![x y", "Rates cut <![x y"),
        ("<b>odd</b> <![x y> end", "odd end"),
        (f"Rates &#{'9' * 5000}; <b>cut</b>", "Rates &#9999"),
        ("x < y & z", "x < y & z"),
        ("cut<script>x()", "cut"),
    ],
)
def test_markup_that_no_parser_takes_is_shown_as_it_stands(written: str, shown: str) -> None:
    assert text.plain(written, longest=100).startswith(shown)


def test_an_odd_headline_or_link_costs_only_itself() -> None:
    odd = b"<item><title>a &lt;![x y</title><link>https://news.example/odd</link></item>"
    nowhere = b"<item><title>Nowhere</title><link>http://[::1</link></item>"
    good = b"<item><title>Vote</title><link>https://news.example/vote</link></item>"
    channel = b"<rss version='2.0'><channel><title>D</title>" + odd + nowhere + good

    found = parse(channel + b"</channel></rss>")

    assert [h.title for h in found.headlines] == ["a <![x y", "Vote"]
    assert found.skipped == 1


@pytest.mark.parametrize("piece", ["<b>word</b> ", "<a ", '<a b="', "<!--", "word "])
def test_the_work_of_reading_markup_does_not_grow_with_it(
    piece: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed: list[int] = []
    feed = HTMLParser.feed
    monkeypatch.setattr(
        HTMLParser, "feed", lambda self, data: (handed.append(len(data)), feed(self, data))
    )

    short, long = (text.plain(piece * times, longest=2000) for times in (5_000, 10_000))

    assert handed[0] == handed[1] <= text.MOST_READ
    assert short == long


def test_brackets_that_never_close_are_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parser looks for the end of each of them again: quadratic, even within a few kB."""
    handed: list[str] = []
    monkeypatch.setattr(HTMLParser, "feed", lambda _self, data: handed.append(data))

    text.plain("<b>" + "<a " * 1000, longest=100)

    assert handed == ["<b>"]


@pytest.mark.parametrize(
    ("written", "hour"),
    [
        ("2026-11-20T12:00:00Z", 12),
        ("2026-11-20 12:00:00", 12),
        ("Fri, 20 Nov 2026 12:00:00 GMT", 12),
        ("20 Nov 2026 12:00 +0200", 10),
        ("20261120T120000+00:00", 12),
    ],
)
def test_dates_are_read_in_their_dialects(written: str, hour: int) -> None:
    assert news.moment(written) == datetime(2026, 11, 20, hour, 0, tzinfo=UTC)


@pytest.mark.parametrize("written", ["", "yesterday", "99999-01-01", "Fri, 99 Nov 2026 12:00:00"])
def test_an_unreadable_date_is_none(written: str) -> None:
    assert news.moment(written) is None


def test_a_feed_sends_back_its_mark_and_reads_nothing_twice() -> None:
    def answers(asked: Asked) -> Said:
        known = asked.headers.get("if-none-match") == '"1"'
        return Said(status=304 if known else 200, body=RSS, headers={"ETag": '"1"'})

    with serving(answers) as net:
        feed = Feed("http://news.example/rss.xml", net.fetcher())

        first = feed.read(Marks())
        second = feed.read(first.marks)

    assert (len(first.headlines), len(second.headlines)) == (2, 0)
    assert second.marks == first.marks


def article(**changes: Any) -> dict[str, Any]:
    return {
        "source": {"id": None, "name": "Example Times"},
        "author": None,
        "title": "Central bank holds rates - Example Times",
        "description": None,
        "url": "https://times.example/rates",
        "publishedAt": "2026-11-20T11:00:00Z",
        "content": "…",
    } | changes


def test_newsapi_gets_its_key_in_a_header_and_nowhere_else() -> None:
    with serving(lambda _: serve_json({"status": "ok", "articles": [article()]})) as net:
        source = NewsApi("sesame", "rates", net.fetcher(), base_url="http://newsapi.example/v2")

        (only,) = source.read(Marks()).headlines

    assert only.publisher == "Example Times"
    assert only.published_at == datetime(2026, 11, 20, 11, 0, tzinfo=UTC)
    assert net.asked[0].headers["x-api-key"] == "sesame"
    assert net.asked[0].path.startswith("/v2/everything?q=rates&")
    assert "sesame" not in net.asked[0].path


def test_newsapi_without_a_query_reads_the_top_headlines() -> None:
    removed = article(title="[Removed]")
    with serving(lambda _: serve_json({"status": "ok", "articles": [removed, None]})) as net:
        batch = NewsApi("k", "", net.fetcher(), base_url="http://n.example").read(Marks())

    assert net.asked[0].path.startswith("/top-headlines?")
    assert (len(batch.headlines), batch.skipped) == (0, 2)


def test_newsapi_that_refuses_its_key_says_so_without_telling_it() -> None:
    with serving(lambda _: Said(status=401)) as net:
        source = NewsApi("sesame", "rates", net.fetcher(), base_url="http://newsapi.example")
        with pytest.raises(fetch.Answered, match="401") as failure:
            source.read(Marks())

    assert "sesame" not in str(failure.value) + repr(failure.value)


TWEETS = {
    "data": [
        {
            "id": "1992",
            "author_id": "7",
            "created_at": "2026-11-20T11:59:00.000Z",
            "text": "Candidate drops out &amp; endorses nobody",
        },
        {"id": "x", "text": "no number"},
    ],
    "meta": {"newest_id": "1992", "result_count": 2},
}


def test_twitter_is_asked_for_what_is_newer_than_the_last_post() -> None:
    with serving(lambda _: serve_json(TWEETS)) as net:
        source = Twitter("bearer-token", "polymarket", net.fetcher(), base_url="http://x.example/2")

        batch = source.read(Marks())
        source.read(batch.marks)

    (only,) = batch.headlines
    assert (only.kind, only.url) == ("TWITTER", "https://x.com/i/status/1992")
    assert only.title == "Candidate drops out & endorses nobody"
    assert batch.skipped == 1
    assert net.asked[0].headers["authorization"] == "Bearer bearer-token"
    assert "since_id" not in net.asked[0].path
    assert "since_id=1992" in net.asked[1].path


def test_a_silent_hour_on_twitter_is_no_error() -> None:
    batch = twitter.parse(b'{"meta": {"result_count": 0}}', before=Marks(etag="1992"))

    assert (list(batch.headlines), batch.marks.etag) == ([], "1992")


def post(**changes: Any) -> dict[str, Any]:
    return {
        "data": {
            "title": "Ruling expected Monday",
            "permalink": "/r/worldnews/comments/1/ruling/",
            "subreddit": "worldnews",
            "selftext": "",
            "created_utc": 1795176000.5,
        }
        | changes
    }


def test_reddit_signs_in_as_an_application_and_reads_its_communities() -> None:
    def answers(asked: Asked) -> Said:
        if asked.method == "POST":
            return serve_json({"access_token": "pass", "token_type": "bearer"})
        return serve_json({"kind": "Listing", "data": {"children": [post(), {"data": None}, 7]}})

    with serving(answers) as net:
        base = "http://reddit.example"
        source = Reddit(
            ("id", "secret"), ("a", "b"), net.fetcher(), login_url=f"{base}/token", base_url=base
        )
        batch = source.read(Marks())

    login, listing = net.asked
    assert login.headers["authorization"] == "Basic " + base64.b64encode(b"id:secret").decode()
    assert login.body == b"grant_type=client_credentials"
    assert listing.headers["authorization"] == "bearer pass"
    assert listing.path == "/r/a+b/new?limit=100&raw_json=1"
    (only,) = batch.headlines
    assert (only.publisher, only.published_at) == (
        "r/worldnews",
        datetime.fromtimestamp(1795176000.5, tz=UTC),
    )
    assert batch.skipped == 2


def test_reddit_that_gives_no_token_names_the_remedy() -> None:
    with serving(lambda _: serve_json({"error": "invalid_grant"})) as net:
        base = "http://reddit.example"
        source = Reddit(
            ("id", "s"), ("a",), net.fetcher(), login_url=f"{base}/token", base_url=base
        )
        with pytest.raises(NotUnderstood, match="check REDDIT_ID and REDDIT_SECRET"):
            source.read(Marks())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["status", "articles", "title", "url", "source", "data", "meta", "id",
                         "children", "permalink", "created_utc", "text", "newest_id"]),
        inner,
        max_size=5,
    ),
    max_leaves=20,
)  # fmt: skip


@given(JSON)
def test_any_json_is_read_or_refused(value: Any) -> None:
    body = json.dumps(value).encode()
    for parse_reply in (newsapi.parse, reddit.parse, lambda b: twitter.parse(b, before=Marks())):
        try:
            batch = parse_reply(body)
        except NotUnderstood:
            continue
        assert all(h.title for h in batch.headlines)


def test_a_date_that_cannot_be_true_is_no_date() -> None:
    def judged(year: int) -> datetime | None:
        return news.believable(datetime(year, 1, 1, tzinfo=UTC), received_at=NOW)

    assert judged(1970) is None
    assert judged(2031) is None
    assert judged(2026) == datetime(2026, 1, 1, tzinfo=UTC)
