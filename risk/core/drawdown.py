"""Risk equity, its peak, and how far it fell.

Risk equity = cash (reservations included) + redeemable at payout + Σ min(cost, liquidation value).
An unrealised gain never raises it, so it never raises the peak; buying lowers it by no more than
fee and spread.
"""

from dataclasses import dataclass
from decimal import Decimal

from config.kernel.units import ZERO
from risk.core.contracts import LimitsConfig, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """One open position in dollars: paid, at the mid, and sold into the visible book."""

    cost: Decimal
    mark: Decimal
    liquidation: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The books of one mode at one instant, in dollars; `cash` includes what is reserved."""

    cash: Decimal
    reserved: Decimal
    redeemable: Decimal
    positions: tuple[Marked, ...]
    realised: Decimal
    fees: Decimal

    @property
    def risk_equity(self) -> Decimal:
        """What is certainly ours, unrealised gains left out."""
        held = (min(p.cost, p.liquidation) for p in self.positions)
        return self.cash + self.redeemable + sum(held, ZERO)


def fall(equity: Decimal, base: Decimal) -> Decimal:
    """Fall from `base` as a fraction, at least 0; below a base that is not positive, 1.

    >>> fall(Decimal(67), Decimal(100))
    Decimal('0.33')
    """
    if equity >= base:
        return ZERO
    if base <= 0:
        return Decimal(1)
    return max(ZERO, (base - equity) / base)


def next_peak(equity: Decimal, previous: Decimal | None) -> Decimal:
    """The peak after one more observation."""
    return equity if previous is None else max(previous, equity)


def grade(drawdown: Decimal, limits: LimitsConfig) -> State:
    """The state that a drawdown demands."""
    if drawdown >= limits.drawdown_halt:
        return State.HALTED
    if drawdown >= limits.drawdown_reduce:
        return State.REDUCING
    return State.LISTEN_ONLY if drawdown >= limits.drawdown_listen else State.ACTIVE
