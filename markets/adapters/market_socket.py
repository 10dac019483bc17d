"""The market channel's socket: connect where we may, frames in and out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from django.conf import settings
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidURI, WebSocketException

from markets.adapters import http

OPEN_WITHIN_S = 10.0
# A whole book of 200 tokens comes in one frame.
LARGEST_FRAME = 16_000_000
FRAMES_WAITING = 2_000
Failures = (OSError, TimeoutError, WebSocketException, InvalidHandshake, InvalidURI)


def address() -> str:
    """The channel we are configured for; raises `http.SimulatedVenue` for a stand-in in earnest."""
    return http.permit(settings.ENV.venue_ws_url, mode=settings.ENV.mode)


@asynccontextmanager
async def line(url: str) -> AsyncIterator[ClientConnection]:
    """An open connection; raises one of `Failures`."""
    async with connect(
        url,
        open_timeout=OPEN_WITHIN_S,
        close_timeout=1,
        ping_interval=None,  # the venue has a keepalive of its own
        max_size=LARGEST_FRAME,
        max_queue=FRAMES_WAITING,
        user_agent_header=http.AGENT,
        proxy=None if http.is_local(url) else True,
    ) as connection:
        yield connection
