"""Live promotion in a world of fair prices: a slice that follows the price earns nobody a place."""

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtr

from markets.core.series import Floats
from mlops import scores
from mlops.answers import Answered
from mlops.core import cohorts, standing
from mlops.core.standing import Standing
from mlops.models import CohortScore, LearningSettings
from predictions.core.logits import corrected

pytestmark = pytest.mark.no_cover  # the same lines in thousands of days
WORLDS, DAYS, EVENTS, TICKS = 40, 80, 60, 24
FEW = 16  # worlds: enough to see what goes wrong in most of them
CAP, BAND, MOVE = 0.7, 0.2, 0.5
CONFIG = LearningSettings().as_config()
Counting = Callable[[Answered, Floats], tuple[NDArray[np.bool_], Floats]]


def a_day(rng: np.random.Generator) -> tuple[Answered, Floats]:
    """Fair prices that walk to their answers, and an expert that pushes middle prices outward.

    Of other prices it says nothing.
    """
    news = rng.standard_normal((EVENTS, TICKS + 1))
    left = np.arange(TICKS, 0, -1)
    price = ndtr(np.cumsum(news, axis=1)[:, :-1] / np.sqrt(left)).ravel()
    told = dict.fromkeys(Answered.__slots__, np.ones(EVENTS * TICKS, dtype=np.int64)) | {
        "event": np.repeat(np.arange(EVENTS), TICKS),
        "price": price,
        "cap": np.full(EVENTS * TICKS, CAP),
        "y": np.repeat(news.sum(axis=1) > 0, TICKS).astype(float),
    }
    away = price - 0.5
    return Answered(**told), np.where(np.abs(away) < BAND, MOVE * np.sign(away), np.nan)


def with_silence_as_the_price(found: Answered, move: Floats) -> tuple[NDArray[np.bool_], Floats]:
    return cohorts.said(found.price, move, event=found.event, cap=found.cap)


def where_it_spoke(found: Answered, move: Floats) -> tuple[NDArray[np.bool_], Floats]:
    rows = np.isfinite(move)
    return rows, corrected(found.price[rows], cohorts.HALF * CAP * move[rows])


def days(seed: int, counting: Counting) -> list[CohortScore]:
    """The expert's live scores of a world."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(DAYS):
        found, move = a_day(rng)
        kept, p = counting(found, move)
        day = date(2026, 1, 1) + timedelta(days=number)
        rows.append(CohortScore(cohort=day, **scores.figures(found.take(kept), p)))
    return rows


def ever_promoted(rows: list[CohortScore]) -> bool:
    """Whether the review, which looks every day, ever moves the expert from SHADOW to ACTIVE."""
    whole = scores.record_of(rows, margin=CONFIG.demotion_margin)
    if whole.evidence.peak < CONFIG.evidence_to_promote:
        return False
    return any(promoted(rows[:last]) for last in range(1, DAYS + 1))


def promoted(rows: list[CohortScore]) -> bool:
    record = scores.record_of(rows, margin=CONFIG.demotion_margin)
    seen = Standing(
        slug="contested",
        state=standing.SHADOW,
        gate=False,
        returns=False,
        evidence=record.evidence,
        skill=record.skill,
        events=record.events,
        taught=1_000,
        tally=record.tally,
        validated_h=1.0,
        moved_h=24.0 * len(rows),
        rule="",
        by_person=False,
        mismatch="",
        losses=0,
        loss_chance=1.0,
        losing_since=None,
        challengers=1,
    )
    asked = standing.proposal(seen, CONFIG)
    return asked is not None and asked.to == standing.ACTIVE


def share_promoted(counting: Counting, *, worlds: int) -> float:
    return float(np.mean([ever_promoted(days(seed, counting)) for seed in range(worlds)]))


def test_in_a_fair_world_an_expert_of_the_middle_prices_is_promoted_no_more_often_than_chance() -> (
    None
):
    chance = 1 / CONFIG.evidence_to_promote

    assert share_promoted(with_silence_as_the_price, worlds=WORLDS) <= chance


def test_rows_of_the_slice_alone_would_promote_it() -> None:
    assert share_promoted(where_it_spoke, worlds=FEW) > 0.5
