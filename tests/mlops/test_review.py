"""The review moves experts on evidence, and a training is followed as far as each proved itself."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from config.kernel.models import DomainEvent
from mlops import lifecycle, losses, pruning, revalidation, review, scores, trust
from mlops.models import ExpertTransition
from predictions import artefacts, predict, registry
from predictions.models import Expert, ModelVersion, Prediction
from tests import factories as make
from tests.mlops.experts import answered, trained

DAY = datetime(2026, 11, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)
BOTH = ("recalibration", "politics")
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_artefacts(tmp_path: Path, settings) -> None:
    settings.ENV = replace(settings.ENV, artefact_dir=tmp_path)
    registry.forget()


def follow(
    version: ModelVersion,
    *,
    admitted: tuple[str, ...] = BOTH,
    accepted: bool = True,
    as_of: datetime = DAY,
) -> bool:
    return lifecycle.after_training(
        version,
        experts={slug: {"admitted": slug in admitted, "e_value": 41.0} for slug in BOTH},
        accepted=accepted,
        evidence={"training_run": 1},
        actor="ada",
        as_of=as_of,
    )


def states() -> tuple[str, ...]:
    found = dict(Expert.objects.values_list("slug", "state"))
    return tuple(found[slug] for slug in ("gate", *BOTH))


def told(**evidence: object) -> dict:
    return {"evidence": evidence or {"reason": "test"}, "actor": "ada", "as_of": DAY}


def test_an_accepted_training_serves_its_gate_and_only_members_that_were_admitted() -> None:
    version = trained(at=DAY, members=BOTH)

    assert follow(version, admitted=("politics",))

    assert states() == ("ACTIVE", "SHADOW", "ACTIVE")
    assert Expert.objects.get(slug="gate").served_id == version.pk
    assert Expert.objects.filter(slug__in=("gate", *BOTH), validated_at=DAY).count() == 3
    last = ExpertTransition.objects.filter(expert_id="politics").latest("id")
    assert json.loads(last.evidence)["e_value"] == 41.0
    bundle = registry.served()
    assert bundle is not None
    assert "politics" in bundle.active
    assert "recalibration" not in bundle.active


def test_a_training_that_was_not_accepted_serves_nothing_and_a_later_one_may() -> None:
    assert not follow(trained(at=DAY, members=BOTH), accepted=False)
    assert states() == ("SHADOW", "SHADOW", "SHADOW")
    assert Expert.objects.get(slug="gate").validated_at is None

    assert follow(trained(at=DAY + HOUR, members=BOTH), as_of=DAY + HOUR)
    assert states() == ("ACTIVE", "ACTIVE", "ACTIVE")


def test_a_training_brings_back_nobody_whom_a_person_took_out() -> None:
    follow(trained(at=DAY, members=BOTH))
    lifecycle.demote("politics", to="SUSPENDED", **told())
    lifecycle.move("politics", to="SHADOW", version=None, **told())
    lifecycle.demote("gate", to="SUSPENDED", **told())

    assert not follow(trained(at=DAY + HOUR, members=BOTH), as_of=DAY + HOUR)

    assert states() == ("SUSPENDED", "ACTIVE", "SHADOW")


def test_stale_model_leaves_active() -> None:
    follow(trained(at=DAY, members=BOTH))
    assert review.run(as_of=DAY + 72 * HOUR).moved == ()
    assert trust.current("outcome", as_of=DAY + 72 * HOUR) == 1.0
    assert trust.current("outcome", as_of=DAY + 73 * HOUR) == 0.0  # without any review

    found = review.run(as_of=DAY + 73 * HOUR)

    assert {p.rule for p in found.moved} == {"stale"}
    assert states() == ("PROBATION",) * 3
    assert registry.served() is None
    # A training brings new data; the review lets them serve again.
    again = trained(at=DAY + 74 * HOUR, members=BOTH)
    assert not follow(again, as_of=DAY + 74 * HOUR)
    assert {p.rule for p in review.run(as_of=DAY + 75 * HOUR).moved} == {"recovered"}
    assert states() == ("ACTIVE",) * 3
    assert Expert.objects.get(slug="gate").served_id == again.pk


def test_version_mismatch_forces_shadow(monkeypatch: pytest.MonkeyPatch) -> None:
    real = artefacts.versions()
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(artefacts, "versions", lambda: real | {"numpy": "1.21.0"})
        version = trained(at=DAY, members=BOTH)
        registry.forget()
        follow(version)
    registry.forget()

    found = review.run(as_of=DAY + HOUR)

    assert {p.rule for p in found.moved} == {"mismatched"}
    assert states() == ("PROBATION",) * 3
    assert lifecycle.may_trade_live(as_of=DAY + HOUR)
    known = DAY + 5 * HOUR
    answered(version, prices=[0.6] * 50, payouts=[1] * 50, known_at=known, moves=[0.3, 0.3])
    back = review.run(as_of=DAY + 6 * HOUR)
    assert back.validated == ("outcome",)
    assert {p.rule for p in back.moved} == {"recovered"}
    assert states() == ("ACTIVE",) * 3


def test_a_version_that_fails_on_new_answers_is_not_validated() -> None:
    version = trained(at=DAY)
    follow(version)
    known = DAY + 5 * HOUR
    answered(version, prices=[0.6] * 49, payouts=[1] * 49, known_at=known, moves=[0.3])
    assert not revalidation.run("outcome", as_of=DAY + 6 * HOUR)  # too few

    answered(version, prices=[0.6] * 60, payouts=[0] * 60, known_at=known, moves=[0.6])
    assert not revalidation.run("outcome", as_of=DAY + 6 * HOUR)  # worse than the price

    answered(version, prices=[0.6] * 120, payouts=[1] * 120, known_at=known, moves=[0.6])
    assert revalidation.run("outcome", as_of=DAY + 6 * HOUR)
    assert Expert.objects.get(slug="gate").validated_at == DAY + 6 * HOUR
    assert DomainEvent.objects.filter(kind="version.validated").count() == 1


def test_a_training_does_not_heal_what_live_answers_found() -> None:
    follow(trained(at=DAY, members=BOTH))
    for slug in ("gate", "politics"):
        lifecycle.demote(slug, to="PROBATION", **told(rule="worse"))
    lifecycle.demote("recalibration", to="PROBATION", **told(rule="stale"))

    again = trained(at=DAY + HOUR, members=BOTH)
    assert not follow(again, as_of=DAY + HOUR)

    assert [p.slug for p in review.run(as_of=DAY + 2 * HOUR).moved] == ["recalibration"]
    assert states() == ("PROBATION", "ACTIVE", "PROBATION")
    known = DAY + timedelta(days=1, hours=5)
    payouts = [1] * 33 + [0] * 17
    answered(again, prices=[0.6] * 50, payouts=payouts, known_at=known, moves=[0.3, 0.3])
    end = DAY + timedelta(days=2, hours=2)
    scores.record(as_of=end)
    assert {p.rule for p in review.run(as_of=end).moved} == {"recovered"}
    assert states() == ("ACTIVE",) * 3
    assert review.run(as_of=end + HOUR).moved == ()


def test_a_gate_that_serves_is_judged_by_what_it_served_and_one_that_does_not_by_its_members() -> (
    None
):
    version = trained(at=DAY)
    follow(version)
    known = DAY + 5 * HOUR
    told_as_price = {"prices": [0.6] * 60, "known_at": known, "probability": 0.6}
    answered(version, **told_as_price, payouts=[0] * 60, moves=[0.9])

    assert revalidation.run("outcome", as_of=DAY + 6 * HOUR)  # it served the price
    lifecycle.demote("gate", to="PROBATION", **told(rule="stale"))
    assert not revalidation.run("outcome", as_of=DAY + 6 * HOUR)  # and would have served worse


def test_zero_active_experts_alerts_and_no_live_trading() -> None:
    registry.ensure_experts()
    assert review.run(as_of=DAY).alerts == ()  # nothing was ever trained
    follow(trained(at=DAY, members=BOTH))
    assert lifecycle.may_trade_live(as_of=DAY) == ()
    assert review.run(as_of=DAY).alerts == ()
    for slug in BOTH:
        lifecycle.demote(slug, to="SUSPENDED", **told())

    first, second = (review.run(as_of=DAY + k * HOUR) for k in (1, 2))

    assert (first.alerts, second.alerts) == (("experts:none-active",), ())
    event = DomainEvent.objects.get(kind="alert.raised")
    assert "market price" in json.loads(event.data)["text"]
    assert "no expert is in service" in lifecycle.may_trade_live(as_of=DAY)[0]
    later = told() | {"as_of": DAY + 3 * HOUR}
    lifecycle.override("politics", to="SHADOW", **later)
    lifecycle.override("politics", to="ACTIVE", **later)
    assert review.run(as_of=DAY + 4 * HOUR).alerts == ()
    lifecycle.demote("politics", to="SUSPENDED", **later)
    assert review.run(as_of=DAY + 5 * HOUR).alerts == ("experts:none-active",)


def traded(version: ModelVersion, *, known_at: datetime, won: bool, price: str = "0.40") -> None:
    """One filled purchase of outcome 0 on a forecast of the version, and its answer."""
    forecast = answered(
        version, prices=[0.4], payouts=[float(won)], known_at=known_at, moves=[0.0]
    )[0]
    make.markets.Outcome.objects.create(
        market=forecast.market, index=0, name="Yes", asset_id=f"{forecast.pk}"
    )
    signal = make.SignalFactory.create(prediction=forecast)
    intent = make.IntentFactory.create(
        market=forecast.market, signal=signal, limit_price=Decimal(price)
    )
    order = make.OrderFactory.create(intent=intent)
    make.FillFactory.create(order=order, fee=Decimal("1.00"), received_at=known_at - HOUR)


def test_consecutive_losses_suspend_expert() -> None:
    version = trained(at=DAY)
    follow(version)
    traded(version, known_at=DAY + 2 * HOUR, won=True)
    for k in range(5):
        traded(version, known_at=DAY + (3 + k) * HOUR, won=False)
    early = review.run(as_of=DAY + 8 * HOUR)
    assert early.moved == ()
    assert early.alerts[0].startswith("expert:gate:losses:")
    for k in range(5):
        traded(version, known_at=DAY + (8 + k) * HOUR, won=False)

    found = losses.run("gate", since=None, as_of=DAY + 13 * HOUR)
    late = review.run(as_of=DAY + 13 * HOUR)

    assert found.length == 10
    assert found.chance == pytest.approx((1 - 0.41) ** 10)  # 40 cents and a cent of fee
    assert [(p.slug, p.rule, p.to) for p in late.moved] == [("gate", "losing", "SUSPENDED")]
    assert [a for a in late.alerts if "losses" in a] == []  # told once a run
    card = losses.card("gate", days=30, as_of=DAY + 13 * HOUR)
    assert (card.trades, card.wins, card.verdict) == (11, 1, "INSUFFICIENT")


def bought(event: int, *prices: str, ends: int) -> losses.Trade:
    """Ten shares of each of an event's exclusive outcomes; the one numbered `ends` pays."""
    fills = [
        ("PAPER", event, 10 * event + k, 0, Decimal(k == ends), DAY, None, Decimal(price), 10, 0)
        for k, price in enumerate(prices)
    ]
    return losses.trade(fills)


