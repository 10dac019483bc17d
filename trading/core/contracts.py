"""What decides about trading hands to the core."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingConfig:
    """The values of `TradingSettings`."""

    version: int
    mode: str
    placing_orders: bool
    dry_run: bool
    starting_cash: Decimal
    min_gross_edge: float
    min_net_edge: float
    min_confidence: float
    min_depth_usd: float
    depth_within: float
    max_spread: float
    medium_above: float
    strong_above: float
    prior_sigma: float
    min_strength: str
    intent_expiry_s: int
    paper_latency_ms: int
    cycle_s: int
