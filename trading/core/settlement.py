"""What a resolved position is worth, and what was earned on it."""

from dataclasses import dataclass
from decimal import Decimal

from config.kernel.units import ONE, ZERO, receive


def payout(shares: Decimal, payout_per_share: Decimal) -> Decimal:
    """Dollars for `shares` of an outcome that pays `payout_per_share`, rounded down to 1e-6.

    >>> payout(Decimal(100), Decimal(1))
    Decimal('100.000000')
    """
    if not ZERO <= payout_per_share <= ONE:
        raise ValueError(
            f"a share pays between 0 and 1, not {payout_per_share}; read the resolution again"
        )
    return receive(shares * payout_per_share)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """How proceeds are booked: `returned` to cash from the position's cost, the rest gain or loss.

    `returned` + `gain` = proceeds; `returned` + `loss` = cost; gain or loss is zero.
    """

    returned: Decimal
    gain: Decimal
    loss: Decimal


def settle(cost: Decimal, proceeds: Decimal) -> Settlement:
    """Split `proceeds` of something that cost `cost`.

    >>> settle(Decimal(52), Decimal(100))
    Settlement(returned=Decimal('52'), gain=Decimal('48'), loss=Decimal('0'))
    """
    return Settlement(
        returned=min(cost, proceeds),
        gain=max(proceeds - cost, ZERO),
        loss=max(cost - proceeds, ZERO),
    )
