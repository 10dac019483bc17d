"""Soft limits: how many shares each admits. The gate approves the smallest."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from config.kernel.units import ZERO
from risk.core import exposure
from risk.core.contracts import (
    MICRO,
    DenialReason,
    Holding,
    LimitsConfig,
    OrderIntent,
    PortfolioSnapshot,
)

SHARE_STEP = Decimal("0.01")

Room = Callable[[OrderIntent, PortfolioSnapshot, LimitsConfig], Decimal]


@dataclass(frozen=True, slots=True)
class Cap:
    """A soft limit: `room` is the number of shares it admits. `entries`: sales pass unasked."""

    reason: DenialReason
    room: Room
    entries: bool = True


def _shares_for(dollars: Decimal, intent: OrderIntent) -> Decimal:
    """Hundredths of a share that `dollars` buy at the worst price, fee included."""
    if dollars <= 0:
        return ZERO
    spendable = dollars.quantize(MICRO, ROUND_FLOOR)
    return (spendable / intent.unit_cost).quantize(SHARE_STEP, ROUND_FLOOR)


def _headroom(
    fraction: Decimal, used: Decimal, intent: OrderIntent, portfolio: PortfolioSnapshot
) -> Decimal:
    """Shares that still fit under `fraction` of risk equity with `used` dollars of it taken."""
    return _shares_for(fraction * portfolio.risk_equity - used, intent)


def _paid(holdings: tuple[Holding, ...]) -> Decimal:
    return sum((held.exposure for held in holdings), ZERO)


def _market(i: OrderIntent, portfolio: PortfolioSnapshot, limits: LimitsConfig) -> Decimal:
    held = tuple(h for h in portfolio.holdings if h.market == i.market)
    return _headroom(limits.max_market, _paid(held), i, portfolio)


def _event(i: OrderIntent, portfolio: PortfolioSnapshot, limits: LimitsConfig) -> Decimal:
    held = tuple(h for h in portfolio.holdings if h.event == i.event)
    return _headroom(limits.max_event, exposure.worst_loss(held), i, portfolio)


def _category(i: OrderIntent, portfolio: PortfolioSnapshot, limits: LimitsConfig) -> Decimal:
    held = tuple(h for h in portfolio.holdings if h.category == i.category)
    return _headroom(limits.max_category, _paid(held), i, portfolio)


def _total(i: OrderIntent, portfolio: PortfolioSnapshot, limits: LimitsConfig) -> Decimal:
    return _headroom(limits.max_total, _paid(portfolio.holdings), i, portfolio)


def _day(i: OrderIntent, portfolio: PortfolioSnapshot, limits: LimitsConfig) -> Decimal:
    return _headroom(limits.max_day, portfolio.spent_today, i, portfolio)


def _order(i: OrderIntent, _p: PortfolioSnapshot, limits: LimitsConfig) -> Decimal:
    return _shares_for(limits.max_order_usd, i)


def _cash(i: OrderIntent, portfolio: PortfolioSnapshot, _l: LimitsConfig) -> Decimal:
    return _shares_for(portfolio.cash, i)


def _depth(i: OrderIntent, _p: PortfolioSnapshot, limits: LimitsConfig) -> Decimal:
    return limits.max_depth * i.visible_depth


def _unknown_volume(i: OrderIntent, _p: PortfolioSnapshot, _l: LimitsConfig) -> Decimal:
    return i.wanted if i.max_cost is None else _shares_for(i.max_cost, i)


def _budget(i: OrderIntent, portfolio: PortfolioSnapshot, _l: LimitsConfig) -> Decimal:
    if i.budget is None:
        return i.wanted
    arm = (i.strategy, i.horizon)
    held = tuple(h for h in portfolio.holdings if (h.strategy, h.horizon) == arm)
    return _shares_for(i.budget - _paid(held), i)


def inventory(i: OrderIntent, portfolio: PortfolioSnapshot, _l: LimitsConfig) -> Decimal:
    """Shares of the outcome that are ours to sell: a sale is never a short."""
    held = (
        h.sellable
        for h in portfolio.holdings
        if (h.market, h.outcome_index) == (i.market, i.outcome_index)
    )
    return sum(held, ZERO) if not i.is_buy else i.wanted


CAPS: tuple[Cap, ...] = (
    Cap(DenialReason.MARKET_LIMIT, _market),
    Cap(DenialReason.EVENT_LIMIT, _event),
    Cap(DenialReason.CATEGORY_LIMIT, _category),
    Cap(DenialReason.TOTAL_LIMIT, _total),
    Cap(DenialReason.DAY_LIMIT, _day),
    Cap(DenialReason.ORDER_LIMIT, _order),
    Cap(DenialReason.NO_CASH, _cash),
    Cap(DenialReason.DEPTH_LIMIT, _depth),
    Cap(DenialReason.UNKNOWN_VOLUME, _unknown_volume),
    Cap(DenialReason.BUDGET_LIMIT, _budget),
    Cap(DenialReason.NO_INVENTORY, inventory, entries=False),
)
