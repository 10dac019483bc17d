"""The rules that move experts, and the figures they rest on: no database, no clock."""

from dataclasses import replace

import numpy as np
import pytest

from mlops.core import eprocess, significance, standing
from mlops.core.standing import Standing
from mlops.core.tally import Tally
from mlops.models import LearningSettings

CONFIG = LearningSettings().as_config()
NOTHING = eprocess.evidence(np.empty(0), margin=0.0)
SOUND = Standing(
    slug="politics",
    state="ACTIVE",
    gate=False,
    returns=False,
    evidence=NOTHING,
    skill=0.01,
    events=100,
    taught=1_000,
    tally=Tally.nothing(),
    validated_h=1.0,
    moved_h=100.0,
    rule="stale",
    by_person=False,
    mismatch="",
    losses=0,
    loss_chance=1.0,
    losing_since=None,
    challengers=1,
)


def asked(**changes: object) -> tuple[str, str] | None:
    found = standing.proposal(replace(SOUND, **changes), CONFIG)  # type: ignore[arg-type]
    return found and (found.rule, found.to)


def tally(*, p: float, frequency: float, events: int) -> Tally:
    y = (np.arange(events) < frequency * events).astype(float)
    return Tally.of(np.full(events, p), y, weight=np.ones(events))


def test_a_sound_expert_stays_where_it_is() -> None:
    for state in ("ACTIVE", "SHADOW", "SUSPENDED"):
        assert asked(state=state) is None


def test_overconfident_expert_demoted() -> None:
    assert asked(tally=tally(p=0.9, frequency=0.6, events=60)) == ("overconfident", "PROBATION")
    assert asked(tally=tally(p=0.9, frequency=0.6, events=49)) is None
    assert asked(tally=tally(p=0.9, frequency=0.86, events=500)) is None


def test_a_gap_that_chance_explains_demotes_nobody() -> None:
    # 11 points on 50 events near even odds: one and a half standard errors.
    assert asked(tally=tally(p=0.55, frequency=0.44, events=50)) is None


STEEP = tally(p=0.25, frequency=0.33, events=2_000) + tally(p=0.75, frequency=0.67, events=2_000)


def test_a_calibration_slope_outside_of_its_band_demotes() -> None:
    calibration = STEEP.slope()

    assert calibration[1] < 0.8
    loose = replace(CONFIG, max_reliability_gap=0.5)
    found = standing.proposal(replace(SOUND, tally=STEEP), loose)
    assert found is not None
    assert (found.rule, found.to) == ("tilted", "PROBATION")
    honest = tally(p=0.25, frequency=0.25, events=200) + tally(p=0.75, frequency=0.75, events=200)
    low, high = honest.slope()
    assert low < 1 < high
    assert asked(tally=honest) is None


LOOKS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 90, 120)  # finished days
RUNS = 150


def test_an_honest_expert_that_is_looked_at_every_day_is_demoted_in_one_run_of_twenty() -> None:
    rng = np.random.default_rng(9)
    demoted = {"overconfident": 0, "tilted": 0}
    one_look = 0
    for _ in range(RUNS):
        p = rng.choice(LEVELS, (max(LOOKS), 12))
        y = (rng.random(p.shape) < p).astype(float)
        found = [Tally.of(p[:k].ravel(), y[:k].ravel(), weight=np.ones(12 * k)) for k in LOOKS]
        seen = [
            replace(SOUND, tally=each, evidence=replace(NOTHING, cohorts=days))
            for each, days in zip(found, LOOKS, strict=True)
        ]
        loose = replace(CONFIG, max_reliability_gap=0.0)
        demoted["overconfident"] += any(standing.overconfident(each, loose) for each in seen)
        demoted["tilted"] += any(standing.tilted(each, CONFIG) for each in seen)
        one_look += any(each.lean(min_events=50, level=0.05) > 0 for each in found)

    assert max(demoted.values()) <= 0.05 * RUNS
    assert one_look > 0.15 * RUNS  # what the same level at every look would do


LEVELS = (0.08, 0.25, 0.45, 0.65, 0.85)


def test_a_forecast_that_never_differs_or_separates_has_no_slope() -> None:
    assert np.isnan(tally(p=0.5, frequency=0.5, events=100).slope()[0])
    apart = tally(p=0.1, frequency=0.0, events=50) + tally(p=0.9, frequency=1.0, events=50)
    assert np.isnan(apart.slope()[0])


def test_worse_than_the_price_by_more_than_the_margin_demotes_and_on_probation_suspends() -> None:
    bad = eprocess.evidence(np.full(400, -0.02), margin=CONFIG.demotion_margin, reach=0.1)

    assert asked(evidence=bad) == ("worse", "PROBATION")
    assert asked(evidence=bad, state="PROBATION") == ("worse", "SUSPENDED")


def test_stale_model_leaves_active() -> None:
    assert asked(validated_h=CONFIG.expiry_h + 1.0) == ("stale", "PROBATION")
    assert asked(validated_h=float(CONFIG.expiry_h)) is None


def test_probation_ends_when_the_expert_was_validated_since_unless_a_person_ordered_it() -> None:
    since = {"state": "PROBATION", "validated_h": 1.0, "moved_h": 5.0}

    assert asked(**since) == ("recovered", "ACTIVE")
    assert asked(**since, by_person=True) is None
    assert asked(**since | {"validated_h": 6.0}) is None
    assert asked(**since, mismatch="numpy 1.26") is None


