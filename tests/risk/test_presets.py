"""A preset is a set of limits that could be saved as it is."""

import pytest

from risk.core.presets import PRESETS
from risk.models import RiskLimits
from tests.factories import NOW


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_preset_names_limits_and_stays_within_their_bounds(name: str) -> None:
    limits = RiskLimits(version=1, created_at=NOW, reason="a preset", **PRESETS[name])

    limits.clean_fields()
    limits.clean()

    assert set(PRESETS[name]) <= set(limits.values())
