"""Requests to the stand-in venue fail on command, each in its own way, and heal."""

import threading
from collections.abc import Iterator

import httpx
import pytest
from django.core.management import CommandError, call_command

from sandbox.core.http_faults import HttpFault, UnknownHttpFault, Wrong, parse
from sandbox.core.world import World
from sandbox.server import VenueServer, serve
from sandbox.venue import StandIn

PATH = "/gamma/markets/keyset"


@pytest.fixture
def server() -> Iterator[VenueServer]:
    server = serve(StandIn(World(7)), host="127.0.0.1", port=0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def client(server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{server.server_address[1]}", timeout=5) as client:
        client.get(PATH)
        yield client


@pytest.mark.parametrize(
    ("wrong", "status"), [("RESTARTING", 425), ("LIMITED", 429), ("UNAVAILABLE", 503)]
)
def test_a_refusal_has_its_status_and_is_over_after_its_count(server, client, wrong, status):
    server.faults.set(HttpFault(wrong=Wrong[wrong], times=2))

    assert [client.get(PATH).status_code for _ in range(3)] == [status, status, 200]


def test_only_paths_below_the_prefix_fail(server, client):
    server.faults.set(HttpFault(wrong=Wrong.UNAVAILABLE, prefix="/clob"))

    assert client.get(PATH).status_code == 200
    assert client.get("/clob/ok").status_code == 503


def test_a_limit_says_when_to_come_back(server, client):
    server.faults.set(HttpFault(wrong=Wrong.LIMITED, seconds=7))

    assert client.get(PATH).headers["Retry-After"] == "7"


def test_cloudflare_answers_with_a_page_for_people(server, client):
    server.faults.set(HttpFault(wrong=Wrong.CLOUDFLARE))

    reply = client.get(PATH)

    assert reply.status_code == 403
    assert reply.headers["Content-Type"].startswith("text/html")
    assert "Cloudflare" in reply.text


def test_a_truncated_body_is_a_broken_connection_and_half_a_json_a_whole_one(server, client):
    server.faults.set(HttpFault(wrong=Wrong.TRUNCATED))
    with pytest.raises(httpx.RemoteProtocolError):
        client.get(PATH)

    server.faults.set(HttpFault(wrong=Wrong.WRONG_JSON))
    reply = client.get(PATH)
    assert reply.status_code == 200
    with pytest.raises(ValueError, match=r"\w"):
        reply.json()


def test_a_silent_venue_gives_no_reply_and_a_slow_one_gives_it_late(server, client):
    server.faults.set(HttpFault(wrong=Wrong.SILENT, seconds=30))
    with pytest.raises(httpx.ReadTimeout):
        client.get(PATH, timeout=0.2)

    server.faults.set(HttpFault(wrong=Wrong.SLOW, seconds=0.3))
    reply = client.get(PATH)
    assert reply.status_code == 200
    assert reply.elapsed.total_seconds() >= 0.3


def test_news_that_did_not_change_is_not_sent_again(client):
    first = client.get("/feeds/calendar.ics")
    again = client.get("/feeds/calendar.ics", headers={"If-None-Match": first.headers["ETag"]})

    assert first.headers["Content-Type"] == "text/calendar"
    assert (again.status_code, again.content) == (304, b"")


def test_faults_are_read_by_name_and_nonsense_is_named():
    assert parse([{"wrong": "limited", "times": 3}]) == [HttpFault(wrong=Wrong.LIMITED, times=3)]
    for wrong in ([{}], [7], [{"wrong": "late"}], [{"wrong": "slow", "speed": 1}]):
        with pytest.raises(UnknownHttpFault, match="limited"):
            parse(wrong)


@pytest.mark.parametrize("option", [{"faults": '{"lost": 1}'}, {"http_faults": "[7]"}])
def test_the_command_refuses_unknown_faults(option):
    with pytest.raises(CommandError, match="faults"):
        call_command("sandbox", port=0, **option)
