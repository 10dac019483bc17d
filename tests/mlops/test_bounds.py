"""Whatever settings are accepted, learning goes on: no bound of theirs stops a job or a page."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator

from config.kernel import revise
from config.kernel.models import LONGEST_SPANS
from mlops import collect, drift, review, train, trust
from mlops.models import LearningSettings, TrainingRun
from predictions import registry
from predictions.models import Expert, ModelVersion
from tests.factories import NOW, learning_settings

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def installation(tmp_path: Path, settings) -> None:
    folders = {"artefact_dir": tmp_path, "archive_dir": tmp_path, "state_dir": tmp_path}
    settings.ENV = replace(settings.ENV, **folders)
    registry.forget()
    registry.ensure_experts()
    gate = Expert.objects.get(slug="gate")
    known = NOW - timedelta(days=9)
    version = ModelVersion.objects.create(
        expert=gate,
        number=1,
        horizon="outcome",
        file="gate/1",
        sha256="0" * 64,
        schema_hash="x",
        manifest="{}",
        data_from=known - timedelta(days=9),
        data_until=known,
        rows=1,
        events=1,
        seed=1,
        created_at=known,
    )
    Expert.objects.filter(pk=gate.pk).update(state="ACTIVE", served=version)


def limits(name: str, kind: type[MaxValueValidator] | type[MinValueValidator]) -> list[Any]:
    field = LearningSettings._meta.get_field(name)
    found = [check.limit_value for check in field.validators if type(check) is kind]
    if kind is MaxValueValidator:
        found += [most for end, most in LONGEST_SPANS.items() if name.endswith(end)]
    return found


def numbers() -> dict[str, Any]:
    values = LearningSettings(version=0).values()
    return {name: value for name, value in values.items() if isinstance(value, int | float)}


SMALLEST = {name: max([0, *limits(name, MinValueValidator)]) for name in numbers()}
LARGEST = {
    name: type(value)(min([2**31 - 1, *limits(name, MaxValueValidator)]))
    for name, value in numbers().items()
}


def goes_on() -> None:
    drift.check(as_of=NOW)
    assert 0 <= trust.current("outcome", as_of=NOW) <= 1
    collect.progress(as_of=NOW)
    row = train.run(until=None, seed=None, as_of=NOW)
    assert row.status == TrainingRun.Status.REFUSED
    review.run(as_of=NOW)


@pytest.mark.parametrize("extreme", [SMALLEST, LARGEST], ids=["smallest", "largest"])
def test_the_extremes_that_are_accepted_stop_nothing(extreme: dict[str, Any]) -> None:
    revise.settings(LearningSettings, extreme, author=None, reason="as far as it goes", as_of=NOW)

    goes_on()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("expiry_h", 2**31 - 1),
        ("drift_window_h", 20_000_000),
        ("losses_to_alert", 0),
        ("losses_to_suspend", 0),
        ("drift_min_rows", 0),
        ("reliability_events", 0),
        ("min_rows", 0),
        ("min_events", 0),
        ("min_markets", 0),
        ("seed", 2**40),
        ("bootstrap", 2**30),
        ("keep_versions", 2**31 - 1),
        ("psi_act", 1e300),
        ("evidence_to_promote", 1e300),
    ],
)
def test_what_would_stop_it_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ValidationError) as refused:
        revise.settings(LearningSettings, {name: value}, author=None, reason="too far", as_of=NOW)

    assert set(refused.value.message_dict) == {name}


def test_a_row_of_before_the_bounds_counts_at_them() -> None:
    learning_settings(
        expiry_h=2**31 - 1, drift_window_h=2**31 - 1, drift_min_rows=0, reliability_events=0
    )

    assert LearningSettings.objects.current(as_of=NOW).as_config().expiry_h == 366 * 24
    goes_on()


@pytest.mark.parametrize(("days", "trusted"), [(0, 1.0), (400, 0.0)])
def test_a_validation_by_a_clock_that_was_ahead_says_nothing(days: int, trusted: float) -> None:
    Expert.objects.filter(slug="gate").update(validated_at=NOW + timedelta(days=days))

    assert trust.current("outcome", as_of=NOW) == trusted
