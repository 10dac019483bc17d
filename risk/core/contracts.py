"""What trading hands to the gate, and what it answers: live, paper and backtest alike."""

from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum

MICRO = Decimal("0.000001")
DEFAULT_STRATEGY = "default"
BASELINE_STRATEGY = "baseline"
ARBITRAGE_STRATEGY = "arbitrage"
STRATEGIES = (DEFAULT_STRATEGY, BASELINE_STRATEGY, ARBITRAGE_STRATEGY)
"""The names under which anything is traded: a halt of one strategy names one of these."""


class State(StrEnum):
    """What is permitted, from everything to nothing; the words of `risk.models.TradingState`."""

    ACTIVE = "ACTIVE"
    LISTEN_ONLY = "LISTEN_ONLY"
    REDUCING = "REDUCING"
    HALTED = "HALTED"


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
    ASSET_COUNT = "ASSET_COUNT"
    ORDER_RATE = "ORDER_RATE"
    DAILY_LOSS = "DAILY_LOSS"
    DRAWDOWN = "DRAWDOWN"
    NO_INVENTORY = "NO_INVENTORY"
    STALE_EQUITY = "STALE_EQUITY"
    PURE_MODE = "PURE_MODE"
    UNKNOWN_VOLUME = "UNKNOWN_VOLUME"
    BUDGET_LIMIT = "BUDGET_LIMIT"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderIntent:
    """An order that trading would like to place. Money in dollars, ages and times in seconds.

    `shares` × `limit_price` + `fee` is the most it can cost, `fee` None where the market's schedule
    is unknown. `probability` is that of the outcome traded. `expected_price` is the volume-weighted
    price of walking the visible book for `wanted` shares, `visible_depth` the shares that rest
    there within the limit. `window_s` is the length of an epoch that starts at `epoch`.

    `skipped` names the gates that could not judge because their input is unknown, and `max_cost`
    the dollars that it may cost for that reason. `budget` is what all holdings of its strategy and
    `horizon` may have at risk; None for no bound.
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
    fee: Decimal | None
    probability: float
    visible_depth: Decimal
    tick: Decimal | None
    min_shares: Decimal | None
    book_age_s: float
    prediction_age_s: float
    seconds_left: float | None
    accepting_orders: bool
    strategy: str = DEFAULT_STRATEGY
    asset: str = ""
    epoch: float | None = None
    window_s: float | None = None
    label: str = ""
    horizon: str = ""
    budget: Decimal | None = None
    max_cost: Decimal | None = None
    skipped: tuple[str, ...] = ()

    @property
    def wanted(self) -> Decimal:
        """Shares to ask for: the venue's minimum where the wish is smaller."""
        return max(self.shares, self.min_shares or Decimal(0))

    @property
    def unit_cost(self) -> Decimal:
        """Dollars a share at most, fee included, rounded up; raises `ValueError` without a fee."""
        if self.fee is None:
            raise ValueError("the fee of this market is unknown, so nothing can be bought on it")
        return (self.limit_price + self.fee / self.shares).quantize(MICRO, ROUND_CEILING)

    @property
    def cost(self) -> Decimal:
        """Dollars at risk: the most the order can take from cash."""
        return self.cost_of(self.shares)

    def cost_of(self, shares: Decimal) -> Decimal:
        """Dollars at risk if `shares` of it are approved, rounded up."""
        return (shares * self.unit_cost).quantize(MICRO, ROUND_CEILING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """An open position, resting order or approved intent.

    `exposure` is its worst-case loss in dollars. `sellable` counts shares that are ours now and
    not promised to a resting sale: 0 for an order or intent that has not filled. `exclusive`: at
    most one market of the event resolves to its outcome 0.
    """

    market: int
    event: int
    category: str
    outcome_index: int
    shares: Decimal
    exposure: Decimal
    sellable: Decimal = Decimal(0)
    exclusive: bool = False
    asset: str = ""
    epoch: float | None = None
    window_s: float | None = None
    label: str = ""
    strategy: str = ""
    horizon: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioSnapshot:
    """The books at one instant, reservations counted as spent: `cash` is what is free."""

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
    """The gate's answer: approved shares (0 with any denial) and every reason against.

    `bound_by` names the caps that made an approved order smaller than `OrderIntent.wanted`.
    """

    approved_shares: Decimal
    denials: tuple[Denial, ...] = ()
    bound_by: tuple[DenialReason, ...] = ()

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
    max_per_asset: int
    sudden_drop: Decimal
    sudden_drop_s: int
    max_equity_age_s: int
    max_consecutive_failures: int
    max_unknown_orders: int
