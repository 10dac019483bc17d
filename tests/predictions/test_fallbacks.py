"""What fails costs its own part: an expert its voice, a gate its weight, no price the forecast."""

import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from django.conf import settings as django_settings

from config.kernel import audit
from markets import queries as market_queries
from predictions import artefacts, predict, queries, registry, view
from predictions.core import roster
from predictions.core.schema import FEATURES
from predictions.models import Expert, Prediction, PredictionSettings
from tests.factories import NOW, EventFactory, MarketFactory, QuoteFactory, ago
from tests.predictions import served
from tests.predictions.served import Shift, blend, in_service, registered, shifts
from trading.deciding import signals
from trading.models import Signal

pytestmark = pytest.mark.django_db
CONFIG = PredictionSettings(version=1).as_config()


class Raising(Shift):
    """One that answers in training and breaks when it is asked."""

    def correction(self, x, logit, cell):
        if len(logit) > 1:
            raise FloatingPointError("a tree is gone")
        return np.zeros(len(logit))


class Boundless(Shift):
    def correction(self, x, logit, cell):
        return np.full(len(logit), np.inf if len(logit) > 1 else 0.0)


class Huge(Shift):
    """Finite, and too large for the four bytes that are stored."""

    def correction(self, x, logit, cell):
        return np.full(len(logit), 1e39)


class Short(Shift):
    """One answer for all rows, where each has asked for its own."""

    def correction(self, x, logit, cell):
        return np.full(1, 0.3)


@pytest.fixture(autouse=True)
def own_artefacts(settings, tmp_path, monkeypatch):
    settings.ENV = replace(django_settings.ENV, artefact_dir=tmp_path / "artefacts")
    served.known(monkeypatch)
    registry.forget()
    yield
    registry.forget()


def markets(count=2, **facts):
    found = []
    for k in range(count):
        row = MarketFactory(**({"category": "politics"} | facts))
        for seconds in (60, 660):
            QuoteFactory(market=row, at=ago(seconds), bid=0.3 + 0.1 * k, ask=0.32 + 0.1 * k)
        found.append(row)
    return found


def outcomes():
    return list(Prediction.objects.filter(horizon="outcome").order_by("market_id"))


def weights(row):
    return json.loads(row.weights)


@pytest.mark.parametrize("broken", [Raising(), Boundless(), Huge(), Short()])
def test_an_expert_that_fails_is_left_out_and_named_and_the_others_forecast(broken, monkeypatch):
    markets()
    version = in_service(registered(shifts(politics=0.5, recalibration=0.5)))
    bundle = registry.load(version)
    monkeypatch.setitem(bundle.members, "politics", broken)

    predict.run(as_of=NOW)

    for row in outcomes():
        assert row.source == "ENSEMBLE"
        assert row.probability > row.price
        assert set(weights(row)) == {"market", "recalibration"}
        assert np.isnan(registry.corrections(row)).tolist() == [True, False]
    assert served.notes()["politics"].startswith("left out: ")


def test_the_note_goes_when_the_expert_is_well_again(monkeypatch):
    markets()
    version = in_service(registered(shifts(politics=0.5, recalibration=0.5)))
    bundle = registry.load(version)
    with monkeypatch.context() as broken:
        broken.setitem(bundle.members, "politics", Raising())
        predict.run(as_of=NOW)
    assert "politics" in served.notes()

    predict.run(as_of=NOW + timedelta(seconds=1))

    assert served.notes() == {}


def test_where_every_expert_fails_the_forecast_is_the_price_and_no_intent_can_follow(monkeypatch):
    markets()
    version = in_service(registered(shifts(politics=0.5, recalibration=0.5)))
    bundle = registry.load(version)
    for slug in bundle.members:
        monkeypatch.setitem(bundle.members, slug, Raising())

    predict.run(as_of=NOW)
    signals.find(as_of=NOW)

    assert {(row.source, row.probability == row.price) for row in outcomes()} == {("PRICE", True)}
    assert set(Signal.objects.values_list("reason", flat=True)) == {"PRICE_ONLY"}


