"""The record of a decision: what was asked, what was said, and every threshold as it was."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from config.kernel.models import FactIsFinal
from risk import gate
from risk.core.contracts import LimitsConfig
from risk.models import RiskDecision, RiskLimits
from tests.factories import NOW, MarketFactory, risk_limits
from tests.risk.books import held, intent, portfolio

pytestmark = pytest.mark.django_db


def test_an_approval_is_recorded_with_what_bound_it() -> None:
    market = MarketFactory()

    decision = gate.review(
        intent(market=market.pk, shares=Decimal(100)), portfolio(), mode="PAPER", as_of=NOW
    )

    decision.refresh_from_db()
    assert decision.market == market
    assert (decision.requested_shares, decision.approved_shares) == (100, Decimal("39.84"))
    assert decision.denials == ""
    assert json.loads(decision.detail)["bound_by"] == ["MARKET_LIMIT", "EVENT_LIMIT"]
    assert str(decision) == "approved 39.840000"


def test_a_denial_is_recorded_with_every_reason_and_its_numbers() -> None:
    order = intent(market=MarketFactory().pk, book_age_s=500.0, accepting_orders=False)

    decision = gate.review(order, portfolio(), mode="PAPER", as_of=NOW)

    assert decision.denials == "MARKET_CLOSED STALE_BOOK"
    assert str(decision) == decision.denials
    messages = {d["reason"]: d["message"] for d in json.loads(decision.detail)["denials"]}
    assert "500.0 s old" in messages["STALE_BOOK"]


def test_the_record_contains_every_threshold_and_their_version() -> None:
    risk_limits(max_order_usd=Decimal(7))
    version = risk_limits(max_market=Decimal("0.015")).version

    decision = gate.review(intent(market=MarketFactory().pk), portfolio(), mode="PAPER", as_of=NOW)

    recorded = json.loads(decision.detail)["limits"]
    assert decision.limits_version == recorded["version"] == version == 2
    assert set(recorded) == set(LimitsConfig.__dataclass_fields__)
    assert (recorded["max_market"], recorded["max_order_usd"]) == ("0.0150", "7.00")


def test_limits_saved_later_are_not_used() -> None:
    RiskLimits.objects.create(
        version=1, created_at=NOW + timedelta(days=1), reason="later", max_order_usd=Decimal(0)
    )

    decision = gate.review(intent(market=MarketFactory().pk), portfolio(), mode="PAPER", as_of=NOW)

    assert decision.limits_version == 0
    assert decision.approved_shares == 20


def test_the_record_contains_the_inputs_and_the_exposure_they_met() -> None:
    order = intent(market=MarketFactory().pk)
    books = portfolio(holdings=(held(market=10**6),), seconds_since_exit={order.market: 9000.0})

    detail = json.loads(gate.review(order, books, mode="PAPER", as_of=NOW).detail)

    assert detail["intent"]["limit_price"] == "0.50"
    assert detail["portfolio"]["exposure"] == "15"
    assert detail["portfolio"]["exposure_market"] == "0"
    assert detail["portfolio"]["exposure_event"] == "15"
    assert detail["portfolio"]["positions"] == 1
    assert detail["portfolio"]["seconds_since_exit"] == 9000.0


def test_a_wish_below_the_venue_minimum_is_recorded_as_the_minimum() -> None:
    order = intent(market=MarketFactory().pk, shares=Decimal(2), fee=Decimal("0.02"))

    decision = gate.review(order, portfolio(), mode="PAPER", as_of=NOW)

    assert decision.requested_shares == decision.approved_shares == 5


@pytest.mark.parametrize("shares", ["NaN", "-3"])
def test_an_absurd_wish_is_recorded_as_nothing_and_denied(shares: str) -> None:
    order = intent(market=MarketFactory().pk, shares=Decimal(shares), min_shares=None)

    decision = gate.review(order, portfolio(), mode="PAPER", as_of=NOW)

    assert (decision.requested_shares, decision.approved_shares) == (0, 0)
    assert decision.denials == "UNKNOWN_RULES"


def test_the_market_can_be_named_apart_from_the_number_the_core_uses() -> None:
    market = MarketFactory()

    decision = gate.review(
        intent(market=0), portfolio(), mode="PAPER", as_of=NOW, market_id=market.pk
    )

    assert decision.market == market


def test_a_backtest_never_writes_a_decision() -> None:
    order = intent(market=MarketFactory().pk)

    with pytest.raises(IntegrityError), transaction.atomic():
        gate.review(order, portfolio(), mode="BACKTEST", as_of=NOW)


def test_a_decision_is_final() -> None:
    gate.review(intent(market=MarketFactory().pk), portfolio(), mode="PAPER", as_of=NOW)

    with pytest.raises(FactIsFinal):
        RiskDecision.objects.update(approved_shares=0)
    with pytest.raises(FactIsFinal):
        RiskDecision.objects.all().delete()
