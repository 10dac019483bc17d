"""Replies of the exchanges are read or refused; one unknown pair does not hide the others."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from markets.adapters import venue_prices
from markets.adapters.http import VenueRefused, VenueUnreachable
from markets.core import symbols, wire_exchanges
from markets.core.wire import NotUnderstood
from tests.markets import exchange_replies as say

PARSERS = (
    lambda body: wire_exchanges.binance(body, assets=["btc"]),
    wire_exchanges.binance_bars,
    wire_exchanges.binance_funding,
    wire_exchanges.binance_funding_periods,
    lambda body: wire_exchanges.coinbase(body, asset="btc"),
    lambda body: wire_exchanges.kraken(body, assets=["btc"]),
    venue_prices.read,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "symbol",
                    "bidPrice",
                    "askPrice",
                    "price",
                    "time",
                    "error",
                    "result",
                    "XXBTZUSD",
                    "a",
                    "b",
                    "topic",
                    "payload",
                    "type",
                ]
            )
            | st.text(max_size=4),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


def refusal(parse: Any, body: bytes) -> NotUnderstood | None:
    try:
        parse(body)
    except NotUnderstood as refused:
        return refused
    return None


def test_binance_prices_are_mids_in_one_call() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        rows = [say.book_top("BTCUSDT", 90_000), say.book_top("ETHUSDT", 3_000)]
        return httpx.Response(200, json=rows)

    found = say.binance(answer).prices(["btc", "eth"])

    assert {p.asset: p.price for p in found} == {"btc": Decimal(90_000), "eth": Decimal(3_000)}
    assert {p.observed_at for p in found} == {None}
    assert [r.url.params["symbols"] for r in asked] == ['["BTCUSDT","ETHUSDT"]']


def test_coinbase_prices_carry_the_time_of_their_trade() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if "HYPE" in request.url.path:
            return httpx.Response(404, json={"message": "NotFound"})
        return httpx.Response(200, json=say.product(90_000, "2026-11-20T11:59:58.123456Z"))

    found = say.coinbase(answer).prices(["btc", "hype"])

    assert [(p.asset, p.price) for p in found] == [("btc", Decimal("90000.00"))]
    assert found[0].observed_at == datetime(2026, 11, 20, 11, 59, 58, 123456, tzinfo=UTC)


def test_kraken_names_old_pairs_its_own_way() -> None:
    rows = {
        "XXBTZUSD": say.kraken_row(90_000),
        "XDGUSD": say.kraken_row(2),
        "SOLUSD": say.kraken_row(120),
    }

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.params["pair"] == "XBTUSD,XDGUSD,SOLUSD"
        return httpx.Response(200, json={"error": [], "result": rows})

    found = say.kraken(answer).prices(["btc", "doge", "sol"])

    assert {p.asset: p.price for p in found} == {
        "btc": Decimal(90_000),
        "doge": Decimal(2),
        "sol": Decimal(120),
    }


def kraken_without_hype(asked: list[str]) -> Any:
    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params["pair"])
        if "HYPE" in asked[-1]:
            return httpx.Response(200, json={"error": ["EQuery:Unknown asset pair"]})
        rows = {"XXBTZUSD": say.kraken_row(90_000)}
        return httpx.Response(200, json={"error": [], "result": rows})

    return answer


def binance_without_hype(asked: list[str]) -> Any:
    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params["symbols"])
        if "HYPE" in asked[-1]:
            return httpx.Response(400, json={"code": -1121, "msg": "Invalid symbol."})
        return httpx.Response(200, json=[say.book_top("BTCUSDT", 90_000)])

    return answer


@pytest.mark.parametrize("source", ["binance", "kraken"])
def test_a_pair_that_is_not_listed_is_asked_for_once(source: str) -> None:
    asked: list[str] = []
    feed: Any
    if source == "binance":
        feed = say.binance(binance_without_hype(asked))
    else:
        feed = say.kraken(kraken_without_hype(asked))

    first, calls = feed.prices(["btc", "hype"]), len(asked)
    second = feed.prices(["btc", "hype"])

    assert [p.asset for p in first] == [p.asset for p in second] == ["btc"]
    assert (calls, len(asked)) == (3, 4)
    assert "HYPE" not in asked[-1]


@pytest.mark.parametrize("status", [403, 418, 451])
def test_a_ban_is_not_answered_with_more_calls(status: int) -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(status, json={"code": -1003, "msg": "banned"})

    with pytest.raises(VenueRefused):
        say.binance(answer).prices(["btc", "eth"])
    assert len(asked) == 1


def test_a_dead_source_is_asked_once() -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        raise httpx.ConnectTimeout("dead")

    with pytest.raises(VenueUnreachable):
        say.coinbase(answer).prices(["btc", "eth", "sol"])
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ({"error": ["EService:Unavailable"]}, "Unavailable"),
        ({"error": [], "result": {"XXBTZUSD": {"a": [], "b": ["1"]}}}, "a: expected"),
        ({"error": [], "result": {"XXBTZUSD": {"a": ["9"], "b": ["10"]}}}, "no two-sided"),
        ({"error": [], "result": []}, "expected an object"),
        ({"result": {}}, "error"),
    ],
)
def test_kraken_replies_that_are_no_prices_are_refused(reply: Any, reason: str) -> None:
    with pytest.raises(NotUnderstood, match=reason):
        wire_exchanges.kraken(say.encoded(reply), assets=["btc"])


def test_an_empty_book_has_no_price() -> None:
    row = say.book_top("BTCUSDT", 90_000, bidPrice="0.00000000", askPrice="0.00000000")

    with pytest.raises(NotUnderstood, match="no two-sided book"):
        wire_exchanges.binance(say.encoded([row]), assets=["btc"])


def test_candles_open_and_close_at_their_times() -> None:
    at = datetime(2026, 11, 20, 12, tzinfo=UTC)
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(dict(request.url.params))
        return httpx.Response(200, json=[say.candle(int(at.timestamp() * 1000))])

    (bar,) = say.binance(answer).bars("btc", "1m", since=at)

    assert (bar.opens_at, bar.open, bar.close) == (at, Decimal("100.5"), Decimal("101.5"))
    assert asked == [
        {"symbol": "BTCUSDT", "interval": "1m", "startTime": "1795176000000", "limit": "1"}
    ]


@given(JSON)
def test_what_no_source_would_say_raises_nothing_but_a_refusal(value: Any) -> None:
    body = json.dumps(value).encode()

    refused = [reading for parse in PARSERS if (reading := refusal(parse, body)) is not None]

    assert all(refusal.reason for refusal in refused)


@given(st.sampled_from(["btc", "eth", "sol", "xrp", "doge", "bnb", "hype", "zec"]))
def test_every_name_of_an_asset_leads_back_to_it(asset: str) -> None:
    assert symbols.of_venue(f"{asset}/usd") == asset
    assert symbols.of_venue(symbols.binance(asset).lower()) == asset
    assert symbols.of_venue(f"{asset}usd") == asset
    assert symbols.kraken_replies([asset])[symbols.kraken(asset)] == asset
