"""What each wallet of the world holds of one market, out of the tape."""

from dataclasses import dataclass

from sandbox.core import tape
from sandbox.core.tape import Style, Trade, Wallet
from sandbox.core.world import Happening

REDEEMS_AFTER_S = (60, 300)
DUST = 0.005


@dataclass(slots=True, kw_only=True)
class Holding:
    """One wallet's dealings in one token up to a second; money in dollars, fees of takers only."""

    wallet: Wallet
    happening: Happening
    child: int
    outcome: int
    bought: float = 0.0
    cost: float = 0.0
    sold: float = 0.0
    proceeds: float = 0.0
    fees: float = 0.0
    first_at: int = 0
    last_at: int = 0

    @property
    def left(self) -> float:
        """Shares that were bought and not sold."""
        left = self.bought - self.sold
        return left if left > DUST else 0.0

    @property
    def average(self) -> float:
        """Mean price paid."""
        return self.cost / self.bought if self.bought else 0.0

    def payout(self) -> float:
        """Dollars a share pays at the end."""
        return self.happening.payouts(self.child)[self.outcome]

    def redeemed_by(self, second: int) -> bool:
        """Whether the wallet has taken its winnings; losers are never redeemed."""
        low, high = REDEEMS_AFTER_S
        wait = low + (self.happening.number + self.wallet.index * 37) % (high - low)
        return self.payout() > 0 and second >= self.happening.settled_at + wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One wallet's side of a trade."""

    wallet: Wallet
    trade: Trade
    outcome: int
    buys: bool
    price: float
    is_taker: bool


def legs(trade: Trade) -> tuple[Leg, Leg]:
    """Taker and maker: a purchase meets a purchase of the opposite token, a sale a purchase."""
    taker = Leg(
        wallet=trade.taker, trade=trade, outcome=trade.outcome, buys=trade.buys,
        price=trade.price, is_taker=True,
    )  # fmt: skip
    opposite = round(1 - trade.price, 3)
    maker = Leg(
        wallet=trade.maker, trade=trade, buys=True, is_taker=False,
        outcome=1 - trade.outcome if trade.buys else trade.outcome,
        price=opposite if trade.buys else trade.price,
    )  # fmt: skip
    return taker, maker


def holdings(happening: Happening, child: int, second: int) -> list[Holding]:
    """Every wallet's dealings in one market up to `second`."""
    found: dict[tuple[Wallet, int], Holding] = {}
    for trade in tape.until(happening, child, second):
        for leg in legs(trade):
            key = leg.wallet, leg.outcome
            if key not in found:
                found[key] = Holding(
                    wallet=leg.wallet, happening=happening, child=child, outcome=leg.outcome,
                    first_at=trade.second,
                )  # fmt: skip
            _add(found[key], leg, happening.family.fee_rate)
    return list(found.values())


def _add(holding: Holding, leg: Leg, rate: float) -> None:
    shares, dollars = leg.trade.shares, leg.trade.shares * leg.price
    if leg.buys:
        holding.bought += shares
        holding.cost += dollars
    else:
        holding.sold += shares
        holding.proceeds += dollars
    if leg.is_taker and leg.wallet.style is not Style.MAKER:
        holding.fees += shares * rate * leg.price * (1 - leg.price)
    holding.last_at = leg.trade.second
