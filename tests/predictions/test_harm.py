"""What the disk, the key or another process spoils is a refusal with a sentence, never a crash."""

import errno
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings as django_settings

from predictions import artefacts, predict, proofs, registry
from predictions.models import ModelVersion, Prediction
from tests.factories import NOW, MarketFactory, QuoteFactory, ago
from tests.predictions import served
from tests.predictions.served import in_service, registered, shifts

pytestmark = pytest.mark.django_db


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


def folder():
    return Path(django_settings.ENV.artefact_dir)


def quoted():
    market = MarketFactory(category="politics")
    QuoteFactory(market=market, at=ago(60), bid=0.3, ask=0.32)
    return market


def proven_anew():
    shutil.rmtree(folder() / proofs.FOLDER, ignore_errors=True)
    registry.forget()


@pytest.mark.process
def test_a_proof_that_cannot_be_noted_serves_all_the_same(trees):
    version = in_service(registered(trees))
    proven_anew()
    (folder() / proofs.FOLDER).write_text("a file where the folder belongs")

    assert registry.examined().bundle.version == version.pk


def test_where_no_child_can_be_started_the_price_is_forecast_and_the_gate_says_why(
    trees, monkeypatch
):
    quoted()
    in_service(registered(trees))
    proven_anew()

    def unforked(*arguments, **named):
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr(proofs.subprocess, "run", unforked)

    assert predict.run(as_of=NOW) == 1
    row = Prediction.objects.get()
    assert (row.source, row.probability) == ("PRICE", row.price)
    assert "Cannot allocate memory" in served.notes()["gate"]


def test_whatever_else_fails_in_a_gate_costs_its_own_horizon_only(monkeypatch):
    quoted()
    in_service(registered(shifts(politics=0.5, recalibration=0.5)))
    ahead = in_service(registered(shifts(ahead_1h=0.2), horizon="1h"))
    ours = artefacts.opened

    def failing(manifest):
        if json.loads(manifest)["body"]["horizon"] == "outcome":
            raise ArithmeticError("nobody thought of this")
        return ours(manifest)

    monkeypatch.setattr(artefacts, "opened", failing)

    predict.run(as_of=NOW)

    rows = dict(Prediction.objects.values_list("horizon", "version_id"))
    assert rows == {"outcome": None, "1h": ahead.pk}
    assert "nobody thought of this" in served.notes()["gate"]


@pytest.mark.parametrize(
    "manifest",
    [
        '{"body":{},"hmac":"ü"}',
        '{"body":{},"hmac":"\\ud800"}',
        '{"body":{"\\ud800":1},"hmac":"a"}',
        '{"body":{"a":NaN},"hmac":"a"}',
        '{"body":{"a":' + "9" * 5000 + '},"hmac":"a"}',
        '{"body":{"a":' + "[" * 900 + "]" * 900 + '},"hmac":"a"}',
        "[" * 100_000,
        "null",
        "",
    ],
    ids=lambda text: text[:24] or "empty",
)
def test_no_text_in_place_of_a_manifest_raises_anything_but_a_refusal(manifest):
    with pytest.raises(registry.TamperedArtefact):
        artefacts.opened(manifest)
    with pytest.raises(registry.TamperedArtefact):
        registry.load(ModelVersion(expert_id="gate", manifest=manifest))


def test_a_link_to_itself_is_refused():
    version = in_service(registered(shifts(politics=0.5, recalibration=0.5)))
    file = folder() / version.file
    file.unlink()
    file.symlink_to(file)
    registry.forget()

    with pytest.raises(registry.TamperedArtefact):
        registry.load(version)
    assert registry.examined().refusal


def test_a_full_disk_leaves_no_draft(monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(OSError, match="No space left"):
        artefacts.write("politics/00001-0123456789abcdef", b"model")
    assert list((folder() / "politics").iterdir()) == []
