"""News is read once; what it says of a market is what was known then."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from markets import news_reading, news_signal
from markets.core import news
from markets.models import ContextSettings, NewsItem, NewsLink, Notice
from tests.factories import MarketFactory, revise
from tests.moments import NOW, ago, ahead

pytestmark = pytest.mark.django_db


class Env:
    """The environment of a test, with a folder for artefacts of its own."""

    def __init__(self, folder: Path) -> None:
        from django.conf import settings

        self._env = settings.ENV
        self.artefact_dir = folder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._env, name)


@pytest.fixture(autouse=True)
def artefacts(tmp_path: Path) -> Iterator[None]:
    with override_settings(ENV=Env(tmp_path)):
        yield


def item(title: str, **changes: Any) -> NewsItem:
    values = {
        "digest": title,
        "source": "feed",
        "url": "https://a.example/",
        "published_at": ago(600),
        "received_at": ago(300),
    } | changes
    return NewsItem.objects.create(title=title, **values)


def market(question: str) -> int:
    return int(MarketFactory(question=question).pk)


def test_an_item_is_read_and_linked_to_the_market_it_is_about() -> None:
    newsom = market("Will Gavin Newsom win the nomination?")
    market("Will Arsenal win the Premier League?")
    item("Newsom drops out of race for nomination")

    reading = news_reading.read(as_of=NOW, clock=lambda: ahead(5))

    row, link = NewsItem.objects.get(), NewsLink.objects.get()
    assert (reading.items, reading.understood, reading.linked) == (1, 1, 1)
    assert row.sentiment is not None
    assert row.sentiment < 0
    assert row.sentiment_backend.startswith("vader+market")
    assert (link.market_id, link.received_at) == (newsom, ahead(5))
    assert link.backend == row.embedding_backend
    assert link.backend.startswith("tfidf-svd")
    assert row.embedding is not None
    assert np.isclose(np.linalg.norm(np.frombuffer(row.embedding, np.float32)), 1, atol=1e-5)


def test_what_was_not_understood_stays_null_and_is_not_read_again() -> None:
    item("Meeting in Geneva on Monday")

    first, second = news_reading.read(as_of=NOW), news_reading.read(as_of=ahead(60))

    assert (first.items, first.understood, second.items) == (1, 0, 0)
    row = NewsItem.objects.get()
    assert row.sentiment is None
    assert row.sentiment_backend != ""


def test_without_markets_news_is_read_all_the_same() -> None:
    item("Shares crash")

    reading = news_reading.read(as_of=NOW)

    row = NewsItem.objects.get()
    assert (reading.understood, reading.linked) == (1, 0)
    assert (row.embedding, row.embedding_backend) == (None, "")


def test_a_missing_reader_leaves_null_says_so_and_tells_somebody() -> None:
    revise(ContextSettings, sentiment_backend="finbert")
    item("Shares crash")

    news_reading.read(as_of=NOW)

    row = NewsItem.objects.get()
    assert (row.sentiment, row.sentiment_backend) == (None, "missing:finbert")
    assert Notice.objects.filter(subject="finbert", text__contains="put a FinBERT model").exists()


def test_old_items_and_those_from_the_future_are_left_alone() -> None:
    item("Too old", received_at=ago(3 * 86400))
    item("Too early", received_at=ahead(60))

    assert news_reading.read(as_of=NOW).items == 0


def linked(market_id: int, title: str, *, read_at: Any = NOW, **changes: Any) -> None:
    row = item(title, sentiment_backend="test", **changes)
    NewsLink.objects.create(
        item=row, market_id=market_id, similarity=0.5, backend="test", received_at=read_at
    )


def test_the_signal_counts_averages_and_dates_what_was_linked() -> None:
    first, second = market("One?"), market("Two?")
    linked(first, "a", sentiment=0.5, published_at=ago(3600))
    linked(first, "b", sentiment=-0.1, published_at=ago(600))
    linked(first, "c", sentiment=None, published_at=ago(7200))
    linked(first, "before", sentiment=-1.0, published_at=ago(100_000))

    found = news_signal.news_signal([second, first], since=ago(86400), as_of=NOW)

    assert found.count.tolist() == [0, 3]
    assert np.isnan(found.sentiment[0])
    assert found.sentiment[1] == pytest.approx(0.2)
    assert np.isnan(found.age_s[0])
    assert found.age_s[1] == 600


def test_only_unread_news_has_no_mood_rather_than_a_calm_one() -> None:
    only = market("One?")
    linked(only, "a", sentiment=None)

    found = news_signal.news_signal([only], since=ago(86400), as_of=NOW)

    assert found.count.tolist() == [1]
    assert np.isnan(found.sentiment).all()


def test_what_was_received_or_linked_later_is_not_known_yet() -> None:
    only = market("One?")
    linked(only, "received later", received_at=ahead(10), read_at=ahead(10), sentiment=1.0)
    linked(only, "linked later", received_at=ago(10), read_at=ahead(10), sentiment=1.0)

    def count(at: Any) -> list[int]:
        return list(news_signal.news_signal([only], since=ago(86400), as_of=at).count)

    assert count(NOW) == [0]
    assert count(ahead(10)) == [2]


def test_nothing_asked_is_nothing_answered() -> None:
    found = news_signal.news_signal([], since=ago(86400), as_of=NOW)

    assert found.count.size == found.sentiment.size == found.age_s.size == 0


Told = st.tuples(
    st.integers(0, 2),  # market
    st.integers(-100, 100),  # received, seconds around now
    st.integers(0, 50),  # linked so much later
    st.none() | st.floats(-1, 1),
)


@given(st.lists(Told, max_size=8))
def test_erasing_the_future_changes_no_signal(told: list[Any]) -> None:
    from django.db import transaction

    with transaction.atomic():
        ids = [market(f"Question {n}?") for n in range(3)]
        for n, (place, received, later, feeling) in enumerate(told):
            linked(
                ids[place],
                str(n),
                published_at=ago(200),
                received_at=ahead(received),
                read_at=ahead(received + later),
                sentiment=feeling,
            )
        full = news_signal.news_signal(ids, since=ago(3600), as_of=NOW)
        NewsLink.objects.filter(received_at__gt=NOW).delete()
        NewsItem.objects.filter(received_at__gt=NOW).delete()
        erased = news_signal.news_signal(ids, since=ago(3600), as_of=NOW)
        transaction.set_rollback(True)

    assert np.array_equal(full.count, erased.count)
    assert np.array_equal(full.sentiment, erased.sentiment, equal_nan=True)
    assert np.array_equal(full.age_s, erased.age_s, equal_nan=True)


def test_a_summary_of_nothing_is_empty_for_every_market() -> None:
    none = np.zeros(0)

    found = news.summarise(none.astype(np.int64), none, none, markets=2, as_of=0.0)

    assert found.count.tolist() == [0, 0]
    assert np.isnan(found.sentiment).all()
