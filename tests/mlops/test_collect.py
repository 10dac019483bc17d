"""Collecting shows what is there and what is needed, and says when to begin."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from markets import archive
from markets.adapters.history_frames import MARKETS
from mlops import collect, tracking
from mlops.models import TrainingRun
from predictions.core.schema import SCHEMA_HASH
from predictions.models import Expert, ModelVersion
from tests.factories import (
    NOW,
    MarketFactory,
    PredictionFactory,
    ResolutionFactory,
    ago,
    learning_settings,
    prediction_settings,
)

pytestmark = pytest.mark.django_db
SMALL = {"min_markets": 3, "min_rows": 4}


@pytest.fixture(autouse=True)
def an_empty_archive(settings: Any, tmp_path: Path) -> None:
    settings.ENV = replace(settings.ENV, archive_dir=tmp_path / "archive")


def answered(count: int, *, forecasts: int = 2, **resolution: object) -> None:
    """Markets that we forecast `forecasts` times and that resolved afterwards."""
    for _ in range(count):
        market = MarketFactory()
        for k in range(forecasts):
            PredictionFactory(market=market, as_of=ago(7200 + k), schema_hash=SCHEMA_HASH)
        values = {"resolved_at": ago(3600), "received_at": ago(3000), "strength": "official"}
        ResolutionFactory(market=market, **{**values, **resolution})


def trained(**values: object) -> TrainingRun:
    times = {"started_at": ago(600), "finished_at": ago(500)}
    return TrainingRun.objects.create(**{**times, "seed": 1, "code_version": "t", **values})


def test_an_empty_installation_collects_and_needs_everything() -> None:
    found = collect.progress(as_of=NOW)

    assert (found.phase, found.ready, found.labelling_rate) == (collect.COLLECTING, False, None)
    assert [(bar.name, bar.have, bar.need) for bar in found.minimum] == [
        ("resolved markets", 0, 500),
        ("labelled decisions", 0, 1000),
    ]


@pytest.mark.parametrize(
    ("markets", "forecasts", "ready"), [(3, 2, True), (2, 4, False), (3, 1, False)]
)
def test_each_bar_of_the_minimum_must_be_full(markets: int, forecasts: int, ready: bool) -> None:
    learning_settings(**SMALL)
    answered(markets, forecasts=forecasts)

    found = collect.progress(as_of=NOW)

    assert found.ready is ready
    assert collect.is_first_training_due(as_of=NOW) is ready


def test_weak_answers_and_forecasts_after_the_end_teach_nothing() -> None:
    learning_settings(**SMALL)
    answered(2, strength="proxy_spot")
    answered(2, resolved_at=ago(9000))

    found = collect.progress(as_of=NOW)

    assert found.answered_markets == 0
    assert found.labelling_rate == 0
    assert found.minimum[1].have == 0


def test_imported_history_counts() -> None:
    learning_settings(**SMALL)
    rows = {
        "market_key": ["a", "b", "c", "d", "e"],
        "dataset": ["made_up"] * 5,
        "label_strength": ["official", "derived", "official", "price_inferred", "official"],
        "label_known_at": [1.0, 1.0, 1.0, 1.0, NOW.timestamp() + 60],
        "payout": [1.0] * 5,
    }
    frame = pl.DataFrame(rows)
    blank = [pl.lit(None, dtype).alias(name) for name, dtype in MARKETS.items() if name not in rows]
    archive.write("markets", frame.with_columns(blank).select(list(MARKETS)), dataset="made_up")

    found = collect.progress(as_of=NOW)

    assert found.imported_markets == 3
    assert found.minimum[0].have == 3


def test_the_phase_follows_what_is_in_service_and_the_switch() -> None:
    gate = Expert.objects.create(slug="gate", name="Gate", algorithm="gate")
    version = ModelVersion.objects.create(
        expert=gate,
        number=1,
        horizon="outcome",
        file="gate/1",
        sha256="0" * 64,
        schema_hash=SCHEMA_HASH,
        manifest="{}",
        data_from=ago(9000),
        data_until=ago(8000),
        rows=1,
        events=1,
        seed=1,
        created_at=ago(8000),
    )
    Expert.objects.filter(pk="gate").update(state="ACTIVE", served=version)
    assert collect.progress(as_of=NOW).phase == collect.FORECASTING

    prediction_settings(enable_ml=False)

    assert collect.progress(as_of=NOW).phase == collect.OFF


def test_a_first_training_is_due_once_and_not_again_within_the_hour_of_a_refusal() -> None:
    learning_settings(**SMALL)
    answered(3)
    assert collect.is_first_training_due(as_of=NOW)

    trained(status="REFUSED")
    assert not collect.is_first_training_due(as_of=NOW)
    assert collect.is_first_training_due(as_of=NOW + timedelta(hours=2))

    trained(status="SUCCEEDED")
    assert not collect.is_first_training_due(as_of=NOW + timedelta(hours=2))


def test_a_tracker_that_is_not_there_costs_a_warning_and_nothing_else() -> None:
    run = trained(status="SUCCEEDED")

    assert tracking.record(run, uri="") is False
    assert tracking.record(run, uri="http://127.0.0.1:9/nobody") is False


BAD_CARDS = (
    "{",
    "null",
    "[]",
    '{"experts": [1]}',
    '{"experts": {"politics": null}}',
    '{"experts": {"politics": {"rows": NaN, "need": 1}}}',
    '{"experts": {"politics": {"rows": "7", "need": null}}}',
)


@pytest.mark.parametrize("card", BAD_CARDS)
def test_a_bad_card_costs_its_own_bars_only(card: str, client, django_user_model) -> None:
    trained(status="SUCCEEDED", horizon="1h", card=card)
    good = '{"experts": {"sports": {"rows": 5, "need": 9}}}'
    trained(status="SUCCEEDED", horizon="outcome", card=good)
    client.force_login(django_user_model.objects.create_superuser("r", "r@example.org", "r"))

    assert [(bar.name, bar.have, bar.need) for bar in collect.expert_bars()] == [("sports", 5, 9)]
    pages = ("/learning/", "/api/v1/learning/progress/")
    assert {page: client.get(page).status_code for page in pages} == dict.fromkeys(pages, 200)


def test_a_training_of_a_clock_that_was_ahead_does_not_hold_up_the_first_one() -> None:
    learning_settings(**SMALL)
    answered(3)

    trained(status="REFUSED", started_at=ago(-9e6), finished_at=ago(-9e6))

    assert collect.is_first_training_due(as_of=NOW)
