"""Who is asked, by which settings, and what is shown to whoever decides."""

import json
from decimal import Decimal

import pytest

from risk.models import RiskDecision
from tests import factories
from tests.factories import NOW, ahead
from tests.trading.approvers import waits
from tests.trading.world import (
    a_market_worth_buying,
    balance,
)
from trading.approving import intents, waiting
from trading.deciding import approvals
from trading.models import (
    Account,
    ApprovalSettings,
    TradeIntent,
)

pytestmark = pytest.mark.django_db


class TestRules:
    """Who is asked, and for how long, are settings."""

    @pytest.mark.parametrize(
        ("mode", "cost", "purpose", "persons"),
        [
            ("PAPER", 9_999, "ENTRY", 0),
            ("REHEARSAL", 200, "ENTRY", 1),
            ("LIVE", 201, "ENTRY", 2),
            ("LIVE", 10, "EXIT", 1),
            ("LIVE", 10, "LEG", 1),
            ("LIVE", 9_999, "UNWIND", 0),
        ],
    )
    def test_persons_by_mode_size_and_purpose(self, mode, cost, purpose, persons):
        rules = approvals.rules(as_of=NOW)

        assert rules.needed(mode, Decimal(cost), purpose) == persons

    def test_a_person_has_longer_than_a_rule(self):
        factories.trading_settings(intent_expiry_s=30)
        factories.revise(ApprovalSettings, approval_expiry_s=120)

        assert approvals.expiry("DEMO", as_of=NOW).total_seconds() == 30
        assert approvals.expiry("REHEARSAL", as_of=NOW).total_seconds() == 120

    def test_people_can_practise_and_exits_can_go_by_rule(self):
        factories.revise(ApprovalSettings, ask_in_simulated=True, ask_for_exits=False)

        rules = approvals.rules(as_of=NOW)

        assert rules.needed("PAPER", Decimal(10)) == 1
        assert rules.needed("LIVE", Decimal(10), "EXIT") == 0

    @pytest.mark.parametrize(("mode", "who"), [("PAPER", "paper rule"), ("LIVE", "standing rule")])
    @pytest.mark.usefixtures("loose_books")
    def test_a_rule_says_yes_once_where_nobody_is_asked(self, mode, who):
        intent = factories.IntentFactory(mode=mode, approvals_needed=0)
        asked = factories.IntentFactory(mode=mode)

        said = [approvals.by_rule(row, as_of=NOW) for row in (intent, intent, asked)]

        assert said == [True, False, False]
        assert intent.status == "APPROVED"
        assert intent.approval_set.get().actor == who


