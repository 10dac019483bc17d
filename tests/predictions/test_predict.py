"""Forecasts are rows: one per market and instant, with the vector, from fresh prices only."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings as django_settings

from markets import queries as market_queries
from predictions import predict, queries, registry
from predictions.core.estimators import Recalibration
from predictions.core.schema import LOOKBACK_S, NAMES, SCHEMA_HASH
from predictions.models import Expert, Prediction, PredictionSettings
from predictions.view import look, seen
from tests.factories import NOW, EventFactory, MarketFactory, QuoteFactory, ago
from tests.predictions.test_ensemble import blend
from tests.predictions.worlds import in_service

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_artefacts(settings, tmp_path):
    settings.ENV = replace(django_settings.ENV, artefact_dir=tmp_path / "artefacts")
    registry.forget()
    yield
    registry.forget()


def quoted(*, price=0.4, every=600, last=60, count=20, **market):
    """A market with quotes every `every` seconds, the last one `last` seconds old."""
    row = MarketFactory(**market)
    for i in range(count):
        p = price + 0.01 * (i % 3)
        QuoteFactory(market=row, at=ago(last + every * i), bid=p - 0.01, ask=p + 0.01, book=None)
    return row


def serve_recalibration():
    """An ACTIVE gate that follows a bent price in every cell."""
    member = Recalibration(root_=(0.1, 0.3))
    version = registry.register(
        members={"recalibration": member},
        blend=blend(experts=("recalibration",), cells=tuple(range(200))),
        span=registry.Span(data_from=ago(9e6), data_until=ago(9e5), rows=10, events=10),
        seed=1,
        trials=1,
        actor="ada",
        as_of=NOW,
    )
    return in_service(version)


def vector(prediction):
    """The stored features by name."""
    values = np.frombuffer(bytes(prediction.vector), dtype="<f8")
    return dict(zip(NAMES, values.tolist(), strict=True))


def test_without_a_model_every_fresh_market_is_forecast_at_its_price():
    market = quoted(price=0.4)

    assert predict.run(as_of=NOW) == 1

    row = Prediction.objects.get()
    assert (row.market_id, row.as_of, row.source) == (market.pk, NOW, "PRICE")
    assert row.probability == row.price == pytest.approx(0.4)
    assert row.version_id is None
    assert json.loads(row.weights) == {"market": 1.0}
    assert row.schema_hash == SCHEMA_HASH


def test_a_served_model_moves_the_forecast_and_is_named():
    quoted(price=0.7)
    version = serve_recalibration()

    predict.run(as_of=NOW)

    row = Prediction.objects.get()
    assert row.source == "EXPERTS"
    assert row.version_id == version.pk
    assert row.probability > row.price
    assert row.sigma > 0
    assert json.loads(row.weights) == pytest.approx({"market": 0.6, "recalibration": 0.4})


def test_a_second_run_for_the_same_instant_adds_nothing():
    quoted()

    assert predict.run(as_of=NOW) == 1
    assert predict.run(as_of=NOW) == 0
    assert predict.run(as_of=NOW + timedelta(seconds=1)) == 1


def test_a_restart_changes_no_forecast():
    quoted(price=0.7)
    serve_recalibration()
    predict.run(as_of=NOW)
    registry.forget()
    predict.run(as_of=NOW + timedelta(microseconds=1))

    first, second = Prediction.objects.order_by("as_of")

    assert first.probability == pytest.approx(second.probability, abs=1e-12)
    assert first.version_id == second.version_id


def test_a_market_without_a_fresh_price_is_one_half_without_a_price_and_says_so_hourly():
    stale = quoted(last=3601)
    MarketFactory()
    one_sided = MarketFactory()
    QuoteFactory(market=one_sided, at=ago(5), bid=None, book=None)

    assert predict.run(as_of=NOW) == 3
    assert predict.run(as_of=NOW + timedelta(minutes=5)) == 0
    assert predict.run(as_of=NOW + timedelta(minutes=61)) == 3

    row = Prediction.objects.filter(market=stale).order_by("as_of")[0]
    assert (row.source, row.price, row.probability, row.sigma) == ("NEUTRAL", None, 0.5, 0.5)
    assert (bytes(row.vector), row.schema_hash, row.version_id) == (b"", "", None)


@pytest.mark.parametrize("price", [0.0, 1.0, 5.0, -1.0, np.inf, 1e300])
def test_a_price_that_is_no_probability_is_none_and_costs_its_own_market_only(price):
    sound, absurd = quoted(price=0.7), quoted(price=0.7)
    serve_recalibration()
    since = NOW - timedelta(seconds=LOOKBACK_S)
    ids = [sound.pk, absurd.pk]
    series = market_queries.quote_series(ids, since=since, as_of=NOW)
    facts = market_queries.facts(ids, as_of=NOW)
    at = facts.market_id.tolist().index(absurd.pk)
    spoilt = series.price.copy()
    spoilt[series.starts[at + 1] - 1] = price
    series = replace(series, price=spoilt)
    config = PredictionSettings(version=1).as_config()

    view = seen(ids, series, facts, None, as_of=NOW, config=config)
    (_, made, bundle), *_ = predict.forecasts(view, registry.examined(), config)[0]

    assert view.silent.tolist() == [absurd.pk]
    assert view.market_id.tolist() == [sound.pk]
    assert bundle is not None
    assert made.source.tolist() == ["EXPERTS"]


def test_silence_after_a_price_is_news_at_once():
    market = quoted(last=3500)
    predict.run(as_of=NOW)

    predict.run(as_of=NOW + timedelta(minutes=5))
    predict.run(as_of=NOW + timedelta(minutes=10))

    sources = Prediction.objects.filter(market=market).order_by("as_of")
    assert list(sources.values_list("source", flat=True)) == ["PRICE", "NEUTRAL"]


def test_the_settings_decide_how_old_a_price_may_be_and_are_named():
    quoted(last=3601)
    PredictionSettings.objects.create(
        version=4, created_at=ago(1), reason="slow venue", max_quote_age_s=7200
    )

    assert predict.run(as_of=NOW) == 1
    assert Prediction.objects.get().settings_version == 4


def test_quotes_learned_later_do_not_matter():
    market = quoted(price=0.4)
    QuoteFactory(
        market=market, observed_at=ago(1), received_at=NOW + timedelta(seconds=1), bid=0.9, ask=0.92
    )

    predict.run(as_of=NOW)

    assert Prediction.objects.get().price == pytest.approx(0.4)


def test_only_followed_markets_are_forecast_unless_asked_for():
    quoted(tracked=False)
    wanted = quoted(tracked=False)

    assert predict.run(as_of=NOW) == 0
    assert predict.run(as_of=NOW, market_ids=[wanted.pk]) == 1
    assert predict.run(as_of=NOW, market_ids=[]) == 0


def test_asking_for_one_market_gives_the_vector_of_the_whole_run():
    event = EventFactory(neg_risk=True)
    family = [quoted(price=p, event=event, neg_risk=True) for p in (0.2, 0.3, 0.4)]
    predict.run(as_of=NOW)
    together = queries.latest([m.pk for m in family], as_of=NOW)

    config = PredictionSettings.objects.current(as_of=NOW).as_config()
    alone = look([family[1].pk], as_of=NOW, config=config)

    stored = vector(together[family[1].pk])
    np.testing.assert_array_equal(alone.x[0], [stored[name] for name in NAMES])
    assert stored["event_markets"] == 3
    assert stored["event_rank"] == 2
    assert stored["mid"] == pytest.approx(0.3)


def test_a_market_that_was_learned_of_later_does_not_exist_yet():
    event = EventFactory()
    known = quoted(event=event)
    later = quoted(event=event, received_at=NOW + timedelta(hours=1))

    assert predict.run(as_of=NOW, market_ids=[known.pk, later.pk]) == 1
    assert vector(Prediction.objects.get())["event_markets"] == 1


def test_latest_is_the_newest_known_by_then():
    market, other = quoted(), quoted()
    for seconds in (0, 60, 120):
        predict.run(as_of=NOW + timedelta(seconds=seconds), market_ids=[market.pk])

    found = queries.latest([market.pk, other.pk], as_of=NOW + timedelta(seconds=90))

    assert list(found) == [market.pk]
    assert found[market.pk].as_of == NOW + timedelta(seconds=60)
    assert queries.latest([market.pk], as_of=ago(1)) == {}


def test_a_version_that_cannot_be_served_is_named_until_it_is_back():
    quoted(price=0.7)
    version = serve_recalibration()
    registry.forget()
    path = Path(django_settings.ENV.artefact_dir) / version.file
    blob = path.read_bytes()
    path.write_bytes(b"")

    predict.run(as_of=NOW)

    assert Prediction.objects.get().source == "PRICE"
    assert Expert.objects.get(pk="gate").note.startswith("not served: ")
    path.write_bytes(blob)
    predict.run(as_of=NOW + timedelta(seconds=1))
    assert Expert.objects.get(pk="gate").note == ""


def test_a_quote_of_the_whole_look_back_is_read_and_none_before_it():
    market = quoted(count=1)
    QuoteFactory(market=market, at=ago(LOOKBACK_S), bid=0.2, ask=0.22, book=None)
    config = PredictionSettings.objects.current(as_of=NOW).as_config()
    before = look([market.pk], as_of=NOW, config=config)
    QuoteFactory(market=market, at=ago(LOOKBACK_S + 1), bid=0.8, ask=0.82, book=None)

    after = look([market.pk], as_of=NOW, config=config)

    np.testing.assert_array_equal(before.x, after.x)


@pytest.mark.process
@pytest.mark.one_database  # what a child imports depends on no database
def test_what_web_processes_read_loads_no_learning_library():
    program = (
        "import django, sys; django.setup(); import predictions.queries, predictions.registry; "
        "print([m for m in ('numba', 'lightgbm', 'sklearn', 'scipy') if m in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=django_settings.BASE_DIR,
        check=True,
    )

    assert done.stdout.strip() == "[]"
