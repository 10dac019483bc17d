"""What is served is held against new answers: a gate without service by what its members say."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from config.kernel.models import DomainEvent
from mlops import revalidation
from predictions import registry
from predictions.core.logits import corrected
from predictions.models import Expert
from tests import factories as make
from tests.mlops.experts import answered, trained

DAY = datetime(2026, 11, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_artefacts(tmp_path: Path, settings) -> None:
    settings.ENV = replace(settings.ENV, artefact_dir=tmp_path)
    registry.forget()


def test_members_that_fell_silent_about_an_event_are_validated_as_having_said_the_price() -> None:
    version = trained(at=DAY)
    Expert.objects.filter(slug="gate").update(served=version)  # SHADOW: its members speak
    told = {"prices": [0.6] * 50, "payouts": [1] * 50, "known_at": DAY + 5 * HOUR}
    for spoke in answered(version, **told, moves=[0.3]):
        make.PredictionFactory.create(
            market=spoke.market,
            as_of=spoke.as_of + HOUR,
            version=version,
            price=0.9,
            probability=0.9,
            cap=0.7,
            corrections=np.full(1, np.nan, dtype="<f4").tobytes(),
        )

    assert revalidation.run("outcome", as_of=DAY + 6 * HOUR)

    found = json.loads(DomainEvent.objects.get(kind="version.validated").data)
    own = corrected(np.array([0.6]), np.array([0.35 * 0.3]))[0]
    assert found["events"] == 50
    assert found["gain"] == pytest.approx((0.4**2 - (1 - own) ** 2) / 2)
