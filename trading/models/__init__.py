"""What we do: signal → intent → order → fill → position → redemption, and the ledger beneath."""

from trading.models.books import (
    Account,
    ChainTransaction,
    Conversion,
    LedgerBalance,
    Position,
    Redemption,
    Transfer,
)
from trading.models.columns import MAIN_WALLET, Side, TimeInForce
from trading.models.orders import Discrepancy, Fill, Order, Settlement, VenueState
from trading.models.readiness import WalletCheck
from trading.models.wishes import Approval, Claim, IntentGroup, Opportunity, Signal, TradeIntent
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

__all__ = [
    "MAIN_WALLET",
    "Account",
    "Approval",
    "ApprovalSettings",
    "ArbitrageSettings",
    "ChainSettings",
    "ChainTransaction",
    "Claim",
    "Conversion",
    "Discrepancy",
    "ExecutionSettings",
    "ExitSettings",
    "Fill",
    "IntentGroup",
    "LedgerBalance",
    "Opportunity",
    "Order",
    "Position",
    "ReadinessSettings",
    "ReconciliationSettings",
    "Redemption",
    "Settlement",
    "Side",
    "Signal",
    "TimeInForce",
    "TradeIntent",
    "TradingSettings",
    "Transfer",
    "VenueState",
    "WalletCheck",
]
