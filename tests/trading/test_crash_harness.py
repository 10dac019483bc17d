"""Whoever sends orders may be killed at any moment: no order is lost, none is sent twice."""

import json
import subprocess
import sys

import pytest

from tests.trading.test_race import ROOT, environment_for, shared_database
from trading.crash_points import POINTS


@pytest.mark.process
@pytest.mark.timeout(120)
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("transactional_db", "loose_books")
def test_a_hundred_intents_survive_random_kills_and_every_named_one(tmp_path):
    url = shared_database(tmp_path)
    environment = environment_for(url) | {"STATE_DIR": str(tmp_path)}

    done = subprocess.run(
        [sys.executable, "-m", "tests.trading.harness", "--intents", "100", "--pace", "3"],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )

    assert done.stdout, done.stderr
    story = json.loads(done.stdout)
    assert story["wrong"] == [], done.stderr
    assert (story["duplicates"], story["lost"]) == (0, 0)
    assert story["intents"] >= 100
    assert set(story["points"]) == set(POINTS)
