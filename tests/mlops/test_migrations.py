"""What an installation of the first release had keeps its place, and says what became of it."""

import json

import pytest
from django.apps import apps
from django.utils.module_loading import import_string

from mlops.models import ExpertTransition
from predictions.models import Expert
from tests.factories import ExpertFactory

pytestmark = pytest.mark.django_db
DEPRECATE = "mlops.migrations.0008_the_first_booster_is_deprecated.deprecate"


def migrated():
    import_string(DEPRECATE)(apps, None)


@pytest.mark.parametrize(("state", "moves"), [("SUSPENDED", 1), ("UNTRAINED", 0)])
def test_the_former_booster_is_deprecated_and_a_trained_one_says_why(state, moves):
    ExpertFactory(slug="lightgbm-residual", algorithm="lightgbm", state=state)

    migrated()
    migrated()

    assert Expert.objects.get(pk="lightgbm-residual").state == "DEPRECATED"
    rows = list(ExpertTransition.objects.filter(expert_id="lightgbm-residual"))
    assert [(row.before, row.after) for row in rows] == [(state, "DEPRECATED")] * moves
    assert all("slices" in json.loads(row.evidence)["reason"] for row in rows)


def test_an_installation_without_it_stays_without_it():
    migrated()

    assert not Expert.objects.filter(pk="lightgbm-residual").exists()
