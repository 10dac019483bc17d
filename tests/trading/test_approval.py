"""A person approves where money is real; late, doubled and senseless approvals are refused."""

from decimal import Decimal

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction

from tests import factories
from tests.factories import NOW, ahead
from tests.trading.approvers import waits
from tests.trading.world import (
    a_market_worth_buying,
    an_intent,
    balance,
    books_are_open,
    nobody_answers,
    paper,
    traded,
)
from trading.approving import intents, waiting
from trading.books import ledger, portfolio
from trading.deciding import decide, signals
from trading.models import (
    Account,
    Approval,
    ApprovalSettings,
    Claim,
    Order,
    Position,
    TradeIntent,
    VenueState,
)
from trading.orders import submit

pytestmark = pytest.mark.django_db


class TestOnePerson:
    """A person decides, and the gate is asked again."""

    def test_approval_lets_an_unchanged_intent_through(self, pending, ada):
        result = intents.approve(pending, user=ada, reason="looks right", as_of=ahead(5))

        assert result.status == "APPROVED"
        assert result.approval_set.get(actor="ada").approved

    def test_a_yes_after_trading_was_switched_elsewhere_is_refused(self, pending, ada):
        factories.trading_settings(mode="DEMO")

        with pytest.raises(intents.NotPending, match="switched from PAPER to DEMO"):
            intents.approve(pending, user=ada, reason="too late", as_of=ahead(5))

        pending.refresh_from_db()
        assert pending.status == "PENDING"

    def test_approval_asks_the_gate_again(self, pending, ada):
        factories.QuoteFactory(market=pending.market, at=ahead(5), bid=0.80, ask=0.82)

        result = intents.approve(pending, user=ada, reason="why not", as_of=ahead(6))

        assert result.status == "REJECTED"
        assert result.reason.startswith("gate: ")
        assert "MIN_SIZE: nothing is offered at 0.51 or less any more" in result.reason
        assert "DEPTH_LIMIT" in result.reason
        assert balance(Account.RESERVED) == 0
        said = result.approval_set.get(approved=False)
        assert (said.approved, said.actor, said.user) == (False, "risk gate", None)

    def test_approval_asks_what_is_forecast_by_now(self, pending, ada):
        factories.PredictionFactory(market=pending.market, as_of=ahead(4), probability=0.5)

        result = intents.approve(pending, user=ada, reason="why not", as_of=ahead(6))

        assert "NO_EDGE_LEFT" in result.reason

    def test_a_newer_forecast_keeps_a_slow_approval_alive(self, pending, ada):
        factories.risk_limits(max_prediction_age_s=20)
        factories.PredictionFactory(market=pending.market, as_of=ahead(25))

        result = intents.approve(pending, user=ada, reason="took my time", as_of=ahead(30))

        assert result.status == "APPROVED"

    def test_approval_without_a_book_is_refused(self, pending, ada):
        pending.market.quote_set.all().delete()

        result = intents.approve(pending, user=ada, reason="why not", as_of=ahead(6))

        assert (result.status, result.reason) == (
            "REJECTED",
            "gate: STALE_BOOK: the market has no book",
        )

    def test_a_book_too_old_for_the_gate_is_fetched_first(self, pending, ada):
        factories.risk_limits(max_book_age_s=3)
        fetched = []

        def venue(market_ids, as_of):
            fetched.extend(market_ids)
            factories.QuoteFactory(market_id=market_ids[0], at=as_of)
            return 1

        result = intents.approve(
            pending, user=ada, reason="looks right", as_of=ahead(9), refresh=venue
        )

        assert (fetched, result.status) == ([pending.market_id], "APPROVED")

    def test_approval_of_more_than_the_gate_admits_by_now_is_refused(self, pending, ada):
        factories.risk_limits(max_order_usd=Decimal(20))

        result = intents.approve(pending, user=ada, reason="why not", as_of=ahead(6))

        assert "shares by now" in result.reason

    def test_expired_intent_cannot_be_approved(self, pending, ada):
        with pytest.raises(intents.NotPending, match="expired"):
            intents.approve(pending, user=ada, reason="late", as_of=ahead(60))

    def test_the_time_of_a_yes_is_that_of_the_lock(self, pending, ada):
        with pytest.raises(intents.NotPending, match="expired"):
            intents.approve(
                pending, user=ada, reason="waited", as_of=ahead(59), clock=lambda: ahead(61)
            )

    def test_a_late_yes_is_never_sent(self, pending, ada):
        intents.approve(pending, user=ada, reason="just in time", as_of=ahead(59))

        submit.run(as_of=ahead(60), venues=paper())

        pending.refresh_from_db()
        assert pending.status == "EXPIRED"
        assert not Order.objects.exists()
        assert balance(Account.CASH) == 10_000

    def test_a_rejected_intent_frees_market_and_money(self, pending, ada):
        result = intents.reject(pending, user=ada, reason="no", as_of=ahead(5))

        assert result.status == "REJECTED"
        assert balance(Account.CASH) == 10_000
        assert not Claim.objects.filter(released_at__isnull=True).exists()
        with pytest.raises(intents.NotPending):
            intents.reject(pending, user=ada, reason="no", as_of=ahead(6))

    @pytest.mark.parametrize("say", [intents.approve, intents.reject])
    def test_an_answer_needs_a_reason(self, pending, ada, say):
        with pytest.raises(ValueError, match="reason"):
            say(pending, user=ada, reason=" ", as_of=ahead(5))

    def test_sweeper_marks_expired(self, pending):
        assert intents.expire_due(as_of=ahead(59)) == 0
        assert intents.expire_due(as_of=ahead(60)) == 1
        assert intents.expire_due(as_of=ahead(61)) == 0

        pending.refresh_from_db()
        assert pending.status == "EXPIRED"


