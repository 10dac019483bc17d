"""Intents, portfolios and limits with one knob per test."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from risk.core.contracts import Holding, LimitsConfig, OrderIntent, PortfolioSnapshot
from risk.models import RiskLimits

LIMITS: LimitsConfig = RiskLimits(
    version=1, created_at=datetime(2026, 1, 1, tzinfo=UTC)
).as_config()

INTENT = OrderIntent(
    market=1,
    event=10,
    category="politics",
    outcome_index=0,
    is_buy=True,
    shares=Decimal(20),
    limit_price=Decimal("0.50"),
    expected_price=Decimal("0.50"),
    best_price=Decimal("0.50"),
    fee=Decimal("0.20"),
    probability=0.6,
    visible_depth=Decimal(10_000),
    tick=Decimal("0.01"),
    min_shares=Decimal(5),
    book_age_s=1.0,
    prediction_age_s=5.0,
    seconds_left=None,
    accepting_orders=True,
    label="Will it rain?",
)

PORTFOLIO = PortfolioSnapshot(
    state="ACTIVE",
    placing_orders=True,
    cash=Decimal(1000),
    risk_equity=Decimal(1000),
    peak=Decimal(1000),
    day_start_equity=Decimal(1000),
    spent_today=Decimal(0),
    orders_last_hour=0,
    equity_age_s=1.0,
)

HELD = Holding(
    market=1,
    event=10,
    category="politics",
    outcome_index=0,
    shares=Decimal(30),
    exposure=Decimal(15),
    sellable=Decimal(30),
    label="Will it rain?",
)


def intent(**knobs: Any) -> OrderIntent:
    return replace(INTENT, **knobs)


def sale(**knobs: Any) -> OrderIntent:
    return replace(INTENT, **({"is_buy": False} | knobs))


def portfolio(**knobs: Any) -> PortfolioSnapshot:
    return replace(PORTFOLIO, **knobs)


def held(**knobs: Any) -> Holding:
    return replace(HELD, **knobs)


def limits(**knobs: Any) -> LimitsConfig:
    return replace(LIMITS, **knobs)
