"""News is collected from whoever speaks; whoever does not is shown, and nothing is filled in."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError

from markets import news
from markets.adapters import fetch
from markets.adapters.feeds import Feed
from markets.adapters.http import SimulatedVenue
from markets.adapters.newsapi import NewsApi
from markets.core.news import Access, Batch, Headline, Marks
from markets.core.wire import NotUnderstood
from markets.models import ContextSettings, FetchState, NewsItem, Notice, RawMessage
from tests.markets.loopback import Asked, Said, serving
from tests.moments import NOW, ago, ahead

pytestmark = pytest.mark.django_db


def headline(title: str = "Senate passes budget", **changes: Any) -> Headline:
    values = {
        "kind": "NEWS",
        "source": "feed",
        "publisher": "",
        "url": f"https://a.example/{title}",
        "summary": "",
        "published_at": ago(600),
    } | changes
    return Headline(title=title, **values)


@dataclass(kw_only=True)
class Speaker:
    """A source that says these things, one a reading."""

    says: list[Batch | Exception]
    kind: str = "NEWS"
    name: str = "feed"
    key: str = "feed"
    every_s: int = 0
    simulated: bool = False
    marks: list[Marks] = field(default_factory=list)

    def read(self, marks: Marks) -> Batch:
        self.marks.append(marks)
        said = self.says.pop(0)
        if isinstance(said, Exception):
            raise said
        return said


def saying(*headlines: Headline, **marks: str) -> Batch:
    return Batch(headlines=headlines, marks=Marks(**marks))


def refresh(*sources: Speaker, at: datetime = NOW) -> news.Report:
    return news.refresh(as_of=at, sources=sources)


def titles() -> Sequence[str]:
    return list(NewsItem.objects.order_by("title").values_list("title", flat=True))


def test_a_headline_is_stored_once_however_often_it_is_told() -> None:
    source = Speaker(says=[saying(headline()), saying(headline(), headline("Court rules"))])

    first, second = refresh(source), refresh(source, at=ahead(60))

    assert (first.added, second.added) == (1, 1)
    assert titles() == ["Court rules", "Senate passes budget"]
    assert NewsItem.objects.get(title="Court rules").received_at == ahead(60)


def test_an_agency_story_is_stored_once_though_many_publish_it() -> None:
    told = headline("Senate passes budget after long night - Example Times", source="NewsAPI")
    again = headline("SENATE PASSES BUDGET, AFTER LONG NIGHT", url="https://b.example/2")

    refresh(Speaker(says=[saying(told)]), Speaker(says=[saying(again)], key="b"))

    assert len(titles()) == 1


def test_a_missing_or_impossible_date_is_the_time_of_receipt_and_says_so() -> None:
    refresh(
        Speaker(
            says=[
                saying(
                    headline("Dated"),
                    headline("Undated", published_at=None),
                    headline("From the future", published_at=ahead(86400)),
                )
            ]
        )
    )

    by_title = {row.title: row for row in NewsItem.objects.all()}
    assert (by_title["Dated"].published_at, by_title["Dated"].undated) == (ago(600), False)
    for title in ("Undated", "From the future"):
        assert (by_title[title].published_at, by_title[title].undated) == (NOW, True)


def test_sentiment_missing_is_null() -> None:
    refresh(Speaker(says=[saying(headline())]))

    row = NewsItem.objects.get()
    assert row.sentiment is None
    assert row.sentiment_backend == ""
    assert row.embedding is None


def test_news_fallback_sets_source() -> None:
    """NewsAPI is out: the feed's items come all the same, and say where they come from."""

    def answers(asked: Asked) -> Said:
        if asked.headers["host"] == "newsapi.example":
            return Said(status=500)
        return Said(
            body=b"<rss version='2.0'><channel><title>Daily</title><item><title>Vote today</title>"
            b"<link>https://daily.example/1</link></item></channel></rss>"
        )

    with serving(answers) as net:
        get = net.fetcher()
        api = NewsApi("key", "", get, base_url="http://newsapi.example")
        report = news.refresh(as_of=NOW, sources=[api, Feed("http://daily.example/rss", get)])

    row = NewsItem.objects.get()
    assert report.failed == ("NewsAPI",)
    assert (row.source, row.publisher, row.sentiment) == ("daily.example/rss", "Daily", None)
    assert FetchState.objects.get(url="NewsAPI").failures == 1


def test_one_source_that_fails_stops_no_other() -> None:
    down = Speaker(says=[fetch.Unreachable("no reply")], key="a", name="a")
    odd = Speaker(says=[NotUnderstood("b", "no feed", "<html>")], key="b", name="b")
    up = Speaker(says=[saying(headline())], key="c", name="c")

    report = refresh(down, odd, up)

    assert (report.added, report.failed) == (1, ("a", "b"))
    assert RawMessage.objects.get().reason == "no feed"
    assert FetchState.objects.get(url="c").items == 1


def test_a_source_that_stays_silent_is_noticed_once_an_outage() -> None:
    source = Speaker(
        says=[
            saying(),
            *[fetch.TooSlow("slow")] * 4,
            saying(),
            *[fetch.TooSlow("slow")] * 3,
        ]
    )

    seen = []
    for minute in range(9):
        refresh(source, at=NOW + timedelta(minutes=minute))
        seen.append(Notice.objects.count())

    assert seen == [0, 0, 0, 1, 1, 1, 1, 1, 2]
    assert FetchState.objects.get().failures == 3
    notice = Notice.objects.order_by("id").first()
    assert notice is not None
    assert notice.kind == Notice.Kind.SOURCE_DOWN
    assert "3 times in a row: slow" in notice.text


