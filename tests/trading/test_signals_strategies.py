"""Who may trade: the model while it is on, the explainable strategy while it is off."""

import json
from dataclasses import asdict, replace
from decimal import Decimal

import numpy as np
import pytest
from django.conf import settings as django_settings
from django.core.exceptions import ValidationError
from hypothesis import given, settings
from hypothesis import strategies as st

from config.kernel import audit
from markets.models import CohortMood, Market
from predictions import predict, registry
from predictions.models import PredictionSettings
from risk.models import RiskDecision, RiskLimits
from tests import factories
from tests.factories import NOW, ago, ahead
from tests.predictions import served
from tests.trading.candidates import trading_config
from tests.trading.world import a_market_worth_buying, books_are_open, decided, nobody_answers
from trading import queries
from trading.core import baseline
from trading.core.reasons import Reason
from trading.deciding import budgets, decide, signals
from trading.models import Signal, TradeIntent
from trading.settings import TradingSettings

CONFIG = trading_config()


def a_mood(market: Market, mood: float) -> None:
    CohortMood.objects.create(
        market=market, cohort="SKILLED", as_of=ago(5), mood=mood, wallets=9, dollars=1e4
    )


def a_priced_market(mood=None):
    market = factories.MarketFactory()
    factories.QuoteFactory(market=market, at=ago(1))
    factories.PredictionFactory(
        market=market, as_of=ago(1), probability=0.5, source="PRICE", vector=b""
    )
    if mood is not None:
        a_mood(market, mood)
    return market


@given(price=st.floats(0.001, 0.999))
@settings(max_examples=50)
def test_baseline_without_information_has_zero_edge(price):
    nothing = np.array([np.nan])

    said = baseline.value(np.array([price]), mood=nothing, weight_of_bids=nothing, config=CONFIG)

    assert said[0] == price


def test_the_baseline_moves_from_the_price_and_not_to_one_half():
    prices, nothing = np.array([0.05, 0.95]), np.full(2, np.nan)

    up = baseline.value(prices, mood=np.full(2, 1.0), weight_of_bids=nothing, config=CONFIG)
    down = baseline.value(prices, mood=np.full(2, -1.0), weight_of_bids=nothing, config=CONFIG)

    assert (up > prices).all()
    assert (down < prices).all()
    assert (np.abs(up - prices) < 0.02).all()


@pytest.mark.django_db
def test_the_baseline_trades_only_while_learning_is_off():
    factories.trading_settings(baseline=True, baseline_mood_weight=1.0)
    factories.prediction_settings(enable_ml=False)
    market = a_priced_market(mood=1.0)

    assert decided() == 1

    intent = TradeIntent.objects.get()
    assert (intent.strategy, intent.market) == ("baseline", market)


@pytest.mark.django_db
@pytest.mark.parametrize("knobs", [{"baseline": False}, {"baseline": True}])
def test_a_price_is_never_traded_on(knobs):
    factories.trading_settings(**knobs)
    factories.prediction_settings(enable_ml=False)
    a_priced_market()

    assert decided() == 0
    assert Signal.objects.get().reason == Reason.PRICE_ONLY


@pytest.mark.django_db
def test_pure_mode_blocks_baseline_orders():
    factories.trading_settings(baseline=True, baseline_mood_weight=1.0)
    a_priced_market(mood=1.0)

    assert decided() == 0
    assert Signal.objects.get().reason == Reason.PRICE_ONLY


@pytest.mark.django_db
def test_learning_switched_on_after_the_signal_blocks_it_all_the_same():
    factories.trading_settings(baseline=True, baseline_mood_weight=1.0)
    factories.prediction_settings(enable_ml=False)
    a_priced_market(mood=1.0)
    books_are_open()
    signals.find(as_of=NOW)
    factories.prediction_settings(enable_ml=True)
    PredictionSettings.objects.filter(enable_ml=True).update(created_at=ahead(60))

    assert decide.run(as_of=NOW, refresh=nobody_answers) == 0
    assert RiskDecision.objects.get().denials == "PURE_MODE"


@pytest.fixture
def own_artefacts(settings, tmp_path, monkeypatch):
    settings.ENV = replace(django_settings.ENV, artefact_dir=tmp_path / "artefacts")
    served.known(monkeypatch)
    registry.forget()
    yield
    registry.forget()


@pytest.mark.django_db
@pytest.mark.usefixtures("own_artefacts")
def test_ml_exception_produces_no_intent_and_counts(monkeypatch):
    factories.trading_settings(baseline=True, baseline_mood_weight=1.0)
    market = factories.MarketFactory()
    for seconds in (660, 1):
        factories.QuoteFactory(market=market, at=ago(seconds))
    a_mood(market, 1.0)
    served.in_service(served.registered(served.shifts(politics=3.0)))
    monkeypatch.setattr(predict, "forecast", raising_with_a_version(predict.forecast))

    predict.run(as_of=NOW, market_ids=[market.pk])

    assert decided() == 0
    assert not TradeIntent.objects.exists()
    assert ("signalled", "PRICE_ONLY", 1) in queries.funnel(since=ago(60), as_of=NOW)
    assert signals.stopped_by(since=ago(60), as_of=NOW) == [("PRICE_ONLY", 1)]
    assert audit.alerts().filter(subject__startswith="forecast:the gate").count() == 1


