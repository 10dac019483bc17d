"""No setting of money can be saved with a number that means nothing."""

from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import models

from config.kernel.models import VersionedSettings
from tests.factories import NOW, ahead, revise
from trading.guard.admission import Admission
from trading.guard.rounds import Rounds
from trading.settings import (
    ApprovalSettings,
    ArbitrageSettings,
    ChainSettings,
    ExecutionSettings,
    ExitSettings,
    ReadinessSettings,
    ReconciliationSettings,
    TradingSettings,
)
from trading.venue import Unsent

OURS: tuple[type[VersionedSettings], ...] = (
    ApprovalSettings,
    ArbitrageSettings,
    ChainSettings,
    ExecutionSettings,
    ExitSettings,
    ReadinessSettings,
    ReconciliationSettings,
    TradingSettings,
)
NUMBERS = (models.IntegerField, models.FloatField, models.DecimalField)
SENSELESS = 2 * 10**9
"""Above any number that somebody could mean; it fits the database's integers."""


def wrong(model: type[VersionedSettings], **values: Any) -> set[str]:
    """The columns that cannot be saved with these values, the others at their defaults."""
    row = model(version=1, created_at=NOW, reason="a test", **values)
    try:
        row.clean_fields()
        row.clean()
    except ValidationError as refusal:
        return set(refusal.message_dict)
    return set()


def test_every_group_of_settings_is_looked_at() -> None:
    kinds = VersionedSettings.__subclasses__()

    assert {kind for kind in kinds if kind.__module__.startswith("trading.")} == set(OURS)


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_every_number_has_a_lower_and_an_upper_bound(model: type[VersionedSettings]) -> None:
    for name, default in model(version=0).values().items():
        if isinstance(model._meta.get_field(name), NUMBERS):
            kind = type(default)
            assert name in wrong(model, **{name: kind(-1)}), f"{name} has no lower bound"
            assert name in wrong(model, **{name: kind(SENSELESS)}), f"{name} has no upper bound"


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_what_is_in_force_from_the_start_could_be_saved(model: type[VersionedSettings]) -> None:
    assert not wrong(model)


@pytest.mark.parametrize(
    "gate", ["min_shadow_days", "min_resolved_events", "min_persons", "trial_valid_days"]
)
def test_no_gate_of_live_is_opened_by_a_zero(gate: str) -> None:
    assert wrong(ReadinessSettings, **{gate: 0}) == {gate}


@pytest.mark.parametrize(
    ("model", "values", "column"),
    [
        (ReadinessSettings, {"facts_valid_s": 60, "look_every_s": 60}, "facts_valid_s"),
        (ExecutionSettings, {"reconciled_within_s": 60}, "reconciled_within_s"),
        (ExecutionSettings, {"longest_wait_s": 20, "cancel_wait_s": 21}, "cancel_wait_s"),
        (ChainSettings, {"min_priority_gwei": 31, "max_fee_gwei": 30}, "min_priority_gwei"),
    ],
    ids=[
        "a check outlives its repetition",
        "so does an agreement",
        "a cancel waits no longer",
        "a tip is within the fee",
    ],
)
def test_settings_that_need_each_other_agree(
    model: type[VersionedSettings], values: dict[str, Any], column: str
) -> None:
    assert wrong(model, **values) == {column}


def test_two_persons_may_be_asked_for_everything_but_not_for_less() -> None:
    assert not wrong(ApprovalSettings, two_person_above_usd=Decimal(0))
    assert wrong(ApprovalSettings, two_person_above_usd=Decimal("-0.01"))


class Silent:
    """A venue that hears nothing."""

    wallet = "0x1"

    def __getattr__(self, _name: str) -> Any:
        def nobody(*_args: object, **_named: object) -> None:
            raise Unsent("nobody answers")

        return nobody


@pytest.mark.django_db
def test_the_guard_looks_at_its_wallet_as_often_as_set() -> None:
    revise(ReadinessSettings, facts_valid_s=60, look_every_s=20)
    now, looks = [0], []
    rounds = Rounds(
        mode="REHEARSAL",
        venue=Silent(),
        chain=Silent(),
        payouts=lambda _now: None,
        look=looks.append,
        admission=Admission(
            mode="REHEARSAL", wallet="0x1", is_leader=lambda: True, unready=lambda _now: ""
        ),
        clock=lambda: ahead(now[0]),
    )

    for second in (0, 19, 20, 39, 40):
        now[0] = second
        rounds.turn()

    assert looks == [ahead(0), ahead(20), ahead(40)]