def test_the_card_says_go_in_a_fair_world_no_more_often_than_chance_allows() -> None:
    rng = np.random.default_rng(12)
    verdicts = []
    for _ in range(200):
        # Two of three outcomes at 45 cents win nine times of ten: no price says so of either.
        pairs = [
            bought(k, "0.45", "0.45", ends=int(end))
            for k, end in enumerate(rng.choice(3, 60, p=[0.45, 0.45, 0.1]))
        ]
        single = [
            bought(100 + k, "0.45", ends=int(end)) for k, end in enumerate(rng.random(60) >= 0.45)
        ]
        verdicts.append(losses.judged([*pairs, *single], days=30.0).verdict)

    assert bought(1, "0.45", "0.40", ends=1).loss_chance == pytest.approx(0.6)
    assert verdicts.count("GO") + verdicts.count("NO_GO") > 0
    assert verdicts.count("GO") <= 0.05 * len(verdicts)


def test_live_evidence_of_many_days_demotes_and_the_row_tells_it() -> None:
    make.learning_settings(evidence_to_demote=1.2, demotion_margin=0.0, reliability_events=1000)
    version = trained(at=DAY)
    follow(version)
    for day in range(1, 12):
        known = DAY + timedelta(days=day, hours=3)
        answered(version, prices=[0.5] * 2, payouts=[0] * 2, known_at=known, moves=[0.9])
    end = DAY + timedelta(days=12, hours=2)
    lifecycle.validate(["gate", "recalibration"], actor="ada", as_of=end)
    scores.record(as_of=end)

    moved = review.run(as_of=end).moved

    assert ("recalibration", "worse", "PROBATION") in [(p.slug, p.rule, p.to) for p in moved]
    row = ExpertTransition.objects.filter(expert_id="recalibration").latest("id")
    told_by = json.loads(row.evidence)
    assert row.actor == "review"
    assert told_by["peak_worse"] >= 1.2
    assert told_by["cohorts"] == 11
    assert DomainEvent.objects.filter(kind="expert.moved", actor="review").exists()


