"""Fees are those of the day, and unknown where nobody said."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from markets import fees
from markets.core.wire_gamma import FeeTerms
from markets.models import FeeSchedule

pytestmark = pytest.mark.django_db

AS_OF = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)
TERMS = FeeTerms(rate=Decimal("0.04"), exponent=Decimal(1))


def test_terms_seen_later_are_a_row_of_their_own_and_the_old_one_stays() -> None:
    first = fees.record({"k": TERMS}, as_of=AS_OF)
    dearer = FeeTerms(rate=Decimal("0.05"), exponent=Decimal(1), rebate_rate=Decimal("0.2"))

    second = fees.record({"k": dearer}, as_of=AS_OF + DAY)

    assert first["k"] != second["k"]
    rows = FeeSchedule.objects.order_by("valid_from").values_list(
        "rate", "rebate_rate", "valid_from"
    )
    assert list(rows) == [
        (Decimal("0.04"), Decimal(0), AS_OF),
        (Decimal("0.05"), Decimal("0.2"), AS_OF + DAY),
    ]


def test_the_same_terms_at_the_same_instant_are_one_row() -> None:
    assert fees.record({"k": TERMS}, as_of=AS_OF) == fees.record({"k": TERMS}, as_of=AS_OF)
    assert FeeSchedule.objects.count() == 1


def test_nothing_told_is_nothing_filed() -> None:
    assert fees.record({}, as_of=AS_OF) == {}


def test_a_market_without_condition_files_under_its_venue_key() -> None:
    assert fees.market_key("polymarket", "77", None) == "polymarket:77"
    assert fees.market_key("polymarket", "77", "0xab") == "0xab"