class TestTwoPersons:
    """Above a size one person's yes is not enough, and nobody counts twice."""

    def test_the_second_yes_must_be_another_persons(self, pending, ada, grace):
        waits(pending, persons=2)

        first = intents.approve(pending, user=ada, reason="yes", as_of=ahead(5))
        with pytest.raises(intents.SaidYesBefore, match="1 more must"):
            intents.approve(pending, user=ada, reason="yes again", as_of=ahead(6))
        assert first.status == "PENDING"
        second = intents.approve(pending, user=grace, reason="me too", as_of=ahead(7))

        assert second.status == "APPROVED"
        assert second.approval_set.filter(user__isnull=False).count() == 2

    def test_the_database_keeps_a_person_from_saying_yes_twice(self, pending, ada):
        yes = {"intent": pending, "approved": True, "user": ada, "actor": "ada"}
        Approval.objects.create(**yes, decided_at=NOW)

        with pytest.raises(IntegrityError), transaction.atomic():
            Approval.objects.create(**yes, decided_at=ahead(1))

    def test_a_yes_of_somebody_who_left_is_none(self, pending, ada, grace):
        waits(pending, persons=2)
        intents.approve(pending, user=ada, reason="yes", as_of=ahead(5))
        get_user_model().objects.filter(pk=ada.pk).update(is_active=False)

        second = intents.approve(pending, user=grace, reason="me too", as_of=ahead(6))
        assert second.status == "PENDING"
        linus = factories.UserFactory(username="linus", is_superuser=True)
        third = intents.approve(pending, user=linus, reason="and me", as_of=ahead(7))

        assert third.status == "APPROVED"

    def test_half_an_approval_expires_like_none(self, pending, ada):
        waits(pending, persons=2)
        intents.approve(pending, user=ada, reason="yes", as_of=ahead(5))

        assert submit.run(as_of=ahead(6), venues=paper()).sent == 0
        assert intents.expire_due(as_of=ahead(60)) == 1
        assert balance(Account.CASH) == 10_000

    def test_one_no_is_enough(self, pending, ada, grace):
        waits(pending, persons=2)
        intents.approve(pending, user=ada, reason="yes", as_of=ahead(5))

        assert intents.reject(pending, user=grace, reason="no", as_of=ahead(6)).status == "REJECTED"


class TestMany:
    def test_many_are_rejected_at_once_and_a_late_one_stops_none(self, ada):
        books_are_open()
        first, second = (waits(an_intent(category=name)) for name in ("sports", "weather"))
        intents.reject(first, user=ada, reason="no", as_of=ahead(5))

        done = intents.reject_many(
            [first, second], user=ada, reason="none of these", as_of=ahead(6)
        )

        assert (done.rejected, done.late) == ((second,), (first,))
        assert balance(Account.CASH) == 10_000