def raising_with_a_version(forecast):
    def raising(bundle, *arguments, **options):
        if bundle is not None:
            raise FloatingPointError("the combination is gone")
        return forecast(bundle, *arguments, **options)

    return raising


@pytest.mark.django_db
def test_consensus_is_asked_per_horizon_and_counted_by_reason():
    factories.trading_settings(require_consensus="1-7d >7d")
    agreeing, opposing, unheard = (a_market_worth_buying() for _ in range(3))
    a_mood(agreeing, 0.5)
    a_mood(opposing, -0.5)
    soon = a_market_worth_buying(scheduled_end_at=ahead(7200))

    assert decided() == 2

    said = dict(Signal.objects.values_list("market", "reason"))
    assert said == {
        agreeing.pk: "PASSED",
        opposing.pk: "NO_CONSENSUS",
        unheard.pk: "NO_MOOD",
        soon.pk: "PASSED",
    }
    assert signals.stopped_by(since=ago(60), as_of=NOW) == [("NO_CONSENSUS", 1), ("NO_MOOD", 1)]


@pytest.mark.django_db
def test_strength_boundaries_and_the_class_that_a_profile_asks_for():
    factories.trading_settings(profile="SELECTIVE")
    a_market_worth_buying(probability=0.61)
    strong = a_market_worth_buying(probability=0.75)

    assert decided() == 1
    assert TradeIntent.objects.get().market == strong
    assert signals.stopped_by(since=ago(60), as_of=NOW) == [("WEAK", 1)]


@pytest.mark.django_db
def test_unknown_volume_caps_size():
    known = a_market_worth_buying()
    a_market_worth_buying(volume=None, quote={"volume_24h": None})

    assert decided() == 2

    large, small = TradeIntent.objects.order_by("signal_id")
    assert large.market == known
    assert small.shares * small.limit_price <= Decimal(50) < large.shares * large.limit_price
    said = json.loads(small.decision.detail)
    assert said["gates"] == {"volume": "SKIPPED_UNKNOWN"}
    assert "UNKNOWN_VOLUME" in said["bound_by"]
    assert json.loads(large.decision.detail)["gates"] == {}


@pytest.mark.django_db
def test_decision_record_contains_thresholds():
    a_market_worth_buying()
    a_market_worth_buying(min_shares=Decimal(100_000))
    decided()

    config = TradingSettings.objects.current(as_of=NOW).as_config()
    for row in RiskDecision.objects.all():
        said = json.loads(row.detail)
        # Beside the trading settings, how entries are sent.
        assert set(said["settings"]) == {*asdict(config), "entry_style", "rest_s"}
        assert said["settings"]["min_net_edge"] == config.min_net_edge
        assert said["limits"]["max_edge_eaten"] == "0.30"


@pytest.mark.django_db
def test_a_horizon_that_lost_to_the_price_has_less_capital():
    lost = [a_market_worth_buying(event=factories.EventFactory()) for _ in range(8)]
    decided()
    for market in lost:
        factories.ResolutionFactory(market=market, payout_0=Decimal(0), resolved_at=NOW)
    config = TradingSettings.objects.current(as_of=NOW).as_config()

    trusted = budgets.trusted(config, as_of=NOW)

    assert set(trusted) == {("default", ">7d")}
    assert trusted["default", ">7d"] < 0.2


@pytest.mark.django_db
def test_a_budget_bounds_what_a_strategy_holds_on_a_horizon():
    factories.risk_limits(max_category=1, max_event=1, max_total=Decimal("0.05"))
    factories.trading_settings(capital_by="share", capital_floor=0.1)
    limits = RiskLimits.objects.current(as_of=NOW).as_config()
    config = TradingSettings.objects.current(as_of=NOW).as_config()
    found = budgets.Budgets(limits, config, as_of=NOW)

    assert found.of(("default", "1-7d"), equity=Decimal(10_000)) == Decimal(500)
    assert (
        budgets.Budgets(limits, replace(config, capital_by="OFF"), as_of=NOW).of(
            ("default", "1-7d"), equity=Decimal(10_000)
        )
        is None
    )


@pytest.mark.django_db
def test_a_horizon_that_needs_consent_exists():
    settings_ = TradingSettings(version=1, created_at=NOW, reason="x", require_consensus="1-6h 2h")

    with pytest.raises(ValidationError, match="2h is no horizon"):
        settings_.full_clean()