def test_marks_are_sent_back_and_are_not_moved_by_a_failure() -> None:
    source = Speaker(
        says=[
            saying(headline(), etag="1", last_modified="Friday"),
            fetch.Unreachable("no reply"),
            saying(),
        ]
    )

    for minute in range(3):
        refresh(source, at=NOW + timedelta(minutes=minute))

    told = Marks(etag="1", last_modified="Friday")
    assert source.marks == [Marks(), told, told]


def test_marks_of_last_week_are_forgotten() -> None:
    source = Speaker(says=[saying(etag="1"), saying()])

    refresh(source)
    refresh(source, at=NOW + timedelta(days=7))

    assert source.marks == [Marks(), Marks()]


def test_a_source_is_asked_no_more_often_than_it_allows() -> None:
    source = Speaker(says=[saying(), saying()], every_s=900)

    asked = [refresh(source, at=NOW + timedelta(seconds=s)).asked for s in (0, 300, 600, 900)]

    assert asked == [1, 0, 0, 1]


def test_what_nobody_foresaw_is_that_source_s_failure_too() -> None:
    broken = Speaker(says=[ZeroDivisionError("Bearer sesame")], key="a", name="a")
    up = Speaker(says=[saying(headline())], key="b", name="b")

    report = refresh(broken, up)

    assert (report.added, report.failed) == (1, ("a",))
    state = FetchState.objects.get(url="a")
    assert state.failures == 1
    assert "ZeroDivisionError" in state.error
    assert "sesame" not in state.error


def test_a_database_that_is_gone_is_no_source_s_failure() -> None:
    with pytest.raises(OperationalError):
        refresh(Speaker(says=[OperationalError()]))

    assert FetchState.objects.get().failures == 0


def test_a_failure_is_kept_though_its_words_are_none_for_a_database() -> None:
    refresh(Speaker(says=[fetch.Unreachable("no\0 reply \ud800")]))

    assert FetchState.objects.get().error == "no reply "


def test_a_long_key_is_due_no_more_often_than_a_short_one() -> None:
    source = Speaker(says=[saying(), saying()], every_s=900, key="k" * 500)

    asked = [refresh(source, at=NOW + timedelta(seconds=s)).asked for s in (0, 300)]

    assert asked == [1, 0]


def config() -> Any:
    return ContextSettings.objects.current(as_of=NOW).as_config()


def test_mock_provider_refused_when_mode_not_demo() -> None:
    stand_in = "http://127.0.0.1:8900"

    with pytest.raises(SimulatedVenue, match="MODE=PAPER uses real data only"):
        news.choose(config(), Access(mode="PAPER", feeds_url=stand_in))

    (only,), off = news.choose(config(), Access(mode="DEMO", feeds_url=stand_in))
    assert (only.key, only.simulated) == (f"{stand_in}/news.rss", True)
    assert off == []


def test_the_stand_in_is_read_in_a_demo_and_its_items_are_marked() -> None:
    feed = Said(
        body=b"<rss version='2.0'><channel><title>Simulated</title><item><title>Made up</title>"
        b"<link>http://stand-in.example/1</link></item></channel></rss>"
    )
    with serving(lambda _: feed) as net:
        access = Access(mode="DEMO", feeds_url=f"http://127.0.0.1:{net.port}")
        news.refresh(as_of=NOW, sources=news.choose(config(), access)[0])

    assert NewsItem.objects.get().simulated
    assert net.asked[0].path == "/news.rss"


def test_without_credentials_three_sources_are_off_and_say_what_they_lack() -> None:
    on, off = news.choose(config(), Access(mode="PAPER"))

    assert {s.kind for s in on} == {"NEWS"}
    assert {o.name: o.why for o in off} == {
        "NewsAPI": "NEWSAPI_KEY is not set",
        "Twitter": "TWITTER_TOKEN is not set",
        "Reddit": "REDDIT_ID and REDDIT_SECRET are not set",
    }


def test_with_credentials_they_are_on_and_nothing_shows_them() -> None:
    access = Access(
        mode="PAPER", newsapi_key="k1", twitter_token="k2", reddit_id="k3", reddit_secret="k4"
    )

    on, off = news.choose(config(), access)

    assert {"NewsAPI", "Twitter", "Reddit"} < {s.name for s in on}
    assert off == []
    assert not any(secret in repr(access) for secret in ("k1", "k2", "k3", "k4"))


def test_states_tell_of_every_source_its_age_and_its_trouble() -> None:
    feed_url = config().news_feeds[0]
    feed = Feed(feed_url, fetch.Fetcher())
    refresh(
        Speaker(
            says=[saying(headline(source=feed.name)), fetch.Unreachable("no reply")],
            key=feed_url,
            name=feed.name,
        )
    )

    by_name = {s.name: s for s in news.states(as_of=ahead(300))}

    assert by_name[feed.name].on
    assert (by_name[feed.name].age_s, by_name[feed.name].why) == (300.0, "answers")
    assert by_name["Twitter"].why == "off: TWITTER_TOKEN is not set"
    assert not by_name["Twitter"].on
    assert by_name["Reddit"].age_s is None
    others = [s for s in by_name.values() if s.on and s.name != feed.name]
    assert {s.why for s in others} == {"not asked yet"}


def test_rows_that_could_not_be_stored_come_again() -> None:
    """The mark is kept after the rows: a crash between the two loses nothing."""
    broken = Batch(headlines=[None], marks=Marks(etag="new"))  # type: ignore[list-item]

    report = refresh(Speaker(says=[broken]))

    assert report.failed == ("feed",)
    assert FetchState.objects.get().etag == ""
