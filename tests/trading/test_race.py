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
from trading import signals
from trading.models import Claim, TradeIntent

ROOT = Path(__file__).resolve().parent.parent.parent
MARKETS = 6

WORKER = """
import sys
import django
django.setup()
from django.db import IntegrityError, transaction
from tests.factories import NOW
from tests.trading.world import nobody_answers
from trading import claims, decide
from trading.models import TradeIntent
print("ready", flush=True)
sys.stdin.readline()
if sys.argv[1] == "decide":
    print(decide.run(as_of=NOW, refresh=nobody_answers))
else:
    won = 0
    for intent in TradeIntent.objects.filter(outcome__index=int(sys.argv[2])).order_by("market_id"):
        try:
            with transaction.atomic():
                claims.take(intent, as_of=NOW)
            won += 1
        except IntegrityError:
            pass
    print(won)
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


def race(url: str, *arguments: tuple[str, ...]) -> list[int]:
    """Start one worker per argument list, let them go together, return what each says it did."""
    environment = os.environ | {
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, *words],
            env=environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for words in arguments
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline().strip() == "ready"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    said = [worker.communicate(timeout=60)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    return [int(text) for text in said]


def count(url: str, table: str) -> int:
    if connection.vendor == "postgresql":
        return {"trading_claim": Claim, "trading_tradeintent": TradeIntent}[table].objects.count()
    with sqlite3.connect(url.removeprefix("sqlite:///")) as copy:
        return int(copy.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


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

    made = race(url, ("decide",), ("decide",))

    assert sum(made) == MARKETS
    assert count(url, "trading_tradeintent") == MARKETS
    assert count(url, "trading_claim") == MARKETS


@pytest.mark.process
@pytest.mark.timeout(120)
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("transactional_db", "loose_books")
def test_the_database_lets_one_of_two_opposite_sides_have_the_market(tmp_path):
    for _market in range(MARKETS):
        yes = factories.IntentFactory()
        factories.IntentFactory(market=yes.market, index=1)
    url = shared_database(tmp_path)

    won = race(url, ("claim", "0"), ("claim", "1"))

    assert sum(won) == MARKETS
    assert count(url, "trading_claim") == MARKETS
