"""What trading hands to the gate, and what the gate answers. Serves live, paper and backtest alike."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum


class DenialReason(StrEnum):
    """Why an order may not be placed: a closed list, shown in the funnel."""

    HALTED = "HALTED"
    LISTEN_ONLY = "LISTEN_ONLY"
    REDUCING = "REDUCING"
    NOT_PLACING = "NOT_PLACING"
    MARKET_CLOSED = "MARKET_CLOSED"
    MARKET_ENDING = "MARKET_ENDING"
    UNKNOWN_RULES = "UNKNOWN_RULES"
    STALE_BOOK = "STALE_BOOK"
    STALE_PREDICTION = "STALE_PREDICTION"
    NO_EDGE_LEFT = "NO_EDGE_LEFT"
    SLIPPAGE = "SLIPPAGE"
    OFF_TICK = "OFF_TICK"
    MIN_SIZE = "MIN_SIZE"
    ALREADY_HELD = "ALREADY_HELD"
    COOLDOWN = "COOLDOWN"
    NO_CASH = "NO_CASH"
    ORDER_LIMIT = "ORDER_LIMIT"
    MARKET_LIMIT = "MARKET_LIMIT"
    EVENT_LIMIT = "EVENT_LIMIT"
    CATEGORY_LIMIT = "CATEGORY_LIMIT"
    TOTAL_LIMIT = "TOTAL_LIMIT"
    DAY_LIMIT = "DAY_LIMIT"
    DEPTH_LIMIT = "DEPTH_LIMIT"
    POSITION_COUNT = "POSITION_COUNT"
    ORDER_RATE = "ORDER_RATE"
    DAILY_LOSS = "DAILY_LOSS"
    DRAWDOWN = "DRAWDOWN"
    NO_INVENTORY = "NO_INVENTORY"
    STALE_EQUITY = "STALE_EQUITY"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderIntent:
    """An order that trading would like to place. Money in dollars, ages and times in seconds.

    `shares` × `limit_price` + `fee` is the most it can cost; `expected_price` is the volume-weighted
    price of walking the visible book for `shares`.
    """

    market: int
    event: int
    category: str
    outcome_index: int
    is_buy: bool
    shares: Decimal
    limit_price: Decimal
    expected_price: Decimal
    best_price: Decimal
    fee: Decimal
    probability: float
    visible_depth: Decimal
    tick: Decimal | None
    min_shares: Decimal | None
    book_age_s: float
    prediction_age_s: float
    seconds_left: float | None
    accepting_orders: bool
    strategy: str = "default"
    asset: str = ""
    epoch: float | None = None

    @property
    def cost(self) -> Decimal:
        """Dollars at risk: the most the order can take from cash."""
        return self.shares * self.limit_price + self.fee


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """An open position, resting order or approved intent, as exposure: the worst-case loss in dollars."""

    market: int
    event: int
    category: str
    outcome_index: int
    shares: Decimal
    exposure: Decimal
    asset: str = ""
    epoch: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioSnapshot:
    """The books at one instant, reservations counted as spent."""

    state: str
    placing_orders: bool
    cash: Decimal
    risk_equity: Decimal
    peak: Decimal
    day_start_equity: Decimal
    spent_today: Decimal
    orders_last_hour: int
    equity_age_s: float
    holdings: tuple[Holding, ...] = ()
    seconds_since_intent: dict[int, float] = field(default_factory=dict)
    seconds_since_exit: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """One reason against an order, in a sentence with its numbers."""

    reason: DenialReason
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The gate's answer: approved shares (0 with any denial) and every reason against."""

    approved_shares: Decimal
    denials: tuple[Denial, ...] = ()

    @property
    def approved(self) -> bool:
        """Whether the order may be placed."""
        return self.approved_shares > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsConfig:
    """The values of `RiskLimits`: fractions are of risk equity, money in dollars."""

    version: int
    kelly_multiplier: Decimal
    max_market: Decimal
    max_event: Decimal
    max_category: Decimal
    max_total: Decimal
    max_day: Decimal
    max_depth: Decimal
    max_positions: int
    max_order_usd: Decimal
    max_orders_per_hour: int
    max_slippage_bps: Decimal
    max_edge_eaten: Decimal
    max_book_age_s: int
    max_prediction_age_s: int
    min_seconds_left: int
    cooldown_s: int
    reentry_s: int
    drawdown_listen: Decimal
    drawdown_reduce: Decimal
    drawdown_halt: Decimal
    daily_loss: Decimal