class TestQueue:
    """What a person sees before saying yes."""

    def test_an_intent_shows_what_it_was_and_is_worth(self, pending):
        factories.QuoteFactory(market=pending.market, at=ahead(4), bid=0.48, ask=0.50)
        factories.PredictionFactory(market=pending.market, as_of=ahead(5), probability=0.65)

        (row,) = waiting.queue(as_of=ahead(10))

        fee = float(row.price_now * (1 - row.price_now)) * 0.04
        assert row.edge_then == pytest.approx(0.7 - 0.51 - 0.51 * 0.49 * 0.04)
        assert row.edge_now == pytest.approx(0.65 - 0.50 - fee, abs=1e-6)
        assert row.worse
        assert (row.chance_then, row.chance_now) == (0.7, 0.65)
        assert (row.price_now, row.offered) == (Decimal("0.5"), pending.shares)
        assert row.depth == Decimal(5000)
        assert (row.seconds_left, row.book_age_s, row.missing) == (50, 6, 1)
        assert row.cost == balance(Account.RESERVED)

    @pytest.mark.parametrize("chance", [0.7, 0.56, 0.52, 0.5])
    def test_the_edge_at_the_limit_is_the_one_that_the_gate_judges(self, pending, ada, chance):
        factories.QuoteFactory(market=pending.market, at=ahead(4), bid=0.48, ask=0.50)
        factories.PredictionFactory(market=pending.market, as_of=ahead(5), probability=chance)

        (row,) = waiting.queue(as_of=ahead(6))
        result = intents.approve(pending, user=ada, reason="clear", as_of=ahead(6))

        asked = RiskDecision.objects.latest("id")
        judged = json.loads(asked.detail)["intent"]
        fee = Decimal(judged["fee"]) / Decimal(judged["shares"])
        worth = judged["probability"] - float(Decimal(judged["limit_price"]) + fee)
        assert row.edge_at_limit == pytest.approx(worth, abs=2e-6)
        assert ("NO_EDGE_LEFT" in asked.denials) == (row.edge_at_limit <= 0)
        assert row.edge_at_limit < row.edge_now
        assert result.status == ("APPROVED" if row.edge_at_limit > 0 else "REJECTED")

    def test_a_sale_is_worth_what_it_brings_beyond_the_newest_forecast_made_before_it_or_since(
        self, pending
    ):
        TradeIntent.objects.filter(pk=pending.pk).update(
            side="SELL", signal=None, net_edge=None, limit_price=Decimal("0.45")
        )

        (row,) = waiting.queue(as_of=ahead(5))

        fee = 0.49 * 0.51 * 0.04
        assert row.net_now == pytest.approx(0.49 - fee, abs=1e-6)
        assert row.edge_now == pytest.approx(row.net_now - row.believed, abs=1e-6)
        assert 0.5 < row.believed < row.chance_now == 0.7
        assert row.edge_at_limit is None

    def test_a_yes_of_who_may_decide_no_more_is_still_missing(self, pending, ada, grace):
        waits(pending, persons=2)
        intents.approve(pending, user=ada, reason="clear", as_of=ahead(2))
        counted = waiting.queue(as_of=ahead(3))[0]
        ada.user_permissions.clear()

        (row,) = waiting.queue(as_of=ahead(4))

        assert (counted.missing, [yes.actor for yes in counted.yeses]) == (1, ["ada"])
        assert (row.missing, row.yeses) == (2, ())

    def test_what_nobody_offers_any_more_has_no_edge(self, pending):
        factories.QuoteFactory(market=pending.market, at=ahead(4), bid=0.80, ask=0.82)

        (row,) = waiting.queue(as_of=ahead(10))

        assert (row.edge_now, row.price_now, row.offered) == (None, None, 0)
        assert row.worse

    def test_an_order_that_would_rest_is_worth_its_limit_and_takes_no_depth(self, pending, ada):
        TradeIntent.objects.filter(pk=pending.pk).update(
            post_only=True, type="GTD", limit_price=Decimal("0.49")
        )

        (row,) = waiting.queue(as_of=ahead(10))
        result = intents.approve(pending, user=ada, reason="let it rest", as_of=ahead(10))

        assert row.edge_now == pytest.approx(0.7 - 0.49)
        assert (row.offered, row.price_now) == (0, None)
        assert result.status == "APPROVED", result.reason

    def test_what_could_be_approved_comes_first_then_the_most_urgent_and_the_late_are_gone(
        self, pending
    ):
        void = factories.IntentFactory(expires_at=ahead(15))
        soon = factories.IntentFactory(market=a_market_worth_buying(), expires_at=ahead(20))
        factories.IntentFactory(expires_at=ahead(5))

        ids = [row.intent.pk for row in waiting.queue(as_of=ahead(10))]
        TradeIntent.objects.exclude(pk=pending.pk).update(status="EXECUTED_DRYRUN")

        assert ids == [soon.pk, pending.pk, void.pk]

    def test_many_cost_no_more_queries_than_one(self, pending, django_assert_max_num_queries):
        with django_assert_max_num_queries(12) as one:
            waiting.queue(as_of=ahead(10))
        for _ in range(4):
            factories.IntentFactory(market=a_market_worth_buying())
        with django_assert_max_num_queries(len(one)):
            assert len(waiting.queue(as_of=ahead(10))) == 5
        TradeIntent.objects.exclude(pk=pending.pk).update(status="EXECUTED_DRYRUN")
