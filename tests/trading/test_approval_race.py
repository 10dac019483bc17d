"""A yes, a no and the sweep at the same instant: real processes, exactly one wins each intent."""

import json
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest
from django.db import connection

from tests import factories
from tests.factories import NOW
from tests.trading.test_race import ROOT, shared_database
from tests.trading.world import a_market_worth_buying, decided
from trading.models import ApprovalSettings, TradeIntent

EACH = 4

WORKER = """
import json, sys
import django
django.setup()
from django.contrib.auth import get_user_model
from tests.factories import ahead
from trading.approving import intents
from trading.models import TradeIntent
user = get_user_model().objects.get(username="ada")
rows = list(TradeIntent.objects.order_by("market_id"))
print("ready", flush=True)
sys.stdin.readline()
won = []
for number, intent in enumerate(rows):
    try:
        if sys.argv[1] == "approve":
            intents.approve(intent, user=user, reason="yes", as_of=ahead(59))
        elif number % 2:
            intents.reject(intent, user=user, reason="no", as_of=ahead(59))
        elif not intents._expire(intent, as_of=ahead(60)):
            continue
        won.append(str(intent.pk))
    except intents.NotPending:
        pass
print(json.dumps(won))
"""


def race(url: str, *verbs: str) -> list[list[str]]:
    """Let one worker per verb go through all intents at once; which each of them had."""
    environment = os.environ | {
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, verb],
            env=environment, cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        for verb in verbs
    ]  # fmt: skip
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline().strip() == "ready"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    said = [worker.communicate(timeout=60)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    return [json.loads(text) for text in said]


def rows(url: str, query: str) -> list[Any]:
    """What the shared database holds after the race."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())
    with sqlite3.connect(url.removeprefix("sqlite:///")) as copy:
        return copy.execute(query).fetchall()


@pytest.mark.process
@pytest.mark.timeout(120)
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("transactional_db")
def test_of_a_yes_and_a_no_or_the_end_of_time_exactly_one_wins(tmp_path):
    factories.UserFactory()
    factories.revise(ApprovalSettings, ask_in_simulated=True)
    for number in range(2 * EACH):
        a_market_worth_buying(category=f"category {number}")
    decided(as_of=NOW)
    assert TradeIntent.objects.filter(status="PENDING").count() == 2 * EACH
    url = shared_database(tmp_path)

    approved, ended = race(url, "approve", "end")

    status = Counter(s for (s,) in rows(url, "SELECT status FROM trading_tradeintent"))
    released = rows(url, "SELECT count(*) FROM trading_transfer WHERE kind = 'release'")[0][0]
    noes = rows(url, "SELECT count(*) FROM trading_approval WHERE NOT approved")[0][0]
    rejected = status["REJECTED"]
    # A no that came after a yes found nothing to decide; the sweep ends what a yes did not send.
    assert noes == rejected
    assert status["EXPIRED"] == EACH
    assert status["APPROVED"] + rejected == EACH
    assert released == rejected + EACH == len(ended)
    assert status["APPROVED"] <= len(approved) <= 2 * EACH - rejected
    yeses = rows(url, "SELECT count(*) FROM trading_approval WHERE approved")[0][0]
    assert yeses == len(approved)
