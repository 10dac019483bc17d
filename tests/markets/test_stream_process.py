"""The whole process against the stand-in venue, over real sockets, and killed while it writes."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from markets.core import wire, wire_clob
from markets.core.book import unpack
from sandbox.core.world import World
from sandbox.server import serve
from sandbox.sockets import open_sockets
from sandbox.venue import StandIn
from tests.support.services import wait_for

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]
ROOT = Path(__file__).resolve().parents[2]
WORLD = World(7)
TRACK = "UPDATE markets_market SET tracked = 1"
PREPARE = """
from django.core.management import call_command
from django.utils import timezone
from markets.models import StreamSettings
StreamSettings.objects.create(version=1, created_at=timezone.now(), reason="test",
    top_every_s=1, book_every_s=2, tokens_per_connection=40, max_tokens=120)
call_command("sync_catalogue")
"""


@pytest.fixture(scope="module")
def venue() -> Iterator[dict[str, str]]:
    """The stand-in's addresses, REST and sockets."""
    server = serve(StandIn(WORLD), host="127.0.0.1", port=0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sockets = open_sockets(WORLD)
    base = f"http://127.0.0.1:{server.server_address[1]}"
    yield {
        "VENUE_GAMMA_URL": f"{base}/gamma",
        "VENUE_CLOB_URL": f"{base}/clob",
        "VENUE_DATA_URL": f"{base}/data",
        "VENUE_WS_URL": sockets.market_url,
        "MODE": "DEMO",
    }
    sockets.close()
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def environment(venue, migrated, tmp_path_factory) -> dict[str, str]:
    """An installation of its own that knows the stand-in's markets and follows them all."""
    state = tmp_path_factory.mktemp("stream")
    dropped = ("DATABASE_URL", "REDIS_URL", "TEST_DB_SUFFIX", "COVERAGE_FILE")
    kept = {k: v for k, v in os.environ.items() if k not in dropped and not k.startswith("COV_")}
    own = {"STATE_DIR": str(state), "DJANGO_SETTINGS_MODULE": "config.settings.dev"}
    environment = {**kept, **venue, **own}
    shutil.copy(migrated, state)
    subprocess.run(
        [sys.executable, "manage.py", "shell", "-v0", "-c", PREPARE],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
    )
    with closing(sqlite3.connect(state / "oddsmith.sqlite3")) as database, database:
        database.execute(TRACK)
    return environment


def start(environment: dict[str, str], *options: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "manage.py", "stream_markets", "--json", *options]
    return subprocess.Popen(
        argv, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def rows(environment: dict[str, str], sql: str) -> list[tuple[Any, ...]]:
    file = Path(environment["STATE_DIR"]) / "oddsmith.sqlite3"
    with closing(sqlite3.connect(file, timeout=20)) as database:
        return database.execute(sql).fetchall()


def count(environment: dict[str, str], kind: int) -> int:
    sql = f"SELECT count(*) FROM markets_quote WHERE kind = {kind} AND bid IS NOT NULL"
    return int(rows(environment, sql)[0][0])


def test_what_it_wrote_survives_being_killed_once_each_and_is_what_rest_says(environment):
    first = start(environment)
    try:
        wait_for(lambda: count(environment, 1) > 100, what="whole books", timeout_s=60)
        wait_for(lambda: count(environment, 2) > 20, what="tops", timeout_s=60)
        second = start(environment, "--seconds", "3")
        _, said = second.communicate(timeout=60)
        assert second.returncode == 0, said
        first.send_signal(signal.SIGKILL)
        first.wait()
    finally:
        first.kill()
    before = rows(environment, "SELECT * FROM markets_quote ORDER BY 1, 2, 3")
    trades = rows(environment, "SELECT * FROM markets_publictrade")

    again = start(environment, "--seconds", "12")
    told, said = again.communicate(timeout=60)

    assert again.returncode == 0, said
    figures = json.loads(told.splitlines()[-1])
    assert figures["usable"] == figures["tokens"] > 40
    # Forty a connection; those of markets that ended leave room.
    assert figures["connections"] >= -(-figures["tokens"] // 40) > 1
    after = set(rows(environment, "SELECT * FROM markets_quote"))
    assert after > set(before)
    assert set(rows(environment, "SELECT * FROM markets_publictrade")) >= set(trades)
    keys = rows(
        environment,
        "SELECT count(*), count(DISTINCT market_id || observed_at || kind) FROM markets_quote",
    )
    assert keys[0][0] == keys[0][1]
    assert_books_are_the_venues(environment)


def assert_books_are_the_venues(environment: dict[str, str]) -> None:
    """Whole books seen at the venue's own second equal what REST said at that second."""
    sql = (
        "SELECT o.asset_id, q.observed_at, q.levels FROM markets_quote q "
        'JOIN markets_outcome o ON o.market_id = q.market_id AND o."index" = 0 '
        "WHERE q.kind = 1 AND q.observed_at NOT LIKE '%.%' ORDER BY q.observed_at DESC LIMIT 200"
    )
    compared = 0
    for token, observed_at, levels in rows(environment, sql):
        moment = wire.moment(f"{observed_at}+00:00")
        body = json.dumps([{"token_id": token}]).encode()
        reply = StandIn(WORLD).post("/clob/books", body, second=int(moment.timestamp()))
        (said,), refused = wire_clob.book_list(json.dumps(reply.body).encode())
        ours = unpack(moment, levels)
        assert not refused
        assert ours.bids == said.book.bids[: len(ours.bids)]
        assert ours.asks == said.book.asks[: len(ours.asks)]
        compared += 1
    assert compared > 20


def test_a_stand_in_is_refused_outside_a_demo(environment):
    paper = start({**environment, "MODE": "PAPER"}, "--seconds", "5")
    _, said = paper.communicate(timeout=60)

    assert paper.returncode == 1
    assert "MODE=DEMO" in said