@pytest.mark.parametrize("stage", ["compute", "forecast"])
def test_where_all_of_the_learning_fails_the_price_is_left(stage, monkeypatch):
    markets()
    in_service(registered(shifts(politics=0.5, recalibration=0.5)))
    module = {"compute": view, "forecast": predict}[stage]
    ours = getattr(module, stage)

    def failing(*arguments, **named):
        if stage == "forecast" and arguments[0] is None:
            return ours(*arguments, **named)
        raise ArithmeticError("everything is broken")

    monkeypatch.setattr(module, stage, failing)

    assert predict.run(as_of=NOW) == 2
    assert {(row.source, row.probability == row.price) for row in outcomes()} == {("PRICE", True)}


def test_a_combination_that_fails_on_its_own_is_tried_once_and_told_once_a_day(monkeypatch):
    markets()
    in_service(registered(shifts(politics=0.5, recalibration=0.5)))
    ours, tried = predict.forecast, []

    def failing(bundle, *arguments, **named):
        if bundle is None:
            return ours(bundle, *arguments, **named)
        tried.append(bundle.label)
        raise ArithmeticError("weights are gone")

    monkeypatch.setattr(predict, "forecast", failing)
    for minutes in (0, 5):
        predict.run(as_of=NOW + timedelta(minutes=minutes))

    assert len(tried) == 2
    assert {row.source for row in outcomes()} == {"PRICE"}
    (raised,) = audit.alerts().filter(subject__startswith="forecast:the gate:")
    assert "without the gate" in raised.data
    assert "weights are gone" in raised.data
    assert served.notes() == {}


def test_experts_that_fail_raise_no_alarm_about_the_gate(monkeypatch):
    markets()
    version = in_service(registered(shifts(politics=0.5, recalibration=0.5)))
    monkeypatch.setitem(registry.load(version).members, "politics", Raising())

    predict.run(as_of=NOW)

    assert not audit.alerts().filter(subject__startswith="forecast:the gate").exists()


@pytest.mark.parametrize(
    ("module", "name", "part"),
    [(market_queries, "context", "context"), (view, "compute", "features")],
)
def test_people_are_told_once_a_day_what_forecasts_are_made_without(
    module, name, part, monkeypatch
):
    markets()

    def failing(*_arguments, **_named):
        raise ArithmeticError("too many levels")

    monkeypatch.setattr(module, name, failing)
    for minutes in (0, 5, 24 * 60):
        predict.run(as_of=NOW + timedelta(minutes=minutes))

    raised = audit.alerts().filter(subject__startswith=f"forecast:{part}:")
    assert raised.count() == 2
    assert all(f"without {part}" in row.data and "too many levels" in row.data for row in raised)


def test_a_market_without_a_price_is_valued_as_nothing_to_trade():
    MarketFactory()

    predict.run(as_of=NOW)
    signals.find(as_of=NOW)

    assert [row.source for row in outcomes()] == ["NEUTRAL"]
    assert list(Signal.objects.values_list("reason", flat=True)) == ["NO_PRICE"]


def test_with_learning_off_the_price_is_forecast_and_vectors_are_still_collected():
    markets()
    in_service(registered(shifts(politics=0.5, recalibration=0.5)))
    in_service(registered({"ahead-1h": Shift(0.2)}, horizon="1h"))
    PredictionSettings.objects.create(version=4, created_at=ago(1), reason="off", enable_ml=False)

    predict.run(as_of=NOW)

    assert Prediction.objects.count() == 2
    for row in outcomes():
        assert (row.source, row.version_id, bytes(row.corrections)) == ("PRICE", None, b"")
        assert len(bytes(row.vector)) == 8 * len(FEATURES)


