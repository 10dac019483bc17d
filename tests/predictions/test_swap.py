"""A swap is seen whole or not at all by threads and processes; nothing corrupt is parsed."""

import os
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings as django_settings

from mlops import lifecycle
from predictions import artefacts, bundles, proofs, registry
from predictions.core.ensemble import forecast
from predictions.core.estimators import Recalibration
from predictions.core.schema import FEATURES
from predictions.models import Expert, ModelVersion, PredictionSettings
from tests.factories import NOW
from tests.predictions import served
from tests.predictions.served import in_service, registered, shifts

ROWS = 20
X, PRICE = np.zeros((ROWS, len(FEATURES))), np.linspace(0.05, 0.95, ROWS)
CELL = np.zeros(ROWS, dtype=np.int64)
SWAPS, FORECASTS, THREADS = 20, 10_000, 4


@pytest.fixture(autouse=True)
def own_artefacts(settings, tmp_path, monkeypatch):
    settings.ENV = replace(django_settings.ENV, artefact_dir=tmp_path / "artefacts")
    served.known(monkeypatch)
    registry.forget()
    yield
    registry.forget()


@pytest.fixture(scope="module")
def trees():
    """Real trees, grown once."""
    return served.trees(3)


def answer(bundle):
    config = PredictionSettings(version=1).as_config()
    return forecast(bundle, X, PRICE, cell=CELL, config=config).probability.tobytes()


def path(file):
    return Path(django_settings.ENV.artefact_dir) / file


def pointers(version):
    """The experts as rows, the gate at this version."""
    Expert.objects.filter(pk="gate").update(served=version)
    return list(Expert.objects.select_related("served", "challenger"))


def standing(rows):
    return bundles.of(rows, ["outcome"])["outcome"].bundle


@pytest.mark.django_db
def test_every_forecast_is_made_by_exactly_one_version_while_they_are_swapped():
    # One version more than the cache keeps: some swaps read files, others find them loaded.
    versions = [
        in_service(registered(shifts(politics=by, recalibration=-by / 2)))
        for by in (0.1, 0.4, 0.7, 1.0)
    ]
    rows = [pointers(version) for version in versions]
    own = {v.pk: answer(standing(r)) for v, r in zip(versions, rows, strict=True)}
    now, made, errors = [rows[0]], [], []

    def forecasting():
        try:
            for _ in range(FORECASTS // ROWS // THREADS):
                bundle = standing(now[0])
                made.append((bundle.version, answer(bundle)))
        except Exception as failure:
            errors.append(failure)

    workers = [threading.Thread(target=forecasting) for _ in range(THREADS)]
    for worker in workers:
        worker.start()
    for swap in range(1, SWAPS + 1):
        # Spread over the run, however fast the threads are.
        while len(made) * ROWS * (SWAPS + 1) < FORECASTS * swap and not errors:
            workers[0].join(timeout=0.001)
        now[0] = rows[swap % len(rows)]
    for worker in workers:
        worker.join()

    assert errors == []
    assert len(made) * ROWS == FORECASTS
    assert dict(made) == own
    assert [found for found in made if found[1] != own[found[0]]] == []
    assert len(set(own.values())) == len(versions)


@pytest.mark.django_db
def test_the_cache_of_a_horizon_is_bounded_and_another_horizon_keeps_its_own():
    outcome = [registered(shifts(politics=by)) for by in (0.1, 0.2, 0.3, 0.4, 0.5)]
    ahead = registered({"ahead-1h": served.Shift(0.2)}, horizon="1h")
    first = registry.load(ahead, horizon="1h")
    for version in outcome:
        registry.load(version)

    newest = registry.load(outcome[-1])
    path(outcome[0].file).unlink()

    assert registry.load(outcome[-1]) is newest
    assert registry.load(ahead, horizon="1h") is first
    with pytest.raises(registry.MissingArtefact):
        registry.load(outcome[0])


@pytest.mark.django_db
def test_rollback_changes_served_predictions(trees):
    other = trees | {"recalibration": Recalibration(root_=(0.2, -0.3))}
    first, second = registered(trees), registered(other)
    told = {"evidence": {"reason": "test"}, "actor": "ada", "as_of": NOW}
    rng = np.random.default_rng(9)
    x, price = rng.normal(size=(50, len(FEATURES))), rng.uniform(0.2, 0.8, 50)

    def forecasts():
        config = PredictionSettings(version=1).as_config()
        cell = np.ones(50, dtype=np.int64)
        return forecast(registry.served(), x, price, cell=cell, config=config).probability

    in_service(first)
    lifecycle.promote("gate", version=first, **told)
    before = forecasts()
    lifecycle.promote("gate", version=second, **told)
    between = forecasts()
    lifecycle.rollback("gate", **told)
    registry.forget()

    assert not np.array_equal(before, between)
    assert np.array_equal(forecasts(), before)
    assert registry.served().version == first.pk


@pytest.mark.django_db
@pytest.mark.parametrize("damage", ["flipped", "cut", "swapped", "emptied"])
def test_no_damaged_file_reaches_the_parser(damage, monkeypatch):
    version = registered()
    parsed = []
    monkeypatch.setattr(bundles, "parse", lambda kind, blob: parsed.append(kind))
    monkeypatch.setattr(bundles, "Blend", None)
    victim, other = registry.members(version)
    whole = path(victim.file).read_bytes()
    offsets = np.linspace(0, len(whole) - 1, 40).astype(int).tolist()
    damaged = {
        "flipped": [
            whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1 :] for at in offsets
        ],
        "cut": [whole[:at] for at in offsets if at] + [whole + b"\n"],
        "swapped": [path(other.file).read_bytes(), path(version.file).read_bytes()],
        "emptied": [b""],
    }[damage]

    for blob in damaged:
        path(victim.file).write_bytes(blob)
        with pytest.raises(registry.TamperedArtefact, match="does not match its sha256"):
            registry.load(version)

    assert parsed == []


