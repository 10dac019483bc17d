"""One connection's view of the market channel: what it subscribed to, and what it is told."""

from typing import Any

import orjson

from sandbox.core import names, stream
from sandbox.core.faults import Faults
from sandbox.core.ladder import Ladder, ladder
from sandbox.core.world import Happening, UnknownMarket, World
from sandbox.exchange import public
from sandbox.exchange.desk import Exchange
from sandbox.exchange.listed import Listed

SNAPSHOTS_FROM = 500  # tokens; beyond so many on one connection the venue sends no first book
Token = tuple[Happening, int, int]


class Market:
    """Subscriptions of one connection; frames are JSON bytes, as sent."""

    def __init__(self, world: World, exchange: Exchange | None = None) -> None:
        self._world = world
        self._exchange = exchange
        self._heard = exchange.state.numbers if exchange is not None else 0
        self._last: dict[tuple[Happening, int], Ladder] = {}
        self._tokens: dict[str, Token] = {}
        self._extras = False

    def hear(self, text: str, *, second: int, faults: Faults) -> list[bytes]:
        """The answer to a subscribe or unsubscribe frame; nonsense is refused in words."""
        try:
            said = orjson.loads(text)
        except orjson.JSONDecodeError:
            return [b"INVALID OPERATION"]
        wanted = _tokens(said)
        if wanted is None:
            return [b"INVALID OPERATION"]
        if "custom_feature_enabled" in said:
            self._extras = said["custom_feature_enabled"] is True
        if said.get("operation") == "unsubscribe":
            for token in wanted:
                self._forget(token)
            return []
        books = [book for token in wanted if (book := self._subscribe(token, second, faults))]
        return [orjson.dumps(books)] if books else []

    def _forget(self, token: str) -> None:
        found = self._tokens.pop(token, None)
        if found is None:
            return
        happening, child, outcome = found
        if names.token_id(happening, child, 1 - outcome) not in self._tokens:
            self._last.pop((happening, child), None)

    def said(self, before: int, after: int) -> list[bytes]:
        """Everything this connection is told about (before, after]."""
        messages: list[stream.Message] = []
        for happening, child in {
            (h.number, c): (h, c) for h, c, _ in self._tokens.values()
        }.values():
            if before >= happening.closed_at:
                continue
            old, new = self._last.get((happening, child)), self._shown(happening, child, after)
            self._last[happening, child] = new
            said = stream.between(
                happening, child, before, after, extras=self._extras, old=old, new=new
            )
            messages += (message for message in said if self._concerns_us(message))
        messages += self._traded()
        if self._extras:
            messages += stream.listed(self._world, before, after)
        return [orjson.dumps(message) for message in messages]

    def _shown(self, happening: Happening, child: int, second: int) -> Ladder:
        if self._exchange is None:
            return ladder(happening, child, second)
        return public.shown(self._exchange, Listed(happening, child), second)

    def _traded(self) -> list[stream.Message]:
        """Trades of users since the last step, in the tokens of this connection."""
        if self._exchange is None:
            return []
        found = self._exchange.trades_after(self._heard)
        self._heard = max([self._heard, *(trade.number for trade in found)])
        return [public.traded(trade) for trade in found if trade.token in self._tokens]

    def _concerns_us(self, message: stream.Message) -> bool:
        return "asset_id" not in message or message["asset_id"] in self._tokens

    def _subscribe(self, token: str, second: int, faults: Faults) -> stream.Message | None:
        try:
            found = self._token(token)
        except UnknownMarket:
            return None
        full = len(self._tokens) >= SNAPSHOTS_FROM
        self._tokens[token] = found
        happening, child, outcome = found
        seen_at = second - faults.stale_s
        if full or faults.no_snapshot or not happening.opens_at <= seen_at < happening.closed_at:
            return None
        shown = self._last.setdefault((happening, child), self._shown(happening, child, second))
        levels = None if faults.stale_s else shown
        book = stream.snapshot(happening, child, outcome, seen_at, levels=levels)
        return _crossed(book) if faults.crossed else book

    def _token(self, token: str) -> Token:
        number, outcome = names.market_of_token(token)
        number, child = names.event_of(number)
        happening = self._world.happening(number)
        if child >= happening.markets or names.token_id(happening, child, outcome) != token:
            raise UnknownMarket(f"no token {token} exists")
        return happening, child, outcome


def _tokens(said: Any) -> list[str] | None:
    tokens = said.get("assets_ids") if isinstance(said, dict) else None
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        return None
    return tokens


def _crossed(book: stream.Message) -> stream.Message:
    """The same book with the best ask below the best bid: what a broken snapshot looks like."""
    if not book["bids"] or not book["asks"]:
        return book
    best_bid, best_ask = book["bids"][-1]["price"], book["asks"][-1]["price"]
    bids = [*book["bids"][:-1], {**book["bids"][-1], "price": best_ask}]
    asks = [*book["asks"][:-1], {**book["asks"][-1], "price": best_bid}]
    return {**book, "bids": bids, "asks": asks}
