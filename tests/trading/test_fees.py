"""What the venue charges, to the last decimal it rounds to."""

from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.core import fees
from trading.core.decision import cost_bound


@pytest.mark.parametrize(
    ("shares", "price", "rate", "fee"),
    [
        ("108", "0.36", "0.07", "1.74182"),
        ("5", "0.32", "0.07", "0.07616"),
        ("155.03", "0.0864503644", "0.04", "0.48975"),
        ("100", "0.5", "0.05", "1.25000"),
        ("1", "0.5", "0", "0"),
        ("0.0003", "0.5", "0.07", "0"),
    ],
)
def test_a_taker_pays_what_real_fills_paid(shares, price, rate, fee):
    paid = fees.taker_fee(Decimal(shares), Decimal(price), rate=Decimal(rate), exponent=Decimal(1))

    assert paid == Decimal(fee)


def test_another_exponent_is_another_fee():
    square = fees.taker_fee(Decimal(100), Decimal("0.5"), rate=Decimal(1), exponent=Decimal(2))

    assert square == Decimal("6.25")


@given(
    st.decimals("0.01", "0.99", places=2),
    st.decimals("0.01", "0.99", places=2),
    st.decimals("0", "0.2", places=3),
)
def test_a_better_price_never_costs_more_in_all(limit, price, rate):
    better = min(limit, price)
    bound = cost_bound(Decimal(100), limit, rate=rate, exponent=Decimal(1))
    paid = cost_bound(Decimal(100), better, rate=rate, exponent=Decimal(1))

    assert paid <= bound


@pytest.mark.parametrize(
    ("category", "day", "rate"),
    [
        ("crypto", (2025, 12, 31), "0"),
        ("crypto", (2026, 3, 6), "0.072"),
        ("crypto", (2026, 7, 1), "0.07"),
        ("politics", (2026, 3, 29), "0"),
        ("politics", (2026, 3, 30), "0.04"),
        ("esports", (2026, 7, 10), "0.05"),
        ("climate", (2026, 4, 1), "0.05"),
        ("geopolitics", (2026, 11, 1), "0"),
        ("a category nobody listed", (2026, 11, 1), "0.05"),
    ],
)
def test_the_category_table_knows_its_dates(category, day, rate):
    at = datetime(*day, tzinfo=UTC)

    assert fees.category_rate(category, at=at) == Decimal(rate)
    assert fees.category_rates([category], np.array([at.timestamp()]))[0] == float(rate)


def test_an_unknown_rate_stays_unknown():
    fee = fees.fee_per_share(np.array([0.5, 0.5]), np.array([np.nan, 0.04]), np.array([1.0, 1.0]))

    assert np.isnan(fee[0])
    assert fee[1] == pytest.approx(0.01)
