"""The books of a replay: what is held, what it cost, what it would fetch. In memory, no clock."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from config.kernel import units
from risk.core.contracts import Holding, OrderIntent, PortfolioSnapshot
from risk.core.drawdown import fall, next_peak
from trading.core.settlement import payout

HOUR_S, DAY_S = 3600.0, 86400.0


class AlreadyHeld(RuntimeError):
    """The gate admitted a second entry on one market."""


@dataclass(slots=True, kw_only=True)
class Lot:
    """A simulated trade from its fill to its payout."""

    intent: OrderIntent
    at: float
    shares: Decimal
    price: Decimal
    fee: Decimal
    net_edge: float
    exclusive: bool
    paid: Decimal | None = None

    @property
    def cost(self) -> Decimal:
        """Dollars spent, fee included."""
        return units.pay(self.shares * self.price) + self.fee

    @property
    def pnl(self) -> Decimal | None:
        """Payout less cost, once resolved."""
        return None if self.paid is None else self.paid - self.cost

    @property
    def won(self) -> bool:
        """Whether it was paid more than it cost."""
        return self.pnl is not None and self.pnl > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EquityMark:
    """The books at one instant: dollars, and the fall of risk equity from its peak in [0, 1]."""

    at: float
    cash: Decimal
    equity: Decimal
    risk_equity: Decimal
    drawdown: float


@dataclass(slots=True, kw_only=True)
class Books:
    """Cash and lots of one replay: buying takes its cost from cash, a resolution pays."""

    cash: Decimal
    peak: Decimal
    day_start: Decimal
    risk_equity: Decimal
    state: str = "ACTIVE"
    day: int = -1
    spent_today: Decimal = Decimal(0)
    open: dict[int, Lot] = field(default_factory=dict)
    closed: list[Lot] = field(default_factory=list)
    marks: list[EquityMark] = field(default_factory=list)
    bought_at: list[float] = field(default_factory=list)
    last_intent: dict[int, float] = field(default_factory=dict)

    @classmethod
    def start(cls, cash: Decimal) -> "Books":
        """Books with nothing but cash."""
        return cls(cash=cash, peak=cash, day_start=cash, risk_equity=cash)

    def buy(self, lot: Lot) -> None:
        """Take a fill into the books; raises `AlreadyHeld` for a second lot on one market."""
        if lot.intent.market in self.open:
            raise AlreadyHeld(f"market {lot.intent.market} is held already, yet the gate said yes")
        self.cash -= lot.cost
        self.spent_today += lot.cost
        self.bought_at.append(lot.at)
        self.last_intent[lot.intent.market] = lot.at
        self.open[lot.intent.market] = lot

    def settle(self, market: int, payout_0: Decimal) -> Lot | None:
        """Pay out what a resolved market owes us; None where nothing was held."""
        lot = self.open.pop(market, None)
        if lot is None:
            return None
        per_share = payout_0 if lot.intent.outcome_index == 0 else units.ONE - payout_0
        lot.paid = payout(lot.shares, per_share)
        self.cash += lot.paid
        self.closed.append(lot)
        return lot

    def mark(self, at: float, bids: dict[int, float], mids: dict[int, float]) -> EquityMark:
        """Value the books by market: `bids` and `mids` of the side held; unknown is worth 0."""
        marked = held = units.ZERO
        for market, lot in self.open.items():
            marked += lot.shares * units.decimal(mids.get(market, 0.0))
            proceeds = units.receive(lot.shares * units.decimal(bids.get(market, 0.0)))
            held += min(lot.cost, proceeds)
        self.risk_equity = self.cash + held
        self.peak = next_peak(self.risk_equity, self.peak)
        self._begin_day(at)
        point = EquityMark(
            at=at,
            cash=self.cash,
            equity=self.cash + marked,
            risk_equity=self.risk_equity,
            drawdown=float(fall(self.risk_equity, self.peak)),
        )
        self.marks.append(point)
        return point

    def _begin_day(self, at: float) -> None:
        day = int(at // DAY_S)
        if day != self.day:
            self.day, self.day_start, self.spent_today = day, self.risk_equity, Decimal(0)

    def snapshot(self, at: float) -> PortfolioSnapshot:
        """What the gate sees."""
        self.bought_at = [t for t in self.bought_at if at - t < HOUR_S]
        return PortfolioSnapshot(
            state=self.state,
            placing_orders=True,
            cash=self.cash,
            risk_equity=self.risk_equity,
            peak=self.peak,
            day_start_equity=self.day_start,
            spent_today=self.spent_today,
            orders_last_hour=len(self.bought_at),
            equity_age_s=0.0,
            holdings=tuple(self._holdings()),
            seconds_since_intent={m: at - t for m, t in self.last_intent.items()},
        )

    def _holdings(self) -> Iterator[Holding]:
        for lot in self.open.values():
            yield Holding(
                market=lot.intent.market,
                event=lot.intent.event,
                category=lot.intent.category,
                outcome_index=lot.intent.outcome_index,
                shares=lot.shares,
                exposure=lot.cost,
                sellable=lot.shares,
                exclusive=lot.exclusive,
                asset=lot.intent.asset,
                epoch=lot.intent.epoch,
            )
