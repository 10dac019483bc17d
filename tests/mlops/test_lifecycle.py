"""Moves of experts: legal ones only, each with evidence; a rollback changes what is served."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from config.kernel.models import DomainEvent
from mlops import lifecycle, versions
from mlops.models import ExpertTransition, TrainingRun
from predictions import registry
from predictions.core.estimators import Recalibration
from predictions.models import Expert, ExpertState, ModelVersion
from tests.predictions.fitted import fitted

NOW = datetime(2026, 6, 1, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def artefacts(tmp_path: Path, settings) -> None:
    settings.ENV = replace(settings.ENV, artefact_dir=tmp_path)
    registry.forget()


def version(*, slope: float = 0.3, events: int = 400) -> ModelVersion:
    rng = np.random.default_rng(1)
    price = rng.uniform(0.1, 0.9, 400)
    y = (rng.random(400) < price).astype(float)
    recalibration = Recalibration(root_=(0.0, slope))
    blend = fitted(
        {"recalibration": np.zeros(400)},
        price,
        y,
        event=np.arange(400),
        cell=np.zeros(400, dtype=np.int64),
        cap=0.7,
        allowed=frozenset({0}),
    )
    return registry.register(
        members={"recalibration": recalibration},
        blend=blend,
        span=registry.Span(
            data_from=NOW - timedelta(days=9), data_until=NOW, rows=400, events=events
        ),
        seed=7,
        trials=1,
        actor="test",
        as_of=NOW,
    )


def told(**evidence) -> dict:
    return {"evidence": evidence or {"reason": "test"}, "actor": "ada", "as_of": NOW}


def broken(made: ModelVersion) -> None:
    """Damage the file of a version, as for a process that starts now."""
    path = Path(settings.ENV.artefact_dir) / made.file
    path.write_bytes(b"scrap")
    registry.forget()


def test_a_promotion_leaves_every_step_with_evidence_and_author() -> None:
    first = version()

    lifecycle.promote("gate", version=first, **told(skill=0.01))

    steps = ExpertTransition.objects.filter(expert_id="gate").order_by("id")
    assert [(s.before, s.after) for s in steps] == [
        ("UNTRAINED", "SHADOW"),
        ("SHADOW", "ACTIVE"),
    ]
    assert {s.actor for s in steps} == {"ada"}
    assert json.loads(steps[1].evidence) == {"skill": 0.01}
    followed = ExpertTransition.objects.filter(expert_id="recalibration").order_by("id")
    assert [s.after for s in followed] == ["SHADOW", "ACTIVE"]
    assert {s.version.expert_id for s in followed} == {"recalibration"}
    assert DomainEvent.objects.filter(kind="expert.moved", subject="expert:gate").exists()


def test_a_rollback_changes_what_is_served() -> None:
    first, second = version(slope=0.3), version(slope=0.6)
    lifecycle.promote("gate", version=first, **told())
    lifecycle.promote("gate", version=second, **told())
    served = registry.served()
    assert served is not None
    x, logit, cell = np.zeros((1, 1)), np.array([1.0]), np.array([0])
    before = served.members["recalibration"].correction(x, logit, cell)

    lifecycle.rollback("gate", **told())

    again = registry.served()
    assert again is not None
    assert (served.version, again.version) == (second.pk, first.pk)
    after = again.members["recalibration"].correction(x, logit, cell)
    assert (before.tolist(), after.tolist()) == ([0.6], [0.3])


def test_a_rollback_without_an_earlier_version_names_the_remedy() -> None:
    lifecycle.promote("gate", version=version(), **told())

    with pytest.raises(lifecycle.NothingToServe, match="suspend it"):
        lifecycle.rollback("gate", **told())


def test_a_suspended_gate_serves_nothing_and_training_does_not_bring_it_back() -> None:
    lifecycle.promote("gate", version=version(), **told())

    lifecycle.demote("gate", to=ExpertState.SUSPENDED, **told())

    assert registry.served() is None
    followed = lifecycle.after_training(
        version(slope=0.6), experts={}, accepted=True, **told(accepted=True)
    )
    assert not followed
    assert registry.served() is None
    assert Expert.objects.get(slug="gate").state == "SUSPENDED"


@pytest.mark.parametrize("to", ["PROBATION", "SUSPENDED"])
def test_a_gate_comes_back_with_what_it_served_not_with_what_was_trained_meanwhile(to: str) -> None:
    first = version()
    lifecycle.promote("gate", version=first, **told())
    lifecycle.demote("gate", to=to, **told())
    lifecycle.after_training(version(slope=0.6), experts={}, accepted=True, **told(accepted=True))

    lifecycle.promote("gate", **told())

    served = registry.served()
    assert served is not None
    assert served.version == first.pk
    member = Expert.objects.select_related("served").get(slug="recalibration")
    assert (member.served.number, member.state) == (1, "ACTIVE")


def test_an_active_gate_is_not_swapped_without_naming_a_version() -> None:
    first, second = version(), version(slope=0.6)
    lifecycle.promote("gate", version=first, **told())

    with pytest.raises(lifecycle.IllegalMove, match="serves gate v1; name another"):
        lifecycle.promote("gate", **told())

    assert Expert.objects.get(slug="gate").served_id == first.pk
    assert versions.newest(Expert.objects.get(slug="gate")) == second


def test_what_speaks_against_a_version_is_said() -> None:
    large, small = version(), version(events=317)
    run = TrainingRun.objects.create(
        started_at=NOW, seed=7, code_version="c", version=small, metrics=json.dumps({"weight": 0.0})
    )

    said = versions.doubts(small, before=large)

    assert said == (
        "gate v2 learned from 317 events, gate v1 from 400",
        f"gate v2 gives no expert any weight: its forecasts are the price (training {run.pk})",
    )
    assert versions.doubts(large, before=small) == ()


def test_what_was_never_trained_needs_no_suspension() -> None:
    registry.ensure_experts()

    for slug, said in (("gate", "already the price"), ("politics", "already has no weight")):
        with pytest.raises(lifecycle.IllegalMove, match=f"never trained.*{said}"):
            lifecycle.demote(slug, to=ExpertState.SUSPENDED, **told())
    with pytest.raises(lifecycle.NothingToServe, match="already the price"):
        lifecycle.rollback("gate", **told())


@pytest.mark.parametrize("to", sorted(ExpertState.values))
@pytest.mark.parametrize("state", sorted(ExpertState.values))
def test_only_moves_of_the_table_are_made(state: str, to: str) -> None:
    made = version()
    Expert.objects.filter(slug="gate").update(state=state, served=made)

    if to in lifecycle.MOVES[state]:
        assert lifecycle.move("gate", to=to, version=made, **told()).after == to
        assert Expert.objects.get(slug="gate").state == to
    else:
        with pytest.raises(lifecycle.IllegalMove):
            lifecycle.move("gate", to=to, version=made, **told())
        assert Expert.objects.get(slug="gate").state == state
        assert not ExpertTransition.objects.exists()


@pytest.mark.parametrize("state", ["SHADOW", "PROBATION", "SUSPENDED", "DEPRECATED"])
def test_a_promoted_gate_does_not_bring_back_an_expert_that_a_person_moved(state: str) -> None:
    lifecycle.promote("gate", version=version(), **told())
    Expert.objects.filter(slug="recalibration").update(state=state)
    before = ExpertTransition.objects.filter(expert_id="recalibration").count()

    second = version(slope=0.6)
    lifecycle.promote("gate", version=second, **told())

    member = Expert.objects.select_related("served").get(slug="recalibration")
    assert member.state == state
    assert member.served is not None
    assert member.served.number == 2
    assert ExpertTransition.objects.filter(expert_id="recalibration").count() == before
    served = registry.served()
    assert served is None or "recalibration" not in served.active


def test_a_gate_that_comes_back_finds_its_members_in_service() -> None:
    made = version()
    lifecycle.promote("gate", version=made, **told())
    lifecycle.demote("gate", to=ExpertState.SUSPENDED, **told())

    assert Expert.objects.get(slug="recalibration").state == "ACTIVE"
    lifecycle.promote("gate", **told())

    served = registry.served()
    assert served is not None
    assert set(served.members) == {"recalibration"}


@pytest.mark.parametrize("to", ["PROBATION", "SUSPENDED", "DEPRECATED"])
def test_a_broken_version_can_be_taken_out_of_service(to: str) -> None:
    made = version()
    lifecycle.promote("gate", version=made, **told())
    broken(made)

    lifecycle.demote("gate", to=to, **told())

    gate = Expert.objects.get(slug="gate")
    assert (gate.state, gate.served_id) == (to, made.pk)


def test_a_broken_version_is_not_promoted_and_the_command_says_why() -> None:
    made = version()
    broken(made)

    with pytest.raises(CommandError, match="does not match its sha256") as refusal:
        call_command("experts", "promote", "gate", "--reason", "looked at it")

    assert refusal.value.returncode == 1
    assert Expert.objects.get(slug="gate").state == "UNTRAINED"
    assert not ExpertTransition.objects.exists()
    assert not DomainEvent.objects.filter(kind="expert.moved").exists()


def test_every_move_is_one_event_with_what_was_before_and_after() -> None:
    made = version()
    lifecycle.promote("gate", version=made, **told(skill=0.01))
    lifecycle.demote("gate", to=ExpertState.SUSPENDED, **told(reason="drift"))
    lifecycle.move("gate", to=ExpertState.SHADOW, version=None, **told())

    for slug in ("gate", "recalibration"):
        events = DomainEvent.objects.filter(kind="expert.moved", subject=f"expert:{slug}")
        said = [json.loads(event.data) for event in events.order_by("id")]
        rows = ExpertTransition.objects.filter(expert_id=slug).order_by("id")
        assert [(s["before"], s["after"]) for s in said] == [(r.before, r.after) for r in rows]
        assert all(s["before"] != s["after"] for s in said)
    last = DomainEvent.objects.filter(kind="expert.moved").order_by("id").last()
    assert last is not None
    assert json.loads(last.data) == {
        "before": "SUSPENDED",
        "after": "SHADOW",
        "served_before": 1,
        "served_after": None,
        "sha256": None,
        "evidence": {"reason": "test"},
    }


def test_a_validation_is_an_event_with_its_author_that_names_only_whom_it_reached() -> None:
    registry.ensure_experts()

    lifecycle.validate(["gate", "politics"], actor="ada", as_of=NOW)
    lifecycle.validate([], actor="ada", as_of=NOW)

    (event,) = DomainEvent.objects.filter(kind="experts.validated")
    assert (event.actor, event.happened_at) == ("ada", NOW)
    assert json.loads(event.data) == {"experts": ["gate", "politics"]}
    assert set(Expert.objects.filter(validated_at=NOW).values_list("slug", flat=True)) == {
        "gate",
        "politics",
    }


@pytest.mark.parametrize(
    "act",
    [
        lambda: lifecycle.demote("market-price", to=ExpertState.SUSPENDED, **told()),
        lambda: lifecycle.promote("market-price", **told()),
        lambda: lifecycle.rollback("market-price", **told()),
    ],
)
def test_the_market_price_is_never_moved(act) -> None:
    registry.ensure_experts()

    with pytest.raises(lifecycle.IllegalMove, match="every forecast falls back to it"):
        act()

    assert Expert.objects.get(slug="market-price").state == "ACTIVE"


def test_a_demotion_cannot_promote() -> None:
    registry.ensure_experts()

    with pytest.raises(lifecycle.IllegalMove):
        lifecycle.demote("gate", to=ExpertState.ACTIVE, **told())


def test_a_version_of_another_expert_is_not_promoted() -> None:
    version()
    member = ModelVersion.objects.get(expert_id="recalibration")

    with pytest.raises(lifecycle.NothingToServe, match="belongs to recalibration"):
        lifecycle.promote("gate", version=member, **told())
