"""What a person tunes about trading while it runs."""

from trading.settings.approval import ApprovalSettings
from trading.settings.arbitrage import ArbitrageSettings
from trading.settings.chain import ChainSettings
from trading.settings.execution import ExecutionSettings
from trading.settings.exits import ExitSettings
from trading.settings.readiness import ReadinessSettings
from trading.settings.reconciliation import ReconciliationSettings
from trading.settings.trading import BUILT, TradingSettings

__all__ = [
    "BUILT",
    "ApprovalSettings",
    "ArbitrageSettings",
    "ChainSettings",
    "ExecutionSettings",
    "ExitSettings",
    "ReadinessSettings",
    "ReconciliationSettings",
    "TradingSettings",
]