def test_who_was_demoted_by_live_answers_comes_back_by_live_answers_alone() -> None:
    good = eprocess.evidence(np.full(9, 0.001), margin=0.0, reach=0.1)
    poor = eprocess.evidence(np.full(9, -0.003), margin=0.0, reach=0.1)
    since = {"state": "PROBATION", "rule": "worse", "validated_h": 1.0, "moved_h": 500.0}

    assert asked(**since, evidence=good, events=49) is None  # a training is no proof
    assert asked(**since, evidence=good, events=50) == ("recovered", "ACTIVE")
    assert asked(**since | {"validated_h": 500.0}, evidence=good) == ("recovered", "ACTIVE")
    assert asked(**since, evidence=poor) is None
    assert asked(**since, evidence=good, tally=STEEP) is None
    assert asked(**since | {"validated_h": 501.0}, evidence=good, gate=True) is None


@pytest.mark.parametrize(
    "lacking",
    [
        {"skill": -0.01},
        {"events": 49},
        {"taught": 199},
        {"tally": STEEP},
        {"validated_h": 100.0},
        {"mismatch": "lightgbm 4.6"},
        {"challengers": 40},
        {"returns": True},
    ],
)
def test_promotion_needs_evidence_and_every_gate(lacking: dict[str, object]) -> None:
    good = eprocess.evidence(np.full(40, 0.02), margin=0.0, reach=0.1)
    assert 20 <= good.e_value < 800
    ready = {"state": "SHADOW", "evidence": good}

    assert asked(**ready) == ("proven", "ACTIVE")
    assert asked(**ready | lacking) is None


def test_long_suspended_is_retired() -> None:
    assert asked(state="SUSPENDED", moved_h=24 * 91.0) == ("forgotten", "DEPRECATED")


def test_demotion_cap() -> None:
    bad = eprocess.evidence(np.full(400, -0.02), margin=0.0, reach=0.1)
    worst = eprocess.evidence(np.full(400, -0.04), margin=0.0, reach=0.1)
    seen = [replace(SOUND, slug=f"e{k}", evidence=bad) for k in range(5)]
    seen += [replace(SOUND, slug="worst", evidence=worst)]
    seen += [replace(SOUND, slug=f"stale{k}", validated_h=1e4) for k in range(4)]
    every = [p for each in seen if (p := standing.proposal(each, CONFIG))]

    todo, waiting = standing.decided(every, max_demotions=3)

    assert {p.slug for p in todo if p.cause} == {f"stale{k}" for k in range(4)}
    assert [p.slug for p in todo if not p.cause] == ["e0", "e1", "worst"]
    assert {p.slug for p in waiting} == {"e2", "e3", "e4"}


def test_two_hundred_and_nineteen_losses_suspend_at_even_prices_and_at_longshots_too() -> None:
    for cost, first in ((0.5, 8), (0.05, 90)):
        run = [
            k
            for k in range(1, 220)
            if asked(losses=k, loss_chance=(1 - cost) ** k) == ("losing", "SUSPENDED")
        ]
        assert run[0] == first
        assert run[-1] == 219


def test_a_losing_run_is_counted_from_the_end() -> None:
    found = standing.run_of_losses([True, False, True, False, False], [0.5, 0.5, 0.5, 0.9, 0.8])

    assert found == (2, pytest.approx(0.72))
    assert standing.run_of_losses([], []) == (0, 1.0)


def test_tallies_add_up_and_survive_json() -> None:
    one, two = tally(p=0.3, frequency=0.5, events=10), tally(p=0.8, frequency=0.5, events=4)

    both = Tally.from_json((one + two).as_json())

    assert both.events.sum() == 14
    assert both.answer.sum() == 7
    assert both.forecast.sum() == pytest.approx(10 * 0.3 + 4 * 0.8)


def judged(wins: int, trades: int, *, cost: float, epoch: bool = False, days: float = 90.0):
    won = np.arange(trades) % trades < wins
    np.random.default_rng(3).shuffle(won)
    return significance.card(won, np.full(trades, cost), epoch=np.full(trades, epoch), days=days)


def test_go_no_go_asks_whether_wins_exceed_those_the_prices_imply() -> None:
    assert judged(49, 49, cost=0.5).verdict == "INSUFFICIENT"
    assert judged(50, 50, cost=0.5).verdict == "GO"
    # 60 % of favourites at 80 cents is a disaster, 30 % of longshots at 10 cents a triumph.
    assert judged(60, 100, cost=0.8).verdict == "NO_GO"
    assert judged(30, 100, cost=0.1).verdict == "GO"
    assert judged(80, 100, cost=0.8).verdict == "WAIT"


def test_the_chi_square_is_that_of_the_textbook() -> None:
    found = judged(60, 100, cost=0.5)

    assert found.chi_square == pytest.approx(4.0)
    assert found.p_value == pytest.approx(0.0455, abs=1e-4)
    assert found.implied == pytest.approx(50.0)


def test_win_rate_bands_are_read_for_near_even_epochs_only() -> None:
    assert judged(30, 100, cost=0.1).band == "INSUFFICIENT"
    assert judged(58, 100, cost=0.5).band == "INSUFFICIENT"
    assert judged(58, 100, cost=0.5, epoch=True).band == "GO"
    assert judged(48, 100, cost=0.5, epoch=True).verdict == "NO_GO"


def test_live_readiness_asks_for_sixty_days_and_three_hundred_events() -> None:
    assert judged(240, 400, cost=0.5).ready
    assert not judged(240, 400, cost=0.5, days=59).ready
    assert not judged(180, 299, cost=0.5).ready
    assert not judged(200, 400, cost=0.5).ready


def test_a_cost_that_is_no_price_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        judged(1, 2, cost=1.0)
