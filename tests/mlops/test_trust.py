"""Trust follows what the version in service would have said, and nobody else's answers."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from mlops import trust
from mlops.models import LearningSettings, OnlineWeights
from predictions import predict, registry
from predictions.core.ensemble import untrusted
from predictions.models import Expert, ModelVersion, Prediction
from tests import factories as make
from tests.factories import NOW
from tests.mlops.experts import answered, trained
from tests.predictions import served

DAY = datetime(2026, 11, 20, tzinfo=UTC)
AFTER = DAY + timedelta(days=1, hours=1)
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def artefacts(tmp_path: Path, settings) -> None:
    settings.ENV = replace(settings.ENV, artefact_dir=tmp_path)
    registry.forget()


def serving(days_ago: int = 1) -> ModelVersion:
    """A new version that the gate serves from now on."""
    version = trained(at=DAY - timedelta(days=days_ago))
    Expert.objects.filter(slug="gate").update(served=version)
    return version


def wrong(version: ModelVersion, *, hour: int, payouts: Sequence[float] = (0, 0, 0)) -> None:
    """It said 0.9 where the price was one half, in full trust."""
    answered(
        version,
        prices=[0.5] * len(payouts),
        payouts=payouts,
        known_at=DAY + timedelta(hours=hour),
        probability=0.9,
        moves=[0.0],
    )


def earned(hours: float) -> float:
    """Trust once everything answered so many hours after the day's begin was followed."""
    trust.follow(as_of=DAY + timedelta(hours=hours))
    return trust.current("outcome", as_of=DAY + timedelta(hours=hours))


def test_trust_follows_answered_events_once_each_and_is_rebuilt_to_the_same_weights() -> None:
    version = serving()
    for hour in range(6):
        answered(
            version,
            prices=[0.5, 0.5],
            payouts=[1, 0],
            known_at=DAY + timedelta(hours=hour),
            probability=0.2 if hour < 5 else 0.5,
            moves=[0.0],
        )
    assert trust.current("outcome", as_of=DAY) == 1.0

    added = [trust.follow(as_of=DAY + timedelta(hours=h, minutes=20)) for h in (2, 3, 3, 12)]

    assert added == [4, 2, 0, 4]
    last = OnlineWeights.objects.latest("as_of")
    losses = json.loads(last.losses)
    assert last.events == 10
    assert losses["mixture"] <= losses["bound"]
    assert losses["gate"] > losses["market"]
    now = DAY + timedelta(hours=13)
    assert trust.current("outcome", as_of=now) == pytest.approx(
        min(1.0, json.loads(last.weights)["gate"] / 0.5)
    )
    assert trust.current("outcome", as_of=now) < 0.6
    again = trust.rebuilt(
        version,
        since=DAY - timedelta(days=1),
        until=now,
        config=LearningSettings.objects.current(as_of=now).as_config(),
    )
    assert again.weights.tolist() == list(json.loads(last.weights).values())


def test_trust_that_is_switched_off_neither_learns_nor_doubts() -> None:
    make.learning_settings(online_method="off")
    version = serving()
    answered(version, prices=[0.5], payouts=[1], known_at=DAY, probability=0.1, moves=[0.0])

    assert trust.follow(as_of=AFTER) == 0
    assert trust.current("outcome", as_of=AFTER) == 1.0


BAD_WEIGHTS = ('{"gate": NaN}', '{"gate": null}', "[", "{}", '{"gate": 7}', '{"gate": "1"}')


@pytest.mark.parametrize("weights", BAD_WEIGHTS)
def test_a_trust_that_cannot_be_read_is_none_until_it_is_learned_again(weights: str) -> None:
    version = serving()
    answered(version, prices=[0.5], payouts=[1], known_at=DAY, probability=0.9, moves=[0.0])
    at = AFTER - timedelta(hours=4)
    told = {"method": "share", "events": 3, "losses": "{}", "state": "{}"}
    OnlineWeights.objects.create(horizon="outcome", as_of=at, weights=weights, **told)

    assert trust.current("outcome", as_of=AFTER) == 0.0
    assert trust.follow(as_of=AFTER) == 1
    assert trust.current("outcome", as_of=AFTER) == 1.0


