"""The venue is read within its limits, page by page, and its failures have names."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import stamina

from config.kernel.units import TokenId
from markets.adapters import clob_data, gamma, http
from markets.adapters.clob_data import ClobData
from markets.adapters.gamma import Gamma, StuckCursor
from markets.core.wire import NotUnderstood
from tests.markets import wire_payloads as say

URL = "https://venue.example/api"


@pytest.fixture(autouse=True)
def no_backoff() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3):
        yield


def catalogue(routes: dict[str, Any]) -> Gamma:
    return Gamma(URL, transport=say.serving({f"/api{k}": v for k, v in routes.items()}))


def engine(routes: dict[str, Any]) -> ClobData:
    return ClobData(URL, transport=say.serving({f"/api{k}": v for k, v in routes.items()}))


def answering(
    *replies: httpx.Response | Exception, url: str = URL
) -> tuple[http.Session, list[httpx.Request]]:
    """A session whose venue gives these replies in order, and the requests it saw."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        reply = replies[len(seen) - 1]
        if isinstance(reply, Exception):
            raise reply
        return reply

    transport = httpx.MockTransport(answer)
    return http.session(url, limits=(), transport=transport), seen


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.Response(429),
        httpx.Response(425),
        httpx.Response(502),
    ],
)
def test_a_read_is_tried_again_while_the_venue_is_silent_busy_or_broken(
    failure: httpx.Response | Exception,
) -> None:
    session, seen = answering(failure, httpx.Response(200, content=b"1"))

    assert session.get("/time") == b"1"
    assert len(seen) == 2


def test_a_read_gives_up_after_all_attempts() -> None:
    session, seen = answering(*[httpx.Response(503, text="maintenance")] * 3)

    with pytest.raises(http.VenueUnreachable, match="answered 503: maintenance"):
        session.get("/time")
    assert len(seen) == 3


def test_a_post_is_sent_once() -> None:
    session, seen = answering(httpx.ReadTimeout("slow"))

    with pytest.raises(http.VenueUnreachable, match=r"POST .* got no reply"):
        session.post("/books", [])
    assert len(seen) == 1


@pytest.mark.parametrize(
    "said", [httpx.ReadTimeout("slow"), httpx.Response(503), httpx.Response(404)]
)
def test_an_address_is_told_without_its_password(said: Any) -> None:
    session, _seen = answering(said, url="https://ada:sesame@venue.example/v1")

    with pytest.raises((http.VenueUnreachable, http.VenueRefused)) as failure:
        session.post("/books", [])

    assert "https://venue.example/v1/books" in str(failure.value)
    assert "sesame" not in str(failure.value)


def test_a_stand_in_is_refused_without_telling_its_password() -> None:
    with pytest.raises(http.SimulatedVenue, match=r"http://localhost:8900/gamma is") as refusal:
        http.permit("http://ada:sesame@localhost:8900/gamma", mode="PAPER")

    assert "sesame" not in str(refusal.value)


@pytest.mark.parametrize(
    ("status", "kind"), [(404, http.NotThere), (400, http.VenueRefused), (302, http.VenueRefused)]
)
def test_a_refusal_is_not_repeated(status: int, kind: type[Exception]) -> None:
    session, seen = answering(httpx.Response(status, json={"error": "offset too large"}))

    with pytest.raises(kind, match="offset too large") as refusal:
        session.get("/markets")
    assert len(seen) == 1
    assert refusal.value.status == status  # type: ignore[attr-defined]


def test_a_busy_venue_is_asked_again_when_it_said_and_by_nobody_before() -> None:
    waits: list[float] = []
    replies = iter([httpx.Response(429, headers={"Retry-After": "7"}), httpx.Response(200)])
    session = http.session(
        URL,
        limits=(http.Limit(prefix="", requests=1000), http.Limit(prefix="/books", requests=100)),
        transport=httpx.MockTransport(lambda _request: next(replies)),
        sleep=waits.append,
    )

    session.get("/books")

    assert [round(w) for w in waits] == [7]
    assert session.budget.reserve("/time") == 0.0, "another limit was stopped as well"


@pytest.mark.parametrize(
    ("reply", "seconds"),
    [
        (httpx.Response(429, headers={"Retry-After": "3"}), 3.0),
        (httpx.Response(503, json={"retry_after_seconds": 9}), 9.0),
        (
            httpx.Response(
                429,
                headers={
                    "Date": "Sat, 21 Nov 2026 10:00:00 GMT",
                    "Retry-After": "Sat, 21 Nov 2026 10:00:04 GMT",
                },
            ),
            4.0,
        ),
        (httpx.Response(425), None),
        (httpx.Response(503, text="maintenance"), None),
    ],
)
def test_when_to_ask_again_is_read_from_where_the_venue_says_it(
    reply: httpx.Response, seconds: float | None
) -> None:
    session = http.session(
        URL, limits=(), transport=httpx.MockTransport(lambda _request: reply), attempts=1
    )

    with pytest.raises(http.Busy) as busy:
        session.get("/time")

    assert busy.value.retry_after == seconds


