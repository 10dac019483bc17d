"""Online weights keep their bounds against any sequence, and follow who is right."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictions.core import online
from predictions.core.online import State

NAMES = ("market", "gate", "other")


def followed(p: np.ndarray, y: np.ndarray, *, method: str, share: float = 0.0) -> State:
    state = online.start(NAMES[: p.shape[1]])
    for row, answer in zip(p, y, strict=True):
        state = online.update(state, row[None], np.array([answer]), method=method, share=share)
    return state


@given(st.integers(0, 10_000), st.sampled_from(["hedge", "share"]))
def test_the_mixture_loses_at_most_what_it_promises_whatever_comes(seed: int, method: str) -> None:
    rng = np.random.default_rng(seed)
    p, y = rng.random((60, 3)), rng.random(60).round() if seed % 2 else rng.random(60)

    state = followed(p, y, method=method, share=0.01)

    assert state.mixture <= state.bound + 1e-9
    if method == "hedge":
        assert state.bound == pytest.approx(state.losses.min() + np.log(3))


def test_the_bound_holds_for_events_of_many_forecasts() -> None:
    rng = np.random.default_rng(4)
    state = online.start(NAMES)
    for _ in range(200):
        rows = rng.integers(1, 6)
        state = online.update(
            state, rng.random((rows, 3)), rng.random(rows).round(), method="hedge"
        )

    assert state.mixture <= state.losses.min() + np.log(3) + 1e-9
    assert state.events == 200


def test_hedge_keeps_its_bound_against_an_adversary() -> None:
    # The answer is always the one that hurts the mixture more.
    rng = np.random.default_rng(5)
    state = online.start(NAMES)
    for _ in range(300):
        p = rng.uniform(0.05, 0.95, 3)
        worst = np.array([float(p @ state.weights < 0.5)])
        state = online.update(state, p[None], worst, method="hedge")

    assert state.mixture <= state.losses.min() + np.log(3) + 1e-9


def test_fixed_share_keeps_its_bound_on_a_best_that_changes() -> None:
    # Two experts, each right in one half (Herbster & Warmuth 1998, one switch).
    rng = np.random.default_rng(3)
    n, share = 400, 1 / 200
    y = (rng.random(n) < 0.5).astype(float)
    good = np.where(y == 1, 0.7, 0.3)
    p = np.column_stack([good, 1 - good])
    p[n // 2 :] = p[n // 2 :, ::-1]

    state = followed(p, y, method="share", share=share)

    bound = -n * np.log(0.7) + np.log(2) - np.log(share / 2) - (n - 2) * np.log(1 - share)
    assert state.mixture <= bound
    assert state.mixture < followed(p, y, method="hedge").mixture


@pytest.mark.parametrize("seed", range(4))
def test_the_regret_of_boa_is_of_second_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.random(600)
    said = np.clip(truth[:, None] + rng.normal(0, [0.02, 0.1, 0.3], (600, 3)), 0, 1)
    y = (rng.random(600) < truth).astype(float)

    state = followed(said, y, method="boa")

    log_k = np.log(3) + np.log(np.log(len(y)))
    regret = -state.regret * online.LARGEST_LOSS  # r is expert minus mixture, in that unit
    spread = np.sqrt(state.square * log_k) * online.LARGEST_LOSS
    assert (regret <= 4 * spread + 4 * online.LARGEST_LOSS * log_k).all()
    assert state.weights[0] > 0.5


@pytest.mark.parametrize("method", online.METHODS)
def test_weight_goes_to_who_is_right_and_sums_to_one(method: str) -> None:
    rng = np.random.default_rng(1)
    truth = rng.uniform(0.05, 0.95, 1500)
    y = (rng.random(1500) < truth).astype(float)
    noise = np.clip(truth + rng.choice((-0.25, 0.25), 1500), 0.02, 0.98)

    state = followed(np.column_stack([noise, truth]), y, method=method, share=0.001)

    assert state.weights[1] > 0.9
    assert state.weights.sum() == pytest.approx(1.0)


def test_fixed_share_comes_back_after_a_change_sooner_than_hedge() -> None:
    y = np.ones(400)
    first = np.where(np.arange(400) < 200, 0.9, 0.3)
    p = np.column_stack([first, 1.2 - first])

    hedge, share = (followed(p[:215], y[:215], method=m, share=0.01) for m in ("hedge", "share"))

    assert share.weights[1] > 0.9
    assert hedge.weights[1] < 0.01


def test_two_equals_keep_equal_shares() -> None:
    p = np.full((50, 2), 0.7)

    for method in online.METHODS:
        assert followed(p, np.ones(50), method=method).weights.tolist() == [0.5, 0.5]


def test_a_state_survives_json_exactly() -> None:
    state = followed(np.random.default_rng(2).random((20, 3)), np.ones(20), method="boa")

    assert State.from_json(state.as_json()).as_json() == state.as_json()


def test_an_unknown_method_and_an_event_without_forecasts_are_refused() -> None:
    state = online.start(NAMES)
    with pytest.raises(ValueError, match="none of"):
        online.update(state, np.ones((1, 3)), np.ones(1), method="magic")
    with pytest.raises(ValueError, match="at least one"):
        online.update(state, np.ones((0, 3)), np.ones(0), method="hedge")
