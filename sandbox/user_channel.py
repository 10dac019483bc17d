"""One connection's view of the user channel: whose it is, and what that key is told."""

import hmac
from typing import Any

import orjson

from sandbox.core.faults import Faults
from sandbox.exchange.desk import Exchange


class User:
    """One connection; it says nothing before a first frame with a key's three secrets."""

    def __init__(self, exchange: Exchange | None) -> None:
        self._exchange = exchange
        self._key = ""
        self._markets: set[str] = set()
        self._heard = 0

    def hear(self, text: str, *, second: int, faults: Faults) -> list[bytes]:
        """The answer to a subscribe or unsubscribe frame; nonsense and strangers are refused."""
        try:
            said = orjson.loads(text)
        except orjson.JSONDecodeError:
            return [b"INVALID OPERATION"]
        if not isinstance(said, dict) or self._exchange is None:
            return [b"INVALID OPERATION"]
        if not self._key and not self._admit(said.get("auth")):
            return [b'{"error":"Unauthorized/Invalid api key"}']
        markets = {str(market).lower() for market in said.get("markets") or ()}
        if said.get("operation") == "unsubscribe":
            self._markets -= markets
        else:
            self._markets |= markets
        return []

    def said(self, before: int, after: int) -> list[bytes]:
        """Everything that happened to the key's orders since the last step."""
        if self._exchange is None or not self._key:
            return []
        exchange = self._exchange
        found = exchange.events.after(self._heard)
        self._heard = exchange.events.count
        if exchange.conduct.silent_user:
            return []
        frames = []
        for event in found:
            if event.key == self._key and self._wants(event.condition):
                twice = exchange.conduct.tells_twice(exchange.world.seed, event.number)
                frames += [orjson.dumps(event.message)] * (2 if twice else 1)
        return frames

    def _wants(self, condition: str) -> bool:
        return not self._markets or condition in self._markets

    def _admit(self, auth: Any) -> bool:
        if not isinstance(auth, dict) or self._exchange is None:
            return False
        key = self._exchange.state.keys.get(str(auth.get("apiKey")))
        if key is None:
            return False
        pairs = (("secret", key.secret), ("passphrase", key.passphrase))
        if not all(
            hmac.compare_digest(str(auth.get(name)).encode(), right.encode())
            for name, right in pairs
        ):
            return False
        self._key, self._heard = key.key, self._exchange.events.count
        return True