def test_rollback_changes_served_predictions() -> None:
    market = make.MarketFactory.create()
    make.QuoteFactory.create(market=market, at=DAY - timedelta(minutes=1), bid=0.69, ask=0.71)
    versions = [trained(at=DAY - timedelta(days=2 - k), slope=s) for k, s in enumerate((0.2, 0.8))]
    for version in versions:
        follow(version)
    predict.run(as_of=DAY, market_ids=[market.pk])

    lifecycle.rollback("gate", **told())
    predict.run(as_of=DAY + timedelta(seconds=1), market_ids=[market.pk])

    before, after = Prediction.objects.filter(horizon="outcome").order_by("as_of")
    assert (before.version_id, after.version_id) == (versions[1].pk, versions[0].pk)
    said = [float(registry.corrections(row)[0]) for row in (before, after)]
    assert said[0] == pytest.approx(4 * said[1])
    assert said[1] > 0


def test_a_challenger_that_is_better_live_takes_over_and_one_that_is_worse_ends() -> None:
    for move, served in ((1.0, 1), (-1.0, 0)):
        pair = [trained(at=DAY - timedelta(days=3 - k)) for k in range(2)]
        follow(pair[0], as_of=DAY)
        registry.challenge("gate", version=pair[1], actor="ada", as_of=DAY)
        for day in range(1, 16):
            known = DAY + timedelta(days=day + 20 * (1 - served), hours=2)
            answered(pair[0], prices=[0.5], payouts=[1], known_at=known, moves=[0.0])
            answered(pair[1], prices=[0.5], payouts=[1], known_at=known, moves=[move])
        end = DAY + timedelta(days=16 + 20 * (1 - served), hours=2)
        scores.record(as_of=end)

        found = review.run(as_of=end).contests

        gate = Expert.objects.get(slug="gate")
        assert [each.verdict for each in found] == ["took over" if served else "ended"]
        assert gate.challenger_id is None
        assert gate.served_id == pair[served].pk


