"""NewsAPI: articles of many publishers; needs a key."""

from typing import Any, Final
from urllib.parse import urlencode

from markets.adapters.fetch import JSON, Fetcher
from markets.core import news
from markets.core.news import Batch, Headline, Marks
from markets.core.wire import NotUnderstood, decode

URL: Final = "https://newsapi.org/v2"
REMOVED: Final = "[Removed]"


class NewsApi:
    """The newest articles on a query, or the top headlines without one."""

    kind = "NEWS"
    name = key = "NewsAPI"
    every_s = 900  # the free plan allows 100 requests a day
    simulated = False

    def __init__(self, key: str, query: str, fetcher: Fetcher, *, base_url: str = URL) -> None:
        self._secret = key
        self._query = query
        self._fetcher = fetcher
        self._base_url = base_url

    def read(self, marks: Marks) -> Batch:
        """See `NewsSource`."""
        common = {"language": "en", "pageSize": "100"}
        if self._query:
            path = "everything?" + urlencode({"q": self._query, "sortBy": "publishedAt", **common})
        else:
            path = "top-headlines?" + urlencode(common)
        # In a header: addresses end up in logs.
        reply = self._fetcher.get(
            f"{self._base_url}/{path}", accept=JSON, headers={"X-Api-Key": self._secret}
        )
        return parse(reply.body)


def parse(body: bytes) -> Batch:
    """The articles of a reply. Raises `NotUnderstood`."""
    said = decode(body, source=NewsApi.name)
    articles = said.get("articles") if isinstance(said, dict) else None
    if not isinstance(said, dict) or said.get("status") != "ok" or not isinstance(articles, list):
        raise NotUnderstood(NewsApi.name, "no articles", body[:2000].decode("utf-8", "replace"))
    found = [_headline(article) for article in articles]
    clean = [h for h in found if h is not None]
    return Batch(headlines=clean, skipped=len(found) - len(clean))


def _headline(article: Any) -> Headline | None:
    if not isinstance(article, dict) or article.get("title") in (None, "", REMOVED):
        return None
    publisher = article.get("source")
    return news.headline(
        kind=NewsApi.kind,
        source=NewsApi.name,
        publisher=str(publisher.get("name") or "") if isinstance(publisher, dict) else "",
        url=str(article.get("url") or ""),
        title=str(article["title"]),
        summary=str(article.get("description") or ""),
        published_at=news.moment(str(article.get("publishedAt") or "")),
    )
