"""Killing an import or a backfill anywhere and starting it again loses and doubles nothing."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.db import connection

from tests.markets import history_folder as made
from tests.markets.history_venue import Past
from tests.markets.own_database import copy_of_the_suites, postgresql_database

pytestmark = [pytest.mark.process, pytest.mark.own_database, pytest.mark.timeout(120)]
KILLED = -9
Environment = dict[str, str]
Story = Callable[..., tuple[list[int], list[Any]]]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A venue with a past on a port of its own; its address."""
    rows = [
        {
            "proxy_wallet": "0xw",
            "side": "BUY",
            "token_id": f"{market}000",
            "condition_id": f"0x{market:064x}",
            "size": size,
            "price": 0.4,
            "timestamp": 1795176000 - size * 86_400,
            "transaction_hash": f"0x{market}{size}",
        }
        for market in range(1, 6)
        for size in (1, 1, 2, 18)
    ]
    past = Past(trades=rows)
    answers = {"/clob/prices-history": past.prices, "/data/v2/trades": past.of_markets}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            request = httpx.Request("GET", f"http://venue{self.path}")
            reply = answers[request.url.path](request)
            self.send_response(reply.status_code)
            self.send_header("Content-Length", str(len(reply.content)))
            self.end_headers()
            self.wfile.write(reply.content)

        def log_message(self, *_args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_address[1]}"
        listening.shutdown()
        thread.join()


def environment(state: Path, server: str, name: str | None) -> Environment:
    outside = ("DATABASE_URL", "REDIS_URL", "MODE", "TEST_DB_SUFFIX", "COVERAGE_FILE")
    kept = {k: v for k, v in os.environ.items() if k not in outside and not k.startswith("COV_")}
    own = {
        "STATE_DIR": str(state),
        "DJANGO_SETTINGS_MODULE": "config.settings.dev",
        "MODE": "DEMO",
        "VENUE_CLOB_URL": f"{server}/clob",
        "VENUE_DATA_URL": f"{server}/data",
        "VENUE_GAMMA_URL": f"{server}/gamma",
    }
    if name is not None:
        database = settings.ENV.database
        who = f"{database.user}:{database.password}" if database.password else database.user
        own["DATABASE_URL"] = f"postgresql://{who}@{database.host}:{database.port}/{name}"
    return kept | own


