"""From a passed signal to an approved intent, its claim and its reservation."""

import json
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError

from markets.adapters.http import VenueRefused, VenueUnreachable
from risk.models import Halt, RiskDecision
from tests import factories
from tests.factories import NOW, ago, ahead
from tests.trading.world import (
    a_market_worth_buying,
    books_are_open,
    decided,
    nobody_answers,
    traded,
)
from trading.books import ledger, portfolio
from trading.deciding import decide, signals, wishes
from trading.market_data import from_venue
from trading.models import (
    Account,
    Approval,
    Claim,
    Signal,
    TradeIntent,
    VenueState,
)
from trading.settings import TradingSettings
from trading.watching import readiness

pytestmark = pytest.mark.django_db


def denials():
    return [row.denials for row in RiskDecision.objects.filter(approved_shares=0).order_by("id")]


def test_every_forecast_leaves_one_signal_with_its_reason():
    a_market_worth_buying()
    a_market_worth_buying(probability=0.5)

    assert signals.find(as_of=NOW) == 2
    assert signals.find(as_of=NOW) == 0
    assert list(Signal.objects.order_by("id").values_list("reason", flat=True)) == [
        "PASSED",
        "NO_GROSS_EDGE",
    ]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"quote": {"bid": None}}, "NO_BOOK"),
        ({"fees": None}, "UNKNOWN_FEES"),
        ({"quote": {"bid_depth": 10.0, "ask_depth": 10.0}}, "THIN_BOOK"),
        ({"quote": {"bid": 0.40, "ask": 0.60}}, "WIDE_SPREAD"),
    ],
)
def test_what_is_unknown_is_null_and_stops_the_signal(changes, reason):
    a_market_worth_buying(**changes)

    signals.find(as_of=NOW)

    assert Signal.objects.get().reason == reason


def test_null_volume_uses_depth_gate():
    a_market_worth_buying(volume=None, quote={"volume_24h": None})

    signals.find(as_of=NOW)

    assert Signal.objects.get().reason == "PASSED"


def test_two_forecasts_of_one_market_meet_the_same_book():
    later = a_market_worth_buying(quote={"bid": 0.59, "ask": 0.61})
    first = a_market_worth_buying()
    factories.PredictionFactory(market=later, as_of=ago(2), probability=0.1)

    assert signals.find(as_of=NOW) == 3

    costs = Signal.objects.order_by("prediction_id").values_list("market_id", "cost")
    assert list(costs) == [(later.pk, 0.61), (first.pk, 0.51), (later.pk, pytest.approx(0.41))]


def test_a_market_without_any_quote_is_not_priced():
    factories.PredictionFactory()

    signals.find(as_of=NOW)

    row = Signal.objects.get()
    assert (row.reason, row.cost, row.net_edge) == ("NO_BOOK", None, None)


def test_a_passed_signal_becomes_one_approved_intent():
    market = a_market_worth_buying()

    assert decided() == 1

    intent = TradeIntent.objects.get()
    assert (intent.status, intent.market, intent.outcome.index) == ("APPROVED", market, 0)
    assert Approval.objects.get().actor == "paper rule"
    assert Claim.objects.get(released_at__isnull=True).market == market
    reserved = ledger.balance(Account.RESERVED, mode="PAPER", as_of=NOW)
    assert intent.shares * intent.limit_price < reserved <= Decimal(200)


def test_a_low_forecast_buys_the_other_side():
    a_market_worth_buying(probability=0.3)

    decided()

    assert TradeIntent.objects.get().outcome.name == "No"


def test_deciding_again_changes_nothing():
    a_market_worth_buying()
    decided()

    assert decide.run(as_of=NOW, refresh=nobody_answers) == 0
    assert RiskDecision.objects.count() == 1


def test_every_trade_decision_has_intent_or_reason():
    a_market_worth_buying()
    a_market_worth_buying(min_shares=None)
    a_market_worth_buying(accepting_orders=None)
    a_market_worth_buying(min_shares=Decimal(100_000))

    decided()

    for signal in Signal.objects.filter(reason="PASSED").select_related("decision"):
        assert signal.decision is not None
        made = TradeIntent.objects.filter(signal=signal).exists()
        assert made == (not signal.decision.denials)
    assert denials() == ["UNKNOWN_RULES", "MARKET_CLOSED", "MIN_SIZE"] or sorted(denials()) == [
        "MARKET_CLOSED",
        "MIN_SIZE",
        "UNKNOWN_RULES",
    ]


