"""Fees are those of the day, and unknown where nobody said."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from markets import fees
from markets.core.wire_gamma import FeeTerms
from markets.models import FeeSchedule
from tests.factories import MarketFactory

pytestmark = pytest.mark.django_db

AS_OF = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)
TERMS = FeeTerms(rate=Decimal("0.04"), exponent=Decimal(1))


def test_unchanged_terms_are_not_filed_again() -> None:
    first = fees.record({"k": TERMS}, {}, as_of=AS_OF)

    second = fees.record({"k": TERMS}, {"k": first["k"]}, as_of=AS_OF + DAY)

    assert second["k"].pk == first["k"].pk
    assert FeeSchedule.objects.filter(condition_key="k").count() == 1


def test_a_market_without_condition_files_under_its_venue_key() -> None:
    market = MarketFactory(condition_id=None, venue="polymarket", venue_key="77")

    assert fees.market_key(market) == "polymarket:77"
