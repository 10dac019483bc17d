import time

import numpy as np

from markets.core import wording

NEGATED, THRESHOLD, DATED, WILL = range(wording.DIRECTIONS, wording.WIDTH)


def test_a_question_always_has_the_same_direction_whoever_asks_beside_it() -> None:
    alone = wording.project(["Will Bitcoin reach $100,000 by December 31?"])
    beside = wording.project(["Rain in Paris?", "Will Bitcoin reach $100,000 by December 31?"])

    assert alone.dtype == np.float32
    assert alone.shape == (1, wording.WIDTH)
    assert np.array_equal(alone[0], beside[1])
    assert np.isclose(np.linalg.norm(alone[0, : wording.DIRECTIONS]), 1, atol=1e-6)
    # Written down: a projection that moves would make every stored model read other numbers.
    assert np.allclose(alone[0, :4], [0, 0, 0.08, 0.16], atol=5e-4)


def test_questions_that_share_words_lie_closer_than_those_that_do_not() -> None:
    fed, also_fed, game = wording.project(
        [
            "Will the Fed cut rates by 25 bps in March?",
            "Will the Fed cut rates by 50 bps in June?",
            "Lakers vs. Celtics",
        ]
    )[:, : wording.DIRECTIONS]

    assert fed @ also_fed > fed @ game


def test_dates_and_strikes_alone_do_not_tell_questions_apart() -> None:
    first, second = wording.project(
        ["Bitcoin above 100,000 on May 3?", "Bitcoin above 120,000 on May 9?"]
    )

    assert np.array_equal(first, second)


def test_the_framing_of_a_question_is_flagged() -> None:
    rows = wording.project(
        [
            "Will Trump not resign before July?",
            "Bitcoin above 100k",
            "Lakers vs. Celtics",
            "Who won't win?",
        ]
    )

    assert rows[:, [NEGATED, THRESHOLD, DATED, WILL]].tolist() == [
        [1, 0, 1, 1],
        [0, 1, 0, 0],
        [0, 0, 0, 0],
        [1, 0, 0, 0],
    ]


def test_an_empty_question_is_unknown_and_not_a_direction() -> None:
    assert np.isnan(wording.project(["", "  "])).all()
    assert wording.project([]).shape == (0, wording.WIDTH)


def test_ten_thousand_questions_take_no_longer_than_a_hundred_thousand_may() -> None:
    names = [
        f"{chr(97 + i % 26)}{chr(97 + i // 26 % 26)}{chr(97 + i // 676)}" for i in range(10_000)
    ]
    wording.project(["warm"])

    began = time.perf_counter()
    wording.project([f"Will {name} win the election for the senate by November?" for name in names])

    assert time.perf_counter() - began < 1.5
