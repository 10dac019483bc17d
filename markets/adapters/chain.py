"""The ledger's payouts, read over JSON-RPC: what a share pays is decided there.

Only the conditional-tokens contract of protocol v1; nothing here signs or sends.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpx
from django.conf import settings

from config.kernel.units import ConditionId
from markets.adapters import http
from markets.core.wire import NotUnderstood, decode, raw, shown

SOURCE = "chain"
CONDITIONAL_TOKENS = "0x4D97DCd97eC945f40cF65F87097ACe5EA0476045"
PAYOUT_DENOMINATOR = "0xdd34de67"  # payoutDenominator(bytes32)
PAYOUT_NUMERATORS = "0x0504c814"  # payoutNumerators(bytes32,uint256)
WORD = 64  # hex digits of 32 bytes
# Public nodes count every call of a batch; this stays far below what the modest ones allow.
LIMITS = (http.Limit(prefix="", requests=80),)
CONDITIONS_PER_CALL = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Payouts:
    """What a condition pays: outcome i gets numerators[i] / denominator; 0 = not reported yet."""

    denominator: int
    numerators: tuple[int, int]


class Chain:
    """Reads payouts; `simulated` where the node runs on this machine."""

    def __init__(self, url: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self.simulated = http.is_local(url)
        parts = urlsplit(url)
        self._host = parts.hostname or url
        # The path may hold a key: it stays out of the session's address, and out of every message.
        self._path = parts.path + (f"?{parts.query}" if parts.query else "")
        base = f"{parts.scheme}://{parts.netloc}"
        self._http = http.session(base, limits=LIMITS, transport=transport, attempts=1)

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def payouts(self, condition_ids: Sequence[ConditionId]) -> dict[ConditionId, Payouts]:
        """Payouts by condition, of the newest block; those that the node refused are left out.

        Raises `http.VenueUnreachable`, `http.VenueRefused` and `NotUnderstood`.
        """
        found: dict[ConditionId, Payouts] = {}
        wanted = [c for c in condition_ids if len(c) == WORD + 2]
        for start in range(0, len(wanted), CONDITIONS_PER_CALL):
            batch = wanted[start : start + CONDITIONS_PER_CALL]
            found |= read(self._post([call for c in batch for call in calls(c)]), batch)
        return found

    def _post(self, body: Any) -> bytes:
        try:
            return self._http.post(self._path, body)
        except http.VenueUnreachable:
            message = f"the ledger's node at {self._host} does not answer; see POLYGON_RPC_URL"
            raise http.VenueUnreachable(message) from None
        except http.VenueRefused as refused:
            message = f"the ledger's node at {self._host} refused ({refused.status})"
            raise http.VenueRefused(message, status=refused.status, body=b"") from None


def calls(condition_id: ConditionId) -> list[dict[str, Any]]:
    """The three reads of one condition; their ids say which is which."""
    condition = condition_id.removeprefix("0x").lower()
    data = {"": PAYOUT_DENOMINATOR + condition}
    data |= {str(i): f"{PAYOUT_NUMERATORS}{condition}{i:0{WORD}x}" for i in (0, 1)}
    return [
        {
            "jsonrpc": "2.0",
            "id": f"{condition_id}:{part}",
            "method": "eth_call",
            "params": [{"to": CONDITIONAL_TOKENS, "data": value}, "latest"],
        }
        for part, value in data.items()
    ]


def read(body: bytes, condition_ids: Sequence[ConditionId]) -> dict[ConditionId, Payouts]:
    """The replies to `calls`, in any order; one that failed leaves its condition out."""
    replies = decode(body, source=SOURCE)
    if not isinstance(replies, list):
        raise NotUnderstood(SOURCE, f"expected a batch of replies, got {shown(replies)}", body)
    by_id: Mapping[Any, Any] = {
        str(reply["id"]): reply.get("result")
        for reply in replies
        if isinstance(reply, dict) and "id" in reply
    }
    found = {}
    for condition in condition_ids:
        words = [by_id.get(f"{condition}:{part}") for part in ("", "0", "1")]
        if all(word is not None for word in words):
            denominator, first, second = (_integer(word) for word in words)
            found[condition] = Payouts(denominator=denominator, numerators=(first, second))
    return found


def _integer(word: Any) -> int:
    if not isinstance(word, str) or not word.startswith("0x") or len(word) != WORD + 2:
        raise NotUnderstood(SOURCE, f"expected 32 bytes, got {shown(word)}", raw(word))
    try:
        return int(word, 16)
    except ValueError as wrong:
        raise NotUnderstood(SOURCE, f"expected hex digits, got {shown(word)}", raw(word)) from wrong


def connect() -> Chain:
    """The node we are configured for; raises `http.SimulatedVenue`."""
    return _at(http.permit(settings.ENV.polygon_rpc_url, mode=settings.ENV.mode))


# One per process: a budget counts the requests of all callers, a connection is kept alive.
_at = cache(Chain)
