"""Anybody's trades and positions are read page by page, and the service's own limits respected."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
import stamina

from config.kernel.units import ConditionId, TokenId
from markets.adapters import data_api, http
from markets.adapters.data_api import DataApi, TooDeep
from markets.adapters.gamma import StuckCursor
from markets.core.wire import NotUnderstood
from tests.markets import wire_payloads as say
from tests.moments import NOW, ago

URL = "https://data.example"
MARKET = ConditionId(say.condition(1))
WALLET = "0x" + "a" * 40


@pytest.fixture(autouse=True)
def no_backoff() -> Iterator[None]:
    with stamina.set_testing(True, attempts=2):
        yield


def trade(seconds: int = 60, **changes: Any) -> say.Json:
    row = {
        "proxy_wallet": WALLET,
        "side": "BUY",
        "token_id": say.token(1),
        "condition_id": MARKET,
        "size": 10.5,
        "price": 0.42,
        "timestamp": int(ago(seconds).timestamp()),
        "outcome": "Yes",
        "outcome_index": 0,
        "transaction_hash": "0x" + "1" * 64,
    }
    return row | changes


def envelope(rows: list[say.Json], cursor: str | None = None) -> say.Json:
    return {"data": rows, "pagination": {"has_more": cursor is not None, "next_cursor": cursor}}


def asked(routes: dict[str, Any]) -> tuple[DataApi, list[httpx.Request]]:
    seen: list[httpx.Request] = []
    transport = say.serving(routes)

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return transport.handle_request(request)

    return DataApi(URL, transport=httpx.MockTransport(answer)), seen


def by_cursor(pages: dict[str, say.Json]) -> Callable[[httpx.Request], httpx.Response]:
    return lambda r: httpx.Response(200, json=pages[r.url.params.get("cursor", "")])


def test_trades_follow_the_cursor_and_ask_for_makers_too() -> None:
    pages = {"": envelope([trade(60)], "next"), "next": envelope([trade(90)])}
    source, seen = asked({"/v2/trades": by_cursor(pages)})

    found = [row for page in source.trades([MARKET], since=ago(3600)) for row in page.rows]

    assert [row.traded_at for row in found] == [ago(60), ago(90)]
    first = dict(seen[0].url.params)
    assert first == {
        "condition_id": MARKET,
        "taker_only": "false",
        "start": str(int(ago(3600).timestamp())),
        "limit": "1000",
    }
    assert dict(seen[1].url.params)["cursor"] == "next"


def test_a_repeated_cursor_ends_the_listing_with_an_error() -> None:
    source, seen = asked({"/v2/trades": envelope([trade()], "again")})

    with pytest.raises(StuckCursor, match="again"):
        list(source.trades([MARKET]))
    assert len(seen) == 2


def test_only_rows_of_the_asked_market_and_window_are_given() -> None:
    rows = [trade(10), trade(60), trade(7200), trade(60, condition_id=say.condition(2))]
    source, _ = asked({"/v2/trades": envelope(rows)})

    (page,) = source.trades([MARKET], since=ago(3600), until=ago(30))

    assert [row.traded_at for row in page.rows] == [ago(60)]


def test_a_service_that_ignores_the_question_is_not_believed() -> None:
    source, _ = asked({"/v2/trades": envelope([trade(condition_id=say.condition(9))])})

    with pytest.raises(NotUnderstood, match="other markets"):
        list(source.trades([MARKET]))


def test_one_unreadable_row_does_not_hide_the_others() -> None:
    source, _ = asked({"/v2/trades": envelope([trade(price="dear"), trade()])})

    (page,) = source.trades([MARKET])

    assert len(page.rows) == 1
    assert [wrong.reason for wrong in page.refused] != []


def test_the_old_service_is_asked_where_the_new_route_is_gone() -> None:
    old = {"conditionId": MARKET, "proxyWallet": WALLET, "asset": say.token(1)}
    row = trade() | old | {"transactionHash": "0x2"}
    source, seen = asked({"/trades": [row]})

    (page,) = source.trades([MARKET])

    assert len(page.rows) == 1
    assert [r.url.path for r in seen] == ["/v2/trades", "/trades"]
    assert dict(seen[1].url.params) == {
        "market": MARKET,
        "takerOnly": "false",
        "limit": "1000",
        "offset": "0",
    }


def test_the_old_service_is_not_asked_beyond_its_depth() -> None:
    source, seen = asked({"/trades": [trade()] * 1000})

    with pytest.raises(TooDeep, match="11000"):
        list(source.trades([MARKET]))
    offsets = [r.url.params["offset"] for r in seen[1:]]
    assert offsets[-1] == "10000"


def test_old_rows_before_the_window_end_the_old_listing() -> None:
    source, seen = asked({"/trades": [trade(7200)] * 1000})

    assert sum(len(page.rows) for page in source.trades([MARKET], since=ago(3600))) == 0
    assert len(seen) == 2


def test_an_error_that_the_service_calls_passing_is_tried_again_later() -> None:
    body = {"error": "busy", "code": "overloaded", "retryable": True, "trace_id": "x"}
    source, _ = asked({"/v2/trades": lambda _r: httpx.Response(400, json=body)})

    with pytest.raises(http.VenueUnreachable, match="busy"):
        list(source.trades([MARKET]))


@pytest.mark.parametrize(
    "body", [b'{"error": "limit must be between 0 and 1000", "retryable": false}', b"<html>"]
)
def test_a_lasting_error_is_a_refusal(body: bytes) -> None:
    source, _ = asked({"/v2/trades": lambda _r: httpx.Response(400, content=body)})

    with pytest.raises(http.VenueRefused) as refused:
        list(source.trades([MARKET]))
    assert refused.value.body == body


def test_tokens_and_results_are_asked_in_batches() -> None:
    reference = {"token_id": "7", "outcome_index": 0, "resolved": True, "final_price": "1"}
    source, seen = asked({"/v2/tokens": envelope([reference]), "/v2/resolutions": envelope([])})

    found = list(source.tokens(TokenId(str(n)) for n in range(120)))
    list(source.resolutions(ConditionId(say.condition(n)) for n in range(21)))

    assert found[0].rows[0].final_price == 1
    sizes = [len(next(iter(r.url.params.values())).split(",")) for r in seen]
    assert sizes == [50, 50, 20, 20, 1]


def test_too_many_markets_at_once_are_refused_before_asking() -> None:
    source, seen = asked({})

    with pytest.raises(ValueError, match="takes 20"):
        list(source.trades([MARKET] * 21))
    with pytest.raises(ValueError, match="everybody"):
        list(source.trades())
    assert seen == []


def test_lost_positions_are_asked_by_their_own_status_and_never_of_the_old_service() -> None:
    source, seen = asked({})

    with pytest.raises(http.NotThere):
        list(source.positions(WALLET, status="REDEEMABLE_LOST"))
    assert [r.url.params["status"] for r in seen] == ["REDEEMABLE_LOST"]


def test_activity_keeps_to_its_window() -> None:
    def done(seconds: int) -> say.Json:
        return trade(seconds) | {"type": "TRADE", "usdc_size": 4.4}

    source, _ = asked({"/v2/activity": envelope([done(10), done(60)])})

    (page,) = source.activity(WALLET, until=NOW - timedelta(seconds=30))

    assert [row.happened_at for row in page.rows] == [ago(60)]


def test_a_stand_in_is_asked_in_a_demo_alone(settings: Any) -> None:
    settings.ENV = settings.ENV.__class__(
        **{
            name: getattr(settings.ENV, name)
            for name in settings.ENV.__dataclass_fields__
            if name not in ("venue_data_url", "mode")
        },
        venue_data_url="http://127.0.0.1:9/data",
        mode="PAPER",
    )

    with pytest.raises(http.SimulatedVenue):
        data_api.connect()
