"""What is served is what was registered, proven before it is read; anything else is the price."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings as django_settings

from config.kernel.models import DomainEvent
from predictions import artefacts, registry
from predictions.core import canary, roster
from predictions.core.estimators import Recalibration, ResidualBooster
from predictions.core.schema import FEATURES
from predictions.models import Expert, ExpertState, ModelVersion
from tests.factories import NOW, ago
from tests.predictions import test_ensemble
from tests.predictions.lessons import FACTORIES, fitted
from tests.predictions.worlds import in_service

pytestmark = pytest.mark.django_db

SLUGS = ("politics", "recalibration")


def blend(**changes):
    return test_ensemble.blend(**{"experts": SLUGS, **changes})


@pytest.fixture(autouse=True)
def own_artefacts(settings, tmp_path):
    """A folder and a process cache that no other test has seen."""
    settings.ENV = replace(django_settings.ENV, artefact_dir=tmp_path / "artefacts")
    registry.forget()
    yield
    registry.forget()


@pytest.fixture
def trained():
    """Two members that need no foreign parser, hence no child process."""
    return {
        "recalibration": Recalibration(root_=(0.1, 0.2)),
        "politics": Recalibration(root_=(-0.1, 0.3)),
    }


@pytest.fixture(scope="module")
def with_trees():
    rng = np.random.default_rng(3)
    n = 1500
    x, odds, cell = rng.normal(size=(n, len(FEATURES))), rng.normal(0, 1.5, n), np.ones(n, int)
    y = (rng.random(n) < 1 / (1 + np.exp(-1.4 * odds - x[:, 0]))).astype(float)
    fit = {"cell": cell, "weight": np.ones(n), "seed": 7}
    return {
        "recalibration": Recalibration().fit(x, odds, y, **fit),
        "politics": ResidualBooster(rounds=10).fit(x, odds, y, **fit),
    }


def registered(trained, **changes):
    span = registry.Span(data_from=ago(90 * 86400), data_until=ago(86400), rows=1500, events=900)
    values = {"blend": blend(), "span": span, "seed": 7, "trials": 4, "actor": "ada", "as_of": NOW}
    return registry.register(members=trained, **{**values, **changes})


def served(trained, **changes):
    return in_service(registered(trained, **changes))


def path(file):
    return Path(django_settings.ENV.artefact_dir) / file


def resealed(version, **changes):
    """A version with a manifest that this installation sealed over other content."""
    values = {f.attname: getattr(version, f.attname) for f in version._meta.concrete_fields}
    manifest = artefacts.seal(artefacts.opened(version.manifest) | changes)
    number = ModelVersion.objects.filter(expert_id=version.expert_id).count() + 1
    return ModelVersion.objects.create(
        **values | {"id": None, "number": number, "manifest": manifest}
    )


def test_the_experts_exist_once_and_only_the_price_is_active():
    registry.ensure_experts()
    Expert.objects.filter(pk="gate").update(state=ExpertState.SHADOW)
    registry.ensure_experts()

    states = dict(Expert.objects.values_list("slug", "state"))
    assert len(states) == 2 + 32 + 3 + 7
    assert {s for s, state in states.items() if state == "ACTIVE"} == {"market-price"}
    assert {s for s, state in states.items() if state == "SHADOW"} == {"gate"}


def test_every_expert_has_the_family_the_algorithm_and_the_horizon_of_the_roster():
    registry.ensure_experts()

    rows = {e.slug: (e.family, e.algorithm, e.horizon) for e in Expert.objects.all()}

    for role in roster.MEMBERS:
        assert rows.pop(role.slug) == (role.family, role.algorithm, role.horizon)
    assert rows.pop("market-price") == ("base", "price", "outcome")
    assert rows == {roster.gate(h): ("base", "gate", h) for h in roster.HORIZONS}


def test_registering_serves_nothing(trained):
    version = registered(trained)

    assert registry.served() is None
    assert [m.expert_id for m in registry.members(version)] == [
        "politics",
        "recalibration",
    ]
    assert (version.number, version.rows, version.events, version.trials) == (1, 1500, 900, 4)
    assert DomainEvent.objects.filter(kind="version.registered").count() == 1


def test_what_is_served_after_a_restart_answers_as_before(with_trees):
    version = served(with_trees)
    x, odds, cell = np.ones((5, len(FEATURES))), np.linspace(-2, 2, 5), np.ones(5, int)

    first = registry.served()
    registry.forget()
    second = registry.served()

    assert first is not second
    assert first.version == second.version == version.pk
    for slug, estimator in with_trees.items():
        expected = estimator.correction(x, odds, cell)
        assert np.array_equal(second.members[slug].correction(x, odds, cell), expected)
    assert second.blend == blend()
    assert second.data_until == ago(86400).timestamp()


def test_a_bundle_is_read_once_a_process(trained):
    version = served(trained)
    registry.served()
    path(version.file).unlink()

    assert registry.served() is not None


def test_rolling_back_changes_what_is_served(trained):
    first = served(trained)
    second = served(trained, blend=blend(weight=0.1))
    assert registry.served().blend.weight == 0.1

    in_service(first)

    assert registry.served().version == first.pk != second.pk
    assert registry.served().blend.weight == 0.4
    pointers = dict(Expert.objects.values_list("slug", "served__number"))
    assert pointers["recalibration"] == pointers["politics"] == 1
    moves = DomainEvent.objects.filter(kind="expert.moved", subject="expert:gate").order_by("id")
    assert [json.loads(m.data)["served_after"] for m in moves] == [1, 2, 1]


def test_a_member_that_is_not_active_may_have_no_weight_but_is_asked(trained):
    served(trained)
    member = Expert.objects.select_related("served").get(pk="politics")

    registry.place("politics", state="SUSPENDED", version=member.served, actor="ada", as_of=NOW)

    bundle = registry.served()
    assert set(bundle.members) == {"politics", "recalibration"}
    assert [slug for slug in bundle.order if bundle.follows(slug)] == ["recalibration"]


def test_a_gate_that_is_not_active_serves_nothing(trained):
    version = served(trained)

    registry.place("gate", state="SUSPENDED", version=version, actor="ada", as_of=NOW)

    assert registry.served() is None


def test_an_expert_can_be_left_with_nothing_to_serve(trained):
    served(trained)

    registry.place("gate", state="SHADOW", version=None, actor="ada", as_of=NOW)

    assert Expert.objects.get(pk="gate").served is None


def test_a_version_of_another_expert_is_refused(trained):
    version = registered(trained)

    with pytest.raises(ValueError, match="not a version of recalibration"):
        registry.place("recalibration", state=None, version=version, actor="ada", as_of=NOW)


def test_a_pointer_moves_alone_and_once(trained):
    registry.ensure_experts()
    member = registry.members(registered(trained))[1]
    told = {"state": None, "version": member, "actor": "ada", "as_of": NOW}

    registry.place("recalibration", **told)
    registry.place("recalibration", **told)

    row = Expert.objects.get(pk="recalibration")
    assert (row.state, row.served_id) == ("UNTRAINED", member.pk)
    events = DomainEvent.objects.filter(subject="expert:recalibration")
    assert [event.kind for event in events] == ["expert.served"]


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_changed_file_is_refused_and_the_price_takes_over(trained, position):
    version = served(trained)
    registry.forget()
    victim = [version, *registry.members(version)][position]
    blob = bytearray(path(victim.file).read_bytes())
    blob[len(blob) // 2] ^= 1
    path(victim.file).write_bytes(bytes(blob))

    with pytest.raises(registry.TamperedArtefact, match="does not match its sha256"):
        registry.load(version)

    assert registry.served() is None
    assert Expert.objects.get(pk="gate").note == ""


def test_a_missing_file_is_refused(trained):
    version = registered(trained)
    path(version.file).unlink()

    with pytest.raises(registry.TamperedArtefact, match="restore it or train again"):
        registry.load(version)


def test_a_manifest_of_another_key_or_with_other_words_is_refused(trained, settings):
    version = registered(trained)
    forged = ModelVersion(manifest=version.manifest.replace('"rows":1500', '"rows":9999'))

    for wrong in (forged, ModelVersion(manifest="{}"), ModelVersion(manifest="scrap")):
        with pytest.raises(registry.TamperedArtefact):
            registry.load(wrong)
    settings.ENV = replace(settings.ENV, artefact_hmac_key="another")
    with pytest.raises(registry.TamperedArtefact, match="ARTEFACT_HMAC_KEY"):
        registry.load(version)


def test_a_file_outside_the_folder_is_refused(trained):
    version = resealed(registered(trained), file="../../secret")

    with pytest.raises(registry.TamperedArtefact, match="outside ARTEFACT_DIR"):
        registry.load(version)


def test_another_horizon_is_refused(trained):
    version = served(trained)

    with pytest.raises(registry.WrongHorizon, match="forecasts outcome, not 1h"):
        registry.load(version, horizon="1h")
    assert registry.served(horizon="1h") is None


def test_another_feature_list_is_refused(trained):
    version = resealed(registered(trained), schema_hash="0" * 64)

    with pytest.raises(registry.SchemaMismatch, match="train again"):
        registry.load(version)


def test_another_minor_release_of_a_library_is_refused_and_another_patch_is_not(trained):
    version = registered(trained)
    here = artefacts.versions()
    major, minor, *_ = here["lightgbm"].split(".")

    registry.load(resealed(version, libraries=here | {"lightgbm": f"{major}.{minor}.99"}))
    with pytest.raises(registry.LibraryMismatch, match="lightgbm"):
        registry.load(resealed(version, libraries=here | {"lightgbm": f"{major}.99.0"}))


def test_a_version_of_another_expert_is_no_gate(trained):
    member = registry.members(registered(trained))[0]

    with pytest.raises(registry.NotAGate, match=member.expert_id):
        registry.load(member)
    Expert.objects.filter(pk="gate").update(state=ExpertState.ACTIVE, served=member)
    assert registry.served() is None


def test_an_unservable_version_never_gets_the_pointer(trained):
    good = served(trained)
    bad = resealed(registered(trained), schema_hash="0" * 64)

    with pytest.raises(registry.SchemaMismatch):
        registry.place("gate", state="ACTIVE", version=bad, actor="ada", as_of=NOW)

    assert registry.served().version == good.pk


def test_an_artefact_that_its_reader_cannot_use_is_not_registered(with_trees):
    class Broken(ResidualBooster):
        def to_bytes(self):
            blob = super().to_bytes()
            return blob[: len(blob) // 2]

    with pytest.raises(registry.TamperedArtefact, match="a child process could not use"):
        registered({"politics": Broken()})
    assert not ModelVersion.objects.exists()


def test_the_child_refuses_an_artefact_whose_answer_is_not_finite():
    canary.prove("recalibration", Recalibration(root_=(0.1, 0.0)).to_bytes(), len(FEATURES))
    blob = Recalibration(root_=(float("inf"), 0.0)).to_bytes()

    with pytest.raises(ValueError, match="answers with"):
        canary.prove("recalibration", blob, len(FEATURES))


READY = """
import sys, django
django.setup()
from predictions import bundles
from predictions.core import trees
bundles._parsed("politics", sys.argv[1], open(sys.argv[2], "rb").read())
print(len(trees.walk.signatures), len(trees.walk_alone.signatures))
"""


@pytest.mark.process
@pytest.mark.one_database  # a child that compiles asks no database
def test_a_loaded_member_has_nothing_left_to_compile(tmp_path: Path) -> None:
    booster = fitted(FACTORIES["lightgbm"])
    (tmp_path / "politics").write_bytes(booster.to_bytes())

    done = subprocess.run(
        [sys.executable, "-c", READY, booster.kind, str(tmp_path / "politics")],
        cwd=django_settings.BASE_DIR,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.test"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout.split() == ["1", "1"], done.stderr
