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


def table(category: str, rate: str, valid_from: datetime) -> FeeSchedule:
    return FeeSchedule.objects.create(category=category, rate=Decimal(rate), valid_from=valid_from)


def test_a_markets_own_schedule_beats_its_categorys() -> None:
    market = MarketFactory(fees=None, category="politics")
    table("politics", "0.09", AS_OF - DAY)
    own = fees.record({fees.market_key(market): TERMS}, {}, as_of=AS_OF - DAY)

    found = fees.schedule_for(market, as_of=AS_OF)

    assert found == own[fees.market_key(market)]


def test_the_schedule_of_the_day_is_used() -> None:
    market = MarketFactory(fees=None, category="sports")
    table("sports", "0.03", AS_OF - 30 * DAY)
    newer = table("sports", "0.05", AS_OF - DAY)
    table("sports", "0.99", AS_OF + DAY)

    assert fees.schedule_for(market, as_of=AS_OF) == newer
    before = fees.schedule_for(market, as_of=AS_OF - 2 * DAY)
    assert before is not None
    assert before.rate == Decimal("0.03")


def test_without_any_schedule_the_fee_is_unknown() -> None:
    assert fees.schedule_for(MarketFactory(fees=None), as_of=AS_OF) is None
    assert fees.schedule_for(MarketFactory(fees=None, category=""), as_of=AS_OF) is None


def test_unchanged_terms_are_not_filed_again() -> None:
    first = fees.record({"k": TERMS}, {}, as_of=AS_OF)

    second = fees.record({"k": TERMS}, {"k": first["k"]}, as_of=AS_OF + DAY)

    assert second["k"].pk == first["k"].pk
    assert FeeSchedule.objects.filter(condition_key="k").count() == 1


def test_a_market_without_condition_files_under_its_venue_key() -> None:
    market = MarketFactory(condition_id=None, venue="polymarket", venue_key="77")

    assert fees.market_key(market) == "polymarket:77"


def test_only_tables_in_force_count() -> None:
    table("sports", "0.05", AS_OF)
    table("crypto", "0.07", AS_OF + DAY)

    assert fees.categories_with_table(as_of=AS_OF) == {"sports"}
