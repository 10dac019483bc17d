"""The learning page says what forecasts and why not yet; a model card what a training left."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from config.kernel import audit
from mlops import lifecycle
from mlops.models import CohortScore, DriftReport, TrainingRun
from predictions import registry
from predictions.core import roster
from predictions.models import Expert, ModelVersion, PredictionSettings
from tests.factories import (
    NOW,
    ExpertFactory,
    ModelVersionFactory,
    PredictionFactory,
    ResolutionFactory,
    UserFactory,
    ago,
    learning_settings,
)

pytestmark = pytest.mark.django_db

CARD: dict[str, Any] = {
    "horizon": "outcome",
    "span": {
        "from": "2026-01-01T00:00:00+00:00",
        "until": "2026-06-01T00:00:00+00:00",
        "rows": 12_345,
        "markets": 600,
        "events": 550,
        "sources": {"sandbox": 1.0},
    },
    "trials": 34,
    "folds": 8,
    "scores": {
        "out_of_fold": {
            "rows": 9_000, "events": 500, "brier_market": 0.2, "brier_model": 0.199,
            "skill": 0.005, "skill_low": -0.001, "skill_high": 0.011,
        },
        "domains": {
            "sports": {
                "rows": 90, "events": 9, "brier_market": 0.2, "brier_model": 0.2,
                "skill": 0.0, "skill_low": 0.0, "skill_high": 0.0,
            }
        },
        "buckets": {},
    },
    "calibration": [
        {"from": 0.6, "to": 0.7, "rows": 100, "events": 40, "price": 0.64, "forecast": 0.65,
         "outcome": 0.7},
    ],
    "rungs": [{"name": "recalibrated price", "climbed": True}],
    "experts": {
        "contested": {
            "trained": True, "rows": 4_000, "events": 300, "hold_out": {"skill": 0.004},
            "e_value": 812.5, "admitted": True, "reasons": [],
            "importance": [["logit", 0.61], ["mid", 0.39]],
        },
        "esports": {"trained": False, "rows": 120, "need": 200, "why": "too few rows"},
    },
    "controls": [{"name": "labels permuted", "passed": None, "detail": "too few events"}],
    "libraries": {"python": "3.11.7"},
}  # fmt: skip


@pytest.fixture
def client() -> Client:
    signed_in = Client()
    signed_in.force_login(UserFactory())
    return signed_in


def trained(**values: Any) -> TrainingRun:
    told = {"started_at": ago(900), "finished_at": ago(600), "seed": 7, "code_version": "abc"}
    return TrainingRun.objects.create(**{**told, "status": "SUCCEEDED", **values})


def shown(client: Client, name: str, *args: Any) -> str:
    answer = client.get(reverse(name, args=args))
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_an_empty_installation_collects_and_shows_what_it_needs(client: Client) -> None:
    registry.ensure_experts()

    page = shown(client, "learning")

    assert "Collecting" in page
    assert "0 / 500" in page
    assert "0 / 1,000" in page
    assert "Nothing was trained yet." in page
    assert "No forecast was made yet." in page


def test_all_thirty_two_experts_are_listed_by_family(client: Client) -> None:
    registry.ensure_experts()

    page = shown(client, "learning")

    assert len(roster.THIRTY_TWO) == 32
    for role in roster.THIRTY_TWO:
        assert role.name in page
    assert page.count("not trained: ") >= 9
    assert "untrained</span>" not in page.split("<h2>Horizons</h2>")[0]


def test_each_state_and_shortfall_of_an_expert_is_told(client: Client) -> None:
    registry.ensure_experts()
    trained(card=json.dumps(CARD))
    Expert.objects.filter(slug="sports").update(state="SHADOW")

    page = shown(client, "learning")

    assert "shadow</span>" in page
    assert "(120 of 200 rows)" in page


def test_what_the_first_training_admitted_is_shown_by_its_test(client: Client) -> None:
    registry.ensure_experts()
    told = {"route": "first training, fixed sample", "p_value": 0.0021, "threshold": 640.0}
    card = CARD | {"experts": {"contested": CARD["experts"]["contested"] | told}}
    trained(card=json.dumps(card))
    Expert.objects.filter(slug="contested").update(state="SHADOW")

    page = shown(client, "learning")

    assert "p 0.0021" in page
    assert "of 640" not in page


def test_after_a_roll_back_the_figures_are_those_of_what_serves(client: Client) -> None:
    registry.ensure_experts()
    for events, number in ((4_321, 1), (71, 2)):
        told = CARD["experts"]["contested"] | {"hold_out": {"events": events}}
        version = ModelVersionFactory(expert=Expert.objects.get(slug="gate"), number=number)
        card = CARD | {"experts": {"contested": told}}
        trained(card=json.dumps(card), version=version)
    Expert.objects.filter(slug="contested").update(state="SHADOW")
    first = ModelVersion.objects.get(expert__slug="gate", number=1)
    Expert.objects.filter(slug="gate").update(served=first, state="ACTIVE")

    page = shown(client, "learning")

    assert "4,321" in page


def gate(state: str, **values: Any) -> Expert:
    version = ModelVersionFactory(
        expert__slug="gate", expert__algorithm="gate", expert__state="SHADOW"
    )
    Expert.objects.filter(slug="gate").update(served=version, state=state, **values)
    return Expert.objects.get(slug="gate")


def test_a_gate_that_a_person_suspended_is_named_with_person_and_reason(client: Client) -> None:
    held = gate("ACTIVE")
    lifecycle.demote(
        "gate", to="SUSPENDED", evidence={"reason": "it drifts"}, actor="grace", as_of=NOW
    )

    page = shown(client, "learning")

    assert held.served is not None
    assert "The gate is suspended: every forecast of an outcome is the market price" in page
    assert "Collecting" not in page
    assert f"by grace on {NOW:%Y-%m-%d %H:%M}: “it drifts” · every forecast is the price" in page


def test_a_gate_without_an_active_expert_is_seen_at_once(client: Client) -> None:
    gate("ACTIVE")
    ExpertFactory(slug="politics", algorithm="xgboost", state="SHADOW")

    for name in ("learning", "overview"):
        page = shown(client, name)
        assert "No active expert: every forecast of an outcome is the market price" in page


def test_a_gate_that_is_trusted_but_follows_nobody_says_so(client: Client) -> None:
    held = gate("ACTIVE", validated_at=timezone.now())
    member = ModelVersionFactory(expert__slug="politics", expert__algorithm="xgboost")
    Expert.objects.filter(slug="politics").update(served=member, state="ACTIVE")
    PredictionFactory(source="PRICE", as_of=NOW)

    page = shown(client, "learning")

    assert held.state == "ACTIVE"
    assert "following nobody: every forecast is the price" in page
    assert "Minimum to begin" not in page


def test_ml_that_is_switched_off_is_told(client: Client) -> None:
    PredictionSettings.objects.create(version=1, created_at=ago(60), enable_ml=False)

    assert "ML switched off" in shown(client, "learning")


def test_an_active_expert_without_weight_is_told_from_one_that_has_it(client: Client) -> None:
    for slug in ("contested", "esports"):
        version = ModelVersionFactory(expert__slug=slug, expert__algorithm="xgboost")
        Expert.objects.filter(slug=slug).update(served=version, state="ACTIVE")
    for share in (0.7, 0.1):
        PredictionFactory(
            source="EXPERTS", as_of=NOW, weights=json.dumps({"market": 0.3, "contested": share})
        )
    trained(card=json.dumps(CARD))

    page = shown(client, "learning")

    weights = [part.split("</td>")[0] for part in page.split('data-label="weight">')[1:]]
    assert sorted(weights) == ["0.0 %", "40.0 %"]
    assert "812.5" in page
    assert ">training</span>" in page


def test_live_scores_stand_beside_the_price_of_the_same_events(client: Client) -> None:
    held = gate("ACTIVE")
    for day, events, ours in ((1, 100, 0.18), (2, 300, 0.20)):
        CohortScore.objects.create(
            expert=held, version=held.served, horizon="outcome", source="LIVE", events=events,
            cohort=(NOW - timedelta(days=day)).date(), scored_at=NOW, brier_market=0.2,
            brier_expert=ours, log_loss_market=0.6, log_loss_expert=0.6,
        )  # fmt: skip

    page = shown(client, "learning")

    assert "forecast Brier 0.19500, price 0.20000 on 400 answered events" in page


def test_the_day_that_is_not_over_is_told_apart(client: Client) -> None:
    now = timezone.now()
    held = gate("ACTIVE")
    told = PredictionFactory(
        version=held.served, as_of=now - timedelta(hours=1), price=0.6, probability=0.8
    )
    ResolutionFactory(
        market=told.market, payout_0=1, payout_1=0, strength="official", resolved_at=now,
        received_at=now,
    )  # fmt: skip

    page = shown(client, "learning")

    assert "first score after midnight UTC" in page
    assert "today so far: forecast 0.04000, price 0.16000 on 1 markets" in page


def test_alerts_of_our_experts_come_first_and_wallets_not_at_all(client: Client) -> None:
    for subject, text in (
        ("drift:FEATURES:gate v3", "the spread moved"),
        ("SOURCE_DOWN:gdelt", "gdelt is silent"),
        ("INFORMED_WALLET:1", "a whale bought"),
    ):
        audit.record(
            "alert.raised", actor="watch", subject=subject, data={"text": text},
            as_of=timezone.now(),
        )  # fmt: skip

    for name in ("learning", "overview"):
        page = shown(client, name)
        assert page.index("the spread moved") < page.index("gdelt is silent")
        assert "a whale bought" not in page


def test_a_drift_look_that_lacks_rows_says_how_many(client: Client) -> None:
    DriftReport.objects.create(
        checked_at=ago(60), horizon="outcome", kind="FEATURES", verdict="INSUFFICIENT", rows=41
    )

    assert "41 of 200 rows" in shown(client, "learning")


def test_what_produced_the_newest_forecasts_is_counted(client: Client) -> None:
    PredictionFactory(source="PRICE", as_of=NOW)
    PredictionFactory(source="EXPERTS", as_of=NOW)
    PredictionFactory(source="EXPERTS", as_of=ago(600))

    page = shown(client, "learning")

    assert page.count("experts combined with the market") == 1
    assert page.count("market price</span>") >= 1


def test_the_newest_drift_of_each_kind_is_shown(client: Client) -> None:
    for minutes, verdict in ((9, "ACT"), (3, "QUIET")):
        DriftReport.objects.create(
            checked_at=ago(60 * minutes), horizon="outcome", kind="FEATURES", verdict=verdict,
            rows=500, worst="spread" if verdict == "ACT" else "",
        )  # fmt: skip

    page = shown(client, "learning")

    assert "quiet</span>" in page
    assert "act</span>" not in page


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"status": "REFUSED", "error": "12 labelled decisions, at least 1,000 are needed"},
            "12 l",
        ),
        ({"status": "FAILED", "error": "NotFinite('a feature')"}, "NotFinite"),
        ({"status": "RUNNING", "finished_at": None}, "running</span>"),
    ],
)
def test_a_training_says_how_it_ended(client: Client, values: dict[str, Any], words: str) -> None:
    trained(**values)

    assert words in shown(client, "learning")


def test_a_model_card_shows_data_scores_experts_and_controls(client: Client) -> None:
    registry.ensure_experts()
    row = trained(card=json.dumps(CARD))

    page = shown(client, "model_card", row.pk)

    for words in ("12,345", "learned from a simulated past", "few</span>", "admitted</span>",
                  "too few rows", "logit 61 %", "recalibrated price", "labels permuted", "3.11.7",
                  "forecast 65.0 %, happened 70.0 %; 40 events"):  # fmt: skip
        assert words in page, words


def test_a_model_card_tells_by_what_an_expert_was_admitted_and_where_it_applies(
    client: Client,
) -> None:
    registry.ensure_experts()
    proven = {
        "events": 1279, "rows": 4000, "log_loss_gain": 0.02, "log_loss_low": 0.014,
        "brier_gain": 0.017, "brier_low": 0.01, "enough": True, "carried": True,
    }  # fmt: skip
    cells = [
        {**proven, "name": "sports, <1h", "cell": 18},
        {**proven, "name": "epoch, 5 min", "cell": 36, "brier_low": -0.001},
        {**proven, "name": "politics, 1-6h", "cell": 7, "enough": False, "carried": False},
        {**proven, "name": "culture, >7d", "cell": 99, "brier_gain": -0.01},
    ]
    contested = {
        **CARD["experts"]["contested"], "threshold": 320.0, "p_value": 0.0123,
        "route": "first training, fixed sample",
    }  # fmt: skip
    kept = {**contested, "route": "in service"}
    card = {
        **CARD,
        "scores": {**CARD["scores"], "buckets": {"14m": CARD["scores"]["domains"]["sports"]}},
        "rungs": [{"name": "recalibrated", "climbed": True}, {"name": "stack", "climbed": False}],
        "experts": {**CARD["experts"], "contested": contested, "recalibration": kept},
    }
    row = trained(
        card=json.dumps(card),
        metrics=json.dumps({"cells": cells, "used": [18, 36], "weight": 0.7}),
    )

    page = shown(client, "model_card", row.pk)

    for words in (
        "sports, less than 1 h left", "proven here", "up/down, 5 min windows",
        "carried by its domain or by all", "too few events",
        "no gain on the price", "14 min before the end", "first training: adjusted p 0.0123",
        "kept its place: evidence 812 of 320", "recalibrated price alone, together 70.0 %",
        'data-label="weight">70.0 %', 'data-label="weight">0.0 %', "a weight per expert",
        "logit, mid clipped to [0.005, 0.995]",
    ):  # fmt: skip
        assert words in page, words
    assert page.index("proven here") < page.index("too few events")


@pytest.mark.parametrize("card", ["{}", "not JSON", "[]"])
def test_a_training_without_a_card_has_no_page(client: Client, card: str) -> None:
    row = trained(card=card)

    assert client.get(reverse("model_card", args=[row.pk])).status_code == 404


def test_the_pages_ask_for_a_login() -> None:
    assert Client().get(reverse("learning")).status_code == 302
    assert Client().get(reverse("model_card", args=[1])).status_code == 302


def test_the_number_of_queries_does_not_grow_with_rows(
    client: Client, django_assert_max_num_queries: Any
) -> None:
    registry.ensure_experts()
    learning_settings()
    for _ in range(30):
        trained(card=json.dumps(CARD))

    with django_assert_max_num_queries(60):
        shown(client, "learning")
