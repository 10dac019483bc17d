"""Random histories of a connection: what is usable is true, what is broken is silent.

The suite lives through two thousand, always the same; `make torture` through ten thousand of them,
as FEED_HISTORIES says.
"""

import os

import numpy as np
import pytest

from tests.markets.faulty_channel import TOKENS, Line, pick

PER_BATCH, STEPS = 500, 25
BATCHES = int(os.environ.get("FEED_HISTORIES", "2000")) // PER_BATCH
ORDERLY = {"duplication": 0.1, "reordering": 0.1, "no_snapshot": 0.2}
LOSSY = {**ORDERLY, "loss": 0.1, "torn": 0.05}
ACTIONS = ("change", "change", "change", "change", "trade", "finer", "deliver", "ask", "answer")


def live(line: Line, rng: np.random.Generator) -> None:
    """One thing happens on the line, or it is cut."""
    action = "cut" if rng.random() < 0.05 else pick(rng, ACTIONS)
    match action:
        case "cut":
            line.cut()
            assert line.feed.usable == 0, "usable after a gap, before any snapshot"
        case "deliver":
            line.deliver(int(rng.integers(1, 6)))
        case "ask" | "answer":
            getattr(line, action)()
        case _:
            line.say(getattr(line.venue, action)())


@pytest.mark.no_cover  # the same lines two thousand times
@pytest.mark.parametrize("batch", range(BATCHES))
def test_a_usable_book_is_the_venues_at_every_quiet_moment(batch: int) -> None:
    """Half of the histories lose nothing: then every drained channel is a quiet moment.

    Where frames vanish without a trace no message can tell; the check over REST must.
    """
    usable = 0
    for number in range(PER_BATCH):
        seed = batch * PER_BATCH + number
        lossless = number % 2 == 0
        line, rng = Line(seed, **(ORDERLY if lossless else LOSSY)), np.random.default_rng(seed + 1)
        for _ in range(STEPS):
            live(line, rng)
            if lossless and not line.frames:
                assert line.wrong() == [], f"sequence {seed}"
        line.deliver()
        assert not lossless or line.wrong() == [], f"sequence {seed}, drained"
        usable += line.feed.usable

        line.faults = {}
        line.pass_time(140)

        assert line.feed.usable == len(TOKENS), f"sequence {seed} never recovers"
        assert line.wrong() == [], f"sequence {seed} after the check"
    # The claim would be empty for a feed that trusts nothing.
    assert usable > PER_BATCH
