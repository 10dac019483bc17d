"""What the price adapters share: where an exchange is asked, how fast, and what it lists."""

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

import httpx
from django.conf import settings

from markets.adapters import http
from markets.adapters.http import Limit, Session
from markets.core.wire_exchanges import PairUnknown, Price

# A price is worth little when it is late; the next poll is seconds away, so nothing is repeated.
TIMEOUT_S = 2.0
Call = Callable[[Collection[str]], Sequence[Price]]


class PriceFeed(Protocol):
    """A source of spot prices."""

    name: str

    def prices(self, assets: Collection[str]) -> Sequence[Price]:
        """Prices of those assets that the source lists.

        Raises `VenueUnreachable`, `VenueRefused` or `NotUnderstood` where it gives none at all.
        """
        ...


class SourceOff(Exception):
    """A source is not asked in this installation; the message says why and what would change it."""


def address(service: str, own: str) -> str:
    """Where a service of an exchange is asked: its `own` address, or its stand-in in a demo.

    Raises `SourceOff` in a demo without a stand-in, `SimulatedVenue` for a stand-in elsewhere.
    """
    env = settings.ENV
    if env.spot_url:
        return http.permit(f"{env.spot_url}/{service}", mode=env.mode)
    if env.mode == http.DEMO:
        raise SourceOff("a demo shows no real prices; set SPOT_URL to its stand-in")
    return own


def session(
    base_url: str, *, limits: Sequence[Limit], transport: httpx.BaseTransport | None
) -> Session:
    """A session that asks once and does not wait long."""
    found = http.session(base_url, limits=limits, transport=transport, attempts=1)
    found.client.timeout = httpx.Timeout(TIMEOUT_S)
    return found


class Listed:
    """Remembers what a source does not list: one unknown pair makes a whole call fail."""

    def __init__(self) -> None:
        self.unlisted: set[str] = set()

    def ask(self, assets: Collection[str], call: Call) -> Sequence[Price]:
        """All in one call; where that is refused one by one, and never again for the refused."""
        wanted = [asset for asset in assets if asset not in self.unlisted]
        if not wanted:
            return ()
        try:
            return call(wanted)
        except (http.VenueRefused, PairUnknown) as refusal:
            if len(wanted) == 1 or not _names_a_pair(refusal):
                raise
        return self._one_by_one(wanted, call)

    def _one_by_one(self, wanted: Collection[str], call: Call) -> Sequence[Price]:
        found: list[Price] = []
        refusals: dict[str, Exception] = {}
        for asset in wanted:
            try:
                found.extend(call([asset]))
            except (http.VenueRefused, PairUnknown) as refusal:
                if not _names_a_pair(refusal):
                    raise
                refusals[asset] = refusal
        if not found:
            # All refused: that is the source's trouble, not that of its list.
            raise next(iter(refusals.values()))
        self.unlisted.update(refusals)
        return found


def _names_a_pair(refusal: Exception) -> bool:
    """Whether a refusal is about what was asked for; bans and closed regions are not."""
    return getattr(refusal, "status", httpx.codes.BAD_REQUEST) in (400, 404)