def test_answers_of_a_challenger_say_nothing_about_the_champion() -> None:
    challenger, champion = trained(at=DAY - timedelta(days=2)), serving()
    wrong(champion, hour=0, payouts=[1])
    wrong(challenger, hour=1)

    assert earned(4) == 1.0
    assert OnlineWeights.objects.latest("as_of").events == 1


def test_a_new_version_does_not_inherit_the_distrust_of_the_one_before() -> None:
    before = serving(2)
    wrong(before, hour=0)
    assert earned(2) < 0.1

    serving(1)

    assert earned(4) == 1.0


def test_a_version_starts_with_its_own_answers_and_finds_them_again_after_a_rollback() -> None:
    first, second = serving(2), trained(at=DAY - timedelta(days=1))
    wrong(first, hour=0)
    wrong(second, hour=0, payouts=[0])
    distrusted = earned(2)
    Expert.objects.filter(slug="gate").update(served=second)
    assert distrusted < earned(4) < 0.5

    Expert.objects.filter(slug="gate").update(served=first)

    assert earned(6) == distrusted


@pytest.mark.parametrize("mixed", [0.5, 0.002])
def test_a_forecast_counts_as_what_it_was_before_trust_mixed_it_with_the_price(
    mixed: float,
) -> None:
    version = serving()
    for k, each in enumerate((1.0, mixed)):
        make.PredictionFactory.create(
            market=answered(
                version, prices=[0.5], payouts=[0], known_at=DAY + timedelta(hours=3 * k)
            )[0].market,
            as_of=DAY + timedelta(hours=3 * k) - timedelta(hours=2),
            price=0.5,
            probability=0.5 + each * 0.3,
            trust=None if each == 1 else each,
            version=version,
        )

    trust.follow(as_of=DAY + timedelta(hours=2))
    trust.follow(as_of=DAY + timedelta(hours=5))

    first, second = OnlineWeights.objects.order_by("as_of")
    lost = [json.loads(row.losses)["gate"] for row in (first, second)]
    assert lost[1] == pytest.approx(2 * lost[0])


def test_a_gate_that_is_right_again_is_trusted_again() -> None:
    version = serving()
    wrong(version, hour=0)
    low = earned(2)
    assert low < 0.1

    for hour in range(3, 13):
        at = DAY + timedelta(hours=hour)
        said = 0.5 + 0.4 * trust.current("outcome", as_of=at)
        rows = {"prices": [0.5], "payouts": [1], "known_at": at, "moves": [0.0]}
        answered(version, **rows, probability=said, trust=trust.current("outcome", as_of=at))
        trust.follow(as_of=at + timedelta(hours=1, minutes=20))

    assert trust.current("outcome", as_of=DAY + timedelta(hours=15)) == 1.0


def test_what_cannot_be_read_of_another_version_does_not_bind_the_new_one() -> None:
    at = AFTER - timedelta(hours=4)
    told = {"method": "share", "events": 3, "losses": "{}", "state": "{}", "weights": "["}
    OnlineWeights.objects.create(horizon="outcome", as_of=at, **told)
    serving()
    assert trust.current("outcome", as_of=AFTER) == 0.0

    assert trust.follow(as_of=AFTER) == 0

    assert trust.current("outcome", as_of=AFTER) == 1.0


def test_a_forecast_keeps_the_trust_that_takes_its_mixture_with_the_price_back() -> None:
    market = make.MarketFactory.create()
    make.QuoteFactory.create(market=market, at=NOW - timedelta(minutes=1), bid=0.69, ask=0.71)
    served.in_service(served.registered())
    for second, given in enumerate((1.0, 0.2)):
        at = NOW + timedelta(seconds=second)
        predict.run(as_of=at, market_ids=[market.pk], trust={"outcome": given})

    full, mixed = Prediction.objects.order_by("as_of")

    assert (full.trust, mixed.trust) == (None, 0.2)
    assert full.probability > mixed.probability > 0.7
    assert untrusted(
        np.array([mixed.price]), np.array([mixed.probability]), np.array([mixed.trust])
    )[0] == pytest.approx(full.probability, abs=1e-12)
