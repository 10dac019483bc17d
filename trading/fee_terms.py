"""What a market's venue takes from takers: the one place where its fee schedule is read."""

from dataclasses import dataclass
from decimal import Decimal

from config.kernel.units import ONE
from markets.models import Market
from trading.core.fees import fee_if_known


class UnknownFees(RuntimeError):
    """The fees of a market are not known, so nothing may be wished for there."""

    def __init__(self, market: Market) -> None:
        super().__init__(
            f"FEES: the fee schedule of “{market}” is not known, and unknown is not free; "
            "run `manage.py sync_catalogue`"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeTerms:
    """shares × rate × (p (1 − p))^exponent; a rate of None is unknown, which is never tradable."""

    rate: Decimal | None
    exponent: Decimal = ONE

    def fee(self, shares: Decimal, price: Decimal) -> Decimal | None:
        """Dollars that a taker pays; None where nobody knows."""
        return fee_if_known(shares, price, rate=self.rate, exponent=self.exponent)


def of(market: Market) -> FeeTerms:
    """The market's terms as the catalogue has them."""
    fees = market.fees
    if fees is None:
        return FeeTerms(rate=None)
    return FeeTerms(rate=fees.rate, exponent=fees.exponent)