def test_missing_member_weight_zero_and_reported(settings):
    markets()
    slugs = ("politics", "ends-later", "volume-low", "news-none")
    version = in_service(
        registered(
            {slug: Shift(0.5) for slug in slugs},
            blend=blend(slugs, proportion=(0.35, 0.25, 0.20, 0.20), weight=0.7),
        )
    )
    for member in registry.members(version)[2:]:
        (settings.ENV.artefact_dir / member.file).unlink()
    registry.forget()

    predict.run(as_of=NOW)

    told = weights(outcomes()[0])
    assert told["politics"] / 0.7 == pytest.approx(0.583, abs=1e-3)
    assert told["ends-later"] / 0.7 == pytest.approx(0.417, abs=1e-3)
    assert set(told) == {"market", "politics", "ends-later"}
    assert set(served.notes()) == {"volume-low", "news-none"}
    assert all(note.endswith("is gone") for note in served.notes().values())


def test_a_file_that_comes_back_is_served_again(settings):
    version = in_service(registered(shifts(politics=0.5, recalibration=0.1)))
    file = settings.ENV.artefact_dir / registry.members(version)[0].file
    blob = file.read_bytes()
    file.unlink()
    registry.forget()
    assert set(registry.served().members) == {"recalibration"}

    file.write_bytes(blob)

    assert set(registry.served().members) == {"politics", "recalibration"}


def test_a_member_in_shadow_has_no_weight_but_its_opinion_is_kept():
    markets()
    version = in_service(registered(shifts(politics=0.5, recalibration=0.25)))
    Expert.objects.filter(pk="politics").update(state="SHADOW")

    predict.run(as_of=NOW)

    row = outcomes()[0]
    assert set(weights(row)) == {"market", "recalibration"}
    assert registry.order(version) == ("politics", "recalibration")
    assert registry.corrections(row).tolist() == [0.5, 0.25]
    assert row.cap == CONFIG.correction_cap


@pytest.mark.parametrize("state", ["SHADOW", "PROBATION"])
def test_a_gate_in_shadow_forecasts_the_price_bit_by_bit_and_keeps_what_its_members_say(state):
    markets()
    version = in_service(registered(shifts(politics=0.5, recalibration=0.25)), state=state)

    predict.run(as_of=NOW)

    for row in outcomes():
        assert (row.source, row.probability, row.version_id) == ("PRICE", row.price, version.pk)
        assert weights(row) == {"market": 1.0}
        assert registry.corrections(row).tolist() == [0.5, 0.25]
    assert registry.served() is None


def other_libraries(monkeypatch):
    here = artefacts.versions()
    major, minor, *_ = here["lightgbm"].split(".")
    changed = here | {"lightgbm": f"{major}.{int(minor) + 1}.0"}
    monkeypatch.setattr(artefacts, "versions", lambda: changed)


def test_version_mismatch_forces_shadow(monkeypatch):
    markets()
    version = in_service(registered(shifts(politics=0.5, recalibration=0.25)))
    other_libraries(monkeypatch)

    predict.run(as_of=NOW)

    row = outcomes()[0]
    assert (row.source, row.probability, row.version_id) == ("PRICE", row.price, version.pk)
    assert registry.corrections(row).tolist() == [0.5, 0.25]
    assert served.notes()["gate"].startswith("not served: trained with lightgbm")
    with pytest.raises(registry.LibraryMismatch):
        registry.place("gate", state="ACTIVE", version=version, actor="ada", as_of=NOW)


def test_a_revalidated_version_serves_until_the_libraries_change_again(monkeypatch):
    version = in_service(registered(shifts(politics=0.5, recalibration=0.25)))
    other_libraries(monkeypatch)
    assert registry.served() is None

    registry.revalidate(version, evidence={"events": 300}, actor="ada", as_of=NOW)

    assert registry.served().version == version.pk
    other_libraries(monkeypatch)
    assert registry.served() is None


def test_prices_ahead_are_forecast_where_their_gate_has_a_version_and_share_the_vector():
    (market,) = markets(1)
    in_service(registered(shifts(politics=0.5, recalibration=0.25)))
    ahead = in_service(registered({"ahead-1h": Shift(0.4)}, horizon="1h"))

    assert predict.run(as_of=NOW) == 2

    found = queries.ahead(market.pk, as_of=NOW)
    assert list(found) == ["1h", "outcome"]
    assert bytes(found["1h"].vector) == b""
    assert found["1h"].version_id == ahead.pk
    assert registry.corrections(found["1h"]).tolist() == pytest.approx([0.4])
    assert len(bytes(found["outcome"].vector)) == 8 * len(FEATURES)


