"""Orders, fills, positions, payouts: the whole way of a paper dollar."""

from datetime import timedelta
from decimal import Decimal

import pytest

from risk.models import EquityPoint
from tests import factories
from tests.factories import NOW, ago, ahead
from tests.trading.world import (
    LATER,
    SilentVenue,
    a_cycle,
    a_market_worth_buying,
    an_intent,
    balance,
    books_are_open,
    only_order,
    paper,
    traded,
)
from trading.adapters.paper import Paper
from trading.books import portfolio
from trading.deciding import decide, signals
from trading.models import Account, Claim, Fill, Order, Position, Redemption, TradeIntent
from trading.orders import submit, transitions
from trading.redeeming import redeem
from trading.settings import TradingSettings
from trading.venue import Rejected

pytestmark = pytest.mark.django_db


def test_an_order_waits_for_a_book_that_is_newer_than_itself():
    an_intent()

    submit.run(as_of=NOW, venues=paper())
    submit.run(as_of=LATER, venues=paper())

    assert only_order().status == "OPEN"
    assert not Fill.objects.exists()


def test_an_order_fills_against_the_book_of_after_its_latency():
    traded(after={"ask": 0.50, "bid": 0.48})

    order, fill = only_order(), Fill.objects.get()
    assert order.status == "FILLED"
    assert fill.price == Decimal("0.50")
    position = Position.objects.get()
    assert position.shares == order.shares
    assert position.cost == order.shares * fill.price + fill.fee
    assert balance(Account.RESERVED) == 0


def test_a_book_that_ran_away_fills_nothing():
    traded(after={"ask": 0.60, "bid": 0.58})

    assert only_order().status == "CANCELED"
    assert not Position.objects.exists()
    assert balance(Account.CASH) == 10_000
    assert not Claim.objects.filter(released_at__isnull=True).exists()


def test_no_more_than_the_visible_shares_are_filled():
    traded(after={"book": ([(0.49, 100)], [(0.51, 7), (0.55, 1000)])})

    order = only_order()
    assert (order.status, order.filled_shares) == ("CANCELED", 7)
    assert Position.objects.get().shares == 7


def test_an_order_that_never_meets_a_book_expires():
    an_intent()
    submit.run(as_of=NOW, venues=paper())

    submit.run(as_of=ahead(61), venues=paper())

    assert only_order().status == "EXPIRED"
    assert balance(Account.CASH) == 10_000


def test_a_book_that_nobody_recorded_is_fetched():
    market = an_intent().market

    def fetch(market_ids, as_of):
        factories.QuoteFactory(market=market, at=as_of)
        return len(market_ids)

    venue = {"PAPER": Paper(latency=LATER - NOW, refresh=fetch)}
    submit.run(as_of=NOW, venues=venue)
    submit.run(as_of=ahead(5), venues=venue)

    assert only_order().status == "FILLED"


def test_a_book_seen_between_question_and_claim_fills_no_order():
    """Another worker's book, fetched before the order was really claimed, is too early."""
    market = an_intent().market
    submit.run(as_of=NOW, venues=paper(), clock=lambda: ahead(4))
    factories.QuoteFactory(market=market, at=ahead(5))

    submit.run(as_of=ahead(7), venues=paper())
    assert only_order().submitted_at == ahead(4)
    assert only_order().status == "OPEN"

    factories.QuoteFactory(market=market, at=ahead(6))
    submit.run(as_of=ahead(7), venues=paper())
    assert Fill.objects.get().observed_at == ahead(6)


def test_an_order_is_never_submitted_before_its_decision():
    an_intent()

    submit.run(as_of=ago(30), venues=paper())

    assert only_order().submitted_at == NOW


def test_a_decision_with_a_book_that_had_to_be_fetched_is_made_after_it_came():
    market = a_market_worth_buying()
    decided_at = ahead(300)
    books_are_open()
    signals.find(as_of=NOW)

    def fetch(_market_ids, as_of):
        factories.QuoteFactory(market=market, at=as_of + timedelta(seconds=2))
        return 1

    later = decided_at + timedelta(seconds=3)
    assert decide.run(as_of=decided_at, refresh=fetch, clock=lambda: later) == 1
    assert TradeIntent.objects.get().created_at == later


def test_a_top_of_book_without_levels_is_a_book_of_one_level():
    traded(after={"book": None, "ask_depth": 20.0})

    assert Position.objects.get().shares == 20


def test_a_move_that_another_worker_made_is_not_made_again():
    an_intent()
    submit.run(as_of=NOW, venues={"PAPER": SilentVenue(failure=Rejected)})

    with pytest.raises(transitions.IllegalTransition, match="may not become"):
        transitions.move(only_order(), to="OPEN", as_of=NOW)


def test_the_paper_venue_of_the_settings_waits_for_their_latency():
    factories.trading_settings(paper_latency_ms=1500)

    assert submit.venue_for("PAPER", as_of=NOW).latency == timedelta(seconds=1.5)


def test_the_other_side_is_bought_at_the_mirrored_book():
    traded(probability=0.3, after={"bid": 0.50, "ask": 0.52})

    assert Fill.objects.get().price == Decimal("0.50")
    assert Position.objects.get().outcome.name == "No"


