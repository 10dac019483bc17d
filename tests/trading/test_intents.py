"""Every decision to trade leaves one intent or one reason, and the journal equals the orders."""

import random
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from config.kernel import audit
from tests import factories
from tests.factories import NOW, ahead
from tests.trading.world import (
    a_cycle,
    a_market_worth_buying,
    an_intent,
    books_are_open,
    decided,
    paper,
)
from trading.books import claims
from trading.models import ApprovalSettings, Order, Signal, TradeIntent
from trading.orders import submit
from trading.watching import success, watch

pytestmark = pytest.mark.django_db


def test_every_trade_decision_has_intent_or_reason():
    a_market_worth_buying()
    a_market_worth_buying(category="sports", tick_size=None)
    a_market_worth_buying(category="weather", accepting_orders=False)
    held = a_market_worth_buying(category="crypto")
    outcome = held.outcomes.get(index=1)
    stands = factories.IntentFactory.build(market=held, outcome=outcome, decision=None)
    claim = claims.take(stands, as_of=NOW)

    decided()

    claim.delete()
    passed = Signal.objects.filter(reason="PASSED")
    assert passed.count() == 4
    for signal in passed.select_related("decision"):
        made = TradeIntent.objects.filter(signal=signal).count()
        assert signal.decision is not None
        assert made == (1 if signal.decision.approved_shares else 0)
        assert bool(signal.decision.denials) == (not made)
    assert TradeIntent.objects.count() == 1


def test_same_fingerprint_yields_one_pending_intent():
    factories.revise(ApprovalSettings, ask_in_simulated=True)
    intent = an_intent()
    factories.PredictionFactory(market=intent.market, as_of=ahead(130), probability=0.71)
    factories.QuoteFactory(market=intent.market, at=ahead(130))

    decided(as_of=ahead(131))

    assert TradeIntent.objects.get().status == "PENDING"
    twin = factories.IntentFactory.build(
        market=intent.market, outcome=intent.outcome, decision=intent.decision,
        fingerprint=intent.fingerprint,
    )  # fmt: skip
    with pytest.raises(IntegrityError, match="fingerprint"), transaction.atomic():
        twin.save(force_insert=True)


def test_a_dry_run_ends_without_an_order():
    intent = an_intent()
    factories.trading_settings(dry_run=True)

    submit.run(as_of=ahead(1), venues=paper())

    intent.refresh_from_db()
    assert intent.status == "EXECUTED_DRYRUN"
    assert not Order.objects.exists()


def test_journal_equals_orders_after_simulated_day():
    """Six turns over four markets whose books jump about; some orders fill, some do not."""
    chance = random.Random(1)
    factories.trading_settings(intent_expiry_s=30)
    books_are_open()
    markets = [factories.MarketFactory(category=name) for name in ("a", "b", "c", "d")]
    for turn in range(6):
        at = ahead(turn * 150)
        for market in markets:
            mid = round(chance.uniform(0.3, 0.6), 2)
            near = chance.choice([3, 300, 10_000])
            factories.QuoteFactory(
                market=market, at=at, bid=mid - 0.01, ask=mid + 0.01, ask_depth=near
            )
            p = min(max(mid + chance.uniform(-0.3, 0.3), 0.01), 0.99)
            factories.PredictionFactory(market=market, as_of=at, price=mid, probability=p)
        a_cycle(at)
        for market in chance.sample(markets, 2):
            mid = round(chance.uniform(0.3, 0.6), 2)
            factories.QuoteFactory(
                market=market, at=at + timedelta(seconds=5), bid=mid, ask=mid + 0.02
            )
        submit.run(as_of=at + timedelta(seconds=10), venues=paper())
    submit.run(as_of=ahead(10_000), venues=paper())

    executed = TradeIntent.objects.filter(status="EXECUTED")
    assert watch.run(as_of=ahead(10_000)) == []
    assert executed.count() == Order.objects.count() > 2
    assert set(executed.values_list("pk")) == set(Order.objects.values_list("intent"))
    assert not TradeIntent.objects.filter(status__in=TradeIntent.OPEN).exists()


@pytest.mark.usefixtures("loose_books")
class TestSuccess:
    """Decisions to trade that never become orders are told to people."""

    @staticmethod
    def decisions(*, placed, lost, mode="PAPER"):
        for number in range(placed + lost):
            at = ahead(number)
            if number < placed:
                intent = factories.IntentFactory(mode=mode, status="EXECUTED", created_at=at)
                factories.OrderFactory(intent=intent, status="FILLED", acknowledged_at=at)
            else:
                lost_by_rule = {"status": "EXPIRED", "approvals_needed": 0}
                factories.IntentFactory(mode=mode, created_at=at, **lost_by_rule)

    def test_nine_of_ten_is_enough_and_fewer_is_an_alert_once_a_day(self):
        factories.revise(ApprovalSettings, success_over=10)
        self.decisions(placed=9, lost=1)
        enough = success.watch(as_of=ahead(60))
        factories.IntentFactory(status="EXPIRED", created_at=ahead(50), approvals_needed=0)

        told = [success.watch(as_of=ahead(60)) for _ in range(2)]

        assert (enough, told) == ([], [["PAPER"], []])
        assert "only 8 of the last 10" in audit.alerts().get().data

    def test_the_alert_ends_by_itself_when_it_no_longer_holds(self):
        factories.revise(ApprovalSettings, success_over=5)
        self.decisions(placed=0, lost=5)
        first = success.watch(as_of=ahead(60))
        stood = audit.standing().count()
        for _ in range(5):
            intent = factories.IntentFactory(status="EXECUTED", created_at=ahead(100))
            factories.OrderFactory(intent=intent, status="FILLED", acknowledged_at=ahead(100))

        later = [success.watch(as_of=ahead(second)) for second in (160, 170)]

        assert (first, stood, later) == (["PAPER"], 1, [[], []])
        assert not audit.standing().exists()
        assert audit.alerts().count() == 1

    def test_what_nobody_had_answered_in_time_is_no_failure(self):
        factories.revise(ApprovalSettings, success_over=5)
        for second in range(20):
            factories.IntentFactory(mode="REHEARSAL", status="EXPIRED", created_at=ahead(second))

        assert success.watch(as_of=ahead(60)) == []
        assert success.of("REHEARSAL", as_of=ahead(60), over=20).decisions == 0

    def test_a_few_decisions_prove_nothing(self):
        self.decisions(placed=0, lost=19)

        assert success.watch(as_of=ahead(60)) == []
        assert success.of("PAPER", as_of=ahead(60), over=20).ratio == 0

    def test_what_people_refused_and_what_still_waits_does_not_count(self):
        self.decisions(placed=2, lost=0)
        factories.IntentFactory(status="PENDING")
        factories.IntentFactory(status="EXECUTED_DRYRUN")
        refused = factories.IntentFactory(status="REJECTED")
        refused.approval_set.create(
            approved=False, user=factories.UserFactory(), actor="ada", decided_at=NOW
        )

        found = success.of("PAPER", as_of=ahead(60), over=20)

        assert (found.decisions, found.placed, found.ratio) == (2, 2, 1.0)

    def test_an_order_that_was_never_taken_is_none(self):
        intent = factories.IntentFactory(status="EXECUTED")
        factories.OrderFactory(intent=intent, status="CANCELED")

        assert success.of("PAPER", as_of=ahead(60), over=20).placed == 0

    def test_nothing_decided_is_no_failure(self):
        assert success.of("LIVE", as_of=NOW, over=20).ratio == 1
