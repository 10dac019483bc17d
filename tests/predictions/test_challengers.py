"""A challenger forecasts with whom states give weight: what wins the contest is what serves."""

from dataclasses import replace

import pytest

from mlops import lifecycle
from predictions import predict, registry
from predictions.models import Expert, Prediction, PredictionSettings
from tests.factories import NOW, EventFactory, MarketFactory, QuoteFactory, ago
from tests.predictions import served
from tests.predictions.served import in_service, registered, shifts

pytestmark = pytest.mark.django_db
OUT = ("UNTRAINED", "SHADOW", "PROBATION", "SUSPENDED", "DEPRECATED")


@pytest.fixture(autouse=True)
def artefacts(tmp_path, settings, monkeypatch):
    served.known(monkeypatch)
    settings.ENV = replace(settings.ENV, artefact_dir=tmp_path)
    registry.forget()


def challenged(**of_rival):
    """A champion and its rival, which forecasts half of twelve events."""
    PredictionSettings.objects.create(
        version=4, created_at=ago(1), reason="compare", challenger_share=0.5
    )
    for _ in range(12):
        market = MarketFactory(event=EventFactory())
        QuoteFactory(market=market, at=ago(60), bid=0.59, ask=0.61)
    in_service(registered(shifts(politics=0.5, recalibration=0.25)))
    rival = registered(shifts(**of_rival))
    registry.challenge("gate", version=rival, actor="ada", as_of=NOW)
    return rival


def said(version):
    """What a version forecast, as one answer: every market has the same price."""
    predict.run(as_of=NOW)
    rows = Prediction.objects.filter(version=version, horizon="outcome")
    (answer,) = {(row.source, round(row.probability, 12), row.weights) for row in rows}
    return answer


@pytest.mark.parametrize("state", OUT)
def test_a_member_that_is_out_has_no_weight_in_a_challenger_either(state):
    rival = challenged(politics=-0.5, recalibration=0.25)
    Expert.objects.filter(slug="politics").update(state=state)

    _, probability, weights = said(rival)

    assert "politics" not in weights
    assert probability > 0.6


def test_a_challenger_whose_members_are_all_out_is_the_price():
    rival = challenged(politics=-0.5, recalibration=-0.25)
    Expert.objects.filter(slug__in=("politics", "recalibration")).update(state="SHADOW")

    source, probability, _ = said(rival)

    assert (source, probability) == ("PRICE", 0.6)


@pytest.mark.parametrize("state", ["ACTIVE", "SHADOW", "PROBATION", "SUSPENDED"])
def test_what_was_compared_is_what_serves_after_it_has_won(state):
    rival = challenged(politics=-0.5, recalibration=0.25)
    Expert.objects.filter(slug="politics").update(state=state)
    compared = registry.examined().challenger

    registry.challenge("gate", version=None, actor="review", as_of=NOW)
    lifecycle.promote("gate", version=rival, evidence={}, actor="review", as_of=NOW)

    serving = registry.served()
    assert serving.version == compared.version == rival.pk
    assert [s for s in serving.order if serving.follows(s)] == [
        s for s in compared.order if compared.follows(s)
    ]
