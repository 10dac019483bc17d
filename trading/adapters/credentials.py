"""API credentials: asked for with one signature at every start, kept in memory, stored nowhere."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx

from trading.adapters.signer import Signer
from trading.venue import OutcomeUnknown, Unauthorised, Unsent

CREATE, DERIVE = "/auth/api-key", "/auth/derive-api-key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """They read, cancel and keep the heartbeat; they cannot sign an order."""

    key: str = field(repr=False)
    secret: str = field(repr=False)
    passphrase: str = field(repr=False)


def ask_for_credentials(
    signer: Signer, *, clob_url: str, timeout_s: float, as_of: datetime
) -> Credentials:
    """The wallet's credentials, made where there are none yet.

    Raises `Unsent` without a connection, `Unauthorised`, and `OutcomeUnknown` otherwise.
    """
    stamp = int(as_of.timestamp())
    headers = {
        "POLY_ADDRESS": signer.address,
        "POLY_SIGNATURE": signer.credentials_request(timestamp_s=stamp),
        "POLY_TIMESTAMP": str(stamp),
        "POLY_NONCE": "0",
    }
    try:
        with httpx.Client(base_url=clob_url, timeout=timeout_s, headers=headers) as venue:
            reply = venue.post(CREATE)
            if reply.status_code == httpx.codes.BAD_REQUEST:
                reply = venue.get(DERIVE)
    except (httpx.ConnectError, httpx.ConnectTimeout) as nobody:
        raise Unsent(f"{clob_url} cannot be reached: {nobody}") from nobody
    except httpx.HTTPError as trouble:
        raise OutcomeUnknown(f"{clob_url} gave no credentials: {trouble!r}") from trouble
    return _read(reply)


def _read(reply: httpx.Response) -> Credentials:
    """Credentials of a reply; no text of it is repeated where it could hold them."""
    if reply.status_code in (400, 401, 403):
        raise Unauthorised(
            f"the venue gives no credentials (HTTP {reply.status_code}): {reply.text[:200]}; "
            "check the clock, the key and the place"
        )
    try:
        body: dict[str, Any] = reply.raise_for_status().json()
        return Credentials(key=body["apiKey"], secret=body["secret"], passphrase=body["passphrase"])
    except (httpx.HTTPStatusError, ValueError, KeyError, TypeError):
        raise OutcomeUnknown(
            f"the venue's credentials cannot be read (HTTP {reply.status_code})"
        ) from None