class TestExits:
    """A sale is asked about as a sale: no forecast, no edge, only shares and a book."""

    @pytest.fixture
    def sale(self):
        market = traded()
        held = Position.objects.get()
        return factories.IntentFactory(
            market=market, outcome=held.outcome, side="SELL", shares=held.shares,
            limit_price=Decimal("0.48"), purpose="EXIT", net_edge=None,
            reason="TAKE_PROFIT: most of it is won",
            created_at=ahead(3), expires_at=ahead(63),
        )  # fmt: skip

    def test_a_sale_of_what_is_held_passes(self, sale, ada):
        result = intents.approve(sale, user=ada, reason="take it", as_of=ahead(5))

        assert (result.status, result.reason) == ("APPROVED", "TAKE_PROFIT: most of it is won")
        intents.let_go(result, to="REJECTED", reason="the end of the test", as_of=ahead(6))

    @pytest.mark.usefixtures("loose_books")
    def test_a_sale_of_more_than_is_held_is_refused(self, sale, ada):
        Position.objects.update(shares=0)

        result = intents.approve(sale, user=ada, reason="take it", as_of=ahead(5))

        assert "NO_INVENTORY" in result.reason


def a_wish_of_a_rehearsal():
    """Its mode and wallet."""
    factories.trading_settings(mode="REHEARSAL")
    factories.revise(ApprovalSettings, approval_expiry_s=120)
    wallet = {"mode": "REHEARSAL", "wallet": "0x00000000000000000000000000000000000000AA"}
    VenueState.objects.create(**wallet, reconciled_at=NOW, changed_at=NOW)
    ledger.post(
        "deposit", debit=Account.EXTERNAL, credit=Account.CASH, amount=Decimal(1000),
        kind="deposit", as_of=NOW, **wallet,
    )  # fmt: skip
    portfolio.mark("REHEARSAL", as_of=NOW)
    a_market_worth_buying()
    signals.find(as_of=NOW)
    decide.run(as_of=NOW, refresh=nobody_answers)
    return wallet


def test_in_a_rehearsal_a_decision_waits_for_a_person_and_is_sent_by_no_worker(ada):
    wallet = a_wish_of_a_rehearsal()

    (row,) = waiting.queue(as_of=ahead(1))
    sent = submit.run(as_of=ahead(2), venues=paper()).sent
    result = intents.approve(row.intent, user=ada, reason="clear", as_of=ahead(3))

    assert (row.intent.mode, row.intent.wallet) == tuple(wallet.values())
    assert (row.seconds_left, row.missing, sent) == (119, 1, 0)
    assert result.status == "APPROVED"
    assert submit.run(as_of=ahead(4), venues=paper()).sent == 0


@pytest.mark.parametrize(
    ("lost", "why"),
    [
        (None, ""),
        ("employment", "1 of 2 persons who may approve said yes"),
        ("right", "1 of 2 persons who may approve said yes"),
    ],
)
def test_a_yes_counts_when_the_order_is_claimed_and_not_only_when_it_was_said(
    ada, grace, lost, why
):
    a_wish_of_a_rehearsal()
    intent = waits(TradeIntent.objects.get(), persons=2)
    for second, user in enumerate((ada, grace), start=3):
        intents.approve(intent, user=user, reason="clear", as_of=ahead(second))
    if lost == "employment":
        get_user_model().objects.filter(pk=ada.pk).update(is_active=False)
    elif lost == "right":
        ada.user_permissions.clear()

    order = submit.claim(intent.pk, as_of=ahead(5))

    intent.refresh_from_db()
    assert (order is None, intent.reason) == (bool(why), why)
    assert intent.status == ("REJECTED" if lost else "EXECUTED")


def test_when_a_rehearsal_ended_nothing_of_it_waits_and_the_money_is_free(ada):
    wallet = a_wish_of_a_rehearsal()
    factories.trading_settings(mode="DEMO")

    ended = intents.expire_due(as_of=ahead(2))

    intent = TradeIntent.objects.get()
    assert (ended, intent.status, intent.reason) == (1, "REJECTED", "the rehearsal ended")
    assert waiting.queue(as_of=ahead(2)) == []
    assert ledger.balance(Account.RESERVED, as_of=ahead(3), **wallet) == 0
    assert intents.expire_due(as_of=ahead(3)) == 0
    assert ada not in {said.user for said in intent.approval_set.all()}
