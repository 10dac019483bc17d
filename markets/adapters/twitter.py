"""Twitter's recent search (API v2); needs a bearer token."""

from typing import Any, Final
from urllib.parse import urlencode

from markets.adapters.fetch import JSON, Fetcher
from markets.core import news
from markets.core.news import Batch, Headline, Marks
from markets.core.wire import NotUnderstood, decode

URL: Final = "https://api.x.com/2"


class Twitter:
    """The newest posts on a query; only those since the last reading."""

    kind = "TWITTER"
    name = key = "Twitter"
    every_s = 900  # the smallest plan allows one search in fifteen minutes
    simulated = False

    def __init__(self, token: str, query: str, fetcher: Fetcher, *, base_url: str = URL) -> None:
        self._token = token
        self._query = query
        self._fetcher = fetcher
        self._base_url = base_url

    def read(self, marks: Marks) -> Batch:
        """See `NewsSource`; the mark is the newest post's number."""
        asked = {"query": self._query, "max_results": "100", "tweet.fields": "created_at,author_id"}
        if marks.etag:
            asked["since_id"] = marks.etag
        reply = self._fetcher.get(
            f"{self._base_url}/tweets/search/recent?{urlencode(asked)}",
            accept=JSON,
            headers={"Authorization": f"Bearer {self._token}"},
        )
        return parse(reply.body, before=marks)


def parse(body: bytes, *, before: Marks) -> Batch:
    """The posts of a reply. Raises `NotUnderstood`."""
    said = decode(body, source=Twitter.name)
    if not isinstance(said, dict) or not isinstance(said.get("meta"), dict):
        raise NotUnderstood(Twitter.name, "no meta", body[:2000].decode("utf-8", "replace"))
    posts = said.get("data") or []
    found = [_headline(post) for post in posts] if isinstance(posts, list) else []
    clean = [h for h in found if h is not None]
    newest = str(said["meta"].get("newest_id") or before.etag)
    return Batch(headlines=clean, skipped=len(found) - len(clean), marks=Marks(etag=newest))


def _headline(post: Any) -> Headline | None:
    if not isinstance(post, dict) or not str(post.get("id") or "").isdigit():
        return None
    return news.headline(
        kind=Twitter.kind,
        source=Twitter.name,
        publisher=str(post.get("author_id") or ""),
        url=f"https://x.com/i/status/{post['id']}",
        title=str(post.get("text") or ""),
        summary="",
        published_at=news.moment(str(post.get("created_at") or "")),
    )