@pytest.mark.parametrize("horizon", roster.HORIZONS)
def test_load_wrong_horizon_raises(horizon):
    members = {role.slug: Shift(0.1) for role in roster.members(horizon)[:1]}
    version = registered(members, horizon=horizon)

    assert version.expert_id == roster.gate(horizon)
    for other in set(roster.HORIZONS) - {horizon}:
        with pytest.raises(registry.WrongHorizon, match=f"forecasts {horizon}, not {other}"):
            registry.load(version, horizon=other)
    assert registry.load(version, horizon=horizon).horizon == horizon


def test_members_of_another_horizon_are_not_registered():
    with pytest.raises(ValueError, match="one version, one horizon"):
        registered({"ahead-1h": Shift(0.1)}, horizon="24h")


def test_no_trust_is_the_price_bit_by_bit():
    markets()
    in_service(registered(shifts(politics=0.5, recalibration=0.25)))

    predict.run(as_of=NOW, trust={"outcome": 0.0})

    assert {(row.source, row.probability == row.price) for row in outcomes()} == {("PRICE", True)}


def test_what_produced_a_forecast_is_told_in_words():
    markets(1)
    MarketFactory()
    in_service(registered(shifts(politics=0.5, recalibration=0.25)))
    predict.run(as_of=NOW)

    known, unknown = outcomes()

    assert queries.origin(known) == "experts in fixed weights (version 1)"
    assert queries.origin(unknown) == "one half, for want of a price; never traded"
    told = queries.shares(known)
    assert [share.name for share in told] == ["Market price", "Politics", "Recalibrated price"]
    assert sum(share.weight for share in told) == pytest.approx(1)
    assert queries.shares(unknown) == []


def share(of_events):
    PredictionSettings.objects.create(
        version=4, created_at=ago(1), reason="compare", challenger_share=of_events
    )


def challenged():
    champion = in_service(registered(shifts(politics=0.5, recalibration=0.25)))
    rival = registered(shifts(politics=-0.5, recalibration=-0.25))
    registry.challenge("gate", version=rival, actor="ada", as_of=NOW)
    return champion, rival


def test_a_challenger_forecasts_nothing_until_it_is_given_a_share():
    markets(4)
    champion, _ = challenged()

    predict.run(as_of=NOW)

    assert {row.version_id for row in outcomes()} == {champion.pk}


def test_a_challenger_forecasts_its_share_of_events_and_always_the_same_ones():
    share(0.5)
    rows = [m for _ in range(12) for m in markets(2, event=EventFactory())]
    champion, rival = challenged()

    predict.run(as_of=NOW)
    registry.forget()
    predict.run(as_of=NOW + timedelta(seconds=1))

    made = list(Prediction.objects.values_list("market__event", "version", "as_of"))
    assert len(made) == 2 * len(rows)
    of_event = {event: {v for e, v, _ in made if e == event} for event, _, _ in made}
    assert all(len(versions) == 1 for versions in of_event.values())
    assert set.union(*of_event.values()) == {champion.pk, rival.pk}
    for row in Prediction.objects.all():
        assert (row.probability > row.price) == (row.version_id == champion.pk)


def test_the_share_of_events_is_as_asked_and_the_draw_never_changes():
    events = np.arange(20_000)

    drawn = predict.draw(events)

    assert np.mean(drawn < 0.1) == pytest.approx(0.1, abs=0.01)
    assert predict.draw(np.array([7, 7, 8])).tolist() == [drawn[7], drawn[7], drawn[8]]


def test_a_challenger_that_cannot_be_served_leaves_the_champion_alone(settings):
    share(0.5)
    markets(4)
    champion, rival = challenged()
    (settings.ENV.artefact_dir / rival.file).write_bytes(b"scrap")
    registry.forget()

    predict.run(as_of=NOW)

    assert {row.version_id for row in outcomes()} == {champion.pk}
