"""Requests stay within a quarter of what the venue allows, all processes together."""

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from markets.adapters.budget import Budget, InFile, InMemory, Store
from markets.adapters.budget_redis import InRedis
from markets.core import pacing
from markets.core.pacing import Limit

LIMITS = (Limit(prefix="", requests=1000), Limit(prefix="/books", requests=100))


class Clock:
    """Time that passes only when somebody waits."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(params=["memory", "file", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "memory":
        yield InMemory()
    elif request.param == "file":
        yield InFile(tmp_path / "budget.json")
    else:
        if not settings.ENV.redis_url:
            pytest.skip("needs Redis: set REDIS_URL")
        client = redis.Redis.from_url(settings.ENV.redis_url)
        shared = InRedis(client)
        shared.PREFIX = f"test:{uuid.uuid4()}:"  # type: ignore[misc]
        yield shared
        for key in client.scan_iter(match=shared.PREFIX + "*"):
            client.delete(key)
        client.close()


@given(
    st.lists(st.floats(0, 3), min_size=50, max_size=300),
    st.integers(20, 2000),
    st.sampled_from([0.1, 0.25, 0.5]),
)
def test_no_ten_seconds_hold_more_than_our_share(
    pauses: list[float], requests: int, share: float
) -> None:
    clock = Clock()
    budget = Budget(
        "venue",
        [Limit(prefix="/x", requests=requests)],
        InMemory(clock),
        share=share,
        sleep=clock.wait,
    )
    sent = []
    for pause in pauses:
        clock.wait(pause if pause > 2.5 else 0)
        budget.spend("/x/y")
        sent.append(clock.now)

    most = max(sum(start <= at < start + pacing.WINDOW_S for at in sent) for start in sent)

    assert most <= max(requests * share, 2) + 1


def test_a_burst_is_free_and_the_rest_waits_its_turn() -> None:
    clock = Clock()
    budget = Budget("venue", LIMITS, InMemory(clock), sleep=clock.wait)

    waits = [budget.spend("/books") for _ in range(30)]

    assert waits[:5] == pytest.approx([0.0] * 5)
    assert all(wait > 0 for wait in waits[6:])
    assert 10 < clock.now - 1000 < 14, "25 requests in ten seconds are our share of 100"


def test_a_path_spends_from_the_limits_that_cover_it_by_whole_segments() -> None:
    limit = Limit(prefix="/book", requests=1)

    assert limit.covers("/book")
    assert limit.covers("/book/17")
    assert not limit.covers("/books")


def test_what_one_spends_another_lacks(store: Store) -> None:
    mine, yours = Budget("venue", LIMITS, store), Budget("venue", LIMITS, store)

    for _ in range(5):
        mine.reserve("/books")

    assert mine.used()["venue/books"] == pytest.approx(1.0, abs=0.1)
    assert yours.reserve("/books") > 0
    assert yours.reserve("/time") == 0.0


def test_a_pause_holds_for_everybody_and_for_the_narrow_limit_alone(store: Store) -> None:
    mine, yours = Budget("venue", LIMITS, store), Budget("venue", LIMITS, store)

    mine.pause("/books", 20.0)

    assert yours.reserve("/books") == pytest.approx(20.0, abs=1.5)
    assert yours.reserve("/time") == 0.0


def test_a_damaged_file_counts_as_an_unused_budget(tmp_path: Path) -> None:
    path = tmp_path / "budget.json"
    path.write_text('{"venue/books": ')
    budget = Budget("venue", LIMITS, InFile(path))

    assert budget.reserve("/books") == 0.0
    assert "venue/books" in json.loads(path.read_text())


def test_without_redis_a_process_keeps_its_own_budget() -> None:
    nobody = redis.Redis(host="127.0.0.1", port=1, socket_connect_timeout=0.2)
    budget = Budget("venue", LIMITS, InRedis(nobody))

    waits = [budget.reserve("/books") for _ in range(10)]

    assert waits[0] == 0.0
    assert waits[-1] > 0


SPENDER = """
import sys
from pathlib import Path
from markets.adapters.budget import Budget, InFile
from markets.core.pacing import Limit
store = InFile(Path(sys.argv[1]), lambda: 1000.0)
budget = Budget("venue", [Limit(prefix="", requests=4000)], store)
for _ in range(200):
    budget.reserve("/x")
"""


@pytest.mark.process
def test_processes_lose_no_request_of_each_other(tmp_path: Path) -> None:
    path = tmp_path / "budget.json"

    running = [
        subprocess.Popen([sys.executable, "-c", SPENDER, str(path)], cwd=settings.BASE_DIR)
        for _ in range(2)
    ]

    assert [p.wait(60) for p in running] == [0, 0]
    store = InFile(path, lambda: 1000.0)
    budget = Budget("venue", [Limit(prefix="", requests=4000)], store)
    assert budget.used()["venue"] == pytest.approx(2.0), "400 requests are two bursts of 200"
