"""The equity curve while several workers trade."""

import pytest

from risk.models import EquityPoint
from tests.factories import NOW
from tests.trading.world import LATER, traded
from trading.books import portfolio

pytestmark = pytest.mark.django_db


def test_a_fill_that_another_worker_booked_later_is_not_counted_as_cash_and_as_shares():
    traded()
    before = EquityPoint.objects.earliest("observed_at").risk_equity

    # A cycle that began before the fill marks the books after it.
    between = NOW + (LATER - NOW) / 2
    point = portfolio.mark("PAPER", as_of=between)

    assert point.open_cost > 0
    assert point.risk_equity <= before
    assert point.peak == before
