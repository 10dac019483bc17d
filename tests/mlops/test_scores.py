"""Live scores: one row per version and finished day, from what was said before the answer."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from config.kernel.models import DomainEvent
from mlops import answers, scores
from mlops.models import CohortScore, LearningSettings
from predictions import registry
from predictions.core.logits import corrected
from predictions.models import Expert, Horizon
from tests import factories as make
from tests.mlops.experts import answered, trained

DAY = datetime(2026, 11, 20, tzinfo=UTC)
AFTER = DAY + timedelta(days=1, hours=1)
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def artefacts(tmp_path: Path, settings) -> None:
    settings.ENV = replace(settings.ENV, artefact_dir=tmp_path)
    registry.forget()


def row(slug: str) -> CohortScore:
    return CohortScore.objects.get(expert_id=slug, source="LIVE")


def test_a_finished_day_is_scored_for_the_gate_and_each_member_by_hand() -> None:
    version = trained(at=DAY - timedelta(days=2), members=("recalibration", "politics"))
    order = registry.order(version)
    moves = [0.5 if slug == "politics" else np.nan for slug in order]
    answered(
        version,
        prices=[0.6, 0.4],
        payouts=[1, 0],
        known_at=DAY + timedelta(hours=5),
        moves=moves,
        probability=0.7,
    )

    written = scores.record(as_of=AFTER)

    assert written == 2
    own = corrected(np.array([0.6, 0.4]), np.full(2, 0.35 * 0.5))
    politics = row("politics")
    assert (politics.cohort, politics.events, politics.version.expert_id) == (
        DAY.date(),
        2,
        "politics",
    )
    assert politics.brier_market == pytest.approx(0.16)
    assert politics.brier_expert == pytest.approx(((1 - own[0]) ** 2 + own[1] ** 2) / 2)
    assert politics.log_loss_expert == pytest.approx(-(np.log(own[0]) + np.log(1 - own[1])) / 2)
    assert abs(politics.brier_market - politics.brier_expert) <= politics.reach
    assert row("gate").brier_expert == pytest.approx((0.3**2 + 0.7**2) / 2)
    assert np.array(json.loads(politics.calibration))[0].sum() == 2


def test_a_day_is_scored_once_and_only_when_it_is_over() -> None:
    version = trained(at=DAY - timedelta(days=2))
    answered(version, prices=[0.6], payouts=[1], known_at=DAY + timedelta(hours=23), moves=[0.3])

    assert scores.record(as_of=AFTER - timedelta(minutes=1)) == 0
    assert scores.record(as_of=AFTER) == 2
    assert scores.record(as_of=AFTER) == 0
    assert scores.record(as_of=AFTER + timedelta(days=3)) == 0


def test_what_was_forecast_before_the_last_cohort_closed_does_not_count() -> None:
    version = trained(at=DAY - timedelta(days=2))
    known = DAY + timedelta(hours=5)
    told = {"prices": [0.6], "payouts": [1], "known_at": known, "moves": [0.3]}
    answered(version, **told, asked_at=DAY - timedelta(seconds=1))
    assert scores.record(as_of=AFTER) == 0

    answered(version, **told, asked_at=DAY)
    scores.record(as_of=AFTER)

    assert row("gate").events == 1


def test_a_day_ahead_is_scored_in_cohorts_of_two_days() -> None:
    version = trained(at=DAY - timedelta(days=4), members=("ahead-24h",), horizon=Horizon.H24)
    for hours in range(-30, 50, 10):  # every answer comes a day later
        market = make.MarketFactory.create(outcomes=())
        asked = DAY + timedelta(hours=hours)
        corrections = np.array([0.5], dtype="<f4").tobytes()
        make.PredictionFactory.create(
            market=market,
            horizon=Horizon.H24,
            as_of=asked,
            price=0.50,
            probability=0.52,
            version=version,
            cap=0.7,
            corrections=corrections,
        )
        at = asked + timedelta(hours=24, seconds=10)
        make.QuoteFactory.create(market=market, at=at, bid=0.55, ask=0.57, book=None)

    scores.record(as_of=AFTER + timedelta(days=4))

    rows = CohortScore.objects.filter(expert_id="gate-24h").order_by("cohort")
    # What was asked on the first of both days: at 4 and 14 o'clock of the 19th, at 6 and 16 of the
    # 21st; the rest was answered in a later cohort than it was asked in.
    assert [(each.cohort.day, each.events) for each in rows] == [(20, 2), (22, 2)]


def test_a_version_that_could_not_be_served_is_scored_when_it_can_again(monkeypatch) -> None:
    first, second = (trained(at=DAY - timedelta(days=k)) for k in (3, 2))
    for version in (first, second):
        known = DAY + timedelta(hours=5)
        answered(version, prices=[0.6], payouts=[1], known_at=known, moves=[0.3])
    honest = registry.order

    def missing(version):
        if version == first:
            raise registry.Unservable("the disk is away")
        return honest(version)

    with monkeypatch.context() as away:
        away.setattr(registry, "order", missing)
        assert scores.record(as_of=AFTER) == 2
        assert scores.record(as_of=AFTER + timedelta(hours=1)) == 0

    assert scores.record(as_of=AFTER + timedelta(days=2)) == 2
    assert scores.record(as_of=AFTER + timedelta(days=2)) == 0
    assert DomainEvent.objects.filter(kind="scores.skipped").count() == 1
    assert CohortScore.objects.filter(version=first).count() == 1


def test_an_event_counts_once_however_often_it_was_forecast_and_a_weak_answer_never() -> None:
    version = trained(at=DAY - timedelta(days=2))
    known = DAY + timedelta(hours=9)
    first = answered(version, prices=[0.5], payouts=[1], known_at=known, moves=[0.4])[0]
    for minutes in range(1, 200):
        make.PredictionFactory.create(
            market=first.market,
            as_of=first.as_of + timedelta(minutes=minutes / 2),
            version=version,
            price=0.5,
            probability=0.5,
            cap=0.7,
            corrections=np.zeros(1, dtype="<f4").tobytes(),
        )
    weak = make.MarketFactory.create(outcomes=())
    make.PredictionFactory.create(market=weak, as_of=first.as_of, version=version, cap=0.7)
    make.ResolutionFactory.create(
        market=weak, strength="weak", payout_0=Decimal(0), resolved_at=known
    )

    scores.record(as_of=AFTER)

    assert row("gate").events == 1
    # From 90 minutes before the answer on: two clock ticks, the first forecast begins one.
    assert row("recalibration").brier_expert == pytest.approx(
        np.mean([(1 - corrected(np.array([0.5]), np.array([0.14]))[0]) ** 2, 0.25])
    )


def test_a_price_horizon_is_scored_by_the_price_that_came() -> None:
    version = trained(at=DAY - timedelta(days=2), members=("ahead-1h",), horizon=Horizon.H1)
    market = make.MarketFactory.create(outcomes=())
    asked = DAY + timedelta(hours=4)
    make.PredictionFactory.create(
        market=market,
        horizon=Horizon.H1,
        as_of=asked,
        price=0.50,
        probability=0.52,
        version=version,
        cap=0.7,
        corrections=np.array([0.5], dtype="<f4").tobytes(),
    )
    for minutes, mid in ((59, 0.40), (61, 0.56)):
        make.QuoteFactory.create(
            market=market,
            at=asked + timedelta(minutes=minutes),
            bid=mid - 0.01,
            ask=mid + 0.01,
            book=None,
        )

    scores.record(as_of=AFTER)

    assert row("gate-1h").brier_expert == pytest.approx((0.56 - 0.52) ** 2)
    assert row("ahead-1h").brier_market == pytest.approx((0.56 - 0.50) ** 2)


def test_where_an_expert_fell_silent_about_an_event_it_counts_as_having_said_the_price() -> None:
    version = trained(at=DAY - timedelta(days=2))
    known = DAY + timedelta(hours=9)
    spoke = answered(version, prices=[0.6], payouts=[1], known_at=known, moves=[0.5])[0]
    silent = np.full(1, np.nan, dtype="<f4").tobytes()
    make.PredictionFactory.create(
        market=spoke.market,
        as_of=spoke.as_of + timedelta(hours=1),
        version=version,
        price=0.9,
        probability=0.9,
        cap=0.7,
        corrections=silent,
    )
    answered(version, prices=[0.3], payouts=[0], known_at=known, moves=[np.nan], probability=0.3)

    scores.record(as_of=AFTER)

    own = corrected(np.array([0.6]), np.array([0.35 * 0.5]))[0]
    assert row("recalibration").events == 1  # of the other event it said nothing at all
    assert row("recalibration").brier_market == pytest.approx((0.4**2 + 0.1**2) / 2)
    assert row("recalibration").brier_expert == pytest.approx(((1 - own) ** 2 + 0.1**2) / 2)


def test_a_cohort_of_two_days_counts_only_where_it_began_after_the_move() -> None:
    version = trained(at=DAY - timedelta(days=9), members=("ahead-24h",), horizon=Horizon.H24)
    figures = dict.fromkeys(("brier_market", "brier_expert"), 0.2)
    figures |= dict.fromkeys(("log_loss_market", "log_loss_expert"), 0.5)
    for back in (2, 0):
        CohortScore.objects.create(
            expert_id=version.expert_id,
            version=version,
            horizon=Horizon.H24,
            source="LIVE",
            cohort=DAY.date() - timedelta(days=back),
            scored_at=AFTER,
            events=1,
            **figures,
        )

    counted = [
        scores.live(since={"gate-24h": DAY.date() - timedelta(days=back)}, margin=0.0, as_of=AFTER)[
            "gate-24h"
        ].events
        for back in (4, 3, 2, 1, 0)
    ]

    assert counted == [2, 1, 1, 0, 0]


def test_versions_of_one_expert_make_one_record_and_days_before_its_move_do_not_count() -> None:
    for number, day in enumerate((0, 1, 1)):
        version = trained(at=DAY - timedelta(days=3 - number))
        answered(
            version,
            prices=[0.6] * 2,
            payouts=[1, 1],
            known_at=DAY + timedelta(days=day, hours=2),
            moves=[0.5],
        )
    scores.record(as_of=AFTER + timedelta(days=1))

    every = scores.live(since={"gate": date.min}, margin=0.002, as_of=AFTER + timedelta(days=2))
    later = scores.live(since={"gate": DAY.date()}, margin=0.002, as_of=AFTER + timedelta(days=2))

    assert (every["gate"].events, every["gate"].evidence.cohorts) == (6, 2)
    assert (later["gate"].events, later["gate"].evidence.cohorts) == (4, 1)
    assert every["gate"].skill > 0


def test_a_challenger_is_compared_on_the_days_on_which_both_were_answered() -> None:
    champion, challenger = (trained(at=DAY - timedelta(days=k)) for k in (3, 2))
    Expert.objects.filter(slug="gate").update(served=champion, challenger=challenger)
    assert scores.compare("24h", as_of=AFTER) is None
    for day in range(12):
        known = DAY + timedelta(days=day, hours=2)
        answered(champion, prices=[0.5] * 2, payouts=[1, 1], known_at=known, moves=[0.0])
        answered(challenger, prices=[0.5], payouts=[1], known_at=known, moves=[1.0])
    end = AFTER + timedelta(days=12)
    scores.record(as_of=end)

    found = scores.compare("outcome", as_of=end)

    assert found is not None
    assert (found.days, found.champion_events, found.challenger_events) == (12, 24, 12)
    assert found.challenger_gain > found.champion_gain == 0.0
    assert found.evidence.e_value > 20
    assert found.as_json()["evidence"]["low"] is not None


def test_what_counts_of_a_market_that_was_open_for_months_does_not_depend_on_the_span() -> None:
    version = trained(at=DAY - timedelta(days=99))
    asked = DAY - timedelta(days=70)
    first = answered(version, prices=[0.5], payouts=[1], known_at=DAY, moves=[0.0], asked_at=asked)[
        0
    ]
    for days in (61, 59, 1):
        at = DAY - timedelta(days=days)
        make.PredictionFactory.create(market=first.market, as_of=at, version=version, cap=0.7)
    config = LearningSettings.objects.current(as_of=AFTER).as_config()

    spans = [
        answers.known("outcome", since=DAY - timedelta(days=back), until=AFTER, config=config)
        for back in (0, 30)
    ]

    assert [len(found.as_of) for found in spans] == [2, 2]


def test_rows_of_a_clock_that_was_ahead_do_not_hold_up_the_scores_of_today() -> None:
    version = trained(at=DAY - timedelta(days=2))
    answered(version, prices=[0.5], payouts=[1], known_at=DAY + timedelta(hours=9), moves=[0.2])
    ahead = AFTER + timedelta(days=400)
    figures = dict.fromkeys(("brier_market", "brier_expert"), 0.2)
    figures |= dict.fromkeys(("log_loss_market", "log_loss_expert"), 0.5)
    CohortScore.objects.create(
        expert_id=version.expert_id,
        version=version,
        horizon="outcome",
        source="LIVE",
        cohort=ahead.date(),
        scored_at=ahead,
        events=1,
        **figures,
    )

    assert scores.record(as_of=AFTER) > 0
