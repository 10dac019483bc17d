"""What the venue charges a taker, and a dated table for history that carries no schedule."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
from numpy.typing import NDArray

from config.kernel.units import ONE, ZERO

FEE_STEP = Decimal("0.00001")
"""The venue rounds fees to five decimals and charges nothing below one step."""


def fee_if_known(
    shares: Decimal, price: Decimal, *, rate: Decimal | None, exponent: Decimal
) -> Decimal | None:
    """`taker_fee`, or None where nobody knows the rate: unknown is not free."""
    return None if rate is None else taker_fee(shares, price, rate=rate, exponent=exponent)


def taker_fee(shares: Decimal, price: Decimal, *, rate: Decimal, exponent: Decimal) -> Decimal:
    """Dollars that the venue takes from a taker of `shares` at `price`.

    Notes
    -----
    shares × rate × (p (1 − p))^exponent, rounded to 0.00001, nothing below 0.00001: the venue's
    documentation, and equal to the fees of fills read from the chain.

    >>> taker_fee(Decimal(108), Decimal("0.36"), rate=Decimal("0.07"), exponent=Decimal(1))
    Decimal('1.74182')
    """
    spread = price * (ONE - price)
    raw = shares * rate * (spread if exponent == ONE else spread**exponent)
    return ZERO if raw < FEE_STEP else raw.quantize(FEE_STEP, ROUND_HALF_UP)


def fee_per_share(
    price: NDArray[np.float64], rate: NDArray[np.float64], exponent: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The same in model space, unrounded: dollars per share; NaN where price or rate is unknown."""
    with np.errstate(invalid="ignore"):
        spread = np.clip(price * (1.0 - price), 0.0, None)
        fee: NDArray[np.float64] = rate * spread**exponent
    return fee


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryFee:
    """The taker rate of one category from one day on."""

    category: str
    valid_from: datetime
    rate: Decimal
    source: str


def _from(
    year: int, month: int, day: int, source: str, rates: dict[str, str]
) -> tuple[CategoryFee, ...]:
    day_of = datetime(year, month, day, tzinfo=UTC)
    return tuple(
        CategoryFee(category=name, valid_from=day_of, rate=Decimal(rate), source=source)
        for name, rate in rates.items()
    )


OTHER = "other"
ALIASES = {"esports": "sports", "climate": "weather", "macro": "economics"}
"""Categories of imported history → those of the venue's table."""

CATEGORY_FEES: tuple[CategoryFee, ...] = (
    *_from(
        2026,
        3,
        6,
        "all crypto; rate as of July, the formula before was another",
        {"crypto": "0.072"},
    ),
    *_from(
        2026,
        3,
        30,
        "the present formula for all categories",
        {
            "crypto": "0.072",
            "finance": "0.04",
            "politics": "0.04",
            "mentions": "0.04",
            "tech": "0.04",
            "economics": "0.05",
            "culture": "0.05",
            "weather": "0.05",
            "geopolitics": "0",
            OTHER: "0.05",
        },
    ),
    *_from(2026, 3, 30, "earlier rate not recorded; the later, known one", {"sports": "0.05"}),
    *_from(2026, 7, 1, "crypto 0.072 → 0.07 during July", {"crypto": "0.07"}),
    *_from(2026, 7, 10, "sports taker rate", {"sports": "0.05"}),
)
"""The venue's category table as far as it is known: an assumption for BACKTEST, never for orders.

What a category charged before its first date is not on record here: it is taken as 0.
"""


def category_rate(category: str, *, at: datetime) -> Decimal:
    """The taker rate that a category had at an instant; unlisted categories pay what OTHER pays.

    >>> category_rate("sports", at=datetime(2026, 8, 1, tzinfo=UTC))
    Decimal('0.05')
    """
    name = _listed(category)
    rates = [row.rate for row in CATEGORY_FEES if row.category == name and row.valid_from <= at]
    return rates[-1] if rates else ZERO


def category_rates(categories: Sequence[str], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """`category_rate` for n rows; `at` in UTC epoch seconds."""
    rates = np.zeros(len(at))
    names = np.asarray([_listed(name) for name in categories], dtype=np.str_)
    for row in CATEGORY_FEES:
        rates[(names == row.category) & (at >= row.valid_from.timestamp())] = float(row.rate)
    return rates


def _listed(category: str) -> str:
    name = ALIASES.get(category, category)
    return name if any(row.category == name for row in CATEGORY_FEES) else OTHER
