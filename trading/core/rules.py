"""Rules of the venue that are the same in every market; what differs per market is a column."""

from decimal import Decimal

SIZE_STEP = Decimal("0.01")
"""Order sizes have two decimals."""

BASIS_POINT = Decimal("0.0001")
"""One hundredth of a percent."""

MARKETABLE_MINIMUM = Decimal(1)
"""Dollars: a buy that takes liquidity must be worth at least this."""
