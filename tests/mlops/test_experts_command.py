"""`experts`: a move is one line with what follows from it; the list shows what each rests on."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from mlops import lifecycle
from mlops.models import ExpertTransition, TrainingRun
from predictions import registry
from predictions.models import Expert
from tests.mlops.test_lifecycle import NOW, artefacts, told, version

__all__ = ["artefacts"]
pytestmark = pytest.mark.django_db
WHY = ("--reason", "looked at it")


@pytest.fixture
def experts(capsys: pytest.CaptureFixture[str]) -> Any:
    def say(*arguments: str) -> str:
        capsys.readouterr()
        call_command("experts", *arguments)
        return capsys.readouterr().out

    return say


def rows(experts: Any, *arguments: str) -> dict[str, dict[str, Any]]:
    return {row["slug"]: row for row in json.loads(experts(*arguments, "--json"))["experts"]}


def learned(of: Any, *, weight: float = 0.4) -> TrainingRun:
    card = {
        "experts": {
            "recalibration": {
                "hold_out": {"skill": 0.012},
                "e_value": 3.0,
                "threshold": 640.0,
                "p_value": 0.004,
                "admitted": True,
                "route": "first training, fixed sample",
            }
        }
    }
    return TrainingRun.objects.create(
        started_at=NOW, seed=7, code_version="c", version=of, status="SUCCEEDED",
        metrics=json.dumps({"weight": weight, "out_of_fold": {"skill": 0.02}}),
        card=json.dumps(card),
    )  # fmt: skip


def test_a_move_prints_what_follows_from_it_and_nothing_else(experts: Any) -> None:
    version()

    assert (
        experts("promote", "gate", *WHY) == "gate: UNTRAINED → ACTIVE; gate v1 serves from the"
        " next cycle\n"
    )
    assert experts("suspend", "recalibration", *WHY) == (
        "recalibration: ACTIVE → SUSPENDED; it has no weight from the next cycle\n"
    )
    assert experts("suspend", "gate", *WHY) == (
        "gate: ACTIVE → SUSPENDED; forecasts are the price from the next cycle\n"
    )
    assert experts("promote", "gate", *WHY) == (
        "gate: SUSPENDED → ACTIVE; gate v1 is chosen, but no member is ACTIVE: forecasts stay the "
        "price\n"
    )
    last = ExpertTransition.objects.filter(expert_id="gate").order_by("-id").first()
    assert last is not None
    assert json.loads(last.evidence) == {"reason": "looked at it"}


def test_a_suspended_gate_comes_back_as_it_was_unless_another_version_is_named(
    experts: Any,
) -> None:
    lifecycle.promote("gate", version=version(events=4338), **told())
    small = version(slope=0.6, events=317)
    learned(small, weight=0.0)
    experts("suspend", "gate", *WHY)

    assert "gate v1 serves" in experts("promote", "gate", *WHY)
    experts("suspend", "gate", *WHY)
    said = experts("promote", "gate", "--newest", *WHY).splitlines()

    assert said[0].endswith("gate v2 serves from the next cycle")
    assert said[1] == "warning: gate v2 learned from 317 events, gate v1 from 4,338"
    assert said[2].startswith("warning: gate v2 gives no expert any weight")
    assert "gate v1 serves" in experts("promote", "gate", "--version", "1", *WHY)


def test_the_list_shows_training_and_live_evidence_and_the_last_move(experts: Any) -> None:
    made = version()
    learned(made)
    lifecycle.promote("gate", version=made, **told())
    lifecycle.demote(
        "gate", to="PROBATION", **{**told(rule="stale"), "as_of": NOW + timedelta(hours=1)}
    )

    found = rows(experts)

    member, gate = found["recalibration"], found["gate"]
    assert (member["training_skill"], member["training_p_value"]) == (0.012, 0.004)
    assert member["route"] == "first training, fixed sample"
    assert member["training_evidence"] == "adjusted p 0.004"
    assert (gate["training_skill"], gate["training_evidence"]) == (0.02, "weight 0.4")
    assert (gate["rule"], gate["moved_by"]) == ("stale", "ada")
    assert found["politics"]["training_skill"] is None
    table = experts()
    assert "The gate is PROBATION" in table
    assert "neither trained nor" in table
    assert max(map(len, table.splitlines())) <= 140


def test_the_json_still_has_every_figure_it_had(experts: Any) -> None:
    version()

    found = rows(experts, "promote", "gate", *WHY)["gate"]

    assert (found["state"], found["version"]) == ("ACTIVE", 1)
    assert {
        "slug", "name", "family", "horizon", "state", "version", "data_until", "validated_at",
        "events", "e_value", "e_worse", "brier", "brier_price", "weight", "last_move",
    } <= set(found)  # fmt: skip


def test_nothing_to_compare_and_nothing_to_review_is_a_sentence(experts: Any) -> None:
    assert experts("compare", "1h").startswith("Nothing to compare: no version in service")
    assert json.loads(experts("compare", "--json"))["comparison"] is None
    assert experts("review") == "reviewed: nobody is to be moved\n"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["promote", "gate"], 2, "a move needs"),
        (["promote", "nobody", *WHY], 2, "there are .*gate"),
        (["promote", "gate", *WHY], 1, "no trained version"),
        (["promote", "gate", "--version", "9", *WHY], 2, "no version 9; there are none yet"),
        (["suspend", "gate", "--newest", *WHY], 2, "belong to promote"),
        (["suspend", "gate", *WHY], 1, "already the price"),
        (["rollback", "gate", *WHY], 1, "already the price"),
        (["compare", "tomorrow"], 2, "no horizon; there are outcome"),
    ],
)
def test_a_refusal_says_what_is_wrong(arguments: list[str], code: int, words: str) -> None:
    with pytest.raises(CommandError, match=words) as refusal:
        call_command("experts", *arguments)

    assert refusal.value.returncode == code
    registry.ensure_experts()
    assert Expert.objects.get(slug="gate").state == "UNTRAINED"