def test_opposite_direction_rejected_with_message():
    market = a_market_worth_buying()
    decided()
    factories.risk_limits(cooldown_s=0)
    factories.QuoteFactory(market=market, at=ahead(10))
    factories.PredictionFactory(market=market, as_of=ahead(10), probability=0.3)
    signals.find(as_of=ahead(10))

    assert decide.run(as_of=ahead(10), refresh=nobody_answers) == 0

    refused = RiskDecision.objects.get(approved_shares=0)
    assert "ALREADY_HELD" in refused.denials.split()
    assert "Already have YES position on Will it happen?" in refused.detail


def test_an_epoch_is_held_once_over_all_its_markets():
    first = a_market_worth_buying(make=factories.EpochMarketFactory)
    a_market_worth_buying(make=factories.EpochMarketFactory, event=first.event)

    assert decided() == 1
    assert denials() == ["ALREADY_HELD"]


def test_the_best_candidate_comes_first_when_cash_is_scarce():
    factories.risk_limits(max_positions=1)
    a_market_worth_buying(probability=0.62)
    better = a_market_worth_buying(probability=0.8)

    decided()

    assert TradeIntent.objects.get().market == better
    assert denials() == ["POSITION_COUNT"]


@pytest.mark.parametrize("state", ["LISTEN_ONLY", "REDUCING", "HALTED"])
def test_a_halt_is_read_in_the_deciding_transaction(state):
    a_market_worth_buying()
    factories.HaltFactory(state=state)

    assert decided() == 0
    assert denials() == [state]


def test_a_halt_of_one_market_stops_that_market_only():
    stopped = a_market_worth_buying()
    a_market_worth_buying()
    factories.HaltFactory(scope=Halt.Scope.MARKET, scope_key=str(stopped.pk))

    assert decided() == 1
    assert RiskDecision.objects.get(approved_shares=0).market == stopped


def test_monitoring_only_makes_no_intents():
    a_market_worth_buying()
    factories.trading_settings(placing_orders=False)

    assert decided() == 0
    assert denials() == ["NOT_PLACING"]


def test_a_switch_saved_after_the_cycle_began_makes_no_intents():
    a_market_worth_buying()
    factories.trading_settings(placing_orders=False)
    TradingSettings.objects.update(created_at=ahead(3600))

    assert decided() == 0
    assert denials() == ["NOT_PLACING"]


def test_a_stale_book_is_not_decided_on():
    a_market_worth_buying()
    books_are_open(as_of=NOW)
    signals.find(as_of=NOW)

    assert decide.run(as_of=ahead(300), refresh=nobody_answers) == 0
    assert denials() == ["STALE_BOOK"]


def test_decision_record_contains_thresholds():
    a_market_worth_buying()
    decided()

    detail = json.loads(RiskDecision.objects.get().detail)
    assert detail["limits"]["max_market"] == "0.02"
    assert Signal.objects.get().settings_version == 0


def test_same_fingerprint_yields_one_pending_intent():
    intent = factories.IntentFactory(fingerprint="same", status="REJECTED")
    factories.IntentFactory(fingerprint="same", market=intent.market, status="EXPIRED")

    a_market_worth_buying()
    decided()
    one = TradeIntent.objects.get(status="APPROVED")

    assert wishes.fingerprint(one) == one.fingerprint


def a_live_ledger(**state):
    factories.trading_settings(mode="LIVE")
    VenueState.objects.create(mode="LIVE", changed_at=NOW, **state)
    ledger.post(
        "deposit",
        debit=Account.EXTERNAL,
        credit=Account.CASH,
        amount=Decimal(10_000),
        kind="deposit",
        mode="LIVE",
        as_of=NOW,
    )
    books_are_open("LIVE")


def test_live_intents_wait_for_a_person():
    a_live_ledger(reconciled_at=ago(60))
    a_market_worth_buying()
    signals.find(as_of=NOW)

    decide.run(as_of=NOW, refresh=nobody_answers)

    assert TradeIntent.objects.get().status == "PENDING"
    assert not Approval.objects.exists()