@pytest.mark.django_db
def test_files_of_another_horizon_do_not_stand_in():
    version = registered({"recalibration": Recalibration(root_=(0.1, 0.2))})
    ahead = registered({"ahead-1h": Recalibration(root_=(0.3, 0.2))}, horizon="1h")
    member, stranger = registry.members(version)[0], registry.members(ahead)[0]
    path(member.file).write_bytes(path(stranger.file).read_bytes())

    with pytest.raises(registry.TamperedArtefact, match="does not match"):
        registry.load(version)


@pytest.mark.django_db
def test_a_manifest_that_names_other_files_needs_the_key(settings):
    version = registered()
    body = artefacts.opened(version.manifest)
    body["members"][0]["file"], body["members"][1]["file"] = (
        body["members"][1]["file"],
        body["members"][0]["file"],
    )
    ours = settings.ENV
    settings.ENV = replace(ours, artefact_hmac_key="stolen database, not the key")
    forged = ModelVersion(expert_id="gate", manifest=artefacts.seal(body))
    settings.ENV = ours

    with pytest.raises(registry.TamperedArtefact, match="ARTEFACT_HMAC_KEY"):
        registry.load(forged)


@pytest.mark.django_db
def test_a_file_is_proven_by_a_child_once_for_an_installation_and_its_libraries(trees, monkeypatch):
    asked = []
    monkeypatch.setattr(
        proofs, "_asked", lambda found, features: (asked.append(len(found)) or len(found), "")
    )
    version = registered(trees)
    registry.load(version)
    registry.forget()
    registry.load(version)
    assert asked == [1]  # the recalibration is read by Python alone

    monkeypatch.setattr(artefacts, "versions", lambda: {"lightgbm": "5.0"})
    registry.forget()
    registry.load(version, shadow=True)
    assert asked == [1, 1]


@pytest.mark.django_db
def test_what_kills_its_reader_kills_a_child_and_is_named(trees, monkeypatch):
    good = trees["ends-later"].to_bytes()

    with pytest.raises(registry.TamperedArtefact, match="could not use the xgboost-residual"):
        proofs.prove(
            [("lightgbm-residual", good), ("xgboost-residual", b"\x00" * 64)],
            features=len(FEATURES),
        )
    monkeypatch.setattr(proofs, "_asked", lambda found, features: (0, "nothing to ask"))
    proofs.prove([("lightgbm-residual", good)], features=len(FEATURES))


SERVER = """
import sys, django; django.setup()
import numpy as np
from predictions import registry
for _ in sys.stdin:
    bundle = registry.served()
    said = bundle.members["recalibration"].correction(
        np.zeros((1, 1)), np.zeros(1), np.zeros(1, dtype=np.int64))
    print(bundle.version, float(said[0]), flush=True)
"""
OPERATOR = """
import sys, json, django; django.setup()
from mlops import lifecycle
from predictions.core.estimators import Recalibration
from tests.factories import NOW
from tests.predictions import served
told = {"evidence": {"reason": "test"}, "actor": "ada", "as_of": NOW}
for word in sys.stdin:
    if word.strip() == "rollback":
        print(lifecycle.rollback("gate", **told).version_id, flush=True)
        continue
    members = {"recalibration": Recalibration(root_=(float(word), 0.0))}
    version = served.registered(members)
    served.in_service(version)
    lifecycle.promote("gate", version=version, **told)
    print(version.pk, flush=True)
"""


@pytest.mark.process
@pytest.mark.timeout(120)
def test_another_process_follows_the_pointer_without_a_restart(migrated, tmp_path):
    shutil.copy(migrated, tmp_path)
    environment = {
        **os.environ, "STATE_DIR": str(tmp_path), "DATABASE_URL": "", "ARTEFACT_DIR": "",
        "TEST_DB_SUFFIX": "", "MODE": "", "DJANGO_SETTINGS_MODULE": "config.settings.dev",
    }  # fmt: skip

    def started(program):
        return subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=django_settings.BASE_DIR, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def told(process, word=""):
        process.stdin.write(f"{word}\n")
        process.stdin.flush()
        return process.stdout.readline().split()

    with started(OPERATOR) as operator, started(SERVER) as server:
        (first,) = told(operator, "0.25")
        said = [told(server)]
        (second,) = told(operator, "-0.75")
        said.append(told(server))
        told(operator, "rollback")
        said.append(told(server))
        operator.stdin.close()
        server.stdin.close()

    assert said == [[first, "0.25"], [second, "-0.75"], [first, "0.25"]]
