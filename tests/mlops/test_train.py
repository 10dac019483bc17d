"""Training as a job: refused, failed or served, always a row."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from config.kernel import jobs, revise
from config.kernel.models import Job
from markets.history import History
from mlops import champion, labels, lifecycle, train
from mlops.models import CohortScore, LearningSettings, TrainingRun
from predictions import registry
from predictions.core import ensemble, features
from predictions.models import Expert, PredictionSettings
from tests.factories import MarketFactory, PredictionFactory, ResolutionFactory
from tests.mlops.worlds import START, world

NOW = datetime(2026, 6, 1, tzinfo=UTC)
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("small_trainings")]
# What is asked is what was learned. The rows of a training are asked about on every database by the
# others: one that is served, a second that waits, is promoted and rolled back, and broken ones.
learns = pytest.mark.one_database


def trained(history: History, *, until: datetime | None = None, **knobs) -> TrainingRun:
    return train.run(until=until, seed=7, as_of=NOW, history=history, **knobs)


def test_a_training_is_served_and_says_from_what_it_came() -> None:
    row = trained(world(events=600, slope=2.0))

    served = registry.served()
    assert row.status == TrainingRun.Status.SUCCEEDED
    assert served is not None
    assert served.version == row.version_id
    assert row.dataset is not None
    assert row.dataset.events == 600
    assert json.loads(row.metrics)["out_of_fold"]["skill"] > 0
    assert Expert.objects.get(slug="gate").state == "ACTIVE"
    assert Job.objects.get(kind="train").status == Job.Status.DONE
    assert row.finished_at is not None
    assert row.finished_at >= row.started_at


@learns
def test_only_what_was_known_by_the_bound_is_learned() -> None:
    bound = datetime.fromtimestamp(START + 300 * 4 * 3600, tz=UTC)

    row = trained(world(events=600, slope=2.0), until=bound)
    assert row.error == ""

    assert row.version is not None
    assert row.version.data_until <= bound
    assert row.version.events < 301


def test_too_little_data_is_a_refused_run_that_names_the_remedy() -> None:
    row = trained(world(events=20))

    assert row.status == TrainingRun.Status.REFUSED
    assert "import more history" in row.error
    assert registry.served() is None
    assert Job.objects.get(kind="train").status == Job.Status.FAILED


@learns
def test_a_suspected_leak_is_refused_and_nothing_is_served() -> None:
    row = trained(world(events=600, leak=True))

    assert row.status == TrainingRun.Status.REFUSED
    assert "audit" in row.error
    assert registry.served() is None


def test_two_trainings_never_run_at_once() -> None:
    jobs.start(train.KIND, train.KEY, as_of=NOW)

    with pytest.raises(jobs.AlreadyRunning):
        trained(world(events=300))


def test_a_second_training_that_gains_no_more_waits_as_challenger() -> None:
    first = trained(world(events=600, slope=2.0))
    Expert.objects.update(validated_at=NOW - timedelta(hours=5))
    second = trained(world(events=660, slope=2.0))

    gate = Expert.objects.get(slug="gate")
    contest = json.loads(second.card)["contest"]
    assert contest["events"] == 60
    assert contest["champion_held"]
    assert gate.validated_at == NOW
    assert contest["challenger_gain"] < 1.01 * contest["champion_gain"]
    assert gate.served == first.version
    assert gate.challenger == second.version

    told = {"evidence": {"reason": "test"}, "actor": "ada", "as_of": NOW}
    lifecycle.promote("gate", version=second.version, **told)
    lifecycle.rollback("gate", **told)

    served = registry.served()
    assert served is not None
    assert served.version == first.version_id


@pytest.mark.parametrize(
    ("gain", "best", "events", "expired", "takes_over"),
    [
        (0.0101, 0.01, 50, False, True),
        (0.0100, 0.01, 50, False, False),
        (0.0100, 0.01, 50, True, True),
        (0.0099, 0.01, 50, True, False),
        (0.0, 0.0, 50, False, True),
        (-0.001, 0.0, 50, False, False),
        (0.05, 0.0, 49, True, False),
    ],
)
def test_a_challenger_must_gain_a_hundredth_more_than_the_champion_on_enough_events(
    gain, best, events, expired, takes_over
) -> None:
    config = LearningSettings(version=0).as_config()

    found, _ = champion.decided(gain, best, events=events, expired=expired, config=config)

    assert found is takes_over


@learns
def test_what_learned_from_fewer_events_must_be_better_beyond_chance() -> None:
    first = trained(world(events=600, slope=2.0))
    few = trained(world(events=300, slope=1.3, apart_s=16 * 3600.0))

    contest = json.loads(few.card)["contest"]
    assert contest["champion_gain"] <= contest["challenger_gain"]
    assert not contest["takes_over"]
    assert "300 events, the champion from 600: within chance" in contest["reason"]
    gate = Expert.objects.get(slug="gate")
    assert (gate.served, gate.challenger) == (first.version, few.version)


def test_a_champion_is_not_validated_by_a_contest_on_too_few_later_events() -> None:
    trained(world(events=600, slope=2.0))
    before = NOW - timedelta(hours=5)
    Expert.objects.update(validated_at=before)

    second = trained(world(events=630, slope=2.0))

    gate = Expert.objects.get(slug="gate")
    assert gate.challenger == second.version
    assert "nothing new to judge by" in json.loads(second.card)["contest"]["reason"]
    assert gate.validated_at == before


def test_out_of_fold_scores_of_every_member_are_kept_by_day() -> None:
    row = trained(world(events=600, slope=2.0))

    scores = CohortScore.objects.filter(expert="recalibration", source="OOF")
    tested = json.loads(row.card)["experts"]["recalibration"]["hold_out"]["events"]
    assert sum(scores.values_list("events", flat=True)) == tested
    assert all(0 <= score.reach <= 1 for score in scores)
    assert sum(s.events * (s.brier_market - s.brier_expert) for s in scores) > 0


@learns
def test_a_price_horizon_is_trained_and_says_why_it_is_not_served() -> None:
    row = trained(world(events=300, hours=12), horizon="1h")

    assert row.error == ""
    assert row.version is not None
    assert row.version.expert_id == "gate-1h"
    assert set(json.loads(row.card)["experts"]) == {"ahead-1h"}
    assert Expert.objects.get(slug="ahead-1h").state == "SHADOW"


@learns
def test_a_suspended_gate_is_trained_but_not_served() -> None:
    trained(world(events=300))
    lifecycle.demote("gate", to="SUSPENDED", evidence={"reason": "test"}, actor="ada", as_of=NOW)

    row = trained(world(events=320))

    assert row.status == TrainingRun.Status.SUCCEEDED
    assert registry.served() is None


@learns
def test_domains_never_seen_in_training_stay_the_price_bit_for_bit() -> None:
    trained(world(events=600, slope=2.0, category="sports"))
    bundle = registry.served()
    assert bundle is not None
    config = PredictionSettings.objects.current(as_of=NOW).as_config()
    learning = LearningSettings.objects.current(as_of=NOW).as_config()
    for category, moved in (("sports", True), ("politics", False)):
        data = labels.examples(
            world(events=50, slope=2.0, category=category), until=None, config=learning
        )

        said = ensemble.forecast(bundle, data.x, data.price, cell=data.cell, config=config)

        assert bool((said.probability != data.price).any()) is moved
        if not moved:
            assert np.array_equal(said.probability, data.price)


def test_training_waits_for_enough_new_answers() -> None:
    trained(world(events=300))

    assert train.when_due(as_of=NOW + timedelta(hours=1)) is None


def ran(**values) -> TrainingRun:
    told = {"started_at": NOW, "status": "REFUSED", "seed": 1, "code_version": "t"}
    return TrainingRun.objects.create(**{**told, **values})


def test_a_look_at_the_past_or_by_a_clock_ahead_does_not_put_off_the_next_training() -> None:
    day = timedelta(days=1)
    one = {"min_new_labels": 1}
    revise.settings(LearningSettings, one, author=None, reason="one will do", as_of=NOW - day)
    market = MarketFactory()
    PredictionFactory(market=market, as_of=NOW - 3 * day, schema_hash=features.SCHEMA_HASH)
    answer = {"resolved_at": NOW - 2 * day, "received_at": NOW - 2 * day}
    ResolutionFactory(market=market, strength="official", **answer)

    past = train.run(until=NOW - 9 * day, seed=None, as_of=NOW)
    assert past.status == TrainingRun.Status.REFUSED
    assert train.is_due("outcome", as_of=NOW)

    ran(started_at=NOW - day)
    assert not train.is_due("outcome", as_of=NOW)

    TrainingRun.objects.all().delete()
    ran(started_at=NOW + 400 * day)
    assert train.is_due("outcome", as_of=NOW)


@learns
def test_a_bundle_for_a_replay_is_fitted_without_a_row() -> None:
    config = LearningSettings.objects.current(as_of=NOW).as_config()
    data = labels.examples(world(events=300), until=None, config=config)

    bundle = train.fit(data, config=config, seed=7, cap=0.3)

    assert bundle is not None
    assert bundle.version is None
    assert bundle.blend.weight <= 0.3
    assert train.fit(data.take(np.arange(10)), config=config, seed=7, cap=0.3) is None
    assert not TrainingRun.objects.exists()


def test_the_command_reports_a_refusal_with_exit_code_one(capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        call_command("train", "--json", "--seed", "3", "--until", "2026-01-01")

    told = json.loads(capsys.readouterr().out)
    assert stopped.value.code == 1
    assert told["status"] == "REFUSED"
    assert told["seed"] == 3


def test_the_command_refuses_a_moment_that_is_none() -> None:
    with pytest.raises(CommandError) as refusal:
        call_command("train", "--until", "yesterday-ish")

    assert refusal.value.returncode == 2


@learns
def test_the_command_shows_the_evidence_of_every_domain(capsys, monkeypatch) -> None:
    monkeypatch.setattr(train.archive, "load", lambda **_: world(events=600, slope=2.0))

    call_command("train")

    told = capsys.readouterr().out
    assert "sports" in told
    assert "gate v1" in told
    call_command("train", "--json", "--until", "2026-01-01T00:00")
    assert json.loads(capsys.readouterr().out)["status"] == "SUCCEEDED"


@learns
def test_the_command_says_that_no_fold_had_enough_events(capsys, monkeypatch) -> None:
    monkeypatch.setattr(train.archive, "load", lambda **_: world(events=70))

    call_command("train")

    told = " ".join(capsys.readouterr().out.split())
    assert "No fold had enough events" in told
    assert "gate v1" in told


def test_a_training_ends_on_the_clock_of_the_edge() -> None:
    moments = iter(NOW + timedelta(minutes=k) for k in range(1, 10_000))

    row = trained(world(events=300), clock=lambda: next(moments))

    assert row.finished_at is not None
    assert row.finished_at > NOW + timedelta(minutes=1)
    assert Job.objects.get(kind="train").finished_at == row.finished_at


@learns
def test_a_bundle_names_what_it_is() -> None:
    row = trained(world(events=300))
    bundle = registry.served()
    assert bundle is not None
    assert row.version is not None
    assert bundle.sha256 == row.version.sha256
    assert bundle.label == f"gate v1 sha256:{row.version.sha256[:12]}"

    config = LearningSettings.objects.current(as_of=NOW).as_config()
    data = labels.examples(world(events=300), until=None, config=config)
    first, again = (train.fit(data, config=config, seed=7, cap=0.7) for _ in range(2))
    other = train.fit(data.take(np.arange(900)), config=config, seed=7, cap=0.7)
    assert first is not None
    assert again is not None
    assert other is not None
    assert first.label == again.label == f"not registered sha256:{first.sha256[:12]}"
    assert other.label != first.label


@learns
def test_the_command_says_that_no_domain_showed_evidence(capsys, monkeypatch) -> None:
    monkeypatch.setattr(train.archive, "load", lambda **_: world(events=300))

    call_command("train")

    assert "the forecast is the market price" in capsys.readouterr().out


def test_training_single_flight() -> None:
    jobs.start(train.KIND, train.KEY, as_of=timezone.now())

    with pytest.raises(CommandError, match="SKIPPED_LOCKED") as refusal:
        call_command("train", "--horizon", "1h")

    assert refusal.value.returncode == 1
    assert not TrainingRun.objects.exists()


@pytest.mark.parametrize("seed", ["-1", str(2**31)])
def test_a_seed_that_is_none_is_bad_usage_and_leaves_no_job(seed):
    with pytest.raises(CommandError, match="--seed is 0 to") as refusal:
        call_command("train", seed=int(seed))

    assert refusal.value.returncode == 2
    with pytest.raises(ValueError, match="a seed is 0 to"):
        train.run(until=None, seed=int(seed), as_of=timezone.now())
    assert not Job.objects.exists()
