"""What an arbitrage must bring, and what it may cost when it breaks: the values of the settings."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ArbitrageConfig:
    """The values of `ArbitrageSettings`: dollars, shares of the cost, seconds."""

    version: int
    detecting: bool
    trading: bool
    min_profit_usd: Decimal
    min_profit_share: Decimal
    max_sets: Decimal
    max_legs: int
    leg_risk_budget_usd: Decimal
    unwind_slip: Decimal
    retry_after_s: int
    log_again_s: int
