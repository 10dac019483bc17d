"""Holdings of a resolved market, and the calls that turn them into collateral."""

from dataclasses import dataclass
from decimal import Decimal

from config.kernel.units import to_micro
from trading.core.redemption import V2, Call, Condition, redeem_call
from trading.core.settlement import payout as payout_of
from trading.models import Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A position, what one share pays, and how many shares the chain knows."""

    position: Position
    per_share: Decimal
    on_chain: Decimal
    attempts: int

    @property
    def index(self) -> int:
        """Which outcome of its market."""
        return int(self.position.outcome.index)

    @property
    def token(self) -> str:
        """The outcome's token on the chain."""
        return str(self.position.outcome.asset_id)

    @property
    def shares(self) -> Decimal:
        """What a redemption now turns into dollars and the books know."""
        held: Decimal = min(self.on_chain, self.position.shares)
        return held

    @property
    def dollars(self) -> Decimal:
        """What that pays."""
        return payout_of(self.shares, self.per_share)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractCall:
    """Holdings that one call redeems."""

    condition: Condition
    group: tuple[Holding, ...]

    def on_chain(self) -> Call:
        """The call; the second protocol is told how many shares, the first burns all there are."""
        counted = self.condition.protocol == V2
        return redeem_call(
            self.condition,
            held=[h.index for h in self.group],
            shares=[to_micro(h.on_chain) for h in self.group] if counted else (),
        )
