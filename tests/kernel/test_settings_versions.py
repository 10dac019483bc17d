"""Settings with history: who, when, why, within bounds, and never overwritten."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError

from config.kernel import revise
from config.kernel.models import DomainEvent
from risk.models import RiskLimits
from tests.factories import NOW, UserFactory
from trading.settings import TradingSettings

pytestmark = pytest.mark.django_db


def change(author: Any = None, reason: str = "a test", **changes: Any) -> RiskLimits:
    return revise.settings(RiskLimits, changes, author=author, reason=reason, as_of=NOW)


def test_without_rows_the_defaults_hold_as_version_zero() -> None:
    current = RiskLimits.objects.current(as_of=NOW)

    assert (current.version, current.max_market) == (0, Decimal("0.02"))
    assert current.as_config().version == 0


def test_a_change_is_a_new_version_with_author_and_reason() -> None:
    ann = UserFactory(username="ann")

    first = change(ann, "less risk", max_market=Decimal("0.01"))
    second = change(ann, "fewer orders", max_orders_per_hour=5)

    assert (first.version, second.version) == (1, 2)
    assert (second.max_market, second.max_orders_per_hour) == (Decimal("0.01"), 5)
    assert (second.author, second.reason) == (ann, "fewer orders")
    assert str(second) == "risk limits v2"
    assert RiskLimits.objects.count() == 2


def test_what_was_in_force_then_stays_known() -> None:
    change(max_market=Decimal("0.01"))

    before = RiskLimits.objects.current(as_of=NOW - timedelta(seconds=1))

    assert before.version == 0


def test_switches_are_read_from_the_version_saved_last_whatever_its_stamp() -> None:
    assert RiskLimits.objects.newest().version == 0
    change(max_positions=3)
    ahead = NOW + timedelta(hours=1)
    revise.settings(RiskLimits, {"max_positions": 4}, author=None, reason="x", as_of=ahead)

    assert RiskLimits.objects.newest().max_positions == 4
    assert RiskLimits.objects.current(as_of=NOW).max_positions == 3


def test_a_change_is_audited_with_both_values() -> None:
    change(UserFactory(username="ann"), max_positions=3)

    event = DomainEvent.objects.get()
    assert (event.kind, event.actor, event.subject) == (
        "settings.revised",
        "ann",
        "risk.RiskLimits:v1",
    )
    assert '"changes":{"max_positions":["40","3"]}' in event.data


@pytest.mark.parametrize("author", [None, AnonymousUser()])
def test_a_change_without_a_person_is_the_systems(author: Any) -> None:
    assert change(author, max_positions=3).author is None
    assert DomainEvent.objects.get().actor == "system"


def test_a_value_out_of_bounds_is_refused_and_nothing_is_saved() -> None:
    with pytest.raises(ValidationError, match="max_market"):
        change(max_market=Decimal("1.5"))

    assert not RiskLimits.objects.exists()


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        (RiskLimits, {"max_book_age_s": 2**31 - 1}),
        (RiskLimits, {"min_seconds_left": 2**31 - 1}),
        (RiskLimits, {"max_order_usd": Decimal(-1)}),
        (RiskLimits, {"max_slippage_bps": Decimal(-1)}),
        (RiskLimits, {"drawdown_listen": Decimal("0.2")}),
        (RiskLimits, {"drawdown_halt": Decimal("0.14")}),
        (TradingSettings, {"min_net_edge": float("nan")}),
        (TradingSettings, {"min_depth_usd": float("inf")}),
        (TradingSettings, {"paper_latency_ms": 10**8}),
    ],
)
def test_a_number_that_makes_no_sense_is_refused(model: Any, changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        revise.settings(model, changes, author=None, reason="x", as_of=NOW)

    assert not model.objects.exists()


def test_a_name_that_is_no_setting_is_refused() -> None:
    with pytest.raises(ValidationError, match="lucky_number is not a setting"):
        change(lucky_number=7)


def test_a_change_without_reason_is_refused() -> None:
    with pytest.raises(ValueError, match="reason"):
        change(reason=" ", max_positions=3)


def test_a_version_equal_to_the_one_in_force_is_refused() -> None:
    change(max_positions=3)

    with pytest.raises(revise.NothingChanged, match="v1"):
        change(max_positions=3)
    with pytest.raises(revise.NothingChanged):
        change(max_positions="3")


def test_a_change_dated_before_the_newest_version_builds_on_that_one() -> None:
    change(max_positions=3)

    late = revise.settings(
        RiskLimits,
        {"max_orders_per_hour": 5},
        author=None,
        reason="a slow clock",
        as_of=NOW - timedelta(hours=1),
    )

    assert (late.version, late.max_positions) == (2, 3)
