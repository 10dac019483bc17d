"""Two workers at once: real processes against one real database."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from tests import factories
from tests.factories import NOW
from tests.trading.world import a_market_worth_buying, books_are_open
from trading.deciding import signals
from trading.models import Claim, TradeIntent

ROOT = Path(__file__).resolve().parent.parent.parent
MARKETS = 6

WORKER = """
import sys
import django
django.setup()
from tests.factories import NOW
from tests.trading.world import nobody_answers
from trading.deciding import decide
print("ready", flush=True)
sys.stdin.readline()
print(decide.run(as_of=NOW, refresh=nobody_answers))
"""


def shared_database(folder: Path) -> str:
    """The URL at which other processes find this test's database."""
    if connection.vendor == "postgresql":
        d = connection.settings_dict
        return f"postgresql://{d['USER']}@{d['HOST']}:{d['PORT'] or 5432}/{d['NAME']}"
    connection.ensure_connection()
    with sqlite3.connect(folder / "race.sqlite3") as copy:
        connection.connection.backup(copy)
    return f"sqlite:///{folder / 'race.sqlite3'}"


def environment_for(url: str) -> dict[str, str]:
    """What a process needs to work on this test's database."""
    return os.environ | {
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }


def race(url: str, *, workers: int) -> list[int]:
    """Start so many that decide, let them go together, return what each says it did."""
    environment = environment_for(url)
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER],
            env=environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _number in range(workers)
    ]
    for worker in racers:
        assert worker.stdout is not None
        assert worker.stdout.readline().strip() == "ready"
    for worker in racers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    said = [worker.communicate(timeout=60)[0] for worker in racers]
    assert [worker.returncode for worker in racers] == [0] * workers
    return [int(text) for text in said]


def count(url: str, table: str) -> int:
    if connection.vendor == "postgresql":
        return {"trading_claim": Claim, "trading_tradeintent": TradeIntent}[table].objects.count()
    with sqlite3.connect(url.removeprefix("sqlite:///")) as copy:
        return int(copy.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def opposite_sides(url: str) -> int:
    """Markets that are wanted twice."""
    wanted = (
        "SELECT count(*) FROM (SELECT market_id FROM trading_tradeintent "
        "GROUP BY market_id HAVING count(*) > 1) twice"
    )
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(wanted)
            return int(cursor.fetchone()[0])
    with sqlite3.connect(url.removeprefix("sqlite:///")) as copy:
        return int(copy.execute(wanted).fetchone()[0])


@pytest.mark.process
@pytest.mark.timeout(120)
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("transactional_db")
def test_two_workers_race_one_intent_survives(tmp_path):
    books_are_open()
    for number in range(MARKETS):
        a_market_worth_buying(category=f"category {number}")
    signals.find(as_of=NOW)
    url = shared_database(tmp_path)

    made = race(url, workers=2)

    assert sum(made) == MARKETS
    assert count(url, "trading_tradeintent") == MARKETS
    assert count(url, "trading_claim") == MARKETS


@pytest.mark.process
@pytest.mark.timeout(120)
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("transactional_db", "loose_books")
def test_eight_processes_over_150_markets_never_hold_two_sides_or_two_entries(tmp_path):
    event, fees = factories.EventFactory(), factories.FeeScheduleFactory()
    markets = [factories.MarketFactory(event=event, fees=fees) for _number in range(150)]
    factories.RiskDecisionFactory(market=markets[0])
    url = shared_database(tmp_path)

    done = subprocess.run(
        [sys.executable, "-m", "tests.trading.racers", "8"],
        env=environment_for(url),
        cwd=ROOT,
        timeout=110,
        check=False,
    )

    assert done.returncode == 0
    assert count(url, "trading_claim") == 150
    assert count(url, "trading_tradeintent") == 150
    assert opposite_sides(url) == 0
