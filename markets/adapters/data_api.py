"""The venue's data service: anybody's trades, positions and activity; holders, results, tokens.

Version 2 is asked first. Where its route is gone (404: version 2 answers an unknown id with an
empty list) the old route is asked, whose pages are counted and end at a fixed depth.
What it says lags the chain by minutes: for display, study and audit, never the only truth.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from itertools import islice
from math import ceil, floor
from typing import Literal, TypeVar

import httpx
from django.conf import settings

from config.kernel.units import ConditionId, TokenId
from markets.adapters import http
from markets.adapters.gamma import StuckCursor
from markets.core import wire_data as wire
from markets.core.wire import NotUnderstood

T = TypeVar("T")
Status = Literal["OPEN", "REDEEMABLE", "REDEEMABLE_LOST", "MERGEABLE", "CLOSED"]
Query = dict[str, str]

# Documented requests per 10 s, autumn 2026; version 2 shares the figures of version 1.
LIMITS = (
    http.Limit(prefix="", requests=1000),
    *(
        http.Limit(prefix=version + path, requests=requests)
        for version in ("", "/v2")
        for path, requests in (("/trades", 200), ("/positions", 150), ("/closed-positions", 150))
    ),
)
PAGE = 1000
CONDITIONS_PER_CALL = 20
TOKENS_PER_CALL = 50
# Version 1: rows a page, and the deepest offset it serves.
DEPTH: Mapping[str, tuple[int, int]] = {
    "/trades": (1000, 10_000),
    "/activity": (500, 5_000),
    "/positions": (500, 10_000),
    "/closed-positions": (50, 10_000),
    "/holders": (20, 0),
}


class TooDeep(Exception):
    """The old service lists no farther; what lies beyond must be asked for by market or time."""


class DataApi:
    """Reads the data service; `simulated` where the service runs on this machine.

    Listings give `wire.Rows`, a page at a time, with the rows that could not be read in `refused`.
    All raise `http.VenueUnreachable`, `http.VenueRefused` and `NotUnderstood`; listings
    `StuckCursor`, and `TooDeep` where only the old service answers.
    """

    def __init__(
        self, base_url: str, *, transport: httpx.BaseTransport | None = None, attempts: int = 4
    ) -> None:
        self.simulated = http.is_local(base_url)
        self._http = http.session(base_url, limits=LIMITS, transport=transport, attempts=attempts)

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def trades(
        self,
        condition_ids: Sequence[ConditionId] = (),
        *,
        wallet: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
        taker_only: bool = False,
    ) -> Iterator[wire.Rows[wire.PublicTrade]]:
        """Trades in [since, until) of at most 20 markets or of one wallet, newest first.

        Each transaction shows its taker once, with the mean price, and each maker order that it
        met beside it; `taker_only` leaves the makers out. Both together count volume twice.
        """
        if not condition_ids and not wallet:
            raise ValueError("ask for the trades of markets or of a wallet, not of everybody")
        many, whose = _conditions(condition_ids), {"user": wallet} if wallet else {}
        takers = str(taker_only).lower()
        pages = self._rows(
            wire.PublicTrade,
            ("/v2/trades", whose | many | {"taker_only": takers} | _window(since, until)),
            ("/trades", whose | _renamed(many, "market") | {"takerOnly": takers}),
        )
        asked = {c.lower() for c in condition_ids}
        for page in pages:
            kept = page.where(lambda row: _asked_for(row, asked, wallet, since, until))
            if page.rows and asked and all(r.condition_id.lower() not in asked for r in page.rows):
                raise NotUnderstood(f"{wire.SOURCE}.trades", "rows of other markets", b"")
            yield kept
            # The old service knows no window: newest first, the rest of it is older still.
            if since is not None and page.rows and page.rows[-1].traded_at < since:
                return

    def activity(
        self, wallet: str, *, since: datetime | None = None, until: datetime | None = None
    ) -> Iterator[wire.Rows[wire.Activity]]:
        """What a wallet did in [since, until): trades, splits, redemptions, deposits; newest first.

        Without `since` the service looks back about three years.
        """
        whose = {"user": wallet} | _window(since, until)
        pages = self._rows(
            wire.Activity,
            ("/v2/activity", whose | {"exclude_deposits_withdrawals": "false"}),
            ("/activity", whose),
        )
        for page in pages:
            yield page.where(lambda row: _within(row.happened_at, since, until))

    def positions(
        self,
        wallet: str = "",
        *,
        status: Status | None = None,
        condition_ids: Sequence[ConditionId] = (),
    ) -> Iterator[wire.Rows[wire.Position]]:
        """Positions of one wallet (of one market's holders without a wallet), of one status or all.

        `REDEEMABLE_LOST` are the losers that nobody redeems: without them every wallet looks good.
        The old service cannot tell those and `MERGEABLE` apart from others: they are refused.
        """
        many = _conditions(condition_ids)
        whose = {"user": wallet} if wallet else {}
        if not wallet and len(condition_ids) != 1:
            raise ValueError("ask for the positions of one wallet, or of exactly one market")
        filters = {"status": status} if status else {}
        old: tuple[str, Query] | None = None
        if wallet and status in (None, "OPEN", "REDEEMABLE", "CLOSED"):
            path = "/closed-positions" if status == "CLOSED" else "/positions"
            redeemable = {"redeemable": "true"} if status == "REDEEMABLE" else {}
            old = (path, whose | _renamed(many, "market") | redeemable | {"sizeThreshold": "0"})
        return self._rows(wire.Position, ("/v2/positions", whose | many | filters), old)

    def holders(self, condition_ids: Sequence[ConditionId]) -> Iterator[wire.Rows[wire.Holders]]:
        """The biggest holders of both tokens of at most 20 markets; the old service names few."""
        many = _conditions(condition_ids)
        if not many:
            raise ValueError("ask for the holders of at least one market")
        return self._rows(
            wire.Holders, ("/v2/holders", many), ("/holders", _renamed(many, "market"))
        )

    def resolutions(
        self, condition_ids: Iterable[ConditionId]
    ) -> Iterator[wire.Rows[wire.OracleState]]:
        """Where these questions stand with their oracle; 20 a call, unknown ones are left out."""
        for batch in _batches(condition_ids, CONDITIONS_PER_CALL):
            body = self._get("/v2/resolutions", {"condition_id": ",".join(batch)})
            yield wire.page(wire.OracleState, body)

    def tokens(self, token_ids: Iterable[TokenId]) -> Iterator[wire.Rows[wire.TokenReference]]:
        """What these tokens are, and their final price once resolved; 50 a call."""
        for batch in _batches(token_ids, TOKENS_PER_CALL):
            body = self._get("/v2/tokens", {"token_id": ",".join(batch)})
            yield wire.page(wire.TokenReference, body)

    def worth(self, wallet: str) -> wire.Worth:
        """Value of a wallet's open positions, dollars."""
        return wire.worth(self._get("/v2/value", {"user": wallet}))

    def _rows(
        self, kind: type[T], new: tuple[str, Query], old: tuple[str, Query] | None
    ) -> Iterator[wire.Rows[T]]:
        pages = self._cursor(kind, *new)
        try:
            yield next(pages)
        except http.NotThere:
            if old is None:
                raise
            yield from self._offset(kind, *old)
        else:
            yield from pages

    def _cursor(self, kind: type[T], path: str, query: Query) -> Iterator[wire.Rows[T]]:
        seen: set[str] = set()
        cursor = ""
        while True:
            # The page size is part of the cursor.
            more = {"cursor": cursor} if cursor else {"limit": str(PAGE)}
            page = wire.page(kind, self._get(path, query | more))
            yield page
            cursor = page.next_cursor
            if not cursor:
                return
            if cursor in seen:
                raise StuckCursor(f"{path} gave the cursor {cursor[:40]!r} twice")
            seen.add(cursor)

    def _offset(self, kind: type[T], path: str, query: Query) -> Iterator[wire.Rows[T]]:
        size, deepest = DEPTH[path]
        for offset in range(0, deepest + 1, size):
            page_query = {"limit": str(size), "offset": str(offset)}
            page = wire.page(kind, self._get(path, query | page_query))
            yield page
            if len(page.rows) + len(page.refused) < size:
                return
        if deepest:
            raise TooDeep(
                f"{path} lists no more than {deepest + size} rows; ask for less at a time"
            )

    def _get(self, path: str, query: Query) -> bytes:
        try:
            return self._http.get(path, query)
        except http.NotThere:
            raise
        except http.VenueRefused as refused:
            if _may_be_repeated(refused.body):
                raise http.VenueUnreachable(str(refused)) from refused
            raise


def _may_be_repeated(body: bytes) -> bool:
    """Whether the service itself says that asking again may help."""
    try:
        return wire.refusal(body).retryable
    except NotUnderstood:
        return False


def _asked_for(
    row: wire.PublicTrade,
    asked: set[str],
    wallet: str,
    since: datetime | None,
    until: datetime | None,
) -> bool:
    return (
        (not asked or row.condition_id.lower() in asked)
        and (not wallet or row.wallet.lower() == wallet.lower())
        and _within(row.traded_at, since, until)
    )


def _within(at: datetime, since: datetime | None, until: datetime | None) -> bool:
    return (since is None or at >= since) and (until is None or at < until)


def _conditions(condition_ids: Sequence[ConditionId]) -> Query:
    if len(condition_ids) > CONDITIONS_PER_CALL:
        raise ValueError(
            f"{len(condition_ids)} markets at once; the service takes {CONDITIONS_PER_CALL}"
        )
    return {"condition_id": ",".join(condition_ids)} if condition_ids else {}


def _renamed(query: Query, name: str) -> Query:
    return dict.fromkeys([name], next(iter(query.values()))) if query else {}


def _window(since: datetime | None, until: datetime | None) -> Query:
    """Whole seconds around the window; the exact bounds are applied to the rows."""
    start = {"start": str(floor(since.timestamp()))} if since else {}
    return start | ({"end": str(ceil(until.timestamp()))} if until else {})


def _batches(values: Iterable[T], size: int) -> Iterator[list[T]]:
    remaining = iter(values)
    while batch := list(islice(remaining, size)):
        yield batch


def connect() -> DataApi:
    """The data service we are configured for; raises `http.SimulatedVenue`."""
    return _at(http.permit(settings.ENV.venue_data_url, mode=settings.ENV.mode))


# One per process: a budget counts the requests of all callers, a connection is kept alive.
_at = cache(DataApi)
