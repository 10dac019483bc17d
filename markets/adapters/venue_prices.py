"""The venue's own price stream (RTDS): what it is asked for, and whether we may."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings

from markets.adapters import http
from markets.adapters.exchange import SourceOff
from markets.core import symbols, wire_spot

TOPICS: Mapping[str, str] = {
    "crypto_prices_chainlink": "venue",
    "crypto_prices_twap_sixty": "venue_twap_60",
    "crypto_prices": "venue_binance",
}
"""Topic → the name of its prices. Only `venue` is a source of its own: the mean lags behind, and
the third repeats Binance."""
PING = "PING"
PING_EVERY_S = 5.0
POLYBOLT_OFF = "PolyBolt needs credentials of the venue, and none are configured: RTDS is followed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A price of the stream under the name of its source."""

    asset: str
    source: str
    price: wire_spot.Spot


def address() -> str:
    """Where the stream is; raises `SourceOff` in a demo without its stand-in, `SimulatedVenue`."""
    env = settings.ENV
    if env.mode == http.DEMO and not http.is_local(env.venue_prices_url):
        raise SourceOff("a demo shows no real prices; set VENUE_PRICES_URL to its stand-in")
    return http.permit(env.venue_prices_url, mode=env.mode)


def subscription() -> str:
    """What to send first: every topic without a filter, for filters were refused or went silent."""
    topics = [{"topic": topic, "type": "update"} for topic in TOPICS]
    return json.dumps({"action": "subscribe", "subscriptions": topics})


def read(frame: bytes) -> tuple[Said, ...]:
    """The prices in a frame, none in an answer to a ping; raises `NotUnderstood`."""
    if frame.strip().upper() in (b"", b"PONG"):
        return ()
    return tuple(
        Said(asset=asset, source=TOPICS[spot.source], price=spot)
        for spot in wire_spot.rtds(frame)
        if spot.source in TOPICS and (asset := symbols.of_venue(spot.symbol))
    )