@pytest.mark.parametrize("reconciled", [{}, {"reconciled_at": ago(3600)}])
def test_live_sizing_without_fresh_balance_refuses(reconciled):
    a_live_ledger(**reconciled)
    a_market_worth_buying()
    signals.find(as_of=NOW)

    assert decide.run(as_of=NOW, refresh=nobody_answers) == 0
    assert denials() == ["STALE_EQUITY"]


def test_a_decision_that_finds_its_book_stale_fetches_a_fresh_one():
    market = a_market_worth_buying()
    books_are_open()
    signals.find(as_of=NOW)
    asked = []

    def fetch(market_ids, as_of):
        asked.extend(market_ids)
        factories.QuoteFactory(market=market, at=as_of)
        return 1

    assert decide.run(as_of=ahead(300), refresh=fetch) == 1
    assert asked == [market.pk]


def test_a_market_whose_book_vanished_is_refused_with_a_reason():
    market = a_market_worth_buying()
    books_are_open()
    signals.find(as_of=NOW)
    market.quote_set.all().delete()

    assert decide.run(as_of=NOW, refresh=nobody_answers) == 0
    assert denials() == ["STALE_BOOK"]


def test_a_claim_that_the_books_do_not_show_still_holds_the_market():
    market = a_market_worth_buying()
    Claim.objects.create(mode="PAPER", market=market, outcome_index=1, taken_at=NOW)

    assert decided() == 0

    assert denials() == ["ALREADY_HELD"]
    assert not TradeIntent.objects.exists()
    assert not RiskDecision.objects.filter(approved_shares__gt=0).exists()
    assert ledger.balance(Account.RESERVED, mode="PAPER", as_of=NOW) == 0


@pytest.mark.usefixtures("loose_books")
def test_a_violated_rule_that_is_not_the_claim_is_not_called_one():
    market = a_market_worth_buying()
    key = f"decide:{market.prediction_set.get().pk}:PAPER"
    factories.IntentFactory(key=key, status="REJECTED")

    with pytest.raises(IntegrityError):
        decided()

    assert not Claim.objects.exists()
    assert not RiskDecision.objects.filter(market=market).exists()


def test_what_another_worker_bought_after_we_looked_counts_against_the_day():
    traded()

    early = portfolio.snapshot("PAPER", as_of=ago(30))
    late = portfolio.snapshot("PAPER", as_of=ahead(60))

    assert early.spent_today == late.spent_today > 0


@pytest.mark.parametrize(
    "trouble",
    [VenueUnreachable("nobody home"), VenueRefused("go away", status=403, body="")],
    ids=lambda t: type(t).__name__,
)
def test_a_venue_that_is_away_refreshes_nothing(trouble):
    class Away:
        def books(self, _tokens):
            raise trouble

    market = factories.MarketFactory()

    assert from_venue([market.pk], NOW, venue=Away()) == 0


def test_strong_may_not_begin_below_medium():
    settings = TradingSettings(
        version=1, created_at=NOW, reason="x", medium_above=0.2, strong_above=0.1
    )

    with pytest.raises(ValidationError, match="must not be below"):
        settings.full_clean()


def test_a_signal_is_put_to_the_gate_once():
    a_market_worth_buying()
    decided()
    signal = Signal.objects.get()

    with pytest.raises(decide.AlreadyDecided, match="another worker"):
        decide._settle(signal, signal.decision)


def test_live_cannot_be_chosen_while_a_gate_is_closed():
    settings = TradingSettings(version=1, created_at=NOW, reason="x", mode="LIVE")

    with pytest.raises(ValidationError, match="LIVE stays closed: ") as refused:
        settings.full_clean()

    assert set(refused.value.message_dict) == {"mode"}
    for gate_ in readiness.unmet(as_of=NOW):
        assert gate_.sentence in str(refused.value)


@pytest.mark.django_db
def test_a_wish_does_not_outlive_its_market():
    market = a_market_worth_buying(scheduled_end_at=ahead(1000))
    factories.trading_settings(intent_expiry_s=3600)

    decided()

    assert TradeIntent.objects.get(market=market).expires_at == ahead(1000)
