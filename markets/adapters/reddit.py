"""Reddit's newest posts of chosen communities; needs an application's id and secret."""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from markets.adapters.fetch import JSON, Fetcher
from markets.core import news
from markets.core.news import Batch, Headline, Marks
from markets.core.wire import NotUnderstood, decode

LOGIN_URL: Final = "https://www.reddit.com/api/v1/access_token"
URL: Final = "https://oauth.reddit.com"


class Reddit:
    """Signs in as an application, without a user, for each reading."""

    kind = "REDDIT"
    name = key = "Reddit"
    every_s = 300
    simulated = False

    def __init__(
        self,
        client: tuple[str, str],
        subreddits: Sequence[str],
        fetcher: Fetcher,
        *,
        login_url: str = LOGIN_URL,
        base_url: str = URL,
    ) -> None:
        self._client = client
        self._subreddits = subreddits
        self._fetcher = fetcher
        self._login_url = login_url
        self._base_url = base_url

    def read(self, marks: Marks) -> Batch:
        """See `NewsSource`."""
        reply = self._fetcher.get(
            f"{self._base_url}/r/{'+'.join(self._subreddits)}/new?limit=100&raw_json=1",
            accept=JSON,
            headers={"Authorization": f"bearer {self._token()}"},
        )
        return parse(reply.body)

    def _token(self) -> str:
        basic = base64.b64encode(":".join(self._client).encode()).decode()
        reply = self._fetcher.post(
            self._login_url,
            b"grant_type=client_credentials",
            accept=JSON,
            headers={
                "Authorization": f"Basic {basic}",
                "Content-Type": "application/x-www-form-urlencoded",
            },
        )
        said = decode(reply.body, source=self.name)
        token = said.get("access_token") if isinstance(said, dict) else None
        if not isinstance(token, str) or not token:
            # Not the body: it may hold half of a credential.
            raise NotUnderstood(self.name, "no access token; check REDDIT_ID and REDDIT_SECRET", "")
        return token


def parse(body: bytes) -> Batch:
    """The posts of a listing. Raises `NotUnderstood`."""
    said = decode(body, source=Reddit.name)
    data = said.get("data") if isinstance(said, dict) else None
    children = data.get("children") if isinstance(data, dict) else None
    if not isinstance(children, list):
        raise NotUnderstood(Reddit.name, "no listing", body[:2000].decode("utf-8", "replace"))
    found = [_headline(c.get("data") if isinstance(c, dict) else None) for c in children]
    clean = [h for h in found if h is not None]
    return Batch(headlines=clean, skipped=len(found) - len(clean))


def _headline(post: Any) -> Headline | None:
    if not isinstance(post, dict) or not str(post.get("permalink") or "").startswith("/"):
        return None
    return news.headline(
        kind=Reddit.kind,
        source=Reddit.name,
        publisher=f"r/{post.get('subreddit') or ''}",
        url=f"https://www.reddit.com{post['permalink']}",
        title=str(post.get("title") or ""),
        summary=str(post.get("selftext") or ""),
        published_at=_date(post.get("created_utc")),
    )


def _date(seconds: Any) -> datetime | None:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float | Decimal):
        return None
    try:
        return datetime.fromtimestamp(float(seconds), tz=UTC)
    except (ValueError, OverflowError, OSError):
        return None
