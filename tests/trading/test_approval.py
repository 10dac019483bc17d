"""A person approves in LIVE; late, doubled and senseless approvals are refused."""

from decimal import Decimal

import pytest

from tests import factories
from tests.factories import ahead
from tests.trading.world import (
    an_intent,
    balance,
)
from trading import intents
from trading.models import Account, Claim, TradeIntent

pytestmark = pytest.mark.django_db


class TestApproval:
    """In LIVE a person decides, and the gate is asked again."""

    @pytest.fixture
    def pending(self):
        intent = an_intent()
        TradeIntent.objects.filter(pk=intent.pk).update(status="PENDING")
        intent.refresh_from_db()
        return intent

    def test_approval_lets_an_unchanged_intent_through(self, pending):
        user = factories.UserFactory()

        result = intents.approve(pending, user=user, reason="looks right", as_of=ahead(5))

        assert result.status == "APPROVED"
        assert result.approval_set.get(actor="ada").approved

    def test_approval_asks_the_gate_again(self, pending):
        factories.QuoteFactory(market=pending.market, at=ahead(5), bid=0.80, ask=0.82)
        user = factories.UserFactory()

        result = intents.approve(pending, user=user, reason="why not", as_of=ahead(6))

        assert result.status == "REJECTED"
        assert result.reason.startswith("gate:")
        assert balance(Account.RESERVED) == 0

    def test_approval_without_a_book_is_refused(self, pending):
        pending.market.quote_set.all().delete()
        user = factories.UserFactory()

        result = intents.approve(pending, user=user, reason="why not", as_of=ahead(6))

        assert (result.status, result.reason) == ("REJECTED", "gate: STALE_BOOK")

    def test_approval_of_more_than_the_gate_admits_by_now_is_refused(self, pending):
        factories.risk_limits(max_order_usd=Decimal(20))
        user = factories.UserFactory()

        result = intents.approve(pending, user=user, reason="why not", as_of=ahead(6))

        assert result.reason == "gate: the gate admits fewer shares by now"

    def test_expired_intent_cannot_be_approved(self, pending):
        user = factories.UserFactory()

        with pytest.raises(intents.NotPending, match="expired"):
            intents.approve(pending, user=user, reason="late", as_of=ahead(60))

    def test_a_rejected_intent_frees_market_and_money(self, pending):
        user = factories.UserFactory()

        result = intents.reject(pending, user=user, reason="no", as_of=ahead(5))

        assert result.status == "REJECTED"
        assert balance(Account.CASH) == 10_000
        assert not Claim.objects.filter(released_at__isnull=True).exists()
        with pytest.raises(intents.NotPending):
            intents.reject(pending, user=user, reason="no", as_of=ahead(6))

    def test_sweeper_marks_expired(self, pending):
        assert intents.expire_due(as_of=ahead(59)) == 0
        assert intents.expire_due(as_of=ahead(60)) == 1
        assert intents.expire_due(as_of=ahead(61)) == 0