def run(env: Environment, *words: str) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-m", "tests.markets.killed", *words]
    return subprocess.run(
        argv, cwd=settings.BASE_DIR, env=env, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def template(request: pytest.FixtureRequest) -> Iterator[Path | str]:
    """An empty database with all tables: a file, or the name that PostgreSQL knows it by."""
    if connection.vendor != "postgresql":
        yield request.getfixturevalue("migrated")
        return
    with copy_of_the_suites(request) as name:
        yield name


@pytest.fixture
def installation(template: Path | str, tmp_path: Path, server: str) -> Iterator[Any]:
    """Makes empty installations: each call gives the environment of a new one."""
    open_databases = []

    def make() -> Environment:
        fresh = tmp_path / uuid.uuid4().hex
        fresh.mkdir()
        if isinstance(template, Path):
            shutil.copy(template, fresh)
            return environment(fresh, server, None)
        database = postgresql_database(template)
        open_databases.append(database)
        return environment(fresh, server, database.__enter__())

    yield make
    for database in open_databases:
        database.__exit__(None, None, None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    keys = [f"market-{number}" for number in range(4)]
    return made.write(
        tmp_path_factory.mktemp("history"),
        markets=[made.market(key) for key in keys],
        prices=[
            made.price(key, made.NOON - 60 * minute, price=0.4 + minute / 100)
            for key in keys
            for minute in range(3)
        ],
        updown_epochs=[made.epoch("epoch")],
        updown_quotes=[
            made.epoch_quote("epoch", made.NOON * 1000 + 60_000 * n, up_bid=0.5, up_ask=0.6)
            for n in range(1, 4)
        ],
    )


@pytest.fixture(scope="module")
def teller(
    tmp_path_factory: pytest.TempPathFactory, server: str, template: Path | str
) -> Iterator["subprocess.Popen[str]"]:
    """A process that tells stories of killed ones, each in a fork of it."""
    name = template if isinstance(template, str) else None
    own = environment(tmp_path_factory.mktemp("teller"), server, name)
    argv = [sys.executable, "-m", "tests.markets.killed"]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        argv, cwd=settings.BASE_DIR, env=own, stdin=pipe, stdout=pipe, text=True
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def story(teller: "subprocess.Popen[str]") -> Story:
    """How each piece of work ended, one process after the other, and all that was told.

    What stands in the end is told last.
    """

    def tell(env: Environment, *works: list[str]) -> tuple[list[int], list[Any]]:
        assert teller.stdin is not None
        assert teller.stdout is not None
        teller.stdin.write(json.dumps([env, [*works, ["dump"]]]) + "\n")
        teller.stdin.flush()
        lines = []
        while (line := teller.stdout.readline()) not in ("told\n", ""):
            lines.append(line)
        assert line, lines
        ends = [int(line.removeprefix("ended ")) for line in lines if line.startswith("ended ")]
        assert ends[-1] == 0, lines
        return ends[:-1], [json.loads(line) for line in lines if line.startswith("{")]

    return tell


def test_an_import_killed_anywhere_ends_with_the_same_rows(
    installation: Any, story: Story, folder: Path
) -> None:
    what = ["import", str(folder)]
    points = ["append 1", "-append 4", "file 1", "-file 1", "-append 2"]

    _, (*_, expected) = story(installation(), what)
    ends, (*_, found) = story(installation(), *([*what, *p.split()] for p in points), what)

    assert ends == [KILLED] * len(points) + [0]
    assert expected["Quote"][0] == 15
    assert expected["archived quotes"][0] == 15
    assert found == expected


def test_a_backfill_killed_anywhere_ends_with_the_same_rows(
    installation: Any, story: Story
) -> None:
    points = ["put_away 1", "file 1", "-file 1", "cover 1", "-append 2", "advance 9", "-record 1"]
    storm = [["backfill", *p.split()] for p in points]

    _, (*_, expected) = story(installation(), ["prepare"], ["backfill"])
    ends, (*_, found) = story(installation(), ["prepare"], *storm, ["backfill"])

    assert ends == [0, *[KILLED] * len(points), 0]
    prices = expected["Quote"][0] + expected["archived quotes"][0]
    # Forty days of ten-minute prices of five markets, without the last quarter of an hour.
    assert prices == 5 * (40 * 144 - 1)
    assert expected["PublicTrade"][0] == 5 * 4
    assert found == expected


def test_a_living_backfill_is_respected_and_a_killed_one_replaced_at_once(
    installation: Any,
) -> None:
    env = installation()
    works = ["prepare", "--", "backfill", "advance", "-3", "--", "backfill", "--", "dump"]
    argv = [sys.executable, "-m", "tests.markets.killed", *works]
    with subprocess.Popen(
        argv,
        cwd=settings.BASE_DIR,
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        said = iter(parent.stdout.readline, "")
        owner = next(line for line in said if line.startswith("at work "))

        refused = run(env, "backfill")
        os.kill(int(owner.split()[-1]), signal.SIGKILL)
        after = list(said)

    assert "AlreadyRunning" in refused.stderr
    # Its clock stands still: nothing but the dead owner's lock tells that it may go on.
    ends = [line for line in after if line.startswith("ended ")]
    assert ends == [f"ended {KILLED}\n", "ended 0\n", "ended 0\n"]
    filled, stands = (json.loads(line) for line in after if line.startswith("{"))
    assert filled["windows"] > 0
    assert stands["Backfill"][0] == 10


def test_retention_killed_anywhere_ends_with_the_same_rows(installation: Any, story: Story) -> None:
    points = ["file 1", "-file 2", "deletion 1", "-file 3", "deletion 2", "deletion 1"]
    storm = [["retain", *p.split()] for p in points]

    _, (given, expected) = story(installation(), ["fill"], ["dump"], ["retain"])
    ends, (*_, found) = story(installation(), ["fill"], *storm, ["retain"])

    assert ends == [0, *[KILLED] * len(points), 0]
    assert (given["Quote"][0], expected["Quote"][0]) == (2 * 90, 2)
    assert expected["archived quotes"][0] == 2 * 89
    assert (expected["Notice"][0], expected["archived notices"][0]) == (0, 40)
    assert found == expected


def test_a_catalogue_pass_killed_anywhere_ends_with_the_same_rows(
    installation: Any, story: Story
) -> None:
    points = ["store 1", "rows 1", "-rows 1", "-store 1", "rows 1", "-store 2", "-rows 1"]
    points.append("store 3")
    storm = [["sync", *p.split()] for p in points]

    _, (*_, expected) = story(installation(), ["sync"])
    ends, (*_, found) = story(installation(), *storm, ["sync"])

    assert ends == [*[KILLED] * len(points), 0]
    assert (expected["Event"][0], expected["Market"][0], expected["Outcome"][0]) == (6, 12, 24)
    assert found == expected
