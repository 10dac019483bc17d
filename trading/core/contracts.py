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
    fast_cycle_s: int
    profile: str
    require_consensus: str
    mood_cohort: str
    s_min: float
    m_min: float
    conf_min: float
    alpha_min: float
    allow_model_only_when_mood_neutral: bool
    flip_mood: bool
    flip_model: bool
    flip_model_bma: bool
    baseline: bool
    baseline_mood_weight: float
    baseline_book_weight: float
    baseline_sigma: float
    unknown_liquidity_usd: Decimal
    capital_by: str
    capital_floor: float
    capital_share: float
    capital_days: int
    ranking: str

    def asks_consent(self, horizon: str) -> bool:
        """Whether a trade at this horizon needs the consent of a cohort."""
        return horizon in self.require_consensus.split()
