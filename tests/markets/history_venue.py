"""A venue with a past: prices every ten minutes of any token, and trades, over `MockTransport`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from markets.adapters.clob_data import ClobData
from markets.adapters.data_api import DataApi
from markets.adapters.gamma import Gamma
from markets.backfill import Venue
from tests.markets import wire_payloads as say

STEP_S = 600
Answer = Callable[[httpx.Request], httpx.Response]


def price_at(token: str, second: int) -> float:
    """Some price of the grid that depends on both."""
    return round(0.05 + (hash_of(token) + second // STEP_S * 7) % 90 / 100, 2)


def hash_of(token: str) -> int:
    return sum(int(digit) * place for place, digit in enumerate(token, 1) if digit.isdigit())


@dataclass
class Past:
    """What was asked, and what goes wrong: `broken` tokens answer 400, `silent` ones 503.

    `extra` rows are appended to every reply; tokens in `coarse` have no fine history.
    """

    broken: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    coarse: set[str] = field(default_factory=set)
    extra: list[Any] = field(default_factory=list)
    trades: list[say.Json] = field(default_factory=list)
    events: list[say.Json] = field(default_factory=list)
    asked: list[tuple[str, int, int, int]] = field(default_factory=list)

    def venue(self) -> Venue:
        engine = ClobData("https://clob.example", transport=httpx.MockTransport(self.prices))
        data = DataApi("https://data.example", transport=httpx.MockTransport(self.of_markets))
        catalogue = Gamma(
            "https://gamma.example",
            transport=say.serving({"/events/keyset": say.paged("events", self.events)}),
        )
        return Venue(engine=engine, catalogue=catalogue, data=data)

    def prices(self, request: httpx.Request) -> httpx.Response:
        query = request.url.params
        token, since, until = query["market"], int(query["startTs"]), int(query["endTs"])
        fidelity = int(query["fidelity"])
        self.asked.append((token, since, until, fidelity))
        if token in self.broken:
            return httpx.Response(400, json={"error": "no such token"})
        if token in self.silent:
            return httpx.Response(503)
        step = max(STEP_S, 60 * fidelity)
        first = since + -since % step
        stamps = [] if token in self.coarse and fidelity < 720 else range(first, until + 1, step)
        rows = [{"t": at, "p": price_at(token, at)} for at in stamps]
        return httpx.Response(200, json={"history": rows + self.extra})

    def of_markets(self, request: httpx.Request) -> httpx.Response:
        wanted = request.url.params.get("condition_id", "").split(",")
        rows = [row for row in self.trades if row["condition_id"] in wanted]
        return httpx.Response(200, json={"data": rows})
