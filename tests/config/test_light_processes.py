"""What runs all day without pages loads neither their libraries nor any for learning."""

import json
import subprocess
import sys

import pytest

from config.env import ROOT
from tests.config.test_up_processes import environment

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

LEARNING = {"numba", "sklearn", "xgboost", "lightgbm"}
LOADED = "import sys, json; {}; print(json.dumps(sorted(m for m in sys.modules if '.' not in m)))"


@pytest.mark.parametrize(
    ("start", "heavy"),
    [
        (
            "import config.clock, django; django.setup(); import config.beat",
            {*LEARNING, "polars", "redis", "psycopg", "scipy"},
        ),
        ("import config.wsgi, config.urls", {*LEARNING, "redis"}),
    ],
    ids=["beat", "web"],
)
def test_it_stays_light(tmp_path, start, heavy):
    ran = subprocess.run(
        [sys.executable, "-c", LOADED.format(start)],
        cwd=ROOT, env=environment(tmp_path), check=True, capture_output=True, text=True,
    )  # fmt: skip

    loaded = set(json.loads(ran.stdout.splitlines()[-1]))
    assert "django" in loaded
    assert not loaded & heavy


WARMED = """
import sys, json
from types import SimpleNamespace as Some
import config.celery as ours, django
django.setup()
ours.warm_up(Some(app=Some(amqp=Some(queues=Some(consume_from={{{queues}}})))))
print(json.dumps(sorted(m for m in sys.modules if "." not in m)))
"""


@pytest.mark.parametrize(("queues", "loads"), [("'ingest'", False), ("'ingest', 'predict'", True)])
def test_a_worker_has_its_kernels_before_its_first_forecast(tmp_path, queues, loads):
    ran = subprocess.run(
        [sys.executable, "-c", WARMED.format(queues=queues)],
        cwd=ROOT, env=environment(tmp_path), check=True, capture_output=True, text=True,
    )  # fmt: skip

    loaded = set(json.loads(ran.stdout.splitlines()[-1]))
    assert ("numba" in loaded) == loads
    assert not loaded & {"sklearn", "xgboost", "lightgbm"}
