"""Four sources that answer from small dictionaries, and count what they were asked."""

import json
from collections import Counter
from datetime import timedelta
from typing import Any

import httpx

from markets.adapters.chain import Chain
from markets.adapters.clob_data import ClobData
from markets.adapters.data_api import DataApi
from markets.adapters.gamma import Gamma
from markets.models import Market, Outcome
from markets.resolution_sources import Sources
from tests.factories import MarketFactory
from tests.markets import wire_payloads as say
from tests.moments import NOW

URL = "https://venue.example"


def ended(number: int = 1, **values: Any) -> Market:
    """A followed market whose end has just passed, with the ids of `wire_payloads`."""
    defaults = {
        "venue_key": str(number),
        "condition_id": say.condition(number),
        "scheduled_end_at": NOW - timedelta(seconds=30),
    }
    market = MarketFactory(**(defaults | values), outcomes=())
    for index, name in enumerate(("Yes", "No")):
        Outcome.objects.create(
            market=market, index=index, name=name, asset_id=say.token(number, index)
        )
    return market


def closed(number: int = 1, **changes: Any) -> say.Json:
    """The catalogue's row of a market that outcome 0 won."""
    said = {"closed": True, "outcomePrices": '["1", "0"]', "closedTime": "2026-11-20 11:59:45+00"}
    return say.market(number, **(said | changes))


def oracle(number: int = 1, **changes: Any) -> say.Json:
    """The data service's row of a market that outcome 0 won."""
    row = {
        "question_id": f"0x{number:064x}",
        "condition_id": say.condition(number),
        "status": "resolved",
        "was_disputed": False,
        "price": "1",
        "proposed_price": "1",
        "last_update_timestamp": "1795176000",
        "payouts": [1_000_000, 0],
    }
    return row | changes


class Venue:
    """What each source knows, by market number; `down` names those that do not answer."""

    def __init__(self) -> None:
        self.gamma: dict[int, say.Json] = {}
        self.clob: dict[int, say.Json] = {}
        self.data: dict[int, say.Json] = {}
        self.chain: dict[int, tuple[int, int, int]] = {}
        self.down: set[str] = set()
        self.poison: set[int] = set()
        self.asked: Counter[str] = Counter()

    def sources(self, *only: str) -> Sources:
        """Sessions with the named sources; all four where none is named."""
        many = only or ("gamma", "clob", "data", "chain")
        return Sources(
            catalogue=Gamma(URL, transport=self._serving("gamma", self._gamma), attempts=1),
            engine=ClobData(URL, transport=self._serving("clob", self._clob), attempts=1)
            if "clob" in many
            else None,
            data=DataApi(URL, transport=self._serving("data", self._data), attempts=1)
            if "data" in many
            else None,
            chain=Chain(URL, transport=self._serving("chain", self._chain))
            if "chain" in many
            else None,
        )

    def _serving(self, source: str, answer: Any) -> httpx.MockTransport:
        def reply(request: httpx.Request) -> httpx.Response:
            self.asked[source] += 1
            if source in self.down:
                return httpx.Response(500)
            found = answer(request)
            if isinstance(found, httpx.Response):
                return found
            if found is None:
                return httpx.Response(404, json={"error": "no such thing"})
            return httpx.Response(200, content=say.encoded(found))

        return httpx.MockTransport(reply)

    def _gamma(self, request: httpx.Request) -> Any:
        if request.url.path != "/markets":
            return self.gamma.get(int(request.url.path.rsplit("/", 1)[1]))
        assert request.url.params["closed"] == "true"
        numbers = [int(c, 16) for c in request.url.params.get_list("condition_ids")]
        assert len(numbers) <= 50
        if self.poison.intersection(numbers):
            return httpx.Response(500)
        rows = (self.gamma[n] for n in numbers if n in self.gamma)
        return [row for row in rows if row.get("closed", True)]

    def _clob(self, request: httpx.Request) -> Any:
        return self.clob.get(int(request.url.path.rsplit("/", 1)[1], 16))

    def _data(self, request: httpx.Request) -> Any:
        assert request.url.path == "/v2/resolutions"
        asked = request.url.params["condition_id"].split(",")
        assert len(asked) <= 20
        return {"data": [self.data[int(c, 16)] for c in asked if int(c, 16) in self.data]}

    def _chain(self, request: httpx.Request) -> Any:
        replies = []
        for call in json.loads(request.content):
            condition, part = call["id"].rsplit(":", 1)
            values = self.chain.get(int(condition, 16), (0, 0, 0))
            word = values[0] if part == "" else values[1 + int(part)]
            replies.append({"jsonrpc": "2.0", "id": call["id"], "result": f"0x{word:064x}"})
        return replies[::-1]
