"""Values for the pure tests of trading: one knob per test."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from markets.core.book import Book, Level
from risk.core.contracts import LimitsConfig, PortfolioSnapshot
from risk.models import RiskLimits
from trading.core.contracts import TradingConfig
from trading.core.decision import Candidate
from trading.models import TradingSettings

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def trading_config(**changes: Any) -> TradingConfig:
    return TradingSettings(version=0, created_at=AT, reason="", **changes).as_config()


def limits(**changes: Any) -> LimitsConfig:
    return RiskLimits(version=0, created_at=AT, reason="", **changes).as_config()


def ladder(*levels: tuple[str, str]) -> tuple[Level, ...]:
    return tuple(Level(price=Decimal(price), shares=Decimal(shares)) for price, shares in levels)


def book(asks: tuple[Level, ...] | None = None, bids: tuple[Level, ...] | None = None) -> Book:
    """Best bid 0.49, best ask 0.51, 10 000 shares each."""
    return Book(
        observed_at=AT,
        bids=ladder(("0.49", "10000")) if bids is None else bids,
        asks=ladder(("0.51", "10000")) if asks is None else asks,
    )


def candidate(**changes: Any) -> Candidate:
    """Belief of 0.70, sure to 0.02, in a side that costs 0.51."""
    values: dict[str, Any] = {
        "market": 1,
        "event": 1,
        "category": "politics",
        "outcome_index": 0,
        "probability": 0.7,
        "sigma": 0.02,
        "price": 0.5,
        "book": book(),
        "tick": Decimal("0.01"),
        "min_shares": Decimal(5),
        "fee_rate": Decimal("0.04"),
        "fee_exponent": Decimal(1),
        "book_age_s": 1.0,
        "prediction_age_s": 1.0,
        "seconds_left": 86400.0,
        "accepting_orders": True,
    }
    return Candidate(**values | changes)


def portfolio(**changes: Any) -> PortfolioSnapshot:
    """$10 000 in cash, nothing held."""
    equity = changes.pop("equity", Decimal(10_000))
    values: dict[str, Any] = {
        "state": "ACTIVE",
        "placing_orders": True,
        "cash": equity,
        "risk_equity": equity,
        "peak": equity,
        "day_start_equity": equity,
        "spent_today": Decimal(0),
        "orders_last_hour": 0,
        "equity_age_s": 1.0,
    }
    return PortfolioSnapshot(**values | changes)
