"""Old files go; what a rollback could need stays, above all while it cannot be read."""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings as django_settings

from mlops import lifecycle, pruning
from predictions import registry
from predictions.models import Expert, ModelVersion
from tests.mlops.experts import trained

DAY = datetime(2026, 11, 20, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_artefacts(tmp_path: Path, settings) -> None:
    settings.ENV = replace(settings.ENV, artefact_dir=tmp_path)
    registry.forget()


def root() -> Path:
    return Path(django_settings.ENV.artefact_dir)


def files() -> set[str]:
    return {str(p.relative_to(root())) for p in root().rglob("*") if p.is_file()}


def versions(count: int) -> list[ModelVersion]:
    return [trained(at=DAY - timedelta(days=30 - k), slope=0.1 * (k + 1)) for k in range(count)]


def served(version: ModelVersion) -> None:
    """The gate's version in service; its member is asked and has no weight."""
    for each in registry.members(version):
        registry.place(each.expert_id, state="SHADOW", version=each, actor="ada", as_of=DAY)
    told = {"evidence": {"reason": "test"}, "actor": "ada", "as_of": DAY}
    lifecycle.promote("gate", version=version, **told)


def planted(name: str, *, age: timedelta) -> str:
    path = root() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"left over")
    at = (DAY - age).timestamp()
    os.utime(path, (at, at))
    return name


def test_every_member_of_every_gate_that_served_keeps_its_file() -> None:
    found = versions(6)
    for each in found[:3]:
        served(each)

    pruning.prune(keep=1, as_of=DAY)

    for each in found[:3]:
        registry.forget()
        assert set(registry.load(each).members) == {"recalibration"}
    assert not (root() / found[4].file).exists()


def test_under_another_key_nothing_goes(settings) -> None:
    found = versions(6)
    for each in found[:5]:
        served(each)
    planted("gate/00099-0123456789abcdef", age=timedelta(days=9))
    before, ours = files(), settings.ENV
    settings.ENV = replace(ours, artefact_hmac_key="another key, long enough to be taken for one")

    assert pruning.prune(keep=1, as_of=DAY) == 0
    assert files() == before

    settings.ENV = ours
    registry.forget()
    lifecycle.rollback("gate", evidence={"reason": "test"}, actor="ada", as_of=DAY)
    standing = registry.examined()
    assert standing.missing == {}
    assert standing.bundle is not None
    assert standing.bundle.version == found[3].pk


def test_drafts_and_files_that_no_row_names_go_after_a_day() -> None:
    served(versions(1)[0])
    before = files()
    old, young = timedelta(days=2), timedelta(hours=1)
    for gone in (
        ".00007-0123456789abcdef.4711",
        "00008-0123456789abcdef",
    ):
        planted(f"gate/{gone}", age=old)
    kept = {
        planted("gate/.00009-0123456789abcdef.4711", age=young),
        planted("gate/00010-0123456789abcdef", age=young),
        planted("gate/notes.txt", age=old),
        planted("nlp/model.onnx", age=old),
        planted("nlp/00001-0123456789abcdef", age=old),
    }

    assert pruning.prune(keep=3, as_of=DAY) == 2
    assert files() == before | kept


def test_a_database_that_knows_no_version_deletes_nothing() -> None:
    Expert.objects.create(slug="gate", name="Gate", algorithm="gate", horizon="outcome")
    kept = planted("gate/00001-0123456789abcdef", age=timedelta(days=9))

    assert pruning.prune(keep=3, as_of=DAY) == 0
    assert files() == {kept}


def test_a_file_that_cannot_be_deleted_stops_nothing() -> None:
    found = versions(3)
    (root() / found[0].file).unlink()
    (root() / found[0].file).symlink_to(root() / found[0].file)

    pruning.prune(keep=1, as_of=DAY)

    assert not (root() / found[1].file).exists()
