"""Storage is bounded: a vector once an interval or where it matters, a price ahead twelve times."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.conf import settings as django_settings

from mlops import ahead, collect, labels
from mlops.models import LearningSettings
from predictions import keeping, predict, registry, view
from predictions.core.schema import FEATURES, SCHEMA_HASH
from predictions.models import Prediction, PredictionSettings
from tests.factories import (
    NOW,
    EventFactory,
    MarketFactory,
    PredictionFactory,
    QuoteFactory,
    ResolutionFactory,
    ago,
)
from tests.predictions import served
from tests.predictions.served import Shift, in_service, registered, shifts
from tests.revised import prediction_settings
from trading.deciding import signals
from trading.models import Signal

pytestmark = pytest.mark.django_db
CONFIG = PredictionSettings(version=1).as_config()
LEARNING = LearningSettings(version=0).as_config()
WHOLE = 8 * len(FEATURES)
# The hour of the clock has just begun: five-minute cycles from here are all in one interval.
START = NOW.replace(minute=0, second=5, microsecond=0)


@pytest.fixture(autouse=True)
def own_artefacts(settings, tmp_path, monkeypatch):
    settings.ENV = replace(django_settings.ENV, artefact_dir=tmp_path / "artefacts")
    served.known(monkeypatch)
    registry.forget()
    yield
    registry.forget()


def quoted(**facts):
    row = MarketFactory(**({"category": "politics"} | facts))
    for k in range(3):
        at = START - timedelta(seconds=60) + timedelta(hours=k / 2)
        QuoteFactory(market=row, at=at, bid=0.4, ask=0.42)
    return row


def cycles(*minutes):
    for each in minutes:
        predict.run(as_of=START + timedelta(minutes=each))


def sizes(market, horizon="outcome"):
    rows = Prediction.objects.filter(market=market, horizon=horizon).order_by("as_of")
    return [len(bytes(row.vector)) for row in rows]


def test_a_market_keeps_one_vector_an_interval_of_the_clock_and_a_row_each_cycle():
    market = quoted()

    cycles(0, 5, 10, 55, 60, 65)

    assert sizes(market) == [WHOLE, 0, 0, 0, WHOLE, 0]


def test_a_market_that_is_first_seen_within_the_interval_keeps_its_first_vector():
    old = quoted()
    cycles(0)
    new = quoted()

    cycles(5, 10)

    assert sizes(old) == [WHOLE, 0, 0]
    assert sizes(new) == [WHOLE, 0]


def test_silence_and_failed_features_do_not_use_up_the_interval(monkeypatch):
    market = quoted()

    def broken(*_):
        raise FloatingPointError("no features")

    with monkeypatch.context() as patch:
        patch.setattr(view, "compute", broken)
        cycles(0)
    PredictionFactory(market=market, as_of=START, source="NEUTRAL", vector=b"", horizon="1h")
    cycles(5, 10)

    assert sizes(market) == [0, WHOLE, 0]


def test_an_interval_of_zero_keeps_every_vector():
    prediction_settings(vector_every_s=0)
    market = quoted()

    cycles(0, 5, 10)

    assert sizes(market) == [WHOLE] * 3


def epoch_market(window_s):
    facts = {
        "category": "crypto",
        "window_s": window_s,
        "epoch_start_at": START,
        "scheduled_end_at": START + timedelta(seconds=window_s),
    }
    return quoted(**facts)


def left_with_vector(market, end):
    rows = Prediction.objects.filter(market=market, horizon="outcome").exclude(vector=b"")
    return [
        (end - at).total_seconds() for at in rows.order_by("as_of").values_list("as_of", flat=True)
    ]


def test_an_epoch_keeps_a_vector_at_every_minute_left_and_half_a_minute_before_its_end():
    epoch = epoch_market(300)
    end = START + timedelta(minutes=5)

    cycles(*(2 + k / 6 for k in range(18)))  # every ten seconds

    assert left_with_vector(epoch, end) == [180, 120, 60, 30]


def test_an_epoch_of_a_day_keeps_one_vector_a_minute_where_cycles_come_late():
    epoch = epoch_market(86_400)
    end = START + timedelta(days=1)

    cycles(*((3 + 10 * k) / 60 for k in range(13)))

    assert left_with_vector(epoch, end) == [86_400 - 3, 86_400 - 63, 86_400 - 123]


def test_an_epoch_whose_forecasts_move_away_from_the_price_keeps_every_vector():
    epoch = epoch_market(900)
    in_service(registered({"recalibration": Shift(1.0), "crypto": Shift(1.0)}))

    cycles(0, 1 / 6, 2 / 6)

    assert sizes(epoch) == [WHOLE] * 3


def test_a_forecast_that_moves_away_from_the_price_keeps_its_vector():
    market = quoted()
    in_service(registered(shifts(politics=0.5, recalibration=0.5)))
    cycles(0, 5)
    moves = [abs(row.probability - row.price) for row in Prediction.objects.all()]
    assert min(moves) > CONFIG.vector_min_move
    assert sizes(market) == [WHOLE, WHOLE]

    prediction_settings(vector_min_move=min(0.05, min(moves) + 1e-6))
    cycles(10)

    assert sizes(market) == [WHOLE, WHOLE, 0]


def test_every_signal_to_trade_has_the_vector_of_its_forecast():
    market = quoted(tracked=True)
    in_service(registered(shifts(politics=2.5, recalibration=2.5)))
    cycles(0, 5)
    at = START + timedelta(minutes=5)
    # The book falls just after a forecast that only repeats the price, and keeps no inputs.
    late = PredictionFactory(
        market=market, as_of=at + timedelta(seconds=1), price=0.41, probability=0.412, vector=b""
    )
    QuoteFactory(market=market, at=at + timedelta(seconds=1), bid=0.1, ask=0.12)

    signals.find(as_of=at + timedelta(seconds=2))

    passed = Signal.objects.filter(reason="PASSED").select_related("prediction")
    assert passed
    assert {len(bytes(signal.prediction.vector)) for signal in passed} == {WHOLE}
    assert Signal.objects.get(prediction=late).reason == "PRICE_ONLY"


def test_a_price_ahead_is_written_twelve_times_in_its_horizon_and_each_cycle_at_most():
    market = quoted()
    in_service(registered({"ahead-5m": Shift(0.4)}, horizon="5m"))
    in_service(registered({"ahead-1h": Shift(0.4)}, horizon="1h"))
    in_service(registered({"ahead-24h": Shift(0.4)}, horizon="24h"))
    assert keeping.opened(START, every=7200) < START

    cycles(0, 1, 4, 5, 30, 59)

    assert len(sizes(market, "5m")) == 6
    assert len(sizes(market, "1h")) == 4  # five minutes apart: 0, 5, 30 and 59
    assert len(sizes(market, "24h")) == 1
    assert set(sizes(market, "1h")) == {0}


def test_a_sibling_that_is_due_is_forecast_with_its_event_and_written_alone():
    event = EventFactory(neg_risk=True)
    first = quoted(event=event, neg_risk=True)
    in_service(registered({"ahead-24h": Shift(0.4)}, horizon="24h"))
    cycles(0)
    second = quoted(event=event, neg_risk=True)

    cycles(5)

    assert len(sizes(first, "24h")) == 1
    assert len(sizes(second, "24h")) == 1


def test_what_is_learned_and_counted_are_the_vectors():
    market = MarketFactory()
    bodies = [b"", b"\0" * WHOLE, b"", b""]
    for k, body in enumerate(bodies):
        PredictionFactory(
            market=market, as_of=ago(7200 - 300 * k), schema_hash=SCHEMA_HASH, vector=body
        )
    only_empty = MarketFactory()
    PredictionFactory(market=only_empty, as_of=ago(7200), schema_hash=SCHEMA_HASH, vector=b"")
    for each in (market, only_empty):
        ResolutionFactory(market=each, payout_0=1, resolved_at=ago(60), received_at=ago(60))

    assert labels.learned(as_of=NOW).rows == 1
    assert labels.count_since(ago(86400), as_of=NOW) == 1
    assert ahead.count_since(ago(86400), horizon="1h", as_of=NOW, config=LEARNING) == 1
    bars = {bar.name: bar.have for bar in collect.progress(as_of=NOW).minimum}
    assert bars["labelled decisions"] == 1


def test_a_later_price_is_learned_from_the_row_that_has_the_vector():
    market = MarketFactory()
    step = NOW.replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    for minutes, body in ((1, b""), (6, b"\0" * WHOLE), (11, b"")):
        PredictionFactory(
            market=market,
            as_of=step + timedelta(minutes=minutes),
            schema_hash=SCHEMA_HASH,
            vector=body,
        )
    QuoteFactory(market=market, at=step + timedelta(minutes=66, seconds=30), bid=0.6, ask=0.62)

    found = ahead.learned(horizon="1h", as_of=NOW, config=LEARNING)

    assert found.rows == 1
    assert found.as_of.tolist() == [(step + timedelta(minutes=6)).timestamp()]
