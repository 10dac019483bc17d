"""What drift does: one report a kind, an alert once, a training asked for, silence without data."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import pytest

from config.kernel.models import DomainEvent
from markets.models import Resolution
from mlops import drift
from mlops.core.drift import Profile
from mlops.models import DriftReport, TrainingRun
from predictions.core.schema import NAMES, SCHEMA_HASH
from predictions.models import Expert, ModelVersion, Prediction
from tests.factories import (
    NOW,
    EventFactory,
    MarketFactory,
    PredictionFactory,
    ResolutionFactory,
    ago,
    learning_settings,
)
from tests.mlops.experts import markets

pytestmark = pytest.mark.django_db
Kind, Verdict = DriftReport.Kind, DriftReport.Verdict
EARLIER = ago(5400)
FEW = {"drift_min_rows": 40, "reliability_events": 20, "cohort_s": 3600}


def served(x: np.ndarray, *, horizon: str = "outcome", made_at: datetime = EARLIER) -> ModelVersion:
    """A gate in service whose training saw these rows."""
    gate = Expert.objects.create(slug="gate", name="Gate", algorithm="gate", horizon=horizon)
    version = ModelVersion.objects.create(
        expert=gate,
        number=1,
        horizon=horizon,
        file="gate/1",
        sha256="0" * 64,
        schema_hash=SCHEMA_HASH,
        manifest="{}",
        data_from=ago(9e6),
        data_until=ago(8e6),
        rows=len(x),
        events=len(x),
        seed=1,
        created_at=made_at,
    )
    Expert.objects.filter(slug="gate").update(state="ACTIVE", served=version)
    TrainingRun.objects.create(
        started_at=ago(8e6),
        finished_at=ago(8e6),
        status="SUCCEEDED",
        seed=1,
        code_version="test",
        version=version,
        card=json.dumps({"profile": Profile.of(x, NAMES, events=len(x)).as_json()}),
    )
    return version


def vectors(seed: int, rows: int, *, shifted: float = 0.0) -> np.ndarray:
    x = np.random.default_rng(seed).normal(0.0, 1.0, (rows, len(NAMES)))
    x[:, 0] += shifted
    return x


def forecasts(version: ModelVersion, x: np.ndarray, *, at: datetime = EARLIER) -> None:
    """One forecast an event."""
    asked = zip(markets(len(x)), x, strict=True)
    Prediction.objects.bulk_create(
        PredictionFactory.build(
            market=market,
            version=version,
            as_of=at,
            schema_hash=SCHEMA_HASH,
            vector=row.astype("<f8").tobytes(),
        )
        for market, row in asked
    )


def answered(
    version: ModelVersion,
    said: Sequence[float],
    payouts: Sequence[float],
    *,
    asked_at: datetime,
    received_at: Sequence[datetime],
) -> None:
    """One forecast an event, and its answer."""
    asked = markets(len(said))
    Prediction.objects.bulk_create(
        PredictionFactory.build(market=market, version=version, probability=p, as_of=asked_at)
        for market, p in zip(asked, said, strict=True)
    )
    Resolution.objects.bulk_create(
        ResolutionFactory.build(market=market, payout_0=payout, received_at=at)
        for market, payout, at in zip(asked, payouts, received_at, strict=True)
    )


def of_kind(reports: list[DriftReport], kind: str) -> DriftReport:
    (found,) = [report for report in reports if report.kind == kind]
    return found


def test_a_moved_input_acts_alerts_once_and_asks_for_a_training() -> None:
    learning_settings(**FEW)
    version = served(vectors(1, 3000))
    forecasts(version, vectors(2, 60, shifted=3.0))

    first = of_kind(drift.check(as_of=NOW), Kind.FEATURES)
    drift.check(as_of=NOW + timedelta(hours=1))

    assert (first.verdict, first.worst) == (Verdict.ACT, NAMES[0])
    assert DomainEvent.objects.filter(kind="alert.raised").count() == 1
    assert NAMES[0] in drift.asks_for_training(as_of=NOW)


def test_an_unchanged_world_is_quiet_and_asks_for_nothing() -> None:
    learning_settings(**FEW)
    version = served(vectors(1, 3000))
    forecasts(version, vectors(2, 60))

    found = of_kind(drift.check(as_of=NOW), Kind.FEATURES)

    assert found.verdict == Verdict.QUIET
    assert drift.asks_for_training(as_of=NOW) == ""
    assert not DomainEvent.objects.filter(kind="alert.raised").exists()


def test_vectors_that_were_kept_because_they_moved_do_not_stand_for_the_others() -> None:
    learning_settings(**FEW)
    version = served(vectors(1, 3000))
    forecasts(version, vectors(2, 60), at=EARLIER)
    # Later in the same hour most markets keep no vector: those that do are not like the rest.
    forecasts(version, vectors(3, 60, shifted=3.0), at=ago(5100))
    for _ in range(60):
        PredictionFactory(version=version, as_of=ago(5100), schema_hash=SCHEMA_HASH, vector=b"")

    found = of_kind(drift.check(as_of=NOW), Kind.FEATURES)

    assert (found.verdict, found.rows) == (Verdict.QUIET, 60)


def fast_cycle(version: ModelVersion, at: datetime) -> None:
    """Forecasts of three epochs alone, which are not like the rest."""
    for row in vectors(4, 3, shifted=30.0):
        PredictionFactory(
            version=version,
            as_of=at,
            probability=0.01,
            schema_hash=SCHEMA_HASH,
            vector=row.astype("<f8").tobytes(),
        )


def test_cycles_of_epochs_between_two_full_ones_do_not_stand_for_all_markets() -> None:
    learning_settings(**FEW, drift_window_h=2)
    version = served(vectors(1, 3000))
    full = (ago(5400), ago(1800))
    for at in full:
        fast_cycle(version, at - timedelta(seconds=10))
        forecasts(version, vectors(2, 60), at=at)
        for k in range(1, 4):
            fast_cycle(version, at + timedelta(seconds=10 * k))
    for at in (ago(12_600), ago(9000)):
        forecasts(version, vectors(2, 60), at=at)
        fast_cycle(version, at + timedelta(seconds=10))

    reports = drift.check(as_of=NOW)

    features, said = of_kind(reports, Kind.FEATURES), of_kind(reports, Kind.PREDICTIONS)
    assert (features.verdict, features.rows) == (Verdict.QUIET, 120)
    assert (said.verdict, said.rows) == (Verdict.QUIET, 120)


def test_inputs_of_a_price_ahead_are_compared_by_the_vectors_of_the_outcomes() -> None:
    learning_settings(**FEW)
    version = served(vectors(1, 3000), horizon="1h")
    forecasts(version, vectors(2, 60))
    for _ in range(60):
        PredictionFactory(
            version=version, horizon="1h", as_of=EARLIER, schema_hash=SCHEMA_HASH, vector=b""
        )

    found = of_kind(drift.check(as_of=NOW), Kind.FEATURES)

    assert (found.horizon, found.verdict, found.rows) == ("1h", Verdict.QUIET, 60)


def test_a_training_after_the_alarm_answers_it() -> None:
    learning_settings(**FEW)
    version = served(vectors(1, 3000))
    forecasts(version, vectors(2, 60, shifted=3.0))
    drift.check(as_of=ago(60))
    TrainingRun.objects.create(
        started_at=ago(30), finished_at=ago(20), status="SUCCEEDED", seed=1, code_version="test"
    )

    assert drift.asks_for_training(as_of=NOW) == ""


def test_only_the_outcomes_trainings_and_alarms_answer_each_other() -> None:
    learning_settings(**FEW)
    version = served(vectors(1, 3000))
    forecasts(version, vectors(2, 60, shifted=3.0))
    drift.check(as_of=ago(60))
    done = {"started_at": ago(30), "finished_at": ago(20), "seed": 1, "code_version": "test"}

    TrainingRun.objects.create(status="SUCCEEDED", horizon="5m", **done)
    assert drift.asks_for_training(as_of=NOW)

    TrainingRun.objects.create(status="REFUSED", **done)
    assert not drift.asks_for_training(as_of=NOW)
    DriftReport.objects.create(
        checked_at=ago(10), horizon="5m", kind=Kind.FEATURES, verdict=Verdict.ACT, rows=90
    )
    assert not drift.asks_for_training(as_of=NOW)


def found(version: ModelVersion, kind: str, *, at: datetime) -> None:
    DriftReport.objects.create(
        checked_at=at, horizon="outcome", version=version, kind=kind, verdict="ACT", rows=90
    )


def test_a_drift_that_outlasts_a_training_asks_for_no_second_one() -> None:
    version = served(vectors(1, 100))
    done = {"status": "SUCCEEDED", "seed": 1, "code_version": "test"}
    found(version, Kind.FEATURES, at=ago(600))
    TrainingRun.objects.create(started_at=ago(500), finished_at=ago(400), **done)

    found(version, Kind.FEATURES, at=ago(300))
    assert not drift.asks_for_training(as_of=NOW)

    found(version, Kind.SCORES, at=ago(200))
    assert drift.asks_for_training(as_of=NOW)


def test_a_drift_that_was_found_while_a_training_ran_still_asks() -> None:
    version = served(vectors(1, 100))
    done = {"status": "SUCCEEDED", "seed": 1, "code_version": "test"}
    TrainingRun.objects.create(started_at=ago(500), finished_at=ago(300), **done)
    found(version, Kind.FEATURES, at=ago(400))

    assert drift.asks_for_training(as_of=NOW)


def test_forecasts_after_the_end_and_weak_answers_are_not_scored() -> None:
    learning_settings(**FEW)
    version = served(vectors(1, 100))
    for k in range(60):
        market = MarketFactory(event=EventFactory())
        PredictionFactory(market=market, version=version, probability=0.9, as_of=ago(1000))
        known = {"strength": "proxy_spot"} if k % 2 else {"resolved_at": ago(5000)}
        ResolutionFactory(market=market, payout_0=0.0, received_at=ago(600), **known)

    assert of_kind(drift.check(as_of=NOW), Kind.CALIBRATION).verdict == Verdict.INSUFFICIENT


def test_a_gap_that_chance_explains_is_no_drift() -> None:
    learning_settings(**FEW)
    version = served(vectors(1, 100))
    for k in range(24):
        market = MarketFactory(event=EventFactory())
        PredictionFactory(market=market, version=version, probability=0.5, as_of=ago(7200))
        ResolutionFactory(market=market, payout_0=float(k < 15), received_at=ago(600))

    assert of_kind(drift.check(as_of=NOW), Kind.CALIBRATION).verdict == Verdict.QUIET


@pytest.mark.parametrize(("made_at", "verdict"), [(NOW, Verdict.ACT), (ago(8e6), Verdict.QUIET)])
def test_a_gap_must_be_the_less_likely_the_more_often_one_has_looked(
    made_at: datetime, verdict: str
) -> None:
    learning_settings(**FEW)
    version = served(vectors(1, 100), made_at=made_at)
    for k in range(24):
        market = MarketFactory(event=EventFactory())
        PredictionFactory(market=market, version=version, probability=0.5, as_of=ago(7200))
        ResolutionFactory(market=market, payout_0=float(k < 18), received_at=ago(600))

    assert of_kind(drift.check(as_of=NOW), Kind.CALIBRATION).verdict == verdict


def test_looks_within_a_cohort_are_one_look() -> None:
    learning_settings(**FEW)
    version = served(vectors(1, 100))
    won = [float(k % 2) for k in range(40)]
    answered(version, [0.85] * 40, won, asked_at=ago(7200), received_at=[NOW] * 40)

    within = drift.check(as_of=NOW + timedelta(minutes=59))
    after = drift.check(as_of=NOW + timedelta(minutes=60))

    assert of_kind(within, Kind.CALIBRATION).verdict == Verdict.INSUFFICIENT
    assert of_kind(after, Kind.CALIBRATION).verdict == Verdict.ACT


def test_too_few_forecasts_are_insufficient_never_quiet() -> None:
    version = served(vectors(1, 300))
    forecasts(version, vectors(2, 5))

    assert {report.verdict for report in drift.check(as_of=NOW)} == {Verdict.INSUFFICIENT}


def test_forecasts_that_lean_ten_points_too_far_act() -> None:
    learning_settings(**FEW)
    version = served(vectors(1, 100))
    won = [float(k % 2) for k in range(40)]
    answered(version, [0.85] * 40, won, asked_at=ago(7200), received_at=[ago(600)] * 40)

    found = of_kind(drift.check(as_of=NOW), Kind.CALIBRATION)

    assert found.verdict == Verdict.ACT
    assert found.statistic == pytest.approx(0.35)


@pytest.mark.parametrize(("later", "verdict"), [(0.05, Verdict.ACT), (0.55, Verdict.QUIET)])
def test_scores_that_turn_against_the_model_act(later: float, verdict: str) -> None:
    learning_settings(**FEW)
    version = served(vectors(1, 100))
    said = [0.55] * 100 + [later] * 100
    received_at = [ago(80_000 - k) for k in range(200)]
    answered(version, said, [1.0] * 200, asked_at=ago(90_000), received_at=received_at)

    assert of_kind(drift.check(as_of=NOW), Kind.SCORES).verdict == verdict


def test_nothing_served_leaves_nothing_to_compare() -> None:
    assert drift.check(as_of=NOW) == []


BAD_CARDS = (
    "{",
    "[1]",
    "null",
    '{"profile": 5}',
    '{"profile": {"events": 0, "features": {}}}',
    '{"profile": {"events": 1, "features": {"hours_left": {"quantiles": [1], "missing": 0}}}}',
    '{"profile": {"events": 1, "features": {"hours_left": {"quantiles": null, "missing": NaN}}}}',
    '{"profile": {"events": null, "features": {"hours_left": null}}}',
)


@pytest.mark.parametrize("card", BAD_CARDS)
def test_a_bad_card_leaves_the_features_unjudged_and_the_rest_judged(card: str) -> None:
    learning_settings(**FEW)
    version = served(vectors(1, 300))
    forecasts(version, vectors(2, 60))
    TrainingRun.objects.update(card=card)

    reports = drift.check(as_of=NOW)

    assert of_kind(reports, Kind.FEATURES).verdict == Verdict.INSUFFICIENT
    assert {report.kind for report in reports} == set(Kind.values)


def test_a_horizon_that_breaks_keeps_no_other_from_being_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    version = served(vectors(1, 300))
    hourly = Expert.objects.create(slug="gate-1h", name="Gate", algorithm="gate", horizon="1h")
    other = ModelVersion.objects.get(pk=version.pk)
    other.pk, other.expert, other.horizon = None, hourly, "1h"
    other.save(force_insert=True)
    Expert.objects.filter(slug="gate-1h").update(state="ACTIVE", served=other)

    def broken(*_args: object, **_named: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(drift, "_answers", broken)

    with pytest.raises(ExceptionGroup) as raised:
        drift.check(as_of=NOW)

    assert [type(each) for each in raised.value.exceptions] == [ZeroDivisionError]
    assert set(DriftReport.objects.values_list("horizon", flat=True)) == {"1h"}