def test_a_shield_that_turns_us_away_is_not_asked_again() -> None:
    page = httpx.Response(403, headers={"Server": "cloudflare"}, text="<html>denied</html>")
    session, seen = answering(page, page)

    with pytest.raises(http.Blocked, match="geoblock"):
        session.get("/time")

    assert len(seen) == 1


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:8900/gamma", True),
        ("http://localhost:8900", True),
        ("https://gamma-api.example", False),
        ("https://127.0.0.1.example.com", False),
    ],
)
def test_what_answers_on_this_machine_is_the_stand_in(url: str, local: bool) -> None:
    assert http.is_local(url) is local
    assert Gamma(url).simulated is local
    assert ClobData(url).simulated is local


def test_listings_are_followed_to_their_end() -> None:
    pages = say.paged("events", [say.event(1)], [say.event(2)], [])

    found = list(catalogue({"/events/keyset": pages}).events())

    assert [row.id for page in found for row in page.events] == ["91", "92"]


def test_repeating_cursor_raises() -> None:
    numbers = iter(range(10))

    def stuck(_request: httpx.Request) -> httpx.Response:
        page = {"events": [say.event(next(numbers))], "next_cursor": "same"}
        return httpx.Response(200, content=say.encoded(page))

    with pytest.raises(StuckCursor, match="the cursor 'same' twice"):
        list(catalogue({"/events/keyset": stuck}).events())


def test_a_first_page_for_ever_raises() -> None:
    numbers = iter(range(10))

    def stuck(_request: httpx.Request) -> httpx.Response:
        page = {"markets": [say.market(1)], "next_cursor": str(next(numbers))}
        return httpx.Response(200, content=say.encoded(page))

    with pytest.raises(StuckCursor, match="began twice with 1"):
        list(catalogue({"/markets/keyset": stuck}).markets())


def test_events_and_markets_are_read_by_name() -> None:
    source = catalogue({"/events/slug/weather-1": say.event(1), "/markets/1": say.market(1)})

    assert source.event("weather-1").markets[0].id == "1"
    assert source.market("1").slug == "rain-1"
    with pytest.raises(http.NotThere):
        source.market("2")


def test_books_are_asked_for_five_hundred_at_a_time() -> None:
    sizes: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sizes.append(len(json.loads(request.content)))
        return httpx.Response(200, content=b"[]")

    list(engine({"/books": answer}).books(TokenId(str(n)) for n in range(1100)))

    assert sizes == [500, 500, 100]


def test_history_is_asked_for_in_whole_seconds_around_at_most_fifteen_days() -> None:
    since = datetime(2026, 9, 1, 0, 0, 0, 500_000, tzinfo=UTC)
    seen: list[dict[str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(dict(request.url.params))
        rows = [{"t": 1788220801, "p": 0.5}, {"t": 1788220802, "p": 7}, {"t": 1, "p": "x"}]
        return httpx.Response(200, content=say.encoded({"history": rows}))

    venue = engine({"/prices-history": answer})
    found = venue.prices(TokenId("17"), since=since, until=since + timedelta(days=15))

    start = int(since.timestamp())
    assert seen == [
        {
            "market": "17",
            "startTs": str(start),
            "endTs": str(start + 15 * 86_400 + 1),
            "fidelity": "1",
        }
    ]
    assert len(found.points) == 1
    assert found.left_out == {"out_of_range": 1, "unreadable": 1}
    with pytest.raises(ValueError, match="at most 15 days"):
        venue.prices(TokenId("17"), since=since, until=since + timedelta(days=15, seconds=1))


def test_single_replies_of_the_engine_are_read() -> None:
    source = engine(
        {
            "/time": 1790617587,
            "/book": say.book(1),
            f"/markets/{say.condition(1)}": say.engine_market(1),
        }
    )

    assert source.server_time() == datetime(2026, 9, 28, 17, 46, 27, tzinfo=UTC)
    assert source.book(TokenId(say.token(1))).book.best_bid is not None
    assert source.market(say.condition(1)).tokens[0].winner  # type: ignore[arg-type]


def test_a_reply_that_is_no_json_is_refused() -> None:
    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=b"<html>maintenance</html>")

    with pytest.raises(NotUnderstood, match="not JSON"):
        list(catalogue({"/events/keyset": answer}).events())


def test_connections_are_kept_per_address(settings: Any) -> None:
    assert gamma.connect() is gamma.connect()
    assert clob_data.connect() is clob_data.connect()
