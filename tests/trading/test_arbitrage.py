"""Arbitrage over recorded books: seen, kept on record, bought as a group, and unwound."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission

from risk import halts
from risk.models import RiskDecision, RiskLimits
from tests import factories
from tests.factories import NOW, ago, ahead, revise
from tests.trading.world import LATER, books_are_open, nobody_answers, paper
from trading.adapters.paper import Paper
from trading.approving import intents
from trading.arbitrage import detection, groups, legs, opportunities
from trading.books import settlements
from trading.core import arbitrage
from trading.deciding import exits
from trading.models import (
    ApprovalSettings,
    ArbitrageSettings,
    Claim,
    Fill,
    IntentGroup,
    Opportunity,
    Order,
    Position,
    TradeIntent,
)
from trading.orders import submit

pytestmark = pytest.mark.django_db


def an_election(*prices, depth=1000.0, at=None, **event):
    """Exclusive outcomes with (bid, ask) each."""
    values = {"neg_risk": True, "neg_risk_market_id": "0x" + "a" * 64} | event
    row = factories.EventFactory(**values)
    return [
        quoted(bid, ask, depth=depth, at=at or ago(1), event=row, neg_risk=True)
        for bid, ask in prices
    ]


def quoted(bid, ask, *, depth=1000.0, at=None, **market):
    row = factories.MarketFactory(fees__rate=Decimal("0.01"), **market)
    price(row, bid, ask, depth=depth, at=at or ago(1))
    return row


def price(market, bid, ask, *, at, depth=1000.0):
    book = ([(bid, depth)], [(ask, depth)]) if bid else ([], [(ask, depth)])
    factories.QuoteFactory(
        market=market, at=at, bid=bid, ask=ask, bid_depth=depth, ask_depth=depth, book=book
    )


def trading(**changes):
    revise(ArbitrageSettings, trading=True, **{"max_sets": Decimal(50), **changes})
    books_are_open()


def seen(at=NOW):
    return opportunities.run(as_of=at, refresh=nobody_answers)


def followed(at):
    return groups.follow(as_of=at, refresh=nobody_answers)


def reasons():
    return list(Opportunity.objects.order_by("id").values_list("reason", flat=True))


CHEAP = ((0.29, 0.31), (0.29, 0.31), (0.30, 0.32))


def test_a_set_that_pays_is_kept_on_record_with_what_it_would_have_brought():
    an_election(*CHEAP)

    assert seen() == 0

    row = Opportunity.objects.get()
    assert (row.kind, row.reason, row.group) == ("EXCLUSIVE_SET", "DISABLED", None)
    # 500 sets at 0.94 and fees of 0.01 × p (1 − p) a share.
    fees = 500 * Decimal("0.01") * (2 * Decimal("0.2139") + Decimal("0.2176"))
    assert row.cost == 470 + fees
    assert row.net_profit == 500 - row.cost
    assert [leg["outcome"] for leg in json.loads(row.legs)] == [0, 0, 0]
    assert not TradeIntent.objects.exists()


def test_what_has_not_changed_is_one_row():
    markets = an_election(*CHEAP)
    seen()
    seen(ahead(1))
    price(markets[0], 0.28, 0.30, at=ahead(61))
    seen(ahead(62))

    assert reasons() == ["DISABLED", "DISABLED"]


@pytest.mark.parametrize(
    ("event", "kinds"),
    [
        ({"neg_risk": False}, []),
        ({"neg_risk": None}, []),
        ({"neg_risk_market_id": ""}, []),
        ({"neg_risk_augmented": True}, ["AUGMENTED"]),
    ],
)
def test_what_is_not_known_to_be_exhaustive_is_not_bought(event, kinds):
    an_election(*CHEAP, **event)
    trading()

    assert seen() == 0
    assert reasons() == kinds


def test_an_outcome_without_a_name_makes_the_event_augmented():
    markets = an_election(*CHEAP)
    markets[0].__class__.objects.filter(pk=markets[0].pk).update(placeholder=True)
    trading()

    assert seen() == 0
    assert reasons() == ["AUGMENTED"]


def test_prices_far_from_one_tell_of_outcomes_that_we_do_not_know():
    an_election((0.29, 0.31), (0.29, 0.31))

    assert seen() == 0
    assert reasons() == []


def test_an_outcome_that_lost_already_is_no_leg():
    markets = an_election(*CHEAP, (0.01, 0.02))
    factories.ResolutionFactory(market=markets[-1], payout_0=Decimal(0))

    seen()

    assert len(json.loads(Opportunity.objects.get().legs)) == 3


def test_every_no_is_bought_where_the_prices_sum_to_more_than_one():
    an_election((0.36, 0.38), (0.36, 0.38), (0.35, 0.37))

    seen()

    row = Opportunity.objects.get()
    assert (row.kind, row.payout) == ("EXCLUSIVE_NO", 1000)
    assert row.net_profit > 0


def test_a_pair_that_pays_is_a_crossed_book_which_nobody_can_really_buy():
    quoted(0.55, 0.50)
    trading()

    assert seen() == 0

    row = Opportunity.objects.get()
    assert (row.kind, row.reason, row.sets) == ("PAIR", "CROSSED_BOOK", 50)


def test_a_later_deadline_that_is_cheaper_pays():
    event = factories.EventFactory(neg_risk=False)
    ends = {"June 30": ahead(3 * 86400), "December 31": ahead(9 * 86400)}
    for (text, end), (bid, ask) in zip(ends.items(), [(0.50, 0.52), (0.40, 0.42)], strict=True):
        quoted(bid, ask, event=event, question=f"Peace by {text}?", scheduled_end_at=end)

    seen()

    row = Opportunity.objects.get()
    assert row.kind == "NESTED"
    assert [leg["outcome"] for leg in json.loads(row.legs)] == [0, 1]


def test_an_old_book_is_no_opportunity():
    an_election(*CHEAP, at=ago(600))
    trading()

    assert seen() == 0
    assert reasons() == ["STALE_BOOK"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"min_profit_usd": Decimal(100)}, "TOO_SMALL"),
        ({"max_legs": 2}, "TOO_MANY_LEGS"),
        ({"leg_risk_budget_usd": Decimal("0.1")}, "LEG_RISK"),
    ],
)
def test_why_it_was_not_bought_is_said(changes, why):
    an_election(*CHEAP)
    trading(**changes)

    assert seen() == 0
    assert reasons() == [why]


def test_a_halt_stops_it_and_is_the_reason():
    an_election(*CHEAP)
    trading()
    halts.open_halt("MANUAL", reason="look", actor="ada", as_of=ago(1))

    assert seen() == 0
    assert reasons() == ["HALTED"]
    assert not IntentGroup.objects.exists()


def begun(**changes):
    markets = an_election(*CHEAP)
    trading(**changes)
    assert seen() == 1
    return markets


def test_legs_are_written_down_together_each_market_claimed_once():
    begun()

    group = IntentGroup.objects.get()
    made = list(group.intents.all())
    assert {(leg.purpose, leg.type, leg.status) for leg in made} == {("LEG", "FOK", "APPROVED")}
    assert {leg.shares for leg in made} == {Decimal(50)}
    assert Claim.objects.filter(released_at__isnull=True).count() == 3
    assert RiskDecision.objects.filter(approved_shares=50).count() == 3
    assert Opportunity.objects.get().group == group


def test_one_answer_of_a_person_is_for_all_legs():
    revise(ApprovalSettings, ask_in_simulated=True)
    begun()
    group = IntentGroup.objects.get()
    assert set(group.intents.values_list("status", flat=True)) == {"PENDING"}

    intents.approve(
        group.intents.first(), user=factories.UserFactory(), reason="pays", as_of=ahead(1)
    )

    assert set(group.intents.values_list("status", flat=True)) == {"APPROVED"}


def approver(name):
    user = factories.UserFactory(username=name)
    user.user_permissions.add(Permission.objects.get(codename="add_approval"))
    return user


def test_the_limit_for_a_second_person_is_that_of_all_legs_together():
    # Each leg costs about $16, all of them $47.
    revise(ApprovalSettings, ask_in_simulated=True, two_person_above_usd=Decimal(40))
    begun()
    group = IntentGroup.objects.get()
    ada, grace = approver("ada"), approver("grace")

    intents.approve(group.intents.first(), user=ada, reason="pays", as_of=ahead(1))
    half = set(group.intents.values_list("status", flat=True))
    with pytest.raises(intents.SaidYesBefore):
        intents.approve(group.intents.last(), user=ada, reason="again", as_of=ahead(1))
    assert {leg.approvals_needed for leg in group.intents.all()} == {2}
    assert half == {"PENDING"}

    intents.approve(group.intents.first(), user=grace, reason="pays", as_of=ahead(1))
    assert set(group.intents.values_list("status", flat=True)) == {"APPROVED"}


def test_legs_below_the_limit_together_need_one_person():
    revise(ApprovalSettings, ask_in_simulated=True, two_person_above_usd=Decimal(60))
    begun()

    assert set(TradeIntent.objects.values_list("approvals_needed", flat=True)) == {1}


def test_a_no_to_one_leg_ends_the_group():
    revise(ApprovalSettings, ask_in_simulated=True)
    begun()
    group = IntentGroup.objects.get()
    user = factories.UserFactory()

    intents.reject(group.intents.first(), user=user, reason="not now", as_of=ahead(1))
    followed(ahead(2))

    group.refresh_from_db()
    assert (group.status, group.reason) == ("FAILED", "nothing was bought: not now")


def test_a_set_is_begun_once():
    begun()

    assert seen(ahead(1)) == 0
    assert IntentGroup.objects.count() == 1


def test_all_legs_filled_complete_the_group_and_no_exit_touches_it():
    markets = begun()
    submit.run(as_of=NOW, venues=paper())
    for market, (bid, ask) in zip(markets, CHEAP, strict=True):
        price(market, bid, ask, at=ahead(2))
    submit.run(as_of=ahead(2), venues=paper())

    assert followed(ahead(2)) == 1

    group = IntentGroup.objects.get()
    assert (group.status, group.finished_at) == ("COMPLETE", ahead(2))
    assert {p.shares for p in Position.objects.all()} == {Decimal(50)}
    assert exits.run(as_of=ahead(3), refresh=nobody_answers) == 0


class Promising(Paper):
    """A venue whose trades are matched, and not on the chain yet."""

    def look_up(self, tickets, *, as_of):
        found = super().look_up(tickets, as_of=as_of)
        return {key: _promised(receipt) for key, receipt in found.items()}


def _promised(receipt):
    parts = tuple(replace(part, status="MATCHED") for part in receipt.executions)
    return replace(receipt, executions=parts)


def test_a_complete_group_that_loses_a_leg_on_the_chain_is_unwound():
    venues = {"PAPER": Promising(latency=LATER - NOW, refresh=nobody_answers)}
    markets = begun()
    submit.run(as_of=NOW, venues=venues)
    for market, (bid, ask) in zip(markets, CHEAP, strict=True):
        price(market, bid, ask, at=ahead(2))
    submit.run(as_of=ahead(2), venues=venues)
    followed(ahead(2))
    assert IntentGroup.objects.get().status == "COMPLETE"
    assert followed(ahead(2)) == 0

    ghost = Fill.objects.get(order__market=markets[1])
    settlements.tell(ghost, "FAILED", as_of=ahead(3))
    for fill in Fill.objects.exclude(pk=ghost.pk):
        settlements.tell(fill, "CONFIRMED", as_of=ahead(3))
    assert followed(ahead(3)) == 1

    group = IntentGroup.objects.get()
    assert (group.status, group.finished_at) == ("UNWINDING", None)
    assert group.reason == "a leg lost its shares again: a trade of it failed on the chain"
    sales = TradeIntent.objects.filter(purpose="UNWIND")
    assert {(s.market_id, s.side, s.shares) for s in sales} == {
        (markets[0].pk, "SELL", Decimal(50)),
        (markets[2].pk, "SELL", Decimal(50)),
    }


def test_both_sides_of_a_market_stand_on_one_claim():
    market = quoted(0.55, 0.50)
    trading()
    hits, rows = detection.look(as_of=NOW, max_legs=8)
    ((_, bundle),) = detection.bundles(hits, rows, as_of=NOW)

    group, why = legs.enter(
        arbitrage.of(bundle, Decimal(50)),
        {market.pk: market},
        config=ArbitrageSettings.objects.current(as_of=NOW).as_config(),
        limits=RiskLimits.objects.current(as_of=NOW).as_config(),
        as_of=NOW,
    )

    assert why == "TRADED"
    assert sorted(group.intents.values_list("outcome__index", flat=True)) == [0, 1]
    assert Claim.objects.filter(released_at__isnull=True).count() == 1


def broken(*, at=2):
    """The second leg is killed: its ask has gone up before the order arrives."""
    markets = begun()
    submit.run(as_of=NOW, venues=paper())
    after = (CHEAP[0], (0.40, 0.45), CHEAP[2])
    for market, (bid, ask) in zip(markets, after, strict=True):
        price(market, bid, ask, at=ahead(at))
    submit.run(as_of=ahead(at), venues=paper())
    return markets


def test_second_leg_reject_triggers_unwind():
    markets = broken()

    assert followed(ahead(2)) == 1
    group = IntentGroup.objects.get()
    assert group.status == "UNWINDING"
    sales = TradeIntent.objects.filter(purpose="UNWIND")
    assert {(s.market_id, s.side, s.shares, s.type) for s in sales} == {
        (markets[0].pk, "SELL", Decimal(50), "FAK"),
        (markets[2].pk, "SELL", Decimal(50), "FAK"),
    }
    submit.run(as_of=ahead(3), venues=paper())
    for market, (bid, ask) in zip(markets, CHEAP, strict=True):
        price(market, bid, ask, at=ahead(6))
    submit.run(as_of=ahead(6), venues=paper())
    followed(ahead(6))

    group.refresh_from_db()
    assert group.status == "UNWOUND"
    # Twice a spread of two cents and two fees a share, on 50 shares.
    fees = (
        50
        * Decimal("0.01")
        * sum(Decimal(p) * (1 - Decimal(p)) for p in ("0.31", "0.29", "0.32", "0.30"))
    )
    assert group.reason == f"unwinding cost {2 + fees:.6f} dollars"
    assert 2 + fees <= group.leg_risk_budget
    assert not Position.objects.filter(shares__gt=0).exists()
    assert not Claim.objects.filter(released_at__isnull=True).exists()


@pytest.mark.parametrize("kind", ["DRAWDOWN_LISTEN", "DRAWDOWN_REDUCE"])
def test_a_broken_group_is_unwound_while_nothing_new_may_be_bought(kind):
    broken()
    halts.open_halt(kind, reason="test", actor="ada", as_of=ahead(2))

    followed(ahead(2))

    assert TradeIntent.objects.filter(purpose="UNWIND", status="APPROVED").count() == 2


def test_legs_that_wait_are_let_go_when_another_was_refused():
    begun()
    first = TradeIntent.objects.filter(purpose="LEG").first()
    intents.let_go(first, to="REJECTED", reason="no", as_of=ahead(1))

    followed(ahead(1))

    group = IntentGroup.objects.get()
    assert (group.status, group.reason) == ("FAILED", "nothing was bought: no")
    assert set(group.intents.values_list("status", flat=True)) == {"REJECTED"}
    assert not Order.objects.exists()


def test_intents_that_expire_before_any_fill_fail_the_group():
    begun()
    submit.run(as_of=ahead(100_000), venues=paper())

    followed(ahead(100_000))

    assert IntentGroup.objects.get().status == "FAILED"
    assert not Claim.objects.filter(released_at__isnull=True).exists()


def test_what_nobody_bids_for_is_tried_again_and_left_to_the_resolution():
    markets = broken()
    for market in (markets[0], markets[2]):
        price(market, None, 0.32, at=ahead(3))

    followed(ahead(3))
    assert not TradeIntent.objects.filter(purpose="UNWIND").exists()

    for market in (markets[0], markets[2]):
        factories.ResolutionFactory(market=market, resolved_at=ahead(4))
    followed(ahead(5))

    group = IntentGroup.objects.get()
    assert group.status == "UNWOUND"
    assert "100 shares stay" in group.reason


def test_looking_costs_the_same_for_any_number_of_markets(django_assert_max_num_queries):
    for _ in range(3):
        an_election(*CHEAP)
    with django_assert_max_num_queries(20):
        seen()
