"""The line below every learned expert: quiet without a cause, quick where there is one."""

import json
from dataclasses import replace

import numpy as np

from predictions.core.line import AS_CHANGE, ODDS, Line
from predictions.core.logits import sigmoid
from predictions.core.restraint import Lesson

EACH, COLUMNS = 4, 12


def lesson(events: int, *, planted: float = 0.0, slope: float = 1.0, seed: int = 1) -> Lesson:
    """Events of four rows that end alike; column 3 knows `planted` log odds beyond the price."""
    rng = np.random.default_rng(seed)
    odds = np.repeat(rng.normal(0, 1, events), EACH)
    x = rng.normal(size=(events * EACH, COLUMNS))
    x[:, 3] = np.repeat(x[::EACH, 3], EACH)
    chance = sigmoid(slope * odds + planted * x[:, 3])[::EACH]
    y = np.repeat((rng.random(events) < chance).astype(float), EACH)
    return Lesson.of(x, odds, y, np.full(len(y), 1 / EACH))


def drawn(taught: Lesson) -> Line:
    return Line.of(taught, np.arange(COLUMNS))


def test_noise_draws_no_line() -> None:
    lines = [drawn(lesson(300, seed=seed)) for seed in range(25)]

    assert sum(map(bool, lines)) <= 1


def test_a_column_that_knows_more_is_found_by_a_few_hundred_events() -> None:
    found = drawn(lesson(400, planted=0.8))

    assert found.columns == (3,)
    assert 0.5 < found.slope[0] < 1.0


def test_a_price_that_is_too_timid_is_stretched_by_its_own_odds() -> None:
    taught = lesson(800, slope=1.8)
    found = drawn(taught)

    assert found.columns == (ODDS,)
    assert np.corrcoef(found.answer(taught.x, taught.logit), taught.logit)[0, 1] > 0.99


def test_a_missing_value_adds_nothing() -> None:
    found = drawn(lesson(400, planted=0.8))

    assert not found.answer(np.full((2, COLUMNS), np.nan), np.zeros(2)).any()


def test_a_line_reads_back_as_it_was_written() -> None:
    found = drawn(lesson(400, planted=0.8))

    assert Line.from_json(json.loads(json.dumps(found.as_json()))) == found


def test_a_price_elsewhere_is_read_as_the_odds_that_it_is() -> None:
    rng = np.random.default_rng(4)
    taught = lesson(4000)
    truth = sigmoid(taught.logit + 1.5 * rng.normal(size=taught.rows))
    taught.x[:, 5] = truth - sigmoid(taught.logit)
    told = replace(taught, y=(rng.random(taught.rows) < truth).astype(float))

    found = drawn(told)
    beside = np.log(truth / (1 - truth)) - told.logit

    assert (5, AS_CHANGE) in zip(found.columns, found.ways, strict=True)
    assert np.corrcoef(found.answer(told.x, told.logit), beside)[0, 1] > 0.97