def test_an_operator_may_make_any_legal_move_with_a_reason_and_proven_files() -> None:
    version = trained(at=DAY)
    follow(version, accepted=False)

    with pytest.raises(ValueError, match="needs a reason"):
        lifecycle.override("recalibration", to="ACTIVE", **told(reason=" "))
    with pytest.raises(lifecycle.IllegalMove):
        lifecycle.override("recalibration", to="PROBATION", **told())
    moved = lifecycle.override("recalibration", to="ACTIVE", **told(reason="I looked"))
    assert json.loads(moved.evidence) == {"reason": "I looked", "override": True}
    lifecycle.demote("recalibration", to="PROBATION", **told())
    served = Expert.objects.select_related("served").get(slug="recalibration").served
    assert served is not None
    (Path(settings.ENV.artefact_dir) / served.file).write_bytes(b"scrap")
    with pytest.raises(registry.TamperedArtefact):
        lifecycle.override("recalibration", to="ACTIVE", **told())


def test_old_files_that_were_never_served_go_and_a_rollback_still_finds_its_own() -> None:
    served = trained(at=DAY - timedelta(days=9))
    follow(served)
    idle = [trained(at=DAY - timedelta(days=8 - k), slope=0.1 * k) for k in range(5)]

    gone = pruning.prune(keep=3, as_of=DAY)

    root = Path(settings.ENV.artefact_dir)
    assert gone == 4  # gate and member of the two oldest that were never served
    assert [(root / v.file).exists() for v in [served, *idle]] == [True, False, False] + [True] * 3
    assert pruning.prune(keep=3, as_of=DAY) == 0
    registry.forget()
    assert registry.load(served).version == served.pk


def test_the_command_lists_records_overrides_and_reviews(
    capsys: pytest.CaptureFixture[str],
) -> None:
    version = trained(at=DAY)
    follow(version)
    answered(version, prices=[0.6], payouts=[1], known_at=DAY + HOUR, moves=[0.5])
    scores.record(as_of=DAY + 26 * HOUR)

    call_command("experts", "override", "gate", "--to", "PROBATION", "--reason", "odd", "--json")

    rows = {e["slug"]: e for e in json.loads(capsys.readouterr().out)["experts"]}
    assert rows["gate"]["state"] == "PROBATION"
    assert (rows["gate"]["family"], rows["gate"]["horizon"]) == ("base", "outcome")
    call_command("experts", "review", "--json")
    assert "moved" in json.loads(capsys.readouterr().out)["review"]
    call_command("experts", "compare", "outcome")
    assert "Nothing to compare" in capsys.readouterr().out
    with pytest.raises(CommandError, match="--to STATE"):
        call_command("experts", "override", "gate", "--reason", "x")
