"""One answer is for all legs of a group: they are worth something only together."""

from decimal import Decimal

import pytest

from tests import factories
from tests.factories import NOW, ahead
from tests.trading.world import (
    a_market_worth_buying,
    books_are_open,
)
from trading.approving import intents
from trading.models import (
    Approval,
    IntentGroup,
    TradeIntent,
)

pytestmark = pytest.mark.django_db


@pytest.mark.usefixtures("loose_books")
class TestGroups:
    """Legs are worth something only together: one answer is for all of them."""

    @pytest.fixture
    def legs(self):
        books_are_open()
        market = a_market_worth_buying(probability=0.5)
        group = IntentGroup.objects.create(
            mode="PAPER", kind="PAIR", leg_risk_budget=Decimal(5), created_at=NOW
        )
        return [
            factories.IntentFactory(market=market, index=index, purpose="LEG", group=group)
            for index in (0, 1)
        ]

    @staticmethod
    def statuses():
        return list(TradeIntent.objects.values_list("status", flat=True))

    def test_a_yes_approves_all_legs(self, legs, ada):
        intents.approve(legs[0], user=ada, reason="pair", as_of=ahead(5))

        assert self.statuses() == ["APPROVED", "APPROVED"]
        assert Approval.objects.filter(user=ada, approved=True).count() == 2

    def test_the_leg_that_needs_most_persons_counts_for_all(self, legs, ada, grace):
        TradeIntent.objects.filter(pk=legs[1].pk).update(approvals_needed=2)

        intents.approve(legs[0], user=ada, reason="pair", as_of=ahead(5))
        half = self.statuses()
        intents.approve(legs[1], user=grace, reason="pair", as_of=ahead(6))

        assert half == ["PENDING", "PENDING"]
        assert self.statuses() == ["APPROVED", "APPROVED"]

    def test_where_the_gate_refuses_one_none_is_sent(self, legs, ada):
        TradeIntent.objects.filter(pk=legs[1].pk).update(limit_price=Decimal("0.515"))

        result = intents.approve(legs[0], user=ada, reason="pair", as_of=ahead(5))

        assert self.statuses() == ["REJECTED", "REJECTED"]
        assert "OFF_TICK" in result.reason

    def test_the_books_of_all_legs_are_fetched_before_the_gate_is_asked(self, legs, ada):
        other = a_market_worth_buying(probability=0.5)
        TradeIntent.objects.filter(pk=legs[1].pk).update(
            market=other, outcome=other.outcomes.get(index=1)
        )
        factories.risk_limits(max_book_age_s=3)
        fetched = []

        def venue(market_ids, as_of):
            fetched.append(list(market_ids))
            for key in market_ids:
                factories.QuoteFactory(market_id=key, at=as_of)
            return len(market_ids)

        intents.approve(legs[0], user=ada, reason="pair", as_of=ahead(9), refresh=venue)

        assert fetched == [sorted([legs[0].market_id, other.pk])]
        assert self.statuses() == ["APPROVED", "APPROVED"]

    def test_a_no_is_for_all(self, legs, ada):
        intents.reject(legs[1], user=ada, reason="no", as_of=ahead(5))

        assert self.statuses() == ["REJECTED", "REJECTED"]
