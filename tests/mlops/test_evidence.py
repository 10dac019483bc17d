"""Which cells a correction applies to: what a domain or everything shows, and what a cell says."""

import numpy as np
import pytest

from mlops.core import evidence
from mlops.core.evidence import CellEvidence
from predictions.core.cells import BUCKETS

DOMAINS = 4
PRICE, BETTER, WORSE = 0.9, 0.93, 0.87
TRUTH = 0.95


def judged(events: int, corrected: dict[int, float]) -> dict[int, bool]:
    """Which cells are corrected, of `events` events in the first cell of each domain.

    `corrected` maps domains to what the model says there; elsewhere it says the price.
    """
    rng = np.random.default_rng(5)
    domain = np.repeat(np.arange(DOMAINS), events)
    model = np.array([corrected.get(d, PRICE) for d in domain.tolist()])
    found = evidence.judge_all(
        (rng.random(len(domain)) < TRUTH).astype(float),
        market=np.full(len(domain), PRICE),
        model=model,
        cell=domain * BUCKETS,
        event=np.arange(len(domain)),
        min_events=200,
        level=0.05,
        rng=rng,
    )
    return {each.cell // BUCKETS: each.positive for each in found}


def test_a_gain_everywhere_carries_cells_too_small_to_prove_it() -> None:
    assert judged(150, dict.fromkeys(range(DOMAINS), BETTER)) == dict.fromkeys(range(DOMAINS), True)


def test_one_domains_gain_is_no_word_about_the_others() -> None:
    small = judged(150, {0: BETTER})
    large = judged(1500, {0: BETTER})

    assert not any(small.values())
    assert large == {0: True, 1: False, 2: False, 3: False}


def test_what_all_show_does_not_carry_a_cell_that_speaks_against_it() -> None:
    assert judged(1500, dict.fromkeys(range(DOMAINS), BETTER) | {2: WORSE}) == {
        0: True,
        1: True,
        2: False,
        3: True,
    }


@pytest.mark.parametrize(
    ("low", "brier", "brier_low", "proven", "carries"),
    [
        (0.01, 0.01, 0.001, True, True),
        (0.01, 0.01, -0.001, False, True),
        (0.01, -0.01, -0.02, False, False),
        (-0.001, 0.01, 0.001, False, False),
    ],
)
def test_a_cell_needs_both_scores_beyond_chance_and_a_whole_its_log_loss(
    low: float, brier: float, brier_low: float, proven: bool, carries: bool
) -> None:
    found = CellEvidence(
        cell=0,
        rows=900,
        events=300,
        log_loss_gain=0.02,
        log_loss_low=low,
        brier_gain=brier,
        brier_low=brier_low,
        enough=True,
    )

    assert (found.proven, found.carries) == (proven, carries)
