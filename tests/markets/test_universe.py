"""Each market is followed, or left out for one recorded reason."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser

from config.kernel import revise
from markets import universe
from markets.adapters.clob_data import ClobData
from markets.models import (
    FeeSchedule,
    IngestSettings,
    Market,
    Outcome,
    Protocol,
    Quote,
    QuoteKind,
)
from tests.factories import MarketFactory
from tests.markets import wire_payloads as say

pytestmark = pytest.mark.django_db

AS_OF = datetime(2026, 11, 20, 12, tzinfo=UTC)


def listed(number: int = 1, **values: Any) -> Market:
    """A market that every rule admits, with the tokens of `wire_payloads`; not yet followed."""
    defaults = {
        "scheduled_end_at": AS_OF + timedelta(days=7),
        "tracked": False,
        "condition_id": say.condition(number),
    }
    assets = values.pop("assets", 2)
    market = MarketFactory(**(defaults | values), outcomes=())
    for index, name in enumerate(("Yes", "No")):
        asset = say.token(number, index) if index < assets else None
        Outcome.objects.create(market=market, index=index, name=name, asset_id=asset)
    return market


def refresh(*rows: say.Json, as_of: datetime = AS_OF) -> dict[str, int]:
    transport = say.serving({"/books": say.books_for(rows)})
    return universe.refresh(as_of=as_of, venue=ClobData("https://v.example", transport=transport))


def configure(**changes: Any) -> None:
    revise.settings(IngestSettings, changes, author=AnonymousUser(), reason="a test", as_of=AS_OF)


def test_a_market_with_a_deep_narrow_book_is_followed() -> None:
    market = listed(1)

    counts = refresh(say.book(1))

    market.refresh_from_db()
    assert (market.tracked, market.filter_reason) == (True, "")
    assert counts == {"": 1}
    assert Quote.objects.count() == 1


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"protocol": Protocol.UNKNOWN}, "UNKNOWN_PROTOCOL"),
        ({"scheduled_end_at": AS_OF}, "ENDED"),
        ({"accepting_orders": False}, "NOT_ACCEPTING"),
        ({"accepting_orders": None}, "UNKNOWN_ACCEPTING"),
        ({"scheduled_end_at": None}, "UNKNOWN_END"),
        ({"assets": 0}, "NO_ASSET_ID"),
        ({"assets": 1}, "NO_ASSET_ID"),
        ({"neg_risk_other": True}, "NEG_RISK_OTHER"),
        ({"placeholder": True}, "NEG_RISK_OTHER"),
        ({"fees": None}, "NO_FEE_SCHEDULE"),
        ({"scheduled_end_at": AS_OF + timedelta(minutes=59)}, "ENDS_TOO_SOON"),
        ({"scheduled_end_at": AS_OF + timedelta(days=181)}, "ENDS_TOO_LATE"),
    ],
)
def test_what_the_catalogue_says_may_leave_a_market_out(
    values: dict[str, Any], reason: str
) -> None:
    market = listed(1, **values)

    refresh(say.book(1))

    market.refresh_from_db()
    assert (market.tracked, market.filter_reason) == (False, reason)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (None, "NO_BOOK"),
        ({"asks": []}, "NO_BOOK"),
        ({"asks": say.levels(("0.47", "9000"))}, "WIDE_SPREAD"),
        ({"bids": say.levels(("0.41", "10")), "asks": say.levels(("0.43", "10"))}, "THIN_BOOK"),
    ],
)
def test_what_the_book_says_may_leave_a_market_out(
    changes: dict[str, Any] | None, reason: str
) -> None:
    market = listed(1)

    refresh(*([] if changes is None else [say.book(1, **changes)]))

    market.refresh_from_db()
    assert market.filter_reason == reason


def test_a_category_table_does_not_stand_in_for_a_missing_schedule() -> None:
    """Nothing that sizes an order reads the table, so the market could never be bought."""
    market = listed(1, fees=None, category="politics")
    FeeSchedule.objects.create(category="politics", rate=Decimal("0.04"), valid_from=AS_OF)

    refresh(say.book(1))

    market.refresh_from_db()
    assert (market.tracked, market.filter_reason) == (False, "NO_FEE_SCHEDULE")


@pytest.mark.parametrize(
    ("starts_in", "reason"), [(0, ""), (-285, "ENDS_TOO_SOON"), (901, "ENDS_TOO_LATE")]
)
def test_up_or_down_windows_have_limits_of_their_own(starts_in: int, reason: str) -> None:
    start = AS_OF + timedelta(seconds=starts_in)
    market = listed(
        1, window_s=300, epoch_start_at=start, scheduled_end_at=start + timedelta(seconds=300)
    )

    refresh(say.book(1))

    market.refresh_from_db()
    assert market.filter_reason == reason


def test_over_the_limit_each_profile_gets_its_share_and_the_deepest_come_first() -> None:
    configure(max_tracked=2)
    window = {
        "window_s": 300,
        "epoch_start_at": AS_OF,
        "scheduled_end_at": AS_OF + timedelta(seconds=300),
    }
    small, large, epoch = listed(1), listed(2), listed(3, **window)
    deep = say.book(2, bids=say.levels(("0.41", "90000")))

    counts = refresh(say.book(1), deep, say.book(3))

    small.refresh_from_db()
    assert counts == {"OVER_LIMIT": 1, "": 2}
    assert small.filter_reason == "OVER_LIMIT"
    followed = Market.objects.filter(tracked=True).values_list("pk", flat=True)
    assert set(followed) == {large.pk, epoch.pk}


def test_a_fresh_book_is_not_fetched_again() -> None:
    listed(1)
    refresh(say.book(1))

    refresh(as_of=AS_OF + timedelta(minutes=5))

    assert Quote.objects.count() == 1
    assert Market.objects.get().tracked


def test_a_stale_book_is_fetched_again() -> None:
    listed(1)
    refresh(say.book(1))

    refresh(say.book(1), as_of=AS_OF + timedelta(minutes=11))

    assert Quote.objects.filter(kind=QuoteKind.BOOK).count() == 2


def test_a_closed_market_is_dropped_and_imported_history_is_left_alone() -> None:
    closed = listed(1, tracked=True, closed_at=AS_OF)
    imported = listed(2, origin="IMPORT", filter_reason="HISTORY")

    refresh()

    closed.refresh_from_db()
    imported.refresh_from_db()
    assert (closed.tracked, closed.filter_reason) == (False, "CLOSED")
    assert imported.filter_reason == "HISTORY"


def test_reasons_are_counted() -> None:
    listed(1, protocol=Protocol.UNKNOWN)
    listed(2)
    refresh(say.book(2))

    assert universe.reasons() == {"UNKNOWN_PROTOCOL": 1, "": 1}