@pytest.mark.parametrize(("payout", "won"), [(Decimal(1), True), (Decimal(0), False)])
def test_a_resolved_position_becomes_cash_once(payout, won):
    market = traded()
    position = Position.objects.get()
    before = balance(Account.CASH)
    factories.ResolutionFactory(market=market, payout_0=payout, resolved_at=ahead(60))

    assert redeem.run(as_of=ahead(61)) == 1
    assert redeem.run(as_of=ahead(62)) == 0

    after = Position.objects.get()
    worth = position.shares * payout
    assert balance(Account.CASH) == before + worth
    assert after.shares == 0
    assert after.realised == worth - position.cost
    assert (after.realised > 0) == won
    assert Redemption.objects.get().payout == worth
    assert Claim.objects.get().released_at == ahead(61)


def test_half_a_dollar_each_is_paid_where_the_venue_says_so():
    market = traded()
    shares = Position.objects.get().shares
    factories.ResolutionFactory(market=market, payout_0=Decimal("0.5"), resolved_at=ahead(60))

    redeem.run(as_of=ahead(61))

    assert Redemption.objects.get().payout == shares / 2


@pytest.mark.parametrize("state", ["LISTEN_ONLY", "REDUCING", "HALTED"])
def test_redeem_runs_in_each_halt_grade(state):
    market = traded()
    factories.HaltFactory(state=state)
    factories.ResolutionFactory(market=market, resolved_at=ahead(60))

    assert a_cycle(ahead(61))["redeemed"] == 1


def test_a_resolution_that_we_have_not_heard_of_pays_nothing_yet():
    market = traded()
    factories.ResolutionFactory(market=market, resolved_at=ahead(60), received_at=ahead(600))

    assert redeem.run(as_of=ahead(61)) == 0


@pytest.mark.parametrize("state", ["LISTEN_ONLY", "REDUCING", "HALTED"])
def test_an_approved_intent_is_not_sent_under_a_halt(state):
    intent = an_intent()
    factories.HaltFactory(state=state)

    submit.run(as_of=NOW, venues=paper())

    intent.refresh_from_db()
    assert intent.status == "REJECTED"
    assert state in intent.reason
    assert balance(Account.RESERVED) == 0


def test_the_master_switch_is_read_when_an_order_is_claimed():
    intent = an_intent()
    factories.trading_settings(placing_orders=False)

    submit.run(as_of=NOW, venues=paper())

    intent.refresh_from_db()
    assert (intent.status, Order.objects.count()) == ("REJECTED", 0)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"placing_orders": False}, "REJECTED"),
        ({"dry_run": True}, "EXECUTED_DRYRUN"),
        ({"mode": "DEMO"}, "REJECTED"),
    ],
)
def test_a_switch_saved_after_the_cycle_began_stops_its_orders(change, status):
    intent = an_intent()
    factories.trading_settings(**change)
    TradingSettings.objects.update(created_at=ahead(3600))

    submit.run(as_of=NOW, venues=paper())

    intent.refresh_from_db()
    assert (intent.status, Order.objects.count()) == (status, 0)


def test_a_dry_run_ends_without_an_order():
    intent = an_intent()
    factories.trading_settings(dry_run=True)

    submit.run(as_of=NOW, venues=paper())

    intent.refresh_from_db()
    assert intent.status == "EXECUTED_DRYRUN"
    assert not Order.objects.exists()
    assert balance(Account.CASH) == 10_000
    assert not Claim.objects.filter(released_at__isnull=True).exists()


def test_an_expired_intent_is_never_executed():
    intent = an_intent()

    report = submit.run(as_of=ahead(60), venues=paper())

    intent.refresh_from_db()
    assert (intent.status, report.sent, report.expired) == ("EXPIRED", 0, 1)
    assert not Order.objects.exists()


def test_an_intent_that_expires_between_sweep_and_claim_is_not_sent():
    intent = an_intent()

    assert submit.claim(intent.pk, as_of=ahead(60)) is None
    intent.refresh_from_db()
    assert intent.status == "EXPIRED"


def test_live_orders_are_refused_in_words():
    with pytest.raises(submit.NotForWorkers, match="live_guard"):
        submit.venue_for("LIVE", as_of=NOW)


def test_restart_keeps_guard_state():
    market = traded()
    factories.PredictionFactory(market=market, as_of=ahead(200), probability=0.2)
    factories.QuoteFactory(market=market, at=ahead(200))

    made = a_cycle(ahead(200))

    assert made["intents"] == 0
    assert Position.objects.get().outcome.index == 0


def test_a_cycle_goes_from_forecast_to_payout():
    market = a_market_worth_buying()

    first = a_cycle(NOW)
    factories.QuoteFactory(market=market, at=LATER)
    second = a_cycle(LATER)
    factories.ResolutionFactory(market=market, resolved_at=ahead(60))
    third = a_cycle(ahead(61))

    assert (first["signals"], first["intents"], first["orders"]) == (1, 1, 1)
    assert second["fills"] == 1
    assert third["redeemed"] == 1
    curve = list(EquityPoint.objects.order_by("observed_at").values_list("risk_equity", flat=True))
    assert curve[0] == 10_000
    assert 9_980 < curve[1] <= 10_000
    assert curve[2] > 10_100


def test_mark_to_market_spike_does_not_move_peak():
    market = traded()
    portfolio.mark("PAPER", as_of=LATER)
    factories.QuoteFactory(market=market, at=ahead(10), bid=0.97, ask=0.99)

    point = portfolio.mark("PAPER", as_of=ahead(11))

    assert point.open_mark > point.open_cost
    assert point.peak == 10_000
